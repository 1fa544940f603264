//! Every reason of the error table is reached over the wire, with the code that the table promises.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tonic::Code;
use usher::grpc::TABLE;
use usher::simulator::{Assignment, Fault, FaultAction, PrincipalType};

use crate::accounts::accounts_at_fault;
use crate::bench::{Bench, CALLER, Setup, assign, with};
use crate::bounds::call_beyond_the_budget;
use crate::check::{check_answer, refusal, retry_seconds};
use crate::connections::call_while_shutting_down;
use crate::limits::limits_at_fault;
use crate::policies::{POLICIES, refused_by_policies};
use crate::reviewers::reviewers_at_fault;
use crate::roles::call_without_the_role;
use crate::watches::watches_at_fault;
use crate::wire::{Answer, GRPC, encode, frame};

const ASSIGN: &str = "AccessService/Assign";
const REVOKE: &str = "AccessService/Revoke";

/// The refusals seen so far: reason and code.
#[derive(Default)]
struct Seen(BTreeMap<String, Code>);

impl Seen {
    fn add(&mut self, answer: &Answer) {
        let (reason, code) = (answer.reason(), answer.code());
        assert!(!reason.is_empty(), "{:?}", answer.status());
        self.0.insert(reason, code);
    }

    /// Notes a refusal that is told of a row, which has no code of its own.
    fn add_row(&mut self, row: &Value, code: Code) {
        let reason = row["error_reason"].as_str().unwrap_or_default().to_owned();
        self.0.insert(reason, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_of_the_table_is_reached() {
    let mut seen = Seen::default();
    requests_at_fault(&mut seen).await;
    credentials_at_fault(&mut seen).await;
    for (_, _, answer) in aws_at_fault().await {
        seen.add(&answer);
    }
    for (_, _, answer) in refused_by_policies().await {
        seen.add(&answer);
    }
    for (_, _, answer) in reviewers_at_fault().await {
        seen.add(&answer);
    }
    for (_, answer) in accounts_at_fault().await {
        seen.add(&answer);
    }
    let code = Code::FailedPrecondition;
    seen.add_row(&adoption_of_what_others_keep().await, code);
    seen.add(&call_without_the_role().await);
    seen.add(&call_when_read_only().await);
    seen.add(&call_with_a_locked_store().await);
    seen.add(&call_beyond_the_budget().await);
    seen.add(&call_while_shutting_down().await);
    seen.add(&report_too_many().await);
    for answer in limits_at_fault().await {
        seen.add(&answer);
    }
    for answer in watches_at_fault().await {
        seen.add(&answer);
    }
    let promised: BTreeMap<String, Code> = TABLE
        .iter()
        .map(|row| {
            let name = row.reason.as_str_name().trim_start_matches("ERROR_REASON_");
            (name.to_owned(), row.code)
        })
        .collect();
    assert_eq!(seen.0, promised);
}

async fn requests_at_fault(seen: &mut Seen) {
    let mut setup = Setup::default();
    let mut twin = setup.world.application_named("Wiki").unwrap().clone();
    twin.application_arn = twin.application_arn.replace("apl-2", "apl-3");
    setup.world.applications.push(twin);
    let bench = Bench::start(setup).await;
    let named = |user: &str| json!({"principal": {"user": user}});
    let of = |user: &str, application: &str| json!({"assignment": {"principal": {"user": user}, "target": {"application": application}}});
    bench
        .ok(ASSIGN, with(assign(), json!({"request_id": "once"})))
        .await;
    let no_grant = json!({"grant_id": format!("grant_{}", "0".repeat(32))});
    let other_content = json!({"request_id": "once", "ticket": "other"});
    let too_early = json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS", "as_of": "2020-01-01T00:00:00Z"});
    let calls: [(&str, Value); 12] = [
        ("AccessService/AuditReport", too_early),
        (ASSIGN, json!({})),
        (ASSIGN, with(assign(), json!({"instance": "nowhere"}))),
        (
            ASSIGN,
            with(assign(), json!({"target": {"application": "Nothing"}})),
        ),
        (ASSIGN, with(assign(), named("nobody"))),
        (ASSIGN, with(assign(), named("felix.left"))),
        (
            ASSIGN,
            with(assign(), json!({"target": {"application": "Wiki"}})),
        ),
        (ASSIGN, with(assign(), other_content)),
        ("GrantService/GetGrant", no_grant),
        ("GrantService/ListGrants", json!({"page_token": "x"})),
        (REVOKE, of("bilal.khan", "Amazon Redshift")),
        (REVOKE, of("dmitri.orlov", "Amazon QuickSight")),
    ];
    for (method, message) in calls {
        seen.add(&bench.call(method, message).await);
    }
    seen.add(&bench.send(CALLER, ASSIGN, &[], frame(b"\xff")).await);
    seen.add(
        &bench
            .send(CALLER, ASSIGN, &[], frame(&vec![0; 5 << 20]))
            .await,
    );
    seen.add(
        &bench
            .send(CALLER, "AccessService/Nothing", &[], frame(b""))
            .await,
    );
    let no_change = json!({"mass_change_id": format!("mass_change_{}", "0".repeat(32))});
    let confirm = "OperationsService/ConfirmMassChange";
    seen.add(&bench.call(confirm, no_change).await);
    let scope = json!({"scope": "FREEZE_SCOPE_GRANTS"});
    bench.ok("OperationsService/Freeze", scope).await;
    seen.add(&bench.call(ASSIGN, assign()).await);
}

/// An issuer whose keys cannot be had: nothing listens there.
const ISSUER_AWAY: &str = r#"
    [[issuers]]
    name = "away"
    issuer = "away"
    audiences = ["usher"]
    jwks_url = "http://127.0.0.1:1/keys"
    callers = "PERSONS"
    match_by = "USER_NAME"
    match_claim = "sub"
"#;
/// A token that says it is of that issuer.
const TOKEN_OF_AWAY: &str =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJhd2F5IiwiYXVkIjoidXNoZXIifQ.AAAA";

async fn credentials_at_fault(seen: &mut Seen) {
    let policies = tempfile::tempdir().unwrap();
    std::fs::write(policies.path().join("all.cedar"), POLICIES).unwrap();
    let mut setup = Setup::default();
    setup.config.policy.directory = Some(policies.path().to_owned());
    setup.config.authentication = toml::from_str(ISSUER_AWAY).unwrap();
    let bench = Bench::start(setup).await;
    let empty = || frame(&[]);
    let with_token = |token: &str| {
        let value = format!("Bearer {token}");
        let bench = &bench;
        async move {
            let headers = [GRPC, &[("authorization", value.as_str())]].concat();
            bench.raw(ASSIGN, &headers, empty()).await
        }
    };
    seen.add(&bench.raw(ASSIGN, GRPC, empty()).await);
    seen.add(&with_token("nonsense").await);
    seen.add(&with_token(TOKEN_OF_AWAY).await);
    seen.add(&with_token(&bench.expired_token()).await);
    seen.add(
        &bench
            .send(CALLER, ASSIGN, &[("usher-on-behalf-of", "root")], empty())
            .await,
    );
}

/// What callers see of AWS's faults: the reason that must come, the fault, the answer.
async fn aws_at_fault() -> Vec<(&'static str, Code, Answer)> {
    let bench = Bench::demo().await;
    let unheard_of = FaultAction::Error {
        code: "TeapotException".to_owned(),
        message: "1 validation error detected: Value at 'alternateIdentifier'".to_owned(),
        http_status: None,
        members: serde_json::Map::new(),
        after_effect: false,
    };
    let slow = FaultAction::DelayBeforeEffect { milliseconds: 3000 };
    let cases = [
        (
            "USHER_ROLE_LACKS_PERMISSION",
            Code::FailedPrecondition,
            FaultAction::AccessDenied,
        ),
        (
            "USHER_CREDENTIALS_INVALID",
            Code::FailedPrecondition,
            FaultAction::ExpiredCredentials,
        ),
        (
            "AWS_UNAVAILABLE",
            Code::Unavailable,
            FaultAction::InternalError {
                after_effect: false,
            },
        ),
        (
            "AWS_UNAVAILABLE",
            Code::Unavailable,
            FaultAction::DropBeforeEffect,
        ),
        ("INTERNAL", Code::Internal, unheard_of),
        ("DEADLINE_EXCEEDED", Code::DeadlineExceeded, slow),
    ];
    let mut answers = Vec::new();
    for (reason, code, action) in cases {
        let is_slow = reason == "DEADLINE_EXCEEDED";
        bench.simulator.add_fault(Fault::new("GetUserId", action));
        let timeout: &[(&str, &str)] = if is_slow {
            &[("grpc-timeout", "300m")]
        } else {
            &[]
        };
        let message = frame(&encode(ASSIGN, &assign()));
        answers.push((
            reason,
            code,
            bench.send(CALLER, ASSIGN, timeout, message).await,
        ));
        bench.simulator.clear_faults();
        assert_eq!(bench.footprint().await, (0, 0), "{reason}");
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_aws_are_told_without_its_words() {
    for (reason, code, answer) in aws_at_fault().await {
        check_answer(reason, &answer, refusal(code, reason));
        if code == Code::Unavailable {
            retry_seconds(&answer);
        }
        if reason == "USHER_ROLE_LACKS_PERMISSION" {
            let details = answer.details();
            let metadata = &details.error_info().unwrap().metadata;
            assert_eq!(metadata["iamAction"], "identitystore:GetUserId");
            assert!(details.precondition_failure().is_some());
        }
    }
}

/// An Assign where the endpoint is this machine, but not by a loopback address.
async fn call_when_read_only() -> Answer {
    let bench = Bench::start(Setup {
        aws_host: "0.0.0.0",
        ..Setup::default()
    })
    .await;
    let preview = bench
        .ok(ASSIGN, with(assign(), json!({"validate_only": true})))
        .await;
    assert_eq!(
        preview["preview"]["write_mode"], "WRITE_MODE_READ_ONLY",
        "{preview}"
    );
    let answer = bench.call(ASSIGN, assign()).await;
    assert_eq!(bench.footprint().await, (0, 0));
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn where_aws_is_not_loopback_nothing_is_written() {
    let expected = refusal(Code::FailedPrecondition, "READ_ONLY");
    check_answer("Assign", &call_when_read_only().await, expected);
}

/// An Assign while something else holds the database.
async fn call_with_a_locked_store() -> Answer {
    let mut setup = Setup::default();
    setup.config.store.wait_milliseconds = 100;
    let bench = Bench::start(setup).await;
    let database = bench.data_directory.path().join("usher.sqlite3");
    let url = format!("sqlite://{}", database.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await
        .unwrap();
    let answer = bench.call(ASSIGN, assign()).await;
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(bench.footprint().await, (0, 0));
    assert_eq!(
        bench.call(ASSIGN, assign()).await.code(),
        Code::Ok,
        "it goes on afterwards"
    );
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_told() {
    let answer = call_with_a_locked_store().await;
    check_answer(
        "locked",
        &answer,
        refusal(Code::Unavailable, "STORE_UNAVAILABLE"),
    );
    retry_seconds(&answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_going_says_so() {
    let answer = call_while_shutting_down().await;
    check_answer(
        "going",
        &answer,
        refusal(Code::Unavailable, "SHUTTING_DOWN"),
    );
    retry_seconds(&answer);
}

/// What is told of an adoption that a rule forbids.
async fn adoption_of_what_others_keep() -> Value {
    let mut setup = Setup::default();
    let rule = "owner = \"terraform\"\neverything = true";
    setup.config.external_assignments = vec![toml::from_str(rule).unwrap()];
    let application = setup.world.application_named("Wiki").unwrap();
    let assignment = Assignment {
        application_arn: application.application_arn.clone(),
        principal_type: PrincipalType::User,
        principal_id: setup
            .world
            .user_named("bilal.khan")
            .unwrap()
            .user_id
            .clone(),
    };
    setup.world.assignments.push(assignment);
    let bench = Bench::start(setup).await;
    let row = json!({"principal": {"user": "bilal.khan"}, "target": {"application": "Wiki"}});
    let message = json!({"adoptions": [row]});
    let answer = bench.ok("GrantService/AdoptAssignments", message).await;
    answer["results"][0].clone()
}

/// A report while the caller's only place is taken.
async fn report_too_many() -> Answer {
    let mut setup = Setup::default();
    setup.config.limits.reports_per_caller_max = 1;
    let bench = Bench::start(setup).await;
    let slow = FaultAction::DelayBeforeEffect { milliseconds: 1500 };
    bench
        .simulator
        .add_fault(Fault::new("ListApplications", slow));
    let report = json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS"});
    let method = "AccessService/AuditReport";
    let (one, other) = tokio::join!(
        bench.call(method, report.clone()),
        bench.call(method, report)
    );
    if one.code() == Code::Ok { other } else { one }
}
