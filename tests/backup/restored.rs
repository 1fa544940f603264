//! A store that was restored: nothing goes to AWS before it is unfrozen, its plan tells what would, and then
//! exactly that is done.

use std::time::Duration;

use usher::grpc::pb::{FreezeScope, GrantState};
use usher::simulator::{Simulator, World};

use super::common::brake::{freeze, unfreeze};
use super::common::child::Place;
use super::common::store_rows::bodies;
use super::common::targets::empty_world;
use super::common::{
    TokenChannel, Triple, all_grants, connect, in_time, reason, revoke_of, until, within,
};
use super::support::{
    CREATE, DATABASE, DELETE, Elsewhere, LONG, SHORTLY, access, assign, calls, end, is_assigned,
    operations, refuse, run, simulator, text, user_on,
};

/// One assignment for each thing that a plan can say.
struct Cases {
    /// Held by a grant, and AWS has it.
    held: Triple,
    /// Wanted by a grant, and AWS has none.
    wanted: (Triple, String),
    /// Its grant is over, and AWS has it.
    ended: (Triple, String),
    /// Revoked after the backup.
    gone: (Triple, String),
    /// Given after the backup.
    lost: (Triple, String),
}

/// A service whose disk is lost some time after a backup. Answers the backup and the newest export.
async fn lose(
    simulator: &Simulator,
    place: &Place,
    elsewhere: &Elsewhere,
) -> (Cases, std::path::PathBuf, std::path::PathBuf) {
    let on = |user| user_on(simulator, user, "Amazon Redshift");
    let (held, wanted) = (on("anna.berg"), on("bilal.khan"));
    let ended = on("carla.mendes");
    let gone = user_on(simulator, "anna.berg", "Wiki");
    let lost = user_on(simulator, "anna.berg", "Amazon QuickSight");
    let server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    for triple in [&held, &wanted, &ended, &gone, &lost] {
        assert!(!is_assigned(simulator, triple), "{triple:?} stands");
    }
    assign(&channel, &held, LONG).await;
    refuse(simulator, CREATE, &wanted);
    refuse(simulator, DELETE, &ended);
    let wanted_id = assign(&channel, &wanted, SHORTLY).await.id;
    let ended_id = assign(&channel, &ended, LONG).await.id;
    let revoke = within(revoke_of(&ended_id), SHORTLY);
    let revoked = access(&channel).revoke(revoke).await;
    revoked.expect("it is recorded");
    let gone_id = assign(&channel, &gone, LONG).await.id;
    let backup = elsewhere.backup(place, "backup.sqlite3");
    let revoked = access(&channel).revoke(in_time(revoke_of(&gone_id))).await;
    revoked.expect("it is revoked");
    let lost_id = assign(&channel, &lost, LONG).await.id;
    drop(channel);
    end(server).await;
    let export = elsewhere.export(place, "export.jsonl", &[]);
    simulator.clear_faults();
    let cases = Cases {
        held,
        wanted: (wanted, wanted_id),
        ended: (ended, ended_id),
        gone: (gone, gone_id),
        lost: (lost, lost_id),
    };
    (cases, backup, export)
}

/// The lines of a plan that begin with a word and name a grant.
fn has_row(plan: &str, word: &str, grant_id: &str) -> bool {
    let mut lines = plan.lines();
    lines.any(|line| line.starts_with(&format!("{word} ")) && line.contains(grant_id))
}

const COUNTS: &str =
    "plan of 5 assignments: create 1, delete 1, missing 1, left 1, wait 0, unread 0, nothing 1";

fn check_plan(plan: &str, cases: &Cases) {
    for (word, (_, grant_id)) in [
        ("create", &cases.wanted),
        ("delete", &cases.ended),
        ("missing", &cases.gone),
        ("left", &cases.lost),
    ] {
        assert!(has_row(plan, word, grant_id), "{word} {grant_id}: {plan}");
    }
    assert!(plan.contains(COUNTS), "{plan}");
    assert!(plan.contains("frozen on every instance"), "{plan}");
}

