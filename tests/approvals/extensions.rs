//! More time for what is active: at the price of the whole time, while the old end stands and is
//! acted upon until everybody who must has agreed.

use jiff::Timestamp;
use serde_json::{Value, json};
use tonic::Code;

use crate::place::{
    APPROVE, ASSIGN, CANCEL, DENY, EXTEND, LIST, POLICIES, Place, REVOKE, enter, leave, refused,
    speakers, wish, wish_of_group, word,
};

const ACTIVE: &str = "GRANT_STATE_ACTIVE";

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

fn more(grant: &Value, seconds: u32) -> Value {
    json!({
        "grant_id": grant["id"], "duration": format!("{seconds}s"), "justification": "not done yet",
    })
}

/// Redshift for an hour, agreed to and active.
async fn redshift(place: &Place) -> Value {
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    place.until("anna.berg", &asked, ACTIVE).await
}

/// The same with a wish for an hour more.
async fn waiting(place: &Place) -> (Value, Value) {
    let active = redshift(place).await;
    let asked = place.call("anna.berg", EXTEND, &more(&active, 3600)).await;
    (active, asked.ok(EXTEND)["grant"].clone())
}

/// What a reviewer sends of a wish for more time.
fn word_on_more(grant: &Value) -> Value {
    let mut said = word(grant);
    said["digest"] = grant["extension"]["digest"].clone();
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_is_given_at_once() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Wiki").await;
    let active = place.until("anna.berg", &asked, ACTIVE).await;
    let mut dry = more(&active, 1800);
    dry["validate_only"] = json!(true);
    let told = place.call("anna.berg", EXTEND, &dry).await.ok(EXTEND);
    let wanted = time(&active["end_time"]) + jiff::SignedDuration::from_secs(1800);
    assert_eq!(time(&told["end_time"]), wanted);
    assert_eq!(told["paths"][0]["policy"], "wiki-at-once");
    let same = place.grant("anna.berg", &asked).await;
    assert_eq!(
        same["end_time"], active["end_time"],
        "a dry run changes nothing"
    );
    assert_eq!(same["etag"], active["etag"]);

    let given = place.call("anna.berg", EXTEND, &more(&active, 1800)).await;
    let given = given.ok(EXTEND)["grant"].clone();
    assert_eq!(time(&given["end_time"]), wanted);
    assert!(given.get("extension").is_none());
    // The old end is none any more, and the new one is.
    place.later(3700);
    assert_eq!(place.grant("anna.berg", &asked).await["state"], ACTIVE);
    place.later(1800);
    place
        .until("anna.berg", &asked, "GRANT_STATE_EXPIRED")
        .await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_price_waits_while_the_old_end_stands() {
    let place = Place::start().await;
    let (active, asked) = waiting(&place).await;
    assert_eq!(
        (&asked["state"], &asked["end_time"]),
        (&active["state"], &active["end_time"])
    );
    assert_eq!(asked["extension"]["justification"], "not done yet");
    let shown = place.grant("anna.berg", &active).await;
    assert_eq!(
        shown["waiting_for"]["kind"], "WAITING_KIND_APPROVAL",
        "{shown:#}"
    );
    let mine = json!({"scope": "GRANT_LIST_SCOPE_CAN_APPROVE"});
    assert_eq!(
        place.listed("carla.mendes", &mine).await,
        [active["id"].clone()]
    );

    // One wish at a time, and for this one the grant's own digest is none.
    let second = place.call("anna.berg", EXTEND, &more(&active, 60)).await;
    refused("second", &second, Code::FailedPrecondition, "STATE_FORBIDS");
    let old = place.call("carla.mendes", APPROVE, &word(&active)).await;
    refused("old digest", &old, Code::Aborted, "DIGEST_MISMATCH");
    let own = place
        .call("anna.berg", APPROVE, &word_on_more(&asked))
        .await;
    refused("herself", &own, Code::PermissionDenied, "SELF_APPROVAL");

    // Who agreed to the grant has not agreed to more of it.
    let said = word_on_more(&asked);
    let one = place.call("carla.mendes", APPROVE, &said).await.ok(APPROVE);
    assert_eq!(one["grant"]["end_time"], active["end_time"]);
    let two = place.call("emi.sato", APPROVE, &said).await.ok(APPROVE);
    let later = time(&active["end_time"]) + jiff::SignedDuration::from_secs(3600);
    assert_eq!(time(&two["grant"]["end_time"]), later);
    assert_eq!(speakers(&two["grant"]).len(), 4);
    assert!(two["grant"].get("extension").is_none());
    place.later(3700);
    assert_eq!(place.grant("anna.berg", &active).await["state"], ACTIVE);
    place.later(3600);
    place
        .until("anna.berg", &active, "GRANT_STATE_EXPIRED")
        .await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_duration_is_for_the_whole_time() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Wiki").await;
    let active = place.until("anna.berg", &asked, ACTIVE).await;
    // Four hours are allowed, one is taken: three more fit, and not a second over.
    let over = place
        .call("anna.berg", EXTEND, &more(&active, 3 * 3600 + 1))
        .await;
    refused(
        "over",
        &over,
        Code::FailedPrecondition,
        "PATH_LIMITS_EXCEEDED",
    );
    place.later(1800);
    let over = place
        .call("anna.berg", EXTEND, &more(&active, 3 * 3600 + 1))
        .await;
    refused(
        "later too",
        &over,
        Code::FailedPrecondition,
        "PATH_LIMITS_EXCEEDED",
    );
    for _ in 0..3 {
        place
            .call("anna.berg", EXTEND, &more(&active, 3600))
            .await
            .ok(EXTEND);
    }
    let over = place.call("anna.berg", EXTEND, &more(&active, 1)).await;
    refused(
        "bit by bit",
        &over,
        Code::FailedPrecondition,
        "PATH_LIMITS_EXCEEDED",
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_taken_back_or_forgotten_more_time_leaves_the_end() {
    let place = Place::start().await;
    let (active, asked) = waiting(&place).await;
    let said = word_on_more(&asked);
    place.call("carla.mendes", APPROVE, &said).await.ok(APPROVE);
    let denied = place.call("emi.sato", DENY, &said).await.ok(DENY);
    assert_eq!(denied["grant"]["state"], ACTIVE);
    assert_eq!(denied["grant"]["end_time"], active["end_time"]);
    assert!(denied["grant"].get("extension").is_none());
    let late = place.call("dmitri.orlov", APPROVE, &said).await;
    refused("late", &late, Code::FailedPrecondition, "STATE_FORBIDS");

    // Another wish is another one: nobody has agreed to it.
    let asked = place.call("anna.berg", EXTEND, &more(&active, 3600)).await;
    let asked = asked.ok(EXTEND)["grant"].clone();
    assert_ne!(asked["extension"]["digest"], said["digest"]);
    let old = place.call("dmitri.orlov", APPROVE, &said).await;
    refused("the old one's", &old, Code::Aborted, "DIGEST_MISMATCH");
    let one = place
        .call("carla.mendes", APPROVE, &word_on_more(&asked))
        .await;
    assert_eq!(one.ok(APPROVE)["grant"]["end_time"], active["end_time"]);
    let take_back = json!({"grant_id": active["id"], "reason": "done after all"});
    let back = place.call("anna.berg", CANCEL, &take_back).await.ok(CANCEL);
    assert_eq!(back["grant"]["end_time"], active["end_time"]);
    assert_eq!(back["grant"]["state"], ACTIVE);

    // Nobody says anything: the old end comes.
    let asked = place.call("anna.berg", EXTEND, &more(&active, 3600)).await;
    asked.ok(EXTEND);
    place.later(3700);
    let over = place
        .until("anna.berg", &active, "GRANT_STATE_EXPIRED")
        .await;
    assert!(over.get("extension").is_none(), "{over:#}");
    assert_eq!(place.writes().len(), 2, "made and taken away");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_in_the_middle_voids_the_wish() {
    let place = Place::start().await;
    let (active, asked) = waiting(&place).await;
    place
        .call("carla.mendes", APPROVE, &word_on_more(&asked))
        .await
        .ok(APPROVE);
    let end = json!({"grant_id": active["id"], "reason": "done"});
    place.call("anna.berg", REVOKE, &end).await.ok(REVOKE);
    let over = place
        .until("anna.berg", &active, "GRANT_STATE_REVOKED")
        .await;
    assert!(over.get("extension").is_none());
    let late = place.call("emi.sato", APPROVE, &word_on_more(&asked)).await;
    refused("late", &late, Code::FailedPrecondition, "STATE_FORBIDS");
    let again = place.call("anna.berg", EXTEND, &more(&active, 60)).await;
    refused("over", &again, Code::FailedPrecondition, "STATE_FORBIDS");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_active_and_ends_is_prolonged() {
    let endless = POLICIES.replace(r#"@max_duration("4h")"#, r#"@max_duration("none")"#);
    let place = Place::start_with(&endless).await;
    let mut wanted = wish("anna.berg", "Wiki");
    wanted.as_object_mut().unwrap().remove("duration");
    let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    place.until("anna.berg", &asked, ACTIVE).await;
    let answer = place.call("anna.berg", EXTEND, &more(&asked, 60)).await;
    refused(
        "endless",
        &answer,
        Code::FailedPrecondition,
        "STATE_FORBIDS",
    );

    let pending = place.ask("anna.berg", "Amazon Redshift").await;
    let mut wanted = wish("anna.berg", "Wiki");
    wanted["start_time"] = place.in_seconds(3600);
    let scheduled = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    for grant in [pending, scheduled] {
        let answer = place.call("anna.berg", EXTEND, &more(&grant, 60)).await;
        let what = grant["state"].to_string();
        refused(&what, &answer, Code::FailedPrecondition, "STATE_FORBIDS");
    }
    // Who may not see it does not hear that it is there.
    let answer = place.call("felix.left", EXTEND, &more(&asked, 60)).await;
    assert_ne!(answer.code(), Code::Ok);
    let answer = place.call("carla.mendes", EXTEND, &more(&asked, 60)).await;
    refused("hidden", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    for duration in ["0s", "-60s"] {
        let mut wanted = more(&asked, 60);
        wanted["duration"] = json!(duration);
        let answer = place.call("anna.berg", EXTEND, &wanted).await;
        refused(duration, &answer, Code::InvalidArgument, "FIELD_INVALID");
    }
    place.call("anna.berg", LIST, &json!({})).await.ok(LIST);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_time_that_nobody_can_agree_to_any_more_ends_before_its_time() {
    let place = Place::start().await;
    let (active, _) = waiting(&place).await;
    place
        .change(|world| world.memberships.retain(|it| !it.group_id.ends_with('1')))
        .await;
    place.later(5);
    let started = std::time::Instant::now();
    loop {
        let seen = place.grant("anna.berg", &active).await;
        assert_eq!(
            (&seen["state"], &seen["end_time"]),
            (&json!(ACTIVE), &active["end_time"])
        );
        if seen.get("extension").is_none() {
            break;
        }
        assert!(started.elapsed().as_secs() < 20, "{seen:#}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_time_is_asked_for_as_many_people_as_there_are_by_now() {
    let small = POLICIES.replace(
        r#"when { resource.name == "Wiki" };"#,
        r#"when { resource.name == "Wiki" && context.people_count <= 2 };"#,
    );
    let place = Place::start_with(&small).await;
    let wanted = wish_of_group("engineering", "Wiki");
    let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    let active = place.until("anna.berg", &asked, ACTIVE).await;
    place
        .change(|world| enter(world, "engineering", "carla.mendes"))
        .await;
    let answer = place.call("anna.berg", EXTEND, &more(&active, 60)).await;
    assert_eq!(
        answer.code(),
        Code::PermissionDenied,
        "{:?}",
        answer.status()
    );
    place
        .change(|world| leave(world, "engineering", "carla.mendes"))
        .await;
    let given = place.call("anna.berg", EXTEND, &more(&active, 60)).await;
    assert_ne!(given.ok(EXTEND)["grant"]["end_time"], active["end_time"]);
    place.bench.end().await;
}
