//! Break-glass: at once, loud, only for whom policy lets, and looked at afterwards by somebody else.

use serde_json::{Value, json};
use tonic::Code;

use crate::place::{ASSIGN, EXTEND, LIST, POLICIES, Place, REVIEW, REVOKE, refused, wish};

fn emergency(user: &str) -> Value {
    let mut wanted = wish(user, "Amazon Redshift");
    wanted["justification"] = json!("the warehouse is down, INC-77");
    wanted["break_glass"] = json!(true);
    wanted
}

fn look(grant: &Value, decision: &str) -> Value {
    json!({
        "grant_id": grant["id"], "decision": format!("REVIEW_DECISION_{decision}"),
        "reason": "looked at it",
    })
}

async fn taken(place: &Place, user: &str) -> Value {
    let answer = place.call(user, ASSIGN, &emergency(user)).await.ok(ASSIGN);
    place
        .until(user, &answer["grant"], "GRANT_STATE_ACTIVE")
        .await
}

fn has(grant: &Value, event: &str) -> bool {
    let timeline = grant["timeline"].as_array().unwrap();
    timeline
        .iter()
        .any(|it| it["type"] == format!("GRANT_EVENT_TYPE_{event}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_taken_at_once_and_stays_to_be_looked_at() {
    let place = Place::start().await;
    let grant = taken(&place, "anna.berg").await;
    assert_eq!(grant["break_glass"], "BREAK_GLASS_UNREVIEWED");
    assert_eq!(grant["policies"][0], "emergencies");
    assert!(
        has(&grant, "REQUESTED") && has(&grant, "BREAK_GLASS_TAKEN"),
        "{grant:#}"
    );
    assert!(!has(&grant, "OPENED") && grant.get("reviews").is_none());
    let ordinary = place.ask("anna.berg", "Wiki").await;
    assert_eq!(ordinary["break_glass"], "BREAK_GLASS_NO");
    let unreviewed = json!({"unreviewed_break_glass": true});
    assert_eq!(
        place.listed("anna.berg", &unreviewed).await,
        [grant["id"].clone()]
    );
    // Its end does not make it looked at.
    let end = json!({"grant_id": grant["id"], "reason": "done"});
    place.call("anna.berg", REVOKE, &end).await.ok(REVOKE);
    place
        .until("anna.berg", &grant, "GRANT_STATE_REVOKED")
        .await;
    assert_eq!(
        place.listed("anna.berg", &unreviewed).await,
        [grant["id"].clone()]
    );
    let done = place
        .call("emi.sato", REVIEW, &look(&grant, "NOT_JUSTIFIED"))
        .await;
    let done = done.ok(REVIEW)["grant"].clone();
    assert_eq!(done["break_glass"], "BREAK_GLASS_REVIEWED");
    assert_eq!(
        done["state"], "GRANT_STATE_REVOKED",
        "what it finds changes no state"
    );
    assert!(has(&done, "BREAK_GLASS_NOT_JUSTIFIED"));
    assert_eq!(
        done["reviews"][0]["decision"],
        "REVIEW_DECISION_NOT_JUSTIFIED"
    );
    assert_eq!(
        place.listed("anna.berg", &unreviewed).await,
        [json!(null); 0]
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_for_whom_policy_lets_and_as_policy_wants_it() {
    let place = Place::start().await;
    let mut short = emergency("anna.berg");
    short["justification"] = json!("help");
    let answer = place.call("anna.berg", ASSIGN, &short).await;
    refused(
        "short",
        &answer,
        Code::FailedPrecondition,
        "PATH_LIMITS_EXCEEDED",
    );
    let mut long = emergency("anna.berg");
    long["duration"] = json!("3601s");
    let answer = place.call("anna.berg", ASSIGN, &long).await;
    refused(
        "long",
        &answer,
        Code::FailedPrecondition,
        "PATH_LIMITS_EXCEEDED",
    );
    let answer = place
        .call("carla.mendes", ASSIGN, &emergency("carla.mendes"))
        .await;
    refused("carla", &answer, Code::PermissionDenied, "POLICY_DENIED");
    let mut later = emergency("anna.berg");
    later["start_time"] = place.in_seconds(3600);
    let answer = place.call("anna.berg", ASSIGN, &later).await;
    refused("later", &answer, Code::InvalidArgument, "FIELD_INVALID");
    let mut dry = emergency("anna.berg");
    dry["validate_only"] = json!(true);
    place.call("anna.berg", ASSIGN, &dry).await.ok(ASSIGN);
    assert_eq!(
        place.listed("anna.berg", &json!({})).await,
        [json!(null); 0]
    );
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_are_for_break_glass_too() {
    let floor = r#"
        @id("never-redshift") forbid (principal, action == Usher::Action::"Activate", resource is Usher::Application)
        when { context.break_glass && resource.name == "Amazon Redshift" };
    "#;
    let place = Place::start_with(&format!("{POLICIES}{floor}")).await;
    let answer = place
        .call("anna.berg", ASSIGN, &emergency("anna.berg"))
        .await;
    refused("floor", &answer, Code::PermissionDenied, "POLICY_DENIED");
    let mut other = emergency("anna.berg");
    other["target"] = json!({"application": "Amazon QuickSight"});
    place.call("anna.berg", ASSIGN, &other).await.ok(ASSIGN);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_looks_at_it_once() {
    // Bilal, who takes it, is also whom policy lets look.
    let more = r#"
        @id("bilal-looks") permit (principal in Usher::Group::"leads", action == Usher::Action::"Approve", resource)
        when { resource.break_glass };
    "#;
    let place = Place::start_with(&format!("{POLICIES}{more}")).await;
    let grant = taken(&place, "bilal.khan").await;
    let own = place
        .call("bilal.khan", REVIEW, &look(&grant, "JUSTIFIED"))
        .await;
    refused("himself", &own, Code::PermissionDenied, "SELF_APPROVAL");
    for decision in ["UNSPECIFIED", "APPROVED", "DENIED"] {
        let answer = place
            .call("emi.sato", REVIEW, &look(&grant, decision))
            .await;
        refused(decision, &answer, Code::InvalidArgument, "FIELD_INVALID");
    }
    let mut without = look(&grant, "JUSTIFIED");
    without["reason"] = json!("  ");
    let answer = place.call("emi.sato", REVIEW, &without).await;
    refused("no reason", &answer, Code::InvalidArgument, "FIELD_INVALID");
    let stranger = place
        .call("anna.berg", REVIEW, &look(&grant, "JUSTIFIED"))
        .await;
    refused("stranger", &stranger, Code::NotFound, "GRANT_NOT_FOUND");

    let done = place
        .call("emi.sato", REVIEW, &look(&grant, "JUSTIFIED"))
        .await;
    let done = done.ok(REVIEW)["grant"].clone();
    assert_eq!(done["break_glass"], "BREAK_GLASS_REVIEWED");
    assert_eq!(done["state"], "GRANT_STATE_ACTIVE");
    assert_eq!(done["end_time"], grant["end_time"]);
    for user in ["emi.sato", "carla.mendes"] {
        let again = place
            .call(user, REVIEW, &look(&grant, "NOT_JUSTIFIED"))
            .await;
        refused(user, &again, Code::FailedPrecondition, "STATE_FORBIDS");
    }
    let ordinary = place.ask("bilal.khan", "Wiki").await;
    let answer = place
        .call("emi.sato", REVIEW, &look(&ordinary, "JUSTIFIED"))
        .await;
    assert_ne!(answer.code(), Code::Ok, "there is nothing to look at");
    place.call("bilal.khan", LIST, &json!({})).await.ok(LIST);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_carried_it_looks_at_it_for_nobody_without_their_token() {
    let place = Place::start().await;
    let anna = [("usher-on-behalf-of", "anna.berg")];
    let answer = place
        .serve("portal", &anna, ASSIGN, &emergency("anna.berg"))
        .await;
    let grant = answer.ok(ASSIGN)["grant"].clone();
    let emi = [("usher-on-behalf-of", "emi.sato")];
    let said = look(&grant, "JUSTIFIED");
    let answer = place.serve("portal", &emi, REVIEW, &said).await;
    refused(
        "not proven",
        &answer,
        Code::PermissionDenied,
        "APPROVER_NOT_PROVEN",
    );
    let token = place.person("emi.sato");
    let emi = [("usher-subject-token", token.as_str())];
    place.serve("portal", &emi, REVIEW, &said).await.ok(REVIEW);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_carried_it_does_not_look_at_it_itself() {
    let looks = r#"
@id("portal-looks")
permit (principal == Usher::Service::"portal", action == Usher::Action::"Approve", resource);
"#;
    let place = Place::start_with(&format!("{POLICIES}{looks}")).await;
    let anna = [("usher-on-behalf-of", "anna.berg")];
    let answer = place
        .serve("portal", &anna, ASSIGN, &emergency("anna.berg"))
        .await;
    let grant = answer.ok(ASSIGN)["grant"].clone();
    let said = look(&grant, "JUSTIFIED");
    let answer = place.serve("portal", &[], REVIEW, &said).await;
    let (code, reason) = (Code::PermissionDenied, "APPROVER_NOT_PROVEN");
    refused("its own word", &answer, code, reason);
    let unreviewed = json!({"unreviewed_break_glass": true});
    let left = place.listed("anna.berg", &unreviewed).await;
    assert_eq!(left, [grant["id"].clone()]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_at_once_is_not_prolonged() {
    let place = Place::start().await;
    let grant = taken(&place, "anna.berg").await;
    let more = json!({
        "grant_id": grant["id"], "duration": "600s", "justification": "it is still burning",
    });
    let answer = place.call("anna.berg", EXTEND, &more).await;
    refused("more", &answer, Code::InvalidArgument, "FIELD_INVALID");
    place.bench.end().await;
}
