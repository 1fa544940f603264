//! Two words at once, many times over: one decision each, no word lost, and nobody is told anything
//! but what came of it. `USHER_APPROVAL_RACES` says how many times; 100 without it.

use serde_json::{Value, json};
use tonic::Code;

use crate::place::{
    APPROVE, ASSIGN, CANCEL, DENY, EXTEND, Place, REVIEW, REVOKE, count, refused, speakers, wish,
    word,
};
use crate::wire::Answer;

fn rounds() -> usize {
    let wanted = std::env::var("USHER_APPROVAL_RACES").ok();
    wanted.map_or(100, |text| text.parse().unwrap())
}

/// A grant that opens into a start to come: nothing of it goes to AWS, so that many are quick.
async fn ask_for_later(place: &Place) -> Value {
    let mut wanted = wish("anna.berg", "Amazon Redshift");
    wanted["start_time"] = place.in_seconds(86_400);
    let answer = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN);
    answer["grant"].clone()
}

/// Whether a word was taken; else it must have come too late.
#[track_caller]
fn is_taken(what: &str, answer: &Answer) -> bool {
    if answer.code() == Code::Ok {
        return true;
    }
    refused(what, answer, Code::FailedPrecondition, "STATE_FORBIDS");
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn two_approvals_at_once_both_count() {
    let place = Place::start().await;
    for round in 0..rounds() {
        let asked = ask_for_later(&place).await;
        let (one, two) = tokio::join!(
            place.approve("carla.mendes", &asked),
            place.approve("dmitri.orlov", &asked)
        );
        one.ok(APPROVE);
        two.ok(APPROVE);
        let grant = place.grant("anna.berg", &asked).await;
        assert_eq!(
            grant["state"], "GRANT_STATE_SCHEDULED",
            "{round}: {grant:#}"
        );
        let mut who = speakers(&grant);
        who.sort();
        assert_eq!(who, ["carla.mendes", "dmitri.orlov"], "{round}");
        let counted = (count(&grant, "APPROVED"), count(&grant, "OPENED"));
        assert_eq!(counted, (2, 1), "{round}: one schedule: {grant:#}");
    }
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_and_a_denial_at_once_make_one_decision() {
    let place = Place::start().await;
    for round in 0..rounds() {
        let asked = ask_for_later(&place).await;
        // Every other time the approval is the one that opens it.
        let opens = round % 2 == 0;
        if opens {
            place.approve("carla.mendes", &asked).await.ok(APPROVE);
        }
        let said = word(&asked);
        let (approved, denied) = tokio::join!(
            place.approve("dmitri.orlov", &asked),
            place.call("emi.sato", DENY, &said)
        );
        let approved = is_taken("the approval", &approved);
        let denied = is_taken("the denial", &denied);
        let grant = place.grant("anna.berg", &asked).await;
        let who = speakers(&grant);
        assert_eq!(
            who.contains(&"dmitri.orlov".to_owned()),
            approved,
            "{round}"
        );
        assert_eq!(who.contains(&"emi.sato".to_owned()), denied, "{round}");
        assert_eq!(
            who.len(),
            usize::from(opens) + usize::from(approved) + usize::from(denied)
        );
        let state = if denied {
            "GRANT_STATE_DENIED"
        } else {
            assert!(opens && approved, "{round}: {grant:#}");
            "GRANT_STATE_SCHEDULED"
        };
        assert_eq!(grant["state"], state, "{round}: {grant:#}");
        if opens {
            assert!(
                approved != denied,
                "{round}: exactly one of both: {grant:#}"
            );
        } else {
            assert!(denied, "{round}: one approval keeps no objection out");
        }
        let decisions = count(&grant, "OPENED") + count(&grant, "DENIED");
        assert_eq!(decisions, 1, "{round}: {grant:#}");
    }
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_and_a_cancel_at_once_make_one_decision() {
    let place = Place::start().await;
    for round in 0..rounds() {
        // Some open at once: what is in AWS is not for CancelGrant.
        let at_once = round % 10 == 0;
        let asked = if at_once {
            place.ask("anna.berg", "Amazon Redshift").await
        } else {
            ask_for_later(&place).await
        };
        place.approve("carla.mendes", &asked).await.ok(APPROVE);
        let take_back = json!({"grant_id": asked["id"], "reason": "not needed"});
        let (approved, cancelled) = tokio::join!(
            place.approve("dmitri.orlov", &asked),
            place.call("anna.berg", CANCEL, &take_back)
        );
        let approved = is_taken("the approval", &approved);
        let cancelled = is_taken("the cancel", &cancelled);
        let grant = place.grant("anna.berg", &asked).await;
        let who = speakers(&grant);
        assert_eq!(
            who.contains(&"dmitri.orlov".to_owned()),
            approved,
            "{round}"
        );
        assert_eq!(who.len(), 1 + usize::from(approved), "{round}");
        assert_eq!(count(&grant, "OPENED"), usize::from(approved), "{round}");
        assert_eq!(
            count(&grant, "CANCELLED"),
            usize::from(cancelled),
            "{round}"
        );
        if cancelled {
            assert_eq!(grant["state"], "GRANT_STATE_CANCELLED", "{round}");
        } else {
            assert!(at_once && approved, "{round}: {grant:#}");
            place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
            let end = json!({"grant_id": asked["id"], "reason": "done"});
            place.call("anna.berg", REVOKE, &end).await.ok(REVOKE);
        }
    }
    place.bench.end().await;
}

/// The same call fifty times at once: fifty answers that are the same.
async fn fifty(place: &Place, user: &str, method: &str, message: &Value) -> Vec<Value> {
    let calls = (0..50).map(|_| place.call(user, method, message));
    let answers = futures_util::future::join_all(calls).await;
    let grants = answers.iter().map(|answer| {
        let mut grant = answer.ok(method)["grant"].clone();
        // What only adorns an answer is left out where it cannot be read in time.
        grant["principal"].as_object_mut().unwrap().remove("status");
        grant
    });
    grants.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_calls_at_once_are_one() {
    let place = Place::start().await;
    let asked = ask_for_later(&place).await;
    let mut said = word(&asked);
    for (user, state) in [
        ("carla.mendes", "GRANT_STATE_PENDING_APPROVAL"),
        ("dmitri.orlov", "GRANT_STATE_SCHEDULED"),
    ] {
        said["request_id"] = json!("the-one");
        let answers = fifty(&place, user, APPROVE, &said).await;
        assert_eq!(answers[0]["state"], state);
        for answer in &answers {
            assert_eq!(*answer, answers[0]);
        }
    }
    let grant = place.grant("anna.berg", &asked).await;
    assert_eq!(speakers(&grant), ["carla.mendes", "dmitri.orlov"]);
    assert_eq!((count(&grant, "APPROVED"), count(&grant, "OPENED")), (2, 1));

    // Wishes for more time, what takes them back, and looks afterwards are no different.
    let asked = place.ask("anna.berg", "Wiki").await;
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    let more = json!({"grant_id": asked["id"], "duration": "600s", "request_id": "more"});
    let answers = fifty(&place, "anna.berg", EXTEND, &more).await;
    assert!(
        answers
            .iter()
            .all(|it| it["end_time"] == answers[0]["end_time"])
    );
    assert_eq!(count(&answers[0], "EXTENDED"), 1, "{:#}", answers[0]);
    let mut wanted = wish("anna.berg", "Amazon QuickSight");
    wanted["break_glass"] = json!(true);
    let taken = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    place.until("anna.berg", &taken, "GRANT_STATE_ACTIVE").await;
    let look = json!({
        "grant_id": taken["id"], "decision": "REVIEW_DECISION_JUSTIFIED", "reason": "it burned",
        "request_id": "look",
    });
    let answers = fifty(&place, "emi.sato", REVIEW, &look).await;
    assert_eq!(count(&answers[49], "BREAK_GLASS_JUSTIFIED"), 1);
    place.bench.end().await;
}
