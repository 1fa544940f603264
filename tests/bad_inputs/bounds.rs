//! What one caller may occupy, what takes too long, and what comes several times at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{Fault, FaultAction};

use crate::bench::{Bench, CALLER, Setup, assign, with};
use crate::check::{Refusal, check, check_answer, refusal, retry_seconds};
use crate::wire::{Answer, GRPC, encode, frame, post};

const ASSIGN: &str = "AccessService/Assign";
const REVOKE: &str = "AccessService/Revoke";
const REPORT: &str = "AccessService/AuditReport";
const LIMITED: Refusal<'_> = refusal(Code::ResourceExhausted, "CALLER_CONCURRENCY_LIMITED");

fn slow(operation: &str, milliseconds: u64) -> Fault {
    Fault::new(operation, FaultAction::DelayBeforeEffect { milliseconds })
}

/// So many equal calls at once.
async fn at_once(
    bench: &Arc<Bench>,
    count: usize,
    method: &'static str,
    message: &Value,
) -> Vec<Answer> {
    let calls = (0..count).map(|_| {
        let (bench, message) = (Arc::clone(bench), message.clone());
        tokio::spawn(async move { bench.call(method, message).await })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_64_calls_open_and_others_are_not_held_up() {
    let bench = Arc::new(Bench::demo().await);
    bench.simulator.add_fault(slow("GetUserId", 2500));
    let method = "DirectoryService/ListPrincipals";
    let question = json!({"principal": {"user": "anna.berg"}});
    let started = Instant::now();
    let (answers, other) = tokio::join!(at_once(&bench, 65, method, &question), async {
        let answer = bench
            .call_as("bob", "DirectoryService/ListInstances", json!({}))
            .await;
        (answer.code(), started.elapsed())
    });
    assert_eq!(other.0, Code::Ok);
    assert!(
        other.1 < Duration::from_secs(2),
        "another caller waited {:?}",
        other.1
    );
    let refused: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.code() != Code::Ok)
        .collect();
    assert_eq!(refused.len(), 1);
    check_answer("the 65th call", refused[0], LIMITED);
    assert!(retry_seconds(refused[0]) <= 5.0);
    assert!(refused[0].details().quota_failure().is_some());
    assert_eq!(
        bench.call(method, question).await.code(),
        Code::Ok,
        "places are free again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_4_reports_open() {
    let bench = Arc::new(Bench::demo().await);
    bench.simulator.add_fault(slow("ListApplications", 2500));
    let report = json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_CSV"});
    let answers = at_once(&bench, 20, REPORT, &report).await;
    let refused: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.code() != Code::Ok)
        .collect();
    assert_eq!(refused.len(), 16);
    for answer in refused {
        check_answer("a report too many", answer, LIMITED);
        retry_seconds(answer);
    }
    bench.simulator.clear_faults();
    assert_eq!(
        bench.call(REPORT, report).await.code(),
        Code::Ok,
        "places are free again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_before_the_commit_leaves_nothing() {
    let bench = Bench::demo().await;
    let before = bench.footprint().await;
    bench.simulator.add_fault(slow("GetUserId", 1500));
    for timeout in ["100m", "1m", "0S", "1n"] {
        let started = Instant::now();
        let message = frame(&encode(ASSIGN, &assign()));
        let answer = bench
            .send(CALLER, ASSIGN, &[("grpc-timeout", timeout)], message)
            .await;
        check_answer(
            timeout,
            &answer,
            refusal(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        );
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "{timeout}: {:?}",
            started.elapsed()
        );
    }
    bench.simulator.clear_faults();
    assert_eq!(bench.footprint().await, before);
}

/// The transport has a timer of its own, which answers without a reason: it never comes first.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_of_any_shortness_is_answered_with_its_reason() {
    let bench = Bench::demo().await;
    bench.simulator.add_fault(slow("GetUserId", 1500));
    let message = frame(&encode(ASSIGN, &assign()));
    for round in 0..40 {
        for timeout in ["0S", "1n", "900u", "1m", "2m", "3m", "5m"] {
            let answer = bench
                .send(
                    CALLER,
                    ASSIGN,
                    &[("grpc-timeout", timeout)],
                    message.clone(),
                )
                .await;
            check_answer(
                &format!("{timeout}, round {round}"),
                &answer,
                refusal(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_one_request() {
    let bench = Arc::new(Bench::demo().await);
    let request = with(assign(), json!({"request_id": "r-1"}));
    let answers = at_once(&bench, 50, ASSIGN, &request).await;
    let first = answers[0].ok(ASSIGN);
    for answer in &answers {
        assert_eq!(answer.ok(ASSIGN), first);
    }
    let creates = bench.simulator.calls();
    let creates = creates
        .iter()
        .filter(|call| call.operation == "CreateApplicationAssignment");
    assert_eq!((creates.count(), bench.footprint().await.0), (1, 1));
    let reused = Refusal {
        code: Code::InvalidArgument,
        reason: "REQUEST_ID_REUSED",
        fields: &["request_id"],
    };
    for (what, change) in [
        ("another justification", json!({"justification": "other"})),
        (
            "another principal",
            json!({"principal": {"user": "bilal.khan"}}),
        ),
        ("another duration", json!({"duration": "3601s"})),
    ] {
        check(&bench, what, ASSIGN, with(request.clone(), change), reused).await;
    }
    let grant = first["grant"]["id"].clone();
    let revoke = json!({"grant_id": grant, "request_id": "r-1"});
    check(&bench, "another method", REVOKE, revoke.clone(), reused).await;
    let other = bench.call_as("bob", ASSIGN, request).await.ok(ASSIGN);
    assert_ne!(
        other["grant"]["id"], grant,
        "a request id counts per caller"
    );
    // Ending twice is ending once.
    let revoke = with(revoke, json!({"request_id": "r-2"}));
    let once = bench.ok(REVOKE, revoke.clone()).await;
    let twice = bench.ok(REVOKE, revoke).await;
    assert_eq!(once["grants"], twice["grants"]);
    let unnamed = bench.ok(REVOKE, json!({"grant_id": grant})).await;
    assert_eq!(once["grants"][0]["state"], unnamed["grants"][0]["state"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_no_orphan() {
    let bench = Bench::demo().await;
    bench
        .simulator
        .add_fault(slow("CreateApplicationAssignment", 200));
    let credential = format!("Bearer {}", bench.token(CALLER));
    let headers = [GRPC, &[("authorization", credential.as_str())]].concat();
    let users = [
        "anna.berg",
        "bilal.khan",
        "carla.mendes",
        "dmitri.orlov",
        "emi.sato",
    ];
    for (number, user) in users.iter().enumerate() {
        let message = with(assign(), json!({"principal": {"user": user}}));
        let stream = tokio::net::TcpStream::connect(bench.address).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut sender: h2::client::SendRequest<bytes::Bytes> = sender.ready().await.unwrap();
        let (response, mut body) = sender.send_request(post(ASSIGN, &headers), false).unwrap();
        body.send_data(frame(&encode(ASSIGN, &message)), true)
            .unwrap();
        // Hang up at different moments: at once, and a little later.
        let moment = Duration::from_millis(number as u64 * 40);
        drop(tokio::time::timeout(moment, response).await);
        connection.abort();
    }
    let target = json!({"target": {"application": "Amazon Redshift"}, "max_age": "0s"});
    let mut states = Vec::new();
    for _ in 0..200 {
        let grants = bench.ok("GrantService/ListGrants", json!({})).await;
        let grants = grants["grants"].as_array().cloned().unwrap_or_default();
        states = grants
            .iter()
            .map(|grant| grant["state"].to_string())
            .collect();
        if !states.is_empty() && states.iter().all(|state| state.contains("ACTIVE")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rows = bench.ok("AccessService/ListAssignments", target).await;
    let rows = rows["assignments"].as_array().cloned().unwrap_or_default();
    assert_eq!(rows.len(), states.len(), "{states:?}");
    assert!(
        rows.iter()
            .all(|row| row["provenance"] == "PROVENANCE_GRANT"),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_cannot_serve_in_time_is_told_with_the_true_wait() {
    let answer = call_beyond_the_budget().await;
    check_answer(
        "beyond",
        &answer,
        refusal(Code::ResourceExhausted, "AWS_BUDGET_EXHAUSTED"),
    );
    assert!(retry_seconds(&answer) < 30.0);
    assert!(answer.details().quota_failure().is_some());
}

/// An Assign that the budget of one operation a second cannot serve within two.
pub(crate) async fn call_beyond_the_budget() -> Answer {
    let mut setup = Setup::default();
    setup.config.budget.sso_admin_per_second = 1;
    setup.config.budget.burst = 1;
    let bench = Bench::start(setup).await;
    let message = with(
        assign(),
        json!({
            "principal": {"user": bench.user("anna.berg")},
            "target": {"application": bench.application("Amazon Redshift")},
        }),
    );
    let before = bench.footprint().await;
    let body = frame(&encode(ASSIGN, &message));
    let answer = bench
        .send(CALLER, ASSIGN, &[("grpc-timeout", "2S")], body)
        .await;
    assert_eq!(bench.footprint().await, before);
    answer
}
