//! What reviewers may not say, and of what: each refusal with its reason.

use serde_json::{Value, json};
use tonic::Code;

use crate::bench::{assign, with};
use crate::check::{check_answer, refusal};
use crate::policies::Ruled;
use crate::wire::{Answer, encode, frame};

const ASSIGN: &str = "AccessService/Assign";
const APPROVE: &str = "GrantService/ApproveGrant";
const CANCEL: &str = "GrantService/CancelGrant";

/// Calls of reviewers that are refused: the reason that must come, its code, the answer.
pub(crate) async fn reviewers_at_fault() -> Vec<(&'static str, Code, Answer)> {
    let ruled = Ruled::start().await;
    let wiki = with(
        assign(),
        json!({"principal": {"user": "anna.berg"}, "target": {"application": "Wiki"}}),
    );
    let asked = ruled.portal(Some("anna.berg"), ASSIGN, &wiki).await;
    let grant = asked.ok(ASSIGN)["grant"].clone();
    let said = json!({"grant_id": grant["id"], "digest": grant["digest"], "reason": "looked"});
    let approve = async |who: &str, message: &Value| {
        let body = frame(&encode(APPROVE, message));
        ruled.bench.send(who, APPROVE, &[], body).await
    };
    let denied = Code::PermissionDenied;
    let other = with(said.clone(), json!({"digest": "0".repeat(64)}));
    let mut answers = vec![
        ("SELF_APPROVAL", denied, approve("anna.berg", &said).await),
        (
            "NOT_AN_APPROVER",
            denied,
            approve("dmitri.orlov", &said).await,
        ),
        (
            "APPROVER_NOT_PROVEN",
            denied,
            ruled.portal(None, APPROVE, &said).await,
        ),
        (
            "DIGEST_MISMATCH",
            Code::Aborted,
            approve("bilal.khan", &other).await,
        ),
    ];
    let cancel = json!({"grant_id": grant["id"], "reason": "not needed"});
    let cancelled = ruled.portal(Some("anna.berg"), CANCEL, &cancel).await;
    assert_eq!(cancelled.code(), Code::Ok);
    let late = approve("bilal.khan", &said).await;
    answers.push(("STATE_FORBIDS", Code::FailedPrecondition, late));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn reviewers_are_refused_with_their_reasons() {
    for (reason, code, answer) in reviewers_at_fault().await {
        check_answer(reason, &answer, refusal(code, reason));
    }
}
