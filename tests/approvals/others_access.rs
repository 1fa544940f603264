//! A hurt of other systems replayed: the end of somebody's time took what others have, or what the
//! person had besides. The simulated AWS judges, by who has what and by its own log of calls.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use usher::simulator::{AccountAssignment, Assignment, PrincipalType, World};

use crate::place::{ASSIGN, POLICIES, Place, calls_about, id_of, wish, wish_of_group};

const ACTIVE: &str = "GRANT_STATE_ACTIVE";
const EXPIRED: &str = "GRANT_STATE_EXPIRED";
const HOUR: i64 = 3600;
const PRODUCTION: &str = "222233334444";
const SET: &str = "DeveloperAccess";

/// Everybody who has something, by names, as AWS holds it whatever its reads show.
fn access(place: &Place) -> BTreeSet<String> {
    let world = place.bench.simulator.world();
    let name = |id: &str| {
        let user = world.users.iter().find(|it| it.user_id == id);
        let group = world.groups.iter().find(|it| it.group_id == id);
        let name = user.map(|it| &it.user_name);
        name.or(group.map(|it| &it.display_name)).unwrap().clone()
    };
    let applications = world.assignments.iter().map(|row| {
        let mut all = world.applications.iter();
        let it = all.find(|it| it.application_arn == row.application_arn);
        format!("{}: {}", name(&row.principal_id), it.unwrap().name)
    });
    let accounts = world.account_assignments.iter();
    let accounts =
        accounts.map(|row| format!("{}: {}", name(&row.principal_id), row.account_id.as_str()));
    applications.chain(accounts).collect()
}

fn with(before: &BTreeSet<String>, more: &[&str]) -> BTreeSet<String> {
    let more = more.iter().map(|it| (*it).to_owned());
    before.iter().cloned().chain(more).collect()
}

/// Gives somebody the Wiki, or `SET` in the production account, beside Usher.
fn put(world: &mut World, kind: PrincipalType, name: &str, is_account: bool) {
    let id = match kind {
        PrincipalType::User => world.user_named(name).unwrap().user_id.clone(),
        PrincipalType::Group => world.group_named(name).unwrap().group_id.clone(),
    };
    if is_account {
        let set = world.permission_set_named(SET).unwrap();
        world.account_assignments.push(AccountAssignment {
            account_id: PRODUCTION.to_owned(),
            permission_set_arn: set.permission_set_arn.clone(),
            principal_type: kind,
            principal_id: id,
        });
    } else {
        let wiki = world.application_named("Wiki").unwrap();
        world.assignments.push(Assignment {
            application_arn: wiki.application_arn.clone(),
            principal_type: kind,
            principal_id: id,
        });
    }
}

async fn taken(place: &Place, user: &str, mut wanted: Value, hours: i64) -> Value {
    wanted["duration"] = json!(format!("{}s", hours * HOUR));
    let answer = place.call(user, ASSIGN, &wanted).await.ok(ASSIGN);
    place.until(user, &answer["grant"], ACTIVE).await
}

fn in_production(user: &str) -> Value {
    let mut wanted = wish(user, "");
    wanted["target"] = json!({"account_access": {"account": PRODUCTION, "permission_set": SET}});
    wanted
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_temporary_grant_leaves_anothers_access() {
    let accounts = r#"
        @id("accounts-at-once") @approvals("0") @max_duration("4h")
        permit (principal, action == Usher::Action::"Request", resource is Usher::AccountAccess);
    "#;
    let place = Place::start_with(&format!("{POLICIES}{accounts}")).await;
    place
        .change(|world| {
            world.account_assignments.clear();
            for is_account in [false, true] {
                put(world, PrincipalType::User, "bilal.khan", is_account);
                put(world, PrincipalType::Group, "leads", is_account);
            }
        })
        .await;
    let before = access(&place);
    let mut for_an_hour = Vec::new();
    for user in ["anna.berg", "bilal.khan"] {
        for wanted in [wish(user, "Wiki"), in_production(user)] {
            for_an_hour.push((user, taken(&place, user, wanted, 1).await));
        }
    }
    // Anna has the Wiki by another's wish too, and others have the same.
    let hers = taken(&place, "bilal.khan", wish("anna.berg", "Wiki"), 2).await;
    let group = wish_of_group("engineering", "Wiki");
    taken(&place, "anna.berg", group, 4).await;
    for wanted in [wish("carla.mendes", "Wiki"), in_production("carla.mendes")] {
        taken(&place, "carla.mendes", wanted, 4).await;
    }
    place
        .change(|world| put(world, PrincipalType::User, "emi.sato", false))
        .await;
    let others = [
        "engineering: Wiki",
        "carla.mendes: Wiki",
        "carla.mendes: 222233334444",
        "emi.sato: Wiki",
    ];
    let others = with(&before, &others);
    let all = ["anna.berg: Wiki", "anna.berg: 222233334444"];
    assert_eq!(access(&place), with(&others, &all));

    place.later(HOUR + 60);
    for (user, grant) in &for_an_hour {
        place.until(user, grant, EXPIRED).await;
    }
    assert_eq!(access(&place), with(&others, &["anna.berg: Wiki"]));
    place.later(HOUR);
    place.until("bilal.khan", &hers, EXPIRED).await;
    assert_eq!(access(&place), others);
    let removals = place.writes();
    let removals = removals.iter().filter(|it| it.starts_with("Delete"));
    let of_anna = calls_about(&place, "Delete", &id_of(&place, "anna.berg"));
    assert_eq!((removals.count(), of_anna), (2, 2), "Anna's alone");
    place.bench.end().await;
}
