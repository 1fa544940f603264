//! What hurt the users of other systems that give access for a time, done to this one: each test is
//! named by the hurt. The simulated AWS judges, by who has what and by its own log of calls.
//! An end that takes what others have is replayed in others_access.rs, and a new process on what the old
//! one left in tests/kill_nine/redeploys.rs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::World;

use crate::place::{
    APPROVE, ASSIGN, DENY, EXTEND, POLICIES, Place, calls_about, count, id_of, person_of, refused,
    speakers, wish, word,
};

const ACTIVE: &str = "GRANT_STATE_ACTIVE";
const PENDING: &str = "GRANT_STATE_PENDING_APPROVAL";
const EXPIRED: &str = "GRANT_STATE_EXPIRED";
const HOUR: i64 = 3600;

fn delete_leads(world: &mut World) {
    let id = world.group_named("leads").unwrap().group_id.clone();
    world.memberships.retain(|it| it.group_id != id);
    world.groups.retain(|it| it.group_id != id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_approver_group_wedges_no_request() {
    let place = Place::start().await;
    // One waits, one is active and wants more time, one waits for its start.
    let active = place.ask("bilal.khan", "Amazon Redshift").await;
    let mut later = wish("anna.berg", "Amazon Redshift");
    later["start_time"] = place.in_seconds(HOUR / 2);
    let scheduled = place.call("anna.berg", ASSIGN, &later).await.ok(ASSIGN)["grant"].clone();
    for grant in [&active, &scheduled] {
        place.approve("carla.mendes", grant).await.ok(APPROVE);
        place.approve("dmitri.orlov", grant).await.ok(APPROVE);
    }
    let active = place.until("bilal.khan", &active, ACTIVE).await;
    let more = json!({"grant_id": active["id"], "duration": "3600s", "justification": "more"});
    place.call("bilal.khan", EXTEND, &more).await.ok(EXTEND);
    let waiting = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &waiting).await.ok(APPROVE);
    let leads = place.bench.simulator.world();
    place.change(delete_leads).await;

    // Nobody does anything: it ends by itself, soon, and says why.
    let began = Instant::now();
    let lapsed = place.until("anna.berg", &waiting, "GRANT_STATE_LAPSED");
    let lapsed = lapsed.await;
    assert!(began.elapsed() < Duration::from_secs(10), "{lapsed:#}");
    let reason = lapsed["revoke_reason"].as_str().unwrap();
    assert!(reason.contains("NO_ELIGIBLE_APPROVER"), "{reason}");
    let late = place.approve("carla.mendes", &waiting).await;
    assert_ne!(late.code(), Code::Ok);
    let wanted = wish("anna.berg", "Amazon Redshift");
    let answer = place.call("anna.berg", ASSIGN, &wanted).await;
    let (code, reason) = (Code::FailedPrecondition, "NO_ELIGIBLE_APPROVER");
    refused("nobody is left", &answer, code, reason);
    let details = answer.details();
    let groups = &details.error_info().unwrap().metadata["groups"];
    assert!(groups.contains("leads"), "{groups}");

    // What others agree to is not held up, and the old ends and starts come.
    let other = place.ask("anna.berg", "Wiki").await;
    place.until("anna.berg", &other, ACTIVE).await;
    place.later(HOUR / 2);
    place
        .until("anna.berg", &scheduled, "GRANT_STATE_DENIED")
        .await;
    place.later(HOUR / 2 + 60);
    let over = place.until("bilal.khan", &active, EXPIRED).await;
    assert_eq!(count(&over, "EXTENSION_LAPSED"), 1, "{over:#}");
    assert_eq!(
        calls_about(&place, "Create", &id_of(&place, "anna.berg")),
        1
    );

    // A group of that name is there again: so are new requests.
    let again = |world: &mut World| {
        let group = leads.group_named("leads").unwrap();
        let members = leads.memberships.iter();
        let members = members.filter(|it| it.group_id == group.group_id);
        world.memberships.extend(members.cloned());
        world.groups.push(group.clone());
    };
    place.change(again).await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    place.until("anna.berg", &asked, ACTIVE).await;
    place.bench.end().await;
}

/// So many people more, who ask for nothing themselves.
fn crowd(world: &mut World, people: usize) -> Vec<String> {
    let like = world.user_named("anna.berg").unwrap().clone();
    let add = |number: usize| {
        let mut user = like.clone();
        user.user_id = format!("d4e8f4a8-0000-4000-b000-0000000000{number:02}");
        user.user_name = format!("person.{number}");
        user.email = Some(format!("person.{number}@example.com"));
        user
    };
    let users: Vec<_> = (0..people).map(add).collect();
    let names = users.iter().map(|it| it.user_name.clone()).collect();
    world.users.extend(users);
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn two_approvers_at_once_make_one_schedule() {
    let place = Place::start().await;
    let mut people = Vec::new();
    place.change(|world| people = crowd(world, 20)).await;
    let start = place.in_seconds(HOUR);
    let mut grants = Vec::new();
    for (round, person) in people.iter().enumerate() {
        let mut wanted = wish(person, "Amazon Redshift");
        let is_scheduled = round % 2 == 0;
        if is_scheduled {
            wanted["start_time"] = start.clone();
        }
        let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
        // One person twice at once is one person.
        let (one, same) = tokio::join!(
            place.approve("carla.mendes", &asked),
            place.approve("carla.mendes", &asked)
        );
        assert!(one.code() == Code::Ok || same.code() == Code::Ok);
        let seen = place.grant("anna.berg", &asked).await;
        assert_eq!(
            (&seen["state"], count(&seen, "APPROVED")),
            (&json!(PENDING), 1)
        );
        // Two, of whom each is the last.
        let (one, two) = tokio::join!(
            place.approve("dmitri.orlov", &asked),
            place.approve("emi.sato", &asked)
        );
        let (taken, late) = if one.code() == Code::Ok {
            (one, two)
        } else {
            (two, one)
        };
        taken.ok(APPROVE);
        refused("late", &late, Code::FailedPrecondition, "STATE_FORBIDS");
        grants.push((asked, is_scheduled));
    }
    assert_eq!(place.listed("anna.berg", &json!({})).await.len(), 20);
    for (grant, is_scheduled) in &grants {
        let state = if *is_scheduled {
            "GRANT_STATE_SCHEDULED"
        } else {
            ACTIVE
        };
        place.until("anna.berg", grant, state).await;
    }
    place.later(HOUR);
    for ((grant, is_scheduled), person) in grants.iter().zip(&people) {
        let state = if *is_scheduled { ACTIVE } else { EXPIRED };
        let seen = place.until("anna.berg", grant, state).await;
        let events = ["APPROVED", "OPENED", "STARTED"].map(|event| count(&seen, event));
        assert_eq!(events, [2, 1, usize::from(*is_scheduled)], "{seen:#}");
        let made = calls_about(&place, "Create", &id_of(&place, person));
        assert_eq!(made, 1, "{person}");
    }
    place.later(HOUR + 60);
    for ((grant, _), person) in grants.iter().zip(&people) {
        let seen = place.until("anna.berg", grant, EXPIRED).await;
        let ends = (
            count(&seen, "TIME_OVER"),
            calls_about(&place, "Delete", &id_of(&place, person)),
        );
        assert_eq!(ends, (1, 1), "{seen:#}");
    }
    place.bench.end().await;
}

/// The Wiki in two ways: an hour for nothing, eight for two leads.
fn two_ways(free: &str, long: &str) -> String {
    let was = r#"@id("wiki-at-once") @approvals("0") @max_duration("4h")"#;
    assert!(POLICIES.contains(was));
    let short = format!(r#"@id("{free}") @approvals("0") @max_duration("1h")"#);
    format!(
        r#"{}
        @id("{long}") @approvals("2") @approvers("group:leads") @max_duration("8h")
        permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
        when {{ resource.name == "Wiki" }};"#,
        POLICIES.replace(was, &short)
    )
}

/// More time for what is there; answers the grant.
async fn more(place: &Place, grant: &Value, seconds: i64) -> crate::wire::Answer {
    let wanted = json!({
        "grant_id": grant["id"], "duration": format!("{seconds}s"), "justification": "not done yet",
    });
    place.call("anna.berg", EXTEND, &wanted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_duration_of_one_path_is_not_lent_to_another() {
    // Whichever comes first by its name.
    for (free, long) in [("a-free", "z-long"), ("z-free", "a-long")] {
        let place = Place::start_with(&two_ways(free, long)).await;
        let asked = place.ask("anna.berg", "Wiki").await;
        let hour = place.until("anna.berg", &asked, ACTIVE).await;
        assert_eq!(hour["policies"], json!([free, "usher-activate"]));
        let mut wanted = wish("bilal.khan", "Wiki");
        wanted["duration"] = json!("3601s");
        let asked = place.call("bilal.khan", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
        let paths = asked["paths"].as_array().unwrap();
        assert_eq!(
            (&asked["state"], paths.len()),
            (&json!(PENDING), 1),
            "{asked:#}"
        );
        assert_eq!(paths[0]["policy"], long);
        place.approve("carla.mendes", &asked).await.ok(APPROVE);
        assert_eq!(place.grant("bilal.khan", &asked).await["state"], PENDING);
        place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
        let opened = place.until("bilal.khan", &asked, ACTIVE).await;
        assert_eq!(opened["policies"], json!([long, "usher-activate"]));
        wanted["duration"] = json!(format!("{}s", 8 * HOUR + 1));
        let over = place.call("bilal.khan", ASSIGN, &wanted).await;
        let (code, reason) = (Code::FailedPrecondition, "PATH_LIMITS_EXCEEDED");
        refused("over both", &over, code, reason);

        // Nor in slices: more of the free hour costs what the whole time costs.
        place.later(HOUR / 2);
        let asked = more(&place, &hour, 60).await.ok(EXTEND)["grant"].clone();
        assert_eq!(asked["end_time"], hour["end_time"], "{asked:#}");
        let mut said = word(&asked);
        said["digest"] = asked["extension"]["digest"].clone();
        for user in ["carla.mendes", "dmitri.orlov"] {
            place.call(user, APPROVE, &said).await.ok(APPROVE);
        }
        let given = place.grant("anna.berg", &hour).await;
        assert_eq!(count(&given, "EXTENDED"), 1, "{given:#}");
        let over = more(&place, &hour, 7 * HOUR).await;
        refused("in slices", &over, code, reason);
        let again = more(&place, &hour, 60).await.ok(EXTEND)["grant"].clone();
        assert_eq!(again["end_time"], given["end_time"], "not free either");
        place.bench.end().await;
    }
}

fn disable(world: &mut World, user: &str) {
    let disabled = person_of(world, "felix.left").user_status;
    person_of(world, user).user_status = disabled;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_approves_nothing() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let vouched = place.ask("anna.berg", "Amazon QuickSight").await;
    let mut later = wish("anna.berg", "Amazon Redshift");
    later["start_time"] = place.in_seconds(HOUR);
    let scheduled = place.call("anna.berg", ASSIGN, &later).await.ok(ASSIGN)["grant"].clone();
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place.approve("emi.sato", &vouched).await.ok(APPROVE);
    for user in ["carla.mendes", "dmitri.orlov"] {
        place.approve(user, &scheduled).await.ok(APPROVE);
    }
    let waits = place.grant("anna.berg", &scheduled).await;
    assert_eq!(waits["state"], "GRANT_STATE_SCHEDULED");
    let people = ["bilal.khan", "carla.mendes"];
    place
        .change(|world| people.into_iter().for_each(|it| disable(world, it)))
        .await;

    // No word from now on, neither for nor against, nor lent by a service.
    for (user, method, code) in [
        ("bilal.khan", APPROVE, Code::NotFound),
        ("bilal.khan", DENY, Code::NotFound),
        ("carla.mendes", DENY, Code::NotFound),
    ] {
        let answer = place.call(user, method, &word(&asked)).await;
        assert_eq!(answer.code(), code, "{user}: {:?}", answer.status());
    }
    let mut said = word(&vouched);
    said["attested_approver"] = json!("carla.mendes");
    let lent = place.serve("tickets", &[], APPROVE, &said).await;
    assert_eq!(lent.code(), Code::PermissionDenied, "{:?}", lent.status());
    // What she said before counts no more where it has opened nothing yet.
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    assert_eq!(speakers(&two["grant"]), ["carla.mendes", "dmitri.orlov"]);
    place.later(HOUR);
    let denied = place.until("anna.berg", &scheduled, "GRANT_STATE_DENIED");
    let denied = denied.await;
    assert!(denied["revoke_reason"].as_str().is_some(), "{denied:#}");
    for grant in [&asked, &vouched] {
        assert_eq!(place.grant("anna.berg", grant).await["state"], PENDING);
    }
    assert_eq!(place.writes(), [""; 0]);

    place.approve("emi.sato", &asked).await.ok(APPROVE);
    place.until("anna.berg", &asked, ACTIVE).await;
    assert_eq!(place.writes().len(), 1);
    place.bench.end().await;
}
