//! Assignments that stand without a grant get an owner, a reason and an end, and are left to
//! themselves again; nothing changes in AWS at that moment.

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{Assignment, Fault, FaultAction, PrincipalType, World};

use crate::place::{
    APPROVE, ASSIGN, CANCEL, EXTEND, GET, POLICIES, Place, REVOKE, refused, wish, word,
};

const ADOPT: &str = "GrantService/AdoptAssignments";
const RELEASE: &str = "GrantService/ReleaseGrants";
const OPERATORS: &str = r#"
@id("emi-operates")
permit (principal in Usher::Group::"security", action == Usher::Action::"Operate", resource);
@id("emi-sees")
permit (principal in Usher::Group::"security", action == Usher::Action::"ReadGrants", resource);
@id("engineering-ends-assignments")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Revoke", resource is Usher::Assignment);
"#;

/// Gives somebody an application beside Usher.
pub(crate) fn put(world: &mut World, user: &str, application: &str) {
    let assignment = Assignment {
        application_arn: world
            .application_named(application)
            .unwrap()
            .application_arn
            .clone(),
        principal_type: PrincipalType::User,
        principal_id: world.user_named(user).unwrap().user_id.clone(),
    };
    world.assignments.push(assignment);
}

fn has(place: &Place, user: &str, application: &str) -> bool {
    let world = place.bench.simulator.world();
    let application = &world
        .application_named(application)
        .unwrap()
        .application_arn;
    let user = &world.user_named(user).unwrap().user_id;
    let mut rows = world.assignments.iter();
    rows.any(|row| row.application_arn == *application && row.principal_id == *user)
}

fn adoption(user: &str, application: &str) -> Value {
    let mut row = wish(user, application);
    row["owner"] = json!("carla.mendes");
    row
}

async fn adopt(place: &Place, by: &str, rows: Vec<Value>) -> Vec<Value> {
    let message = json!({"adoptions": rows});
    let answer = place.call(by, ADOPT, &message).await.ok(ADOPT);
    answer["results"].as_array().unwrap().clone()
}

