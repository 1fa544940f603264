//! A person asks, it waits, two others agree, it opens, it ends.

use serde_json::{Value, json};
use tonic::Code;

use crate::place::{APPROVE, ASSIGN, CANCEL, DENY, GET, Place, REVOKE, refused, wish, word};

fn names(waiting: &Value) -> Vec<String> {
    let approvers = waiting["approvers"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = (approvers.iter())
        .map(|it| {
            it["principal"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn two_others_agree_and_it_opens_and_ends() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    assert_eq!(asked["state"], "GRANT_STATE_PENDING_APPROVAL");
    assert_eq!(place.writes(), [""; 0], "nothing of it is in AWS");

    // It says for what it waits, by name, at which price.
    let shown = place.grant("anna.berg", &asked).await;
    let waiting = &shown["waiting_for"];
    assert_eq!(waiting["kind"], "WAITING_KIND_APPROVAL");
    assert_eq!(
        names(waiting),
        ["bilal.khan", "carla.mendes", "dmitri.orlov", "emi.sato"]
    );
    assert_eq!(shown["paths"][0]["policy"], "redshift-by-two-leads");
    assert_eq!(shown["paths"][0]["steps"][0]["approval_count"], 2);

    // Not by herself, not by who is not asked, not for something else.
    let own = place.approve("anna.berg", &asked).await;
    refused("herself", &own, Code::PermissionDenied, "SELF_APPROVAL");
    let stranger = place.approve("felix.left", &asked).await;
    assert_ne!(stranger.code(), Code::Ok);
    let mut other = word(&asked);
    other["digest"] = json!("0".repeat(64));
    let stale = place.call("carla.mendes", APPROVE, &other).await;
    refused("stale", &stale, Code::Aborted, "DIGEST_MISMATCH");

    // One agreement, also twice, is one.
    let one = place.approve("carla.mendes", &asked).await.ok(APPROVE);
    assert_eq!(one["grant"]["state"], "GRANT_STATE_PENDING_APPROVAL");
    let again = place.approve("carla.mendes", &asked).await.ok(APPROVE);
    assert_eq!(again["grant"]["reviews"].as_array().unwrap().len(), 1);
    assert_eq!(
        again["grant"]["reviews"][0]["reviewer_name"],
        "carla.mendes"
    );
    let waiting = place.grant("dmitri.orlov", &asked).await["waiting_for"].clone();
    assert_eq!(names(&waiting), ["bilal.khan", "dmitri.orlov", "emi.sato"]);

    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["reviews"].as_array().unwrap().len(), 2);
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    assert_eq!(active["policies"][0], "redshift-by-two-leads");
    let timeline: Vec<&str> = (active["timeline"].as_array().unwrap().iter())
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "REQUESTED",
        "APPROVED",
        "APPROVED",
        "OPENED",
        "CREATE_INTENDED",
        "ACTIVATED",
    ];
    assert_eq!(
        timeline,
        expected.map(|it| format!("GRANT_EVENT_TYPE_{it}"))
    );

    // Too late to say anything more.
    let late = place.approve("emi.sato", &asked).await;
    assert_ne!(late.code(), Code::Ok);
    let end = json!({"grant_id": asked["id"], "reason": "done"});
    place.call("anna.berg", REVOKE, &end).await.ok(REVOKE);
    place
        .until("anna.berg", &asked, "GRANT_STATE_REVOKED")
        .await;
    assert_eq!(place.writes().len(), 2);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_objection_ends_it_and_a_wish_can_be_taken_back() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let mut without = word(&asked);
    without["reason"] = json!(" ");
    let answer = place.call("dmitri.orlov", DENY, &without).await;
    refused(
        "without a reason",
        &answer,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    let own = place.call("anna.berg", DENY, &word(&asked)).await;
    refused("herself", &own, Code::PermissionDenied, "SELF_APPROVAL");
    let denied = place
        .call("dmitri.orlov", DENY, &word(&asked))
        .await
        .ok(DENY);
    assert_eq!(denied["grant"]["state"], "GRANT_STATE_DENIED");
    assert_eq!(denied["grant"]["revoke_reason"], "looked at it");
    let again = place
        .call("dmitri.orlov", DENY, &word(&asked))
        .await
        .ok(DENY);
    assert_eq!(
        again["grant"]["state"], "GRANT_STATE_DENIED",
        "twice is once"
    );
    let late = place.approve("emi.sato", &asked).await;
    assert_ne!(late.code(), Code::Ok);
    let late = place.approve("carla.mendes", &asked).await;
    refused("too late", &late, Code::FailedPrecondition, "STATE_FORBIDS");

    // Who agreed may think again while it is open.
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let denied = place
        .call("carla.mendes", DENY, &word(&asked))
        .await
        .ok(DENY);
    assert_eq!(denied["grant"]["state"], "GRANT_STATE_DENIED");
    assert_eq!(
        denied["grant"]["reviews"][0]["decision"],
        "REVIEW_DECISION_DENIED"
    );

    // Taken back by who asked, by its own call or by Revoke; by nobody else.
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let take_back = json!({"grant_id": asked["id"], "reason": "not needed"});
    let answer = place.call("carla.mendes", CANCEL, &take_back).await;
    refused("not hers", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    let cancelled = place.call("anna.berg", CANCEL, &take_back).await.ok(CANCEL);
    assert_eq!(cancelled["grant"]["state"], "GRANT_STATE_CANCELLED");
    place.call("anna.berg", CANCEL, &take_back).await.ok(CANCEL);
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let end = json!({"grant_id": asked["id"], "reason": "not needed"});
    let ended = place.call("anna.berg", REVOKE, &end).await.ok(REVOKE);
    assert_eq!(ended["grants"][0]["state"], "GRANT_STATE_CANCELLED");
    let late = place.approve("carla.mendes", &asked).await;
    assert_ne!(late.code(), Code::Ok);
    assert_eq!(
        place.writes(),
        [""; 0],
        "nothing of all this was ever in AWS"
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_paths_prices_and_approvers_by_name() {
    let place = Place::start().await;
    let mut wanted = wish("anna.berg", "Amazon Redshift");
    wanted["validate_only"] = json!(true);
    let answer = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN);
    let preview = &answer["preview"];
    assert_eq!(
        preview["paths"][0]["steps"][0]["approvers"][0],
        "group:leads"
    );
    assert_eq!(names(preview).len(), 4);
    assert_eq!(preview["people_count"], "1");
    let listed = place
        .call("anna.berg", "GrantService/ListGrants", &json!({}))
        .await;
    assert!(listed.ok("GrantService/ListGrants").get("grants").is_none());
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_word_is_the_same_word_and_strangers_see_nothing() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    let mut said = word(&asked);
    said["request_id"] = json!("review-1");
    let first = place.call("carla.mendes", APPROVE, &said).await.ok(APPROVE);
    let second = place.call("carla.mendes", APPROVE, &said).await.ok(APPROVE);
    assert_eq!(first["grant"]["reviews"], second["grant"]["reviews"]);
    said["reason"] = json!("something else");
    let reused = place.call("carla.mendes", APPROVE, &said).await;
    refused(
        "reused",
        &reused,
        Code::InvalidArgument,
        "REQUEST_ID_REUSED",
    );
    // Who is not asked and may not see it does not hear that it is there.
    let quicksight = place.ask("anna.berg", "Amazon QuickSight").await;
    for method in [GET, APPROVE, DENY, CANCEL] {
        let message = if method == GET {
            json!({"grant_id": quicksight["id"]})
        } else if method == CANCEL {
            json!({"grant_id": quicksight["id"], "reason": "x"})
        } else {
            word(&quicksight)
        };
        let answer = place.call("dmitri.orlov", method, &message).await;
        refused(method, &answer, Code::NotFound, "GRANT_NOT_FOUND");
    }
    place.bench.end().await;
}
