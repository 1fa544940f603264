//! An instance that the backup never knew is frozen as the others are, until it is unfrozen by itself.

use usher::grpc::pb::{FreezeScope, GrantState};
use usher::simulator::World;

use super::common::brake::{freeze, unfreeze};
use super::common::child::Place;
use super::common::{connect, in_time, reason};
use super::support::{
    CREATE, Elsewhere, LONG, access, assign, calls, operations, run, simulator, text, user_on,
};

/// The demo with another instance in the place of its own.
fn elsewhere_world() -> World {
    let world = serde_json::to_string(&World::demo()).unwrap();
    let own = "ssoins-72230123456789ab";
    assert!(world.contains(own));
    serde_json::from_str(&world.replace(own, "ssoins-7223aaaaaaaaaaaa")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_the_backup_never_knew_is_frozen_too() {
    let known = simulator(World::demo()).await;
    let (first, elsewhere) = (Place::new(known.endpoint_url()), Elsewhere::new());
    let server = first.serve().await;
    let channel = connect(server.address, &first.data(), "tester").await;
    let triple = user_on(&known, "bilal.khan", "Amazon Redshift");
    assign(&channel, &triple, LONG).await;
    let backup = elsewhere.backup(&first, "backup.sqlite3");
    drop(server);
    let unknown = simulator(elsewhere_world()).await;
    let place = Place::new(unknown.endpoint_url());
    run(&place, &["restore", "--from", text(&backup)]).good();
    // Of what is not found nothing is claimed.
    let plan = run(&place, &["restore", "--plan"]);
    plan.refused(&["of 1 assignments nobody knows"]);
    assert!(plan.out.contains("unread 1"), "{}", plan.out);
    let server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    let triple = user_on(&unknown, "bilal.khan", "Amazon Redshift");
    let refused = access(&channel).assign(in_time(triple.assign())).await;
    assert_eq!(reason(&refused.unwrap_err()), "FROZEN");
    assert_eq!(calls(&unknown, CREATE), 0);
    unfreeze(operations(&channel), FreezeScope::Grants).await;
    let grant = assign(&channel, &triple, LONG).await;
    assert_eq!(grant.state(), GrantState::Active);
    // Each of the two is let go by itself.
    let brake = freeze(operations(&channel), FreezeScope::Grants).await;
    assert_eq!(brake.grants.unwrap().frozen_by, "tester");
    assert_eq!(brake.revocations.unwrap().frozen_by, "usher restore");
}
