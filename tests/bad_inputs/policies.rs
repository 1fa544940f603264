//! What written policies refuse: beyond a path's limits, without the approvals that a path wants, and
//! in the name of somebody who is not there.

use serde_json::{Value, json};
use tonic::Code;

use crate::bench::{Bench, Setup, assign, with};
use crate::check::{check_answer, refusal};
use crate::signer::{Key, key_set};
use crate::wire::{Answer, GRPC, encode, frame};

const ASSIGN: &str = "AccessService/Assign";
/// An hour of Redshift at once, QuickSight with an approval that nobody can give, the Wiki when an
/// engineer agrees, and a service for anybody.
pub(crate) const POLICIES: &str = r#"
@id("redshift-for-an-hour") @approvals("0") @max_duration("1h")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" };
@id("quicksight-with-a-lead") @approvals("1") @approvers("group:contractors") @max_duration("none")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon QuickSight" };
@id("wiki-with-an-engineer") @approvals("1") @approvers("group:engineering") @max_duration("none")
permit (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Wiki" };
@id("acts-and-reads")
permit (principal, action in [Usher::Action::"ActFor", Usher::Action::"ReadGrants"], resource);
"#;

/// A service with these policies, and the key of a cluster whose portal acts for people.
pub(crate) struct Ruled {
    pub(crate) bench: Bench,
    key: Key,
    _files: tempfile::TempDir,
}

impl Ruled {
    pub(crate) async fn start() -> Self {
        let (files, key) = (tempfile::tempdir().unwrap(), Key::new("key-1"));
        let (jwks, policies) = (
            files.path().join("keys.json"),
            files.path().join("policies"),
        );
        std::fs::write(&jwks, key_set(&[&key])).unwrap();
        std::fs::create_dir(&policies).unwrap();
        std::fs::write(policies.join("all.cedar"), POLICIES).unwrap();
        let mut setup = Setup::default();
        setup.config.policy.directory = Some(policies);
        let cluster = json!([{
            "name": "cluster", "issuer": "cluster", "audiences": ["usher"], "jwks_file": jwks,
            "callers": "SERVICES", "clients": {"portal-account": "portal"},
        }]);
        setup.config.authentication.issuers = serde_json::from_value(cluster).unwrap();
        Self {
            bench: Bench::start(setup).await,
            key,
            _files: files,
        }
    }

    /// A call of the portal, for somebody or for itself.
    pub(crate) async fn portal(
        &self,
        for_whom: Option<&str>,
        method: &str,
        message: &Value,
    ) -> Answer {
        let claims = json!({"iss": "cluster", "sub": "portal-account", "azp": null});
        let token = format!("Bearer {}", self.key.token(claims));
        let mut headers = [GRPC, &[("authorization", token.as_str())]].concat();
        headers.extend(for_whom.map(|name| ("usher-on-behalf-of", name)));
        let body = frame(&encode(method, message));
        self.bench.raw(method, &headers, body).await
    }
}

/// Calls that these policies refuse: the reason that must come, its code, the answer.
pub(crate) async fn refused_by_policies() -> Vec<(&'static str, Code, Answer)> {
    let ruled = Ruled::start().await;
    let bench = &ruled.bench;
    let within = bench.call(ASSIGN, with(assign(), json!({"validate_only": true})));
    assert_eq!(within.await.code(), Code::Ok);

    let two_hours = with(assign(), json!({"duration": "7200s"}));
    let quicksight = with(
        assign(),
        json!({"target": {"application": "Amazon QuickSight"}}),
    );
    let answers = vec![
        (
            "PATH_LIMITS_EXCEEDED",
            Code::FailedPrecondition,
            bench.call(ASSIGN, two_hours).await,
        ),
        (
            "NO_ELIGIBLE_APPROVER",
            Code::FailedPrecondition,
            bench.call(ASSIGN, quicksight).await,
        ),
        (
            "SUBJECT_NOT_FOUND",
            Code::NotFound,
            ruled.portal(Some("nobody.there"), ASSIGN, &assign()).await,
        ),
    ];
    assert_eq!(bench.footprint().await, (0, 0));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_policy_say_what_would_be_allowed() {
    let answers = refused_by_policies().await;
    for (reason, code, answer) in &answers {
        check_answer(reason, answer, refusal(*code, reason));
    }
    let violations: Vec<_> = answers
        .iter()
        .filter_map(|(_, _, answer)| answer.details().precondition_failure().cloned())
        .flat_map(|failure| failure.violations)
        .map(|violation| (violation.subject, violation.description))
        .collect();
    let expected = [
        (
            "redshift-for-an-hour",
            "limit max_duration: asked 2h, allowed 1h",
        ),
        ("quicksight-with-a-lead", "nobody is left who could agree"),
    ];
    assert_eq!(
        violations,
        expected.map(|(path, text)| (path.to_owned(), text.to_owned()))
    );
}
