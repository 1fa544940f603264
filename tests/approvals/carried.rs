//! Services between people and Usher: a portal that carries requests, a ticket system that is asked
//! itself. What a service says for others counts as far as it is proven, and never for itself.

use serde_json::{Value, json};
use tonic::Code;

use crate::place::{APPROVE, ASSIGN, DENY, LIST, POLICIES, Place, refused, speakers, wish, word};

const BEHALF: &str = "usher-on-behalf-of";
const TOKEN: &str = "usher-subject-token";

/// A grant for Anna that a service asked for in her name.
async fn carried(place: &Place, service: &str, application: &str) -> Value {
    let anna = [(BEHALF, "anna.berg")];
    let wanted = wish("anna.berg", application);
    let answer = place.serve(service, &anna, ASSIGN, &wanted).await;
    answer.ok(ASSIGN)["grant"].clone()
}

/// What a service sends for a person who agreed in its own system.
fn attested(grant: &Value, who: &str) -> Value {
    let mut said = word(grant);
    said["attested_approver"] = json!(who);
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn who_carried_it_agrees_for_nobody_without_their_token() {
    let place = Place::start().await;
    let asked = carried(&place, "portal", "Amazon Redshift").await;
    let carla = place.person("carla.mendes");
    for method in [APPROVE, DENY] {
        let named = [(BEHALF, "carla.mendes")];
        let answer = place.serve("portal", &named, method, &word(&asked)).await;
        refused(
            method,
            &answer,
            Code::PermissionDenied,
            "APPROVER_NOT_PROVEN",
        );
    }
    // Another's token proves nobody else.
    let mixed = [(BEHALF, "dmitri.orlov"), (TOKEN, carla.as_str())];
    let answer = place.serve("portal", &mixed, APPROVE, &word(&asked)).await;
    assert_ne!(answer.code(), Code::Ok);
    // Nor does who asked agree, with whatever proof.
    let anna = place.person("anna.berg");
    let own = [(TOKEN, anna.as_str())];
    let answer = place.serve("portal", &own, APPROVE, &word(&asked)).await;
    refused("herself", &answer, Code::PermissionDenied, "SELF_APPROVAL");
    assert_eq!(speakers(&place.grant("anna.berg", &asked).await), [""; 0]);

    let proven = [(BEHALF, "carla.mendes"), (TOKEN, carla.as_str())];
    let one = place.serve("portal", &proven, APPROVE, &word(&asked)).await;
    let one = one.ok(APPROVE);
    assert_eq!(one["grant"]["reviews"][0]["caller"], "service:portal");
    // Somebody whom another service speaks for counts as the person it is.
    let named = [(BEHALF, "dmitri.orlov")];
    let two = place.serve("tickets", &named, APPROVE, &word(&asked)).await;
    two.ok(APPROVE);
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    assert_eq!(speakers(&active), ["carla.mendes", "dmitri.orlov"]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_carried_nothing_says_nothing_for_itself_where_it_is_not_asked() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let answer = place.serve("portal", &[], APPROVE, &word(&asked)).await;
    refused("not asked", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    // That people agree through it makes nothing its own.
    let named = [(BEHALF, "carla.mendes")];
    let one = place.serve("portal", &named, APPROVE, &word(&asked)).await;
    one.ok(APPROVE);
    let answer = place.serve("portal", &[], APPROVE, &word(&asked)).await;
    refused("not asked", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_taken_in_order_and_a_service_is_one_of_them() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon QuickSight").await;
    let early = place.serve("tickets", &[], APPROVE, &word(&asked)).await;
    refused("early", &early, Code::PermissionDenied, "NOT_AN_APPROVER");
    let waiting = json!({"scope": "GRANT_LIST_SCOPE_CAN_APPROVE"});
    let listed = place.serve("tickets", &[], LIST, &waiting).await.ok(LIST);
    assert!(listed.get("grants").is_none(), "it is not its turn");

    place.approve("emi.sato", &asked).await.ok(APPROVE);
    let listed = place.serve("tickets", &[], LIST, &waiting).await.ok(LIST);
    assert_eq!(listed["grants"][0]["id"], asked["id"]);
    let done = place.serve("tickets", &[], APPROVE, &word(&asked)).await;
    let done = done.ok(APPROVE);
    assert_eq!(done["grant"]["reviews"][1]["reviewer"], "service:tickets");
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    assert_eq!(speakers(&active), ["emi.sato", "service:tickets"]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_carried_it_names_a_person_who_is_checked_as_any_other() {
    let place = Place::start().await;
    let asked = carried(&place, "tickets", "Amazon QuickSight").await;
    place.approve("emi.sato", &asked).await.ok(APPROVE);
    let say = |message: Value| {
        let place = &place;
        async move { place.serve("tickets", &[], APPROVE, &message).await }
    };
    let itself = say(word(&asked)).await;
    refused(
        "itself",
        &itself,
        Code::PermissionDenied,
        "APPROVER_NOT_PROVEN",
    );
    let anna = say(attested(&asked, "anna.berg")).await;
    refused("requester", &anna, Code::PermissionDenied, "SELF_APPROVAL");
    let anna = say(attested(&asked, "anna.berg@example.com")).await;
    refused("by email", &anna, Code::PermissionDenied, "SELF_APPROVAL");
    let felix = say(attested(&asked, "felix.left")).await;
    assert_eq!(
        felix.code(),
        Code::PermissionDenied,
        "disabled: {:?}",
        felix.status()
    );
    let nobody = say(attested(&asked, "nobody.here")).await;
    refused("unknown", &nobody, Code::NotFound, "PRINCIPAL_NOT_FOUND");
    let grant = place.grant("anna.berg", &asked).await;
    assert_eq!(speakers(&grant), ["emi.sato"], "nothing of it was recorded");

    // Who has agreed in person and is then named counts once.
    let twice = say(attested(&asked, "emi.sato")).await;
    refused("twice", &twice, Code::PermissionDenied, "NOT_AN_APPROVER");
    let grant = place.grant("anna.berg", &asked).await;
    assert_eq!(grant["state"], "GRANT_STATE_PENDING_APPROVAL");
    assert_eq!(speakers(&grant), ["emi.sato"]);

    let done = say(attested(&asked, "dmitri.orlov")).await.ok(APPROVE);
    let review = &done["grant"]["reviews"][1];
    assert_eq!(review["vouched_by"], "tickets");
    assert_eq!(review["reviewer_name"], "dmitri.orlov");
    assert_eq!(review["caller"], "service:tickets");
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    let said = json!({"scope": "GRANT_LIST_SCOPE_REVIEWED"});
    let listed = place.serve("tickets", &[], LIST, &said).await.ok(LIST);
    assert_eq!(
        listed["grants"][0]["id"], asked["id"],
        "it has said something"
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_service_names_counts_for_that_service_alone() {
    let place = Place::start().await;
    // The leads are asked, and a service does not speak for them as a ticket system.
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let said = attested(&asked, "carla.mendes");
    let answer = place.serve("tickets", &[], APPROVE, &said).await;
    refused("not asked", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    // Nor does a person speak for another.
    let said = attested(&asked, "dmitri.orlov");
    let answer = place.call("carla.mendes", APPROVE, &said).await;
    refused("a person", &answer, Code::InvalidArgument, "FIELD_INVALID");
    let named = [(BEHALF, "carla.mendes")];
    let answer = place.serve("tickets", &named, APPROVE, &said).await;
    refused(
        "for a person",
        &answer,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert_eq!(speakers(&place.grant("anna.berg", &asked).await), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_objects_in_its_turn_or_before_it() {
    let place = Place::start().await;
    let asked = carried(&place, "tickets", "Amazon QuickSight").await;
    let itself = place.serve("tickets", &[], DENY, &word(&asked)).await;
    refused(
        "itself",
        &itself,
        Code::PermissionDenied,
        "APPROVER_NOT_PROVEN",
    );
    let said = attested(&asked, "dmitri.orlov");
    let denied = place.serve("tickets", &[], DENY, &said).await.ok(DENY);
    assert_eq!(denied["grant"]["state"], "GRANT_STATE_DENIED");
    assert_eq!(speakers(&denied["grant"]), ["dmitri.orlov"]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_without_proof_count_as_long_as_policy_takes_them() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let carla = place.person("carla.mendes");
    let proven = [(BEHALF, "carla.mendes"), (TOKEN, carla.as_str())];
    let one = place.serve("portal", &proven, APPROVE, &word(&asked)).await;
    one.ok(APPROVE);
    let named = [(BEHALF, "dmitri.orlov")];
    // From now on a service's word alone is nobody's, also what was said before.
    let floor = r#"
        @id("proof") forbid (principal, action == Usher::Action::"Approve", resource)
        unless { context.subject_proven };
    "#;
    let other = place.ask("bilal.khan", "Amazon Redshift").await;
    let two = place.serve("portal", &named, APPROVE, &word(&other)).await;
    two.ok(APPROVE);
    place.policies(&format!("{POLICIES}{floor}")).await;
    let late = place.serve("portal", &named, APPROVE, &word(&asked)).await;
    assert_eq!(late.code(), Code::NotFound, "{:?}", late.status());
    for (grant, user, state) in [
        (&asked, "anna.berg", "GRANT_STATE_ACTIVE"),
        (&other, "bilal.khan", "GRANT_STATE_PENDING_APPROVAL"),
    ] {
        place.approve("emi.sato", grant).await.ok(APPROVE);
        place.until(user, grant, state).await;
    }
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_vouched_for_may_still_speak_with_more_proof() {
    let paths = r#"
@id("redshift-by-a-lead") @approvals("1") @approvers("group:leads") @max_duration("8h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" };
@id("redshift-by-ticket") @steps("1 of service:tickets; 1 of group:security") @max_duration("8h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" };
"#;
    let place = Place::start_with(&POLICIES.replace("Amazon Redshift", "Nothing").replace(
        "@id(\"wiki-at-once\")",
        &format!("{paths}@id(\"wiki-at-once\")"),
    ))
    .await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let said = attested(&asked, "carla.mendes");
    let vouched = place.serve("tickets", &[], APPROVE, &said).await;
    let vouched = vouched.ok(APPROVE)["grant"].clone();
    assert_eq!(vouched["state"], "GRANT_STATE_PENDING_APPROVAL");
    // The ticket system's word for her does not stand for the leads; her own does.
    let turn = json!({"scope": "GRANT_LIST_SCOPE_CAN_APPROVE"});
    assert_eq!(
        place.listed("carla.mendes", &turn).await,
        [asked["id"].clone()]
    );
    let own = place.approve("carla.mendes", &asked).await.ok(APPROVE);
    assert_ne!(own["grant"]["state"], "GRANT_STATE_PENDING_APPROVAL");
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    assert_eq!(active["policies"][0], "redshift-by-a-lead");
    assert_eq!(
        speakers(&active),
        ["carla.mendes"; 2],
        "both words are told"
    );
    // Less proof after more changes nothing.
    let again = place.serve("tickets", &[], APPROVE, &said).await;
    let again = again.ok(APPROVE);
    assert_eq!(again["grant"]["state"], "GRANT_STATE_ACTIVE");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_own_word_takes_nothing_from_the_ticket_systems() {
    let paths = r#"
@id("redshift-by-two-tickets") @approvals("2") @approvers("service:tickets") @max_duration("8h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" };
@id("redshift-by-lead-and-security") @steps("1 of group:leads; 1 of group:security") @max_duration("8h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" };
"#;
    let others = POLICIES.replace("Amazon Redshift", "Nothing");
    let place = Place::start_with(&format!("{others}{paths}")).await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let vouch = async |who: &str| {
        let said = attested(&asked, who);
        let answer = place.serve("tickets", &[], APPROVE, &said).await;
        answer.ok(APPROVE)["grant"]["state"].clone()
    };
    assert_eq!(vouch("carla.mendes").await, "GRANT_STATE_PENDING_APPROVAL");
    let own = place.approve("carla.mendes", &asked).await.ok(APPROVE);
    assert_eq!(own["grant"]["state"], "GRANT_STATE_PENDING_APPROVAL");
    // Once for the tickets, whatever she said herself: a second person there pays it.
    assert_eq!(vouch("carla.mendes").await, "GRANT_STATE_PENDING_APPROVAL");
    assert_ne!(vouch("dmitri.orlov").await, "GRANT_STATE_PENDING_APPROVAL");
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    assert_eq!(active["policies"][0], "redshift-by-two-tickets");
    place.bench.end().await;
}