async fn state_of(channel: &TokenChannel, id: &str) -> Option<GrantState> {
    let grants = all_grants(channel).await;
    let grant = grants.into_iter().find(|grant| grant.id == id);
    grant.map(|grant| grant.state())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_store_writes_nothing_before_unfreeze_and_then_what_its_plan_says() {
    let simulator = simulator(empty_world()).await;
    let (first, elsewhere) = (Place::new(simulator.endpoint_url()), Elsewhere::new());
    let (cases, backup, export) = lose(&simulator, &first, &elsewhere).await;
    let place = Place::new(simulator.endpoint_url());
    let restore = ["restore", "--from", text(&backup), "--log", text(&export)];
    let told = run(&place, &restore).good();
    for (_, id) in [&cases.gone, &cases.lost] {
        assert!(has_row(&told, "lost", id), "{id}: {told}");
    }
    assert!(told.contains("which name 2 grants"), "{told}");
    let told_of = |id: &str| told.lines().find(|line| line.contains(id)).unwrap();
    let of_gone = told_of(&cases.gone.1);
    assert!(
        of_gone.contains("ACTIVE in the backup") && of_gone.contains("revoke_requested"),
        "{of_gone}"
    );
    let of_lost = told_of(&cases.lost.1);
    assert!(
        of_lost.contains("not in the backup") && of_lost.contains("grant_requested"),
        "{of_lost}"
    );
    // What is looked at before a service starts is what is looked at beside it.
    let sent = || (calls(&simulator, CREATE), calls(&simulator, DELETE));
    let before = sent();
    let plan = ["restore", "--plan", "--log", text(&export)];
    check_plan(&run(&place, &plan).good(), &cases);
    let server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    let brake = until("the work to wait", || async {
        let brake = freeze(operations(&channel), FreezeScope::All).await;
        match (brake.grants_waiting_count, brake.revocations_waiting_count) {
            (1, 1) => Ok(brake),
            _ => Err(format!("{brake:?}")),
        }
    })
    .await;
    assert_eq!(brake.grants.unwrap().frozen_by, "usher restore");
    assert_eq!(brake.revocations.unwrap().frozen_by, "usher restore");
    let asked = in_time(cases.lost.0.assign());
    let refused = access(&channel).assign(asked).await;
    assert_eq!(reason(&refused.unwrap_err()), "FROZEN");
    let revoke = within(cases.held.revoke(), SHORTLY);
    let revoked = access(&channel).revoke(revoke).await;
    revoked.expect("an end is recorded and waits");
    // Longer than any pause of the reconciler's.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(sent(), before, "something was sent before Unfreeze");
    let told = run(&place, &["check", "--data-dir", text(&place.data())]).out;
    assert!(told.contains("restored from a backup"), "{told}");
    let served = run(&place, &plan).good();
    assert!(served.contains("delete 2"), "{served}");
    assert!(has_row(&served, "left", &cases.lost.1), "{served}");
    go_on(&simulator, &channel, &cases).await;
    let after = sent();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 2));
    // What is missing is made by a new grant.
    assign(&channel, &cases.gone.0, LONG).await;
    assert!(is_assigned(&simulator, &cases.gone.0));
    drop(channel);
    end(server).await;
    run(&place, &["log", "verify"]).good();
    let events = bodies(&place.data().join(DATABASE)).await;
    let restored = events.iter().filter(|event| event["kind"] == "restored");
    assert_eq!(restored.count(), 1);
}

/// Unfreezes, and awaits that what was planned is done and nothing else.
async fn go_on(simulator: &Simulator, channel: &TokenChannel, cases: &Cases) {
    let brake = unfreeze(operations(channel), FreezeScope::All).await;
    assert!(brake.grants.is_none() && brake.revocations.is_none());
    until("what was planned", || async {
        let wanted = state_of(channel, &cases.wanted.1).await;
        let ended = state_of(channel, &cases.ended.1).await;
        match (wanted, ended, is_assigned(simulator, &cases.held)) {
            (Some(GrantState::Active), Some(GrantState::Revoked), false) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(is_assigned(simulator, &cases.wanted.0));
    assert!(!is_assigned(simulator, &cases.ended.0));
    assert!(
        !is_assigned(simulator, &cases.gone.0),
        "it is not made again"
    );
    assert!(is_assigned(simulator, &cases.lost.0), "nobody touches it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_let_go_stays_so_after_a_restart_and_a_restore_of_that_freezes_again() {
    let simulator = simulator(World::demo()).await;
    let (first, elsewhere) = (Place::new(simulator.endpoint_url()), Elsewhere::new());
    drop(first.serve().await);
    let mut backup = elsewhere.backup(&first, "first.sqlite3");
    for number in 0..2 {
        let place = Place::new(simulator.endpoint_url());
        // What an interrupted restore left is in nobody's way.
        std::fs::create_dir(place.data()).unwrap();
        std::fs::write(place.data().join("usher.sqlite3.new"), "half").unwrap();
        run(&place, &["restore", "--from", text(&backup)]).good();
        let server = place.serve().await;
        let channel = connect(server.address, &place.data(), "tester").await;
        let triple = user_on(&simulator, "bilal.khan", "Amazon Redshift");
        let refused = access(&channel).assign(in_time(triple.assign())).await;
        assert_eq!(reason(&refused.unwrap_err()), "FROZEN");
        unfreeze(operations(&channel), FreezeScope::All).await;
        drop(channel);
        end(server).await;
        let server = place.serve().await;
        let channel = connect(server.address, &place.data(), "tester").await;
        let grant = assign(&channel, &triple, LONG).await;
        assert_eq!(grant.state(), GrantState::Active);
        let revoked = access(&channel).revoke(in_time(revoke_of(&grant.id))).await;
        revoked.expect("it is revoked");
        backup = elsewhere.backup(&place, &format!("{number}.sqlite3"));
    }
}