pub(crate) async fn place() -> Place {
    let place = Place::start_with(&format!("{POLICIES}{OPERATORS}")).await;
    place.bench.simulator.edit_world(|world| {
        put(world, "bilal.khan", "Wiki");
        put(world, "anna.berg", "Amazon Redshift");
    });
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stood_without_a_reason_gets_one_and_an_end() {
    let place = place().await;
    let rows = vec![
        adoption("bilal.khan", "Wiki"),
        adoption("carla.mendes", "Wiki"),
        adoption("nobody.there", "Wiki"),
    ];
    let mut asked = json!({"adoptions": rows, "validate_only": true});
    let would = place.call("anna.berg", ADOPT, &asked).await.ok(ADOPT);
    assert_eq!(would["results"][0]["paths"][0]["policy"], "wiki-at-once");
    assert_eq!(would["results"][1]["error_reason"], "ASSIGNMENT_NOT_FOUND");

    asked["validate_only"] = json!(false);
    asked["request_id"] = json!("adopt-1");
    let first = place.call("anna.berg", ADOPT, &asked).await.ok(ADOPT);
    let results = &first["results"];
    let grant = &results[0]["grant"];
    assert_eq!(grant["state"], "GRANT_STATE_ACTIVE");
    assert_eq!(grant["adopted_from"], "ADOPTED_FROM_UNRECORDED");
    assert!(grant["owner_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert!(grant.get("end_time").is_some());
    assert_eq!(results[1]["error_reason"], "ASSIGNMENT_NOT_FOUND");
    assert_eq!(results[2]["error_reason"], "PRINCIPAL_NOT_FOUND");
    // The same again is the same grant; another one finds it held.
    let again = place.call("anna.berg", ADOPT, &asked).await.ok(ADOPT);
    assert_eq!(again["results"][0]["grant"]["id"], grant["id"]);
    let held = adopt(&place, "anna.berg", vec![adoption("bilal.khan", "Wiki")]).await;
    assert_eq!(held[0]["error_reason"], "STATE_FORBIDS");
    assert_eq!(place.writes(), [""; 0], "nothing changed in AWS");

    // Its end takes the assignment, as of any grant.
    place.later(3601);
    place
        .until("bilal.khan", grant, "GRANT_STATE_EXPIRED")
        .await;
    assert!(!has(&place, "bilal.khan", "Wiki"));
    assert_eq!(place.writes(), ["DeleteApplicationAssignment"]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_leaves_it_as_it_was() {
    let place = place().await;
    // Usher has touched it: it is known to stand.
    let asked = place
        .call("bilal.khan", ASSIGN, &wish("bilal.khan", "Wiki"))
        .await;
    let grant = asked.ok(ASSIGN)["grant"].clone();
    let end = json!({"grant_id": grant["id"], "reason": "done"});
    place.call("bilal.khan", REVOKE, &end).await.ok(REVOKE);
    assert!(has(&place, "bilal.khan", "Wiki"), "it stood before");

    let adopted = adopt(&place, "anna.berg", vec![adoption("bilal.khan", "Wiki")]).await;
    let grant = adopted[0]["grant"].clone();
    assert_eq!(grant["adopted_from"], "ADOPTED_FROM_STANDING");
    assert_eq!(grant["standing"], "STANDING_NO");
    let release = json!({"grant_ids": [grant["id"]], "reason": "Terraform has it"});
    let denied = place
        .call("bilal.khan", RELEASE, &release)
        .await
        .ok(RELEASE);
    assert_eq!(denied["results"][0]["error_reason"], "POLICY_DENIED");
    let stranger = place
        .call("dmitri.orlov", RELEASE, &release)
        .await
        .ok(RELEASE);
    assert_eq!(stranger["results"][0]["error_reason"], "GRANT_NOT_FOUND");
    let released = place.call("emi.sato", RELEASE, &release).await.ok(RELEASE);
    let after = &released["results"][0]["grant"];
    assert_eq!(
        (&after["state"], &after["standing"]),
        (&json!("GRANT_STATE_REVOKED"), &json!("STANDING_YES"))
    );
    let again = place.call("emi.sato", RELEASE, &release).await.ok(RELEASE);
    assert_eq!(again["results"][0]["error_reason"], "STATE_FORBIDS");
    place.later(7200);
    let later = place.grant("bilal.khan", &grant).await;
    assert_eq!(later["state"], "GRANT_STATE_REVOKED");
    assert!(has(&place, "bilal.khan", "Wiki"));
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_priced_adoption_waits_and_opens_only_on_what_is_still_there() {
    let place = place().await;
    let adopted = adopt(
        &place,
        "anna.berg",
        vec![adoption("anna.berg", "Amazon Redshift")],
    )
    .await;
    let grant = adopted[0]["grant"].clone();
    assert_eq!(grant["state"], "GRANT_STATE_PENDING_APPROVAL");
    let own = place.approve("anna.berg", &grant).await;
    refused("herself", &own, Code::PermissionDenied, "SELF_APPROVAL");
    place.approve("carla.mendes", &grant).await.ok(APPROVE);
    // Somebody takes it away meanwhile: there is nothing to take over, and nothing is made.
    let taken = place
        .bench
        .simulator
        .edit_world(|world| std::mem::take(&mut world.assignments));
    let answer = place
        .call("dmitri.orlov", APPROVE, &word(&grant))
        .await
        .ok(APPROVE);
    assert_eq!(answer["grant"]["state"], "GRANT_STATE_PENDING_APPROVAL");
    let waiting = place.grant("anna.berg", &grant).await["waiting_for"].clone();
    let text = waiting["description"].as_str().unwrap();
    assert!(
        text.starts_with("the assignment that it was to take over is gone"),
        "{text}"
    );
    // It is back: the next look takes it over.
    place
        .bench
        .simulator
        .edit_world(|world| world.assignments = taken);
    place.later(2);
    let active = place.until("anna.berg", &grant, "GRANT_STATE_ACTIVE").await;
    assert_eq!(active["policies"][0], "redshift-by-two-leads");
    assert_eq!(place.writes(), [""; 0]);
    let shown = place
        .call("anna.berg", GET, &json!({"grant_id": grant["id"]}))
        .await
        .ok(GET);
    let last = shown["grant"]["timeline"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["type"], "GRANT_EVENT_TYPE_ADOPTED");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adoptions_at_fault_are_refused_by_their_place() {
    let place = place().await;
    let answer = place.call("anna.berg", ADOPT, &json!({})).await;
    refused("none", &answer, Code::InvalidArgument, "FIELD_INVALID");
    let rows = vec![adoption("bilal.khan", "Wiki"); 101];
    let answer = place
        .call("anna.berg", ADOPT, &json!({"adoptions": rows}))
        .await;
    refused("too many", &answer, Code::InvalidArgument, "FIELD_INVALID");
    let mut wrong = adoption("bilal.khan", "Wiki");
    wrong["duration"] = json!("0s");
    let message = json!({"adoptions": [adoption("bilal.khan", "Wiki"), wrong]});
    let answer = place.call("anna.berg", ADOPT, &message).await;
    let fields = answer
        .details()
        .bad_request()
        .unwrap()
        .field_violations
        .clone();
    assert_eq!(fields[0].field, "adoptions[1].duration");
    let release = json!({"grant_ids": ["x"], "reason": " "});
    let answer = place.call("emi.sato", RELEASE, &release).await;
    let fields = answer
        .details()
        .bad_request()
        .unwrap()
        .field_violations
        .clone();
    assert_eq!(fields.len(), 2);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_once_for_one_adoption() {
    let place = place().await;
    let row = || adoption("anna.berg", "Amazon Redshift");
    let rows = adopt(&place, "anna.berg", vec![row(), row()]).await;
    assert_eq!(rows[0]["outcome"], "ADOPTION_OUTCOME_WAITS");
    assert_eq!(rows[1]["error_reason"], "STATE_FORBIDS");
    // When that one is over, it can be asked for again.
    let back = json!({"grant_id": rows[0]["grant"]["id"], "reason": "with another end"});
    place.call("anna.berg", CANCEL, &back).await.ok(CANCEL);
    let again = adopt(&place, "anna.berg", vec![row()]).await;
    assert_eq!(again[0]["outcome"], "ADOPTION_OUTCOME_WAITS");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_released_can_be_adopted_again() {
    let place = place().await;
    let row = || vec![adoption("bilal.khan", "Wiki")];
    for _ in 0..2 {
        let grant = adopt(&place, "anna.berg", row()).await[0]["grant"].clone();
        assert_eq!(grant["state"], "GRANT_STATE_ACTIVE");
        let release = json!({"grant_ids": [grant["id"]], "reason": "Terraform has it"});
        let released = place.call("emi.sato", RELEASE, &release).await.ok(RELEASE);
        assert_eq!(
            released["results"][0]["grant"]["state"],
            "GRANT_STATE_REVOKED"
        );
    }
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_told_only_to_who_may_see_people() {
    let blind = format!("{POLICIES}{OPERATORS}").replace("ReadDirectory", "ReadAudit");
    let place = Place::start_with(&blind).await;
    place
        .bench
        .simulator
        .edit_world(|world| put(world, "bilal.khan", "Wiki"));
    let mut row = adoption("bilal.khan", "Wiki");
    let mut seen = Vec::new();
    for owner in ["nobody.there", "felix.left"] {
        row["owner"] = json!(owner);
        let refused = adopt(&place, "anna.berg", vec![row.clone()]).await;
        seen.push(refused[0]["error_message"].clone());
    }
    assert_eq!(seen[0], seen[1], "who is there is not told");
    row["owner"] = json!("carla.mendes");
    let adopted = adopt(&place, "anna.berg", vec![row]).await;
    assert_eq!(adopted[0]["outcome"], "ADOPTION_OUTCOME_ADOPTED");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_for_access_puts_no_end_to_what_others_have() {
    let place = place().await;
    // The Wiki costs nothing, and carla may end no assignment.
    let row = || vec![adoption("bilal.khan", "Wiki")];
    let refused_row = adopt(&place, "carla.mendes", row()).await;
    assert_eq!(refused_row[0]["error_reason"], "ASSIGNMENT_NOT_FOUND");
    let priced = vec![adoption("anna.berg", "Amazon Redshift")];
    let waiting = adopt(&place, "anna.berg", priced).await[0]["grant"].clone();
    place.approve("carla.mendes", &waiting).await.ok(APPROVE);
    // Who may no longer end it when all have agreed takes nothing over either.
    let less = format!("{POLICIES}{OPERATORS}").replace("engineering-ends", "nobody-ends");
    let less = less.replace(
        r#"permit (principal in Usher::Group::"engineering", action == Usher::Action::"Revoke""#,
        r#"forbid (principal, action == Usher::Action::"Revoke""#,
    );
    place.policies(&less).await;
    let two = place.approve("dmitri.orlov", &waiting).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], "GRANT_STATE_PENDING_APPROVAL");
    assert!(has(&place, "anna.berg", "Amazon Redshift"));
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_over_while_it_goes() {
    let place = place().await;
    let end = json!({
        "assignment": {"principal": {"user": "bilal.khan"}, "target": {"application": "Wiki"}},
        "reason": "not needed",
    });
    // AWS refuses the removal for a while, so that it is asked for and not done.
    let broken = FaultAction::InternalError {
        after_effect: false,
    };
    let fault = Fault::new("DeleteApplicationAssignment", broken);
    place.bench.simulator.add_fault(fault);
    place.call("anna.berg", REVOKE, &end).await.ok(REVOKE);
    let late = adopt(&place, "anna.berg", vec![adoption("bilal.khan", "Wiki")]).await;
    assert_eq!(late[0]["error_reason"], "STATE_FORBIDS");
    place.bench.simulator.clear_faults();
    let started = std::time::Instant::now();
    while has(&place, "bilal.khan", "Wiki") {
        assert!(started.elapsed().as_secs() < 60, "still there");
        place.later(10);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_of_grants_keeps_back_adoption_and_more_time() {
    let place = place().await;
    let asked = place.ask("anna.berg", "Wiki").await;
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    let priced = vec![adoption("anna.berg", "Amazon Redshift")];
    let waiting = adopt(&place, "anna.berg", priced).await[0]["grant"].clone();
    place.approve("carla.mendes", &waiting).await.ok(APPROVE);
    let scope = json!({"scope": "FREEZE_SCOPE_GRANTS", "reason": "a wrong policy is in force"});
    let freeze = "OperationsService/Freeze";
    place.call("emi.sato", freeze, &scope).await.ok(freeze);
    let row = vec![adoption("bilal.khan", "Wiki")];
    let frozen = adopt(&place, "anna.berg", row).await;
    assert_eq!(frozen[0]["error_reason"], "FROZEN");
    let more = json!({
        "grant_id": active["id"], "duration": "1800s", "justification": "not done yet",
    });
    let answer = place.call("anna.berg", EXTEND, &more).await;
    refused("more", &answer, Code::FailedPrecondition, "FROZEN");
    // What was asked for before is agreed to, and waits it out.
    let two = place.approve("dmitri.orlov", &waiting).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], "GRANT_STATE_PENDING_APPROVAL");
    let shown = place.grant("anna.berg", &waiting).await["waiting_for"].clone();
    let text = shown["description"].as_str().unwrap();
    assert!(text.contains("frozen"), "{text}");
    let unfreeze = "OperationsService/Unfreeze";
    place.call("emi.sato", unfreeze, &scope).await.ok(unfreeze);
    place
        .until("anna.berg", &waiting, "GRANT_STATE_ACTIVE")
        .await;
    place.call("anna.berg", EXTEND, &more).await.ok(EXTEND);
    place.bench.end().await;
}
