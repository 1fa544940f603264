//! Starts that are asked for: nothing before its time, looked at once more when it has come, and
//! taken back or refused without a trace in AWS.

use serde_json::{Value, json};
use tonic::Code;

use crate::place::{
    APPROVE, ASSIGN, CANCEL, POLICIES, Place, REVOKE, leave, person_of, refused, speakers, wish,
    word,
};

const DAY: i64 = 86_400;

async fn ask_for(place: &Place, application: &str, seconds: i64) -> Value {
    let mut wanted = wish("anna.berg", application);
    wanted["start_time"] = place.in_seconds(seconds);
    let answer = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN);
    answer["grant"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_waits_for_its_start_alone() {
    let place = Place::start().await;
    let asked = ask_for(&place, "Wiki", DAY).await;
    assert_eq!(asked["state"], "GRANT_STATE_SCHEDULED");
    assert_eq!(asked["waiting_for"]["kind"], "WAITING_KIND_START_TIME");
    assert!(asked.get("start_time").is_none() && asked.get("end_time").is_none());
    place.later(DAY - 60);
    let still = place.grant("anna.berg", &asked).await;
    assert_eq!(still["state"], "GRANT_STATE_SCHEDULED");
    assert_eq!(place.writes(), [""; 0], "nothing before its time");
    place.later(60);
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    let time = |name: &str| {
        active[name]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert!(time("start_time") >= time("requested_start_time"));
    let lasts = time("end_time").duration_since(time("start_time"));
    assert_eq!(lasts.as_secs(), 3600, "the duration counts from the start");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_agreed_to_before_its_start_waits_for_it() {
    let place = Place::start().await;
    let asked = ask_for(&place, "Amazon Redshift", DAY).await;
    assert_eq!(asked["state"], "GRANT_STATE_PENDING_APPROVAL");
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], "GRANT_STATE_SCHEDULED");
    assert_eq!(
        two["grant"]["waiting_for"]["kind"],
        "WAITING_KIND_START_TIME"
    );
    assert_eq!(place.writes(), [""; 0]);
    place.later(DAY);
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    assert_eq!(place.writes().len(), 1);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_agreed_to_after_its_start_begins_at_once() {
    let place = Place::start().await;
    let asked = ask_for(&place, "Amazon Redshift", 120).await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place.later(300);
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_ne!(two["grant"]["state"], "GRANT_STATE_SCHEDULED");
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    assert_eq!(active["duration"], "3600s");
    place.bench.end().await;
}

/// A grant that is agreed to by Carla and Dmitri and waits for its start.
async fn agreed(place: &Place) -> Value {
    let asked = ask_for(place, "Amazon Redshift", DAY).await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    asked
}

/// What comes of it at its start.
async fn denied_at_start(place: &Place, asked: &Value) {
    place.later(DAY);
    let denied = place.until("anna.berg", asked, "GRANT_STATE_DENIED").await;
    let reason = denied["revoke_reason"].as_str().unwrap_or_default();
    assert!(!reason.is_empty(), "it says why: {denied:#}");
    assert!(denied.get("revoked_by").is_none(), "by nobody: {denied:#}");
    assert_eq!(speakers(&denied).len(), 2, "who agreed is kept");
    assert_eq!(place.writes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_who_left_before_the_start_no_longer_counts() {
    let place = Place::start().await;
    let asked = agreed(&place).await;
    place
        .change(|world| leave(world, "leads", "dmitri.orlov"))
        .await;
    denied_at_start(&place, &asked).await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_who_is_disabled_at_the_start_no_longer_counts() {
    let place = Place::start().await;
    let asked = agreed(&place).await;
    place
        .change(|world| {
            let disabled = person_of(world, "felix.left").user_status;
            person_of(world, "carla.mendes").user_status = disabled;
        })
        .await;
    denied_at_start(&place, &asked).await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beneficiary_who_is_disabled_at_the_start_does_not_get_it() {
    let place = Place::start().await;
    let mut wanted = wish("bilal.khan", "Wiki");
    wanted["start_time"] = place.in_seconds(DAY);
    let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    assert_eq!(asked["state"], "GRANT_STATE_SCHEDULED");
    place
        .change(|world| {
            let disabled = person_of(world, "felix.left").user_status;
            person_of(world, "bilal.khan").user_status = disabled;
        })
        .await;
    place.later(DAY);
    let denied = place.until("anna.berg", &asked, "GRANT_STATE_DENIED").await;
    assert!(denied["revoke_reason"].as_str().is_some(), "{denied:#}");
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_forbids_it_by_then_is_heard() {
    let place = Place::start().await;
    let asked = agreed(&place).await;
    let floor = r#"
        @id("freeze") forbid (principal, action == Usher::Action::"Activate", resource);
    "#;
    place.policies(&format!("{POLICIES}{floor}")).await;
    denied_at_start(&place, &asked).await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_are_no_start_are_refused_by_field() {
    let place = Place::start().await;
    let late = place.in_seconds(-600);
    let far = place.in_seconds(DAY * 91);
    let times = [
        late,
        far,
        json!("9999-12-31T23:59:59Z"),
        json!("0001-01-01T00:00:00Z"),
    ];
    for time in times {
        let mut wanted = wish("anna.berg", "Wiki");
        wanted["start_time"] = time.clone();
        let answer = place.call("anna.berg", ASSIGN, &wanted).await;
        refused(
            &time.to_string(),
            &answer,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        let details = answer.details();
        let fields = details.bad_request().unwrap().field_violations.iter();
        let fields: Vec<&str> = fields.map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["start_time"], "{time}");
    }
    // Clocks differ a little: that is now.
    let mut wanted = wish("anna.berg", "Wiki");
    wanted["start_time"] = place.in_seconds(-30);
    let answer = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN);
    assert_ne!(answer["grant"]["state"], "GRANT_STATE_SCHEDULED");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_start_is_taken_back_without_a_trace() {
    let place = Place::start().await;
    let asked = ask_for(&place, "Wiki", DAY).await;
    let end = json!({"grant_id": asked["id"], "reason": "not needed"});
    let ended = place.call("anna.berg", REVOKE, &end).await.ok(REVOKE);
    assert_eq!(ended["grants"][0]["state"], "GRANT_STATE_CANCELLED");
    let asked = ask_for(&place, "Wiki", DAY).await;
    let take_back = json!({"grant_id": asked["id"], "reason": "not needed"});
    let ended = place.call("anna.berg", CANCEL, &take_back).await.ok(CANCEL);
    assert_eq!(ended["grant"]["state"], "GRANT_STATE_CANCELLED");
    place.later(DAY + 60);
    let other = place.ask("anna.berg", "Wiki").await;
    place.until("anna.berg", &other, "GRANT_STATE_ACTIVE").await;
    let still = place.grant("anna.berg", &asked).await;
    assert_eq!(still["state"], "GRANT_STATE_CANCELLED");
    place.bench.end().await;
}

/// Whoever may end what she has.
const ENDS: &str = r#"
    @id("ends") permit (principal, action in [Usher::Action::"Revoke", Usher::Action::"ReadAssignments"],
        resource is Usher::Assignment);
"#;

fn removal() -> Value {
    json!({
        "assignment": {
            "principal": {"user": "anna.berg"}, "target": {"application": "Amazon Redshift"},
        },
        "reason": "she has left the team",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_assignment_takes_what_waits_on_it_with_it() {
    let place = Place::start_with(&format!("{POLICIES}{ENDS}")).await;
    let scheduled = agreed(&place).await;
    let pending = place.ask("anna.berg", "Amazon Redshift").await;
    let mut dry = removal();
    dry["validate_only"] = json!(true);
    let told = place.call("anna.berg", REVOKE, &dry).await.ok(REVOKE);
    assert_eq!(told["grants"].as_array().unwrap().len(), 2, "{told:#}");
    let still = place.grant("anna.berg", &scheduled).await;
    assert_eq!(still["state"], "GRANT_STATE_SCHEDULED");
    let ended = place.call("anna.berg", REVOKE, &removal()).await.ok(REVOKE);
    assert_eq!(ended["grants"].as_array().unwrap().len(), 2);
    for grant in [scheduled, pending] {
        let seen = place.grant("anna.berg", &grant).await;
        assert_eq!(seen["state"], "GRANT_STATE_CANCELLED");
        let late = place.call("emi.sato", APPROVE, &word(&grant)).await;
        refused("late", &late, Code::FailedPrecondition, "STATE_FORBIDS");
    }
    place.later(DAY);
    assert!(!place.writes().iter().any(|it| it.starts_with("Create")));
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_kept_from_who_may_not_end_it() {
    // Bilal may end assignments, and no grant of Anna's.
    let place = Place::start_with(&format!("{POLICIES}{ENDS}")).await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let answer = place.call("bilal.khan", REVOKE, &removal()).await;
    refused("not his", &answer, Code::PermissionDenied, "POLICY_DENIED");
    let still = place.grant("anna.berg", &asked).await;
    assert_eq!(still["state"], "GRANT_STATE_PENDING_APPROVAL");
    place.bench.end().await;
}
