//! The example of break-glass, loaded as it stands: what it lets people take, what its floors keep from
//! them, and how it is looked at afterwards.

use std::path::Path;

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::World;

use crate::place::{
    ASSIGN, Place, REVIEW, calls_about, enter, id_of, refused, wish, wish_of_group, world,
};

const ACTIVE: &str = "GRANT_STATE_ACTIVE";
const PRODUCTION: &str = "222233334444";
const SANDBOX: &str = "333344445555";
const MANAGEMENT: &str = "111122223333";
const HOUR: u32 = 3600;
const LIMITS: (Code, &str) = (Code::FailedPrecondition, "PATH_LIMITS_EXCEEDED");
const DENIED: (Code, &str) = (Code::PermissionDenied, "POLICY_DENIED");

/// The usual world with the groups of the example. Emi and Bilal are of security, and on call.
fn staffed() -> World {
    let mut world = world();
    let like = world.groups[0].clone();
    for (number, name) in ["on-call", "incident-commanders"].into_iter().enumerate() {
        let mut group = like.clone();
        group.group_id = format!("d4e8f4a8-0000-4000-8000-00000000002{number}");
        name.clone_into(&mut group.display_name);
        world.groups.push(group);
    }
    for user in ["anna.berg", "bilal.khan", "emi.sato"] {
        enter(&mut world, "on-call", user);
    }
    enter(&mut world, "security", "bilal.khan");
    enter(&mut world, "incident-commanders", "dmitri.orlov");
    world
}

async fn start() -> Place {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Place::start_with_folder(staffed(), &root.join("examples/policies/break-glass")).await
}

fn of_account(user: &str, account: &str, seconds: u32) -> Value {
    let mut wanted = wish(user, "");
    let set = "AdministratorAccess";
    wanted["target"] = json!({"account_access": {"account": account, "permission_set": set}});
    wanted["duration"] = json!(format!("{seconds}s"));
    wanted["break_glass"] = json!(true);
    wanted
}

fn of_application(user: &str, application: &str) -> Value {
    let mut wanted = wish(user, application);
    wanted["break_glass"] = json!(true);
    wanted
}

async fn taken(place: &Place, user: &str, wanted: &Value) -> Value {
    let answer = place.call(user, ASSIGN, wanted).await.ok(ASSIGN);
    place.until(user, &answer["grant"], ACTIVE).await
}

/// What is still to be looked at, as somebody sees it.
async fn unreviewed(place: &Place, user: &str) -> Vec<Value> {
    let all = json!({"unreviewed_break_glass": true});
    place.listed(user, &all).await
}

async fn look(place: &Place, user: &str, grant: &Value) -> crate::wire::Answer {
    let said = json!({
        "grant_id": grant["id"], "decision": "REVIEW_DECISION_JUSTIFIED",
        "reason": "the gateway was down",
    });
    place.call(user, REVIEW, &said).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_break_glass_example_works_as_it_stands() {
    let place = start().await;
    let wanted = of_account("anna.berg", PRODUCTION, 2 * HOUR);
    let hers = taken(&place, "anna.berg", &wanted).await;
    assert_eq!(hers["break_glass"], "BREAK_GLASS_UNREVIEWED");
    let anna = id_of(&place, "anna.berg");
    assert_eq!(calls_about(&place, "CreateAccountAssignment", &anna), 1);
    let wanted = of_application("emi.sato", "Amazon Redshift");
    let emis = taken(&place, "emi.sato", &wanted).await;

    // Whoever looks at it sees all of it, and everybody sees their own.
    let (hers_id, emis_id) = (hers["id"].clone(), emis["id"].clone());
    for (user, seen) in [
        ("bilal.khan", vec![emis_id.clone(), hers_id.clone()]),
        ("emi.sato", vec![emis_id.clone(), hers_id.clone()]),
        ("anna.berg", vec![hers_id.clone()]),
        ("carla.mendes", vec![]),
    ] {
        assert_eq!(unreviewed(&place, user).await, seen, "{user}");
    }
    // Security or not, nobody looks at their own.
    let own = look(&place, "emi.sato", &emis).await;
    refused("hers", &own, Code::PermissionDenied, "SELF_APPROVAL");
    let own = look(&place, "anna.berg", &hers).await;
    assert_eq!(own.code(), Code::PermissionDenied, "{:?}", own.status());
    let seen = look(&place, "emi.sato", &hers).await.ok(REVIEW);
    assert_eq!(seen["grant"]["break_glass"], "BREAK_GLASS_REVIEWED");
    assert_eq!(unreviewed(&place, "bilal.khan").await, [emis_id]);
    look(&place, "bilal.khan", &emis).await.ok(REVIEW);
    assert_eq!(unreviewed(&place, "emi.sato").await, [json!(null); 0]);

    place.later(i64::from(2 * HOUR));
    for (user, grant) in [("anna.berg", &hers), ("emi.sato", &emis)] {
        place.until(user, grant, "GRANT_STATE_EXPIRED").await;
    }
    assert_eq!(calls_about(&place, "DeleteAccountAssignment", &anna), 1);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_break_glass_example_keeps_its_bounds_and_floors() {
    let place = start().await;
    let mut silent = of_account("anna.berg", PRODUCTION, HOUR);
    silent["justification"] = json!("help");
    let mut group = wish_of_group("on-call", "Amazon Redshift");
    group["break_glass"] = json!(true);
    let mut ordinary = of_application("anna.berg", "Amazon Redshift");
    ordinary["break_glass"] = json!(false);
    let cases = [
        ("no reason", "anna.berg", silent, LIMITS),
        (
            "long",
            "anna.berg",
            of_account("anna.berg", PRODUCTION, 2 * HOUR + 1),
            LIMITS,
        ),
        (
            "beside production",
            "anna.berg",
            of_account("anna.berg", SANDBOX, HOUR),
            DENIED,
        ),
        (
            "another application",
            "anna.berg",
            of_application("anna.berg", "Wiki"),
            DENIED,
        ),
        (
            "for a colleague",
            "anna.berg",
            of_account("carla.mendes", PRODUCTION, HOUR),
            DENIED,
        ),
        ("for a group", "anna.berg", group, DENIED),
        (
            "not on call",
            "carla.mendes",
            of_account("carla.mendes", PRODUCTION, HOUR),
            DENIED,
        ),
        ("no emergency", "anna.berg", ordinary, DENIED),
        // A permit fits, and a floor forbids it.
        (
            "management",
            "dmitri.orlov",
            of_account("dmitri.orlov", MANAGEMENT, HOUR),
            DENIED,
        ),
    ];
    for (what, user, wanted, (code, reason)) in cases {
        let answer = place.call(user, ASSIGN, &wanted).await;
        refused(what, &answer, code, reason);
    }
    let wanted = of_account("dmitri.orlov", SANDBOX, HOUR);
    taken(&place, "dmitri.orlov", &wanted).await;
    assert_eq!(place.writes().len(), 1);
    place.bench.end().await;
}
