//! What the admin port tells of calls, of AWS and of grants is what happened.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use usher::domain::Operation;
use usher::grpc::pb::event_service_client::EventServiceClient;
use usher::grpc::pb::{
    AssignRequest, AuditReportRequest, GetGrantRequest, GrantState, ReportFormat, ReportView,
    WatchEventsRequest, WhoAmIRequest,
};
use usher::simulator::{Fault, FaultAction};

use super::common::scrape::Scrape;
use super::common::{
    Begin, TestService, account_access, call_as_nobody, in_time, revoke_of, short_times, until,
    user,
};

/// A service with an admin port that counts the store often.
pub(super) fn with_admin_port() -> Begin {
    let mut config = short_times();
    config.metrics.address = Some(([127, 0, 0, 1], 0).into());
    config.metrics.count_seconds = 0.05;
    Begin {
        config,
        ..Begin::default()
    }
}

impl TestService {
    /// What the admin port tells now.
    pub(super) async fn scrape(&self) -> Scrape {
        let address = self.metrics_address();
        Scrape::of(address.expect("an admin port")).await
    }

    /// Awaits that a sample has a value.
    pub(super) async fn until_sample(&self, name: &str, labels: &[(&str, &str)], wanted: f64) {
        until(&format!("{name}{labels:?} to be {wanted}"), || async {
            let value = self.scrape().await.value(name, labels);
            match value.is_some_and(|value| (value - wanted).abs() < f64::EPSILON) {
                true => Ok(()),
                false => Err(format!("{value:?}")),
            }
        })
        .await;
    }
}

/// A call of any path, without a token.
async fn call_path(service: &TestService, path: &'static str) -> Code {
    let endpoint = Endpoint::from_shared(format!("http://{}", service.address()));
    let channel: Channel = endpoint
        .expect("an address")
        .connect()
        .await
        .expect("a connection");
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<WhoAmIRequest, WhoAmIRequest>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    let request = tonic::Request::new(WhoAmIRequest::default());
    let answered = client.unary(request, path, codec).await;
    answered.expect_err("nobody is let in").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_by_method_and_by_the_code_that_the_caller_got() {
    let service = TestService::start_with(with_admin_port()).await;
    let before = service.scrape().await;
    assert_eq!(before.handled("WhoAmI", "OK"), 0.0);
    for _ in 0..3 {
        let request = in_time(WhoAmIRequest::default());
        let answer = service.directory().who_am_i(request).await;
        answer.expect("an answer");
    }
    let unknown = GetGrantRequest {
        grant_id: "grant_0197f3a0000070008000000000000000".to_owned(),
    };
    let refused = service.grants().get_grant(in_time(unknown)).await;
    let code = refused.expect_err("there is none").code();
    assert_eq!(code, Code::NotFound);
    call_as_nobody(service.address()).await;
    // Two paths that are no methods are one label, and neither is told.
    for path in ["/alice@example.com/secret", "/usher.v1.GrantService/Other"] {
        assert_eq!(call_path(&service, path).await, Code::Unauthenticated);
    }
    let after = service.scrape().await;
    assert_eq!(after.handled("WhoAmI", "OK"), 3.0);
    assert_eq!(after.started("WhoAmI"), 3.0);
    assert_eq!(after.handled("GetGrant", "NotFound"), 1.0);
    assert_eq!(after.handled("GetGrant", "OK"), 0.0);
    assert_eq!(after.handled("ListInstances", "Unauthenticated"), 1.0);
    assert_eq!(after.handled("unknown", "Unauthenticated"), 2.0);
    let service_label = [("grpc_service", "unknown")];
    let started = after.value("grpc_server_started_total", &service_label);
    assert_eq!(started, Some(2.0));
    let text = format!("{after:?}");
    assert!(!text.contains("alice") && !text.contains("Other"), "{text}");
    // How long they took, each once.
    let of_call = [("grpc_method", "WhoAmI"), ("grpc_type", "unary")];
    let count = after.value("grpc_server_handling_seconds_count", &of_call);
    assert_eq!(count, Some(3.0));
    let of_call = [("grpc_method", "WhoAmI"), ("le", "+Inf")];
    let bucket = after.value("grpc_server_handling_seconds_bucket", &of_call);
    assert_eq!(bucket, Some(3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_counted_at_its_end_with_the_time_that_it_took() {
    const SLOW_MILLISECONDS: u64 = 400;
    let service = TestService::start_with(with_admin_port()).await;
    let slow = FaultAction::DelayBeforeEffect {
        milliseconds: SLOW_MILLISECONDS,
    };
    service
        .simulator
        .add_fault(Fault::new("ListApplications", slow).times(1));
    let request = AuditReportRequest {
        view: ReportView::Assignments.into(),
        format: ReportFormat::Csv.into(),
        ..AuditReportRequest::default()
    };
    let mut access = service.access();
    let answered = access.audit_report(in_time(request)).await;
    let mut report = answered.expect("a report").into_inner();
    let meanwhile = service.scrape().await;
    assert_eq!(meanwhile.started("AuditReport"), 1.0);
    assert_eq!(meanwhile.handled("AuditReport", "OK"), 0.0);
    while report.message().await.expect("a whole report").is_some() {}
    let after = service.scrape().await;
    assert_eq!(after.handled("AuditReport", "OK"), 1.0);
    let of_report = [
        ("grpc_method", "AuditReport"),
        ("grpc_type", "server_stream"),
    ];
    let sum = after.value("grpc_server_handling_seconds_sum", &of_report);
    let least = Duration::from_millis(SLOW_MILLISECONDS).as_secs_f64();
    assert!(sum.is_some_and(|sum| sum >= least), "{sum:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_and_a_call_that_nobody_waits_for_are_cancelled() {
    let service = TestService::start_with(with_admin_port()).await;
    let channel = service.channel_of("tester").await;
    let mut events = EventServiceClient::new(channel);
    let request = in_time(WatchEventsRequest::default());
    let watching = events.watch_events(request).await;
    let mut stream = watching.expect("a stream").into_inner();
    let first = stream.message().await.expect("it goes on");
    assert!(first.is_some(), "a heartbeat comes at once");
    assert_eq!(service.scrape().await.handled("WatchEvents", "OK"), 0.0);
    drop(stream);
    let of_stream = [("grpc_method", "WatchEvents"), ("grpc_code", "Canceled")];
    let handled = "grpc_server_handled_total";
    service.until_sample(handled, &of_stream, 1.0).await;

    let stuck = FaultAction::DelayBeforeEffect { milliseconds: 900 };
    service
        .simulator
        .add_fault(Fault::new("CreateApplicationAssignment", stuck).times(1));
    let request = service.user_on("bilal.khan", "Amazon Redshift").assign();
    let mut access = service.access();
    let call = tokio::spawn(async move { access.assign(in_time(request)).await });
    service.until_called("CreateApplicationAssignment", 1).await;
    call.abort();
    let of_call = [("grpc_method", "Assign"), ("grpc_code", "Canceled")];
    service.until_sample(handled, &of_call, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_aws_is_what_aws_saw() {
    let service = TestService::start_with(with_admin_port()).await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service
        .simulator
        .add_fault(Fault::new("DescribeApplicationAssignment", FaultAction::Throttle).times(2));
    let grant = service.assign(triple.assign()).await;
    assert_eq!(grant.state(), GrantState::Active);
    service.revoke(revoke_of(&grant.id)).await;
    // What the reconciler looks at afterwards comes in its own time.
    until("the counts to agree", || async {
        let seen = service.simulator.calls();
        let told = service.scrape().await;
        for operation in Operation::ALL {
            let name = operation.name();
            let seen = seen.iter().filter(|call| call.operation == name).count();
            let of = [("operation", name)];
            let sent = told.value("usher_aws_operations_total", &of);
            if sent.map(|sent| sent.to_string()) != Some(seen.to_string()) {
                return Err(format!("{name}: {sent:?} told, {seen} seen"));
            }
            let timed = told.value("usher_aws_operation_seconds_count", &of);
            if timed.unwrap_or_default().to_string() != seen.to_string() {
                return Err(format!("{name}: {timed:?} timed, {seen} seen"));
            }
        }
        Ok(())
    })
    .await;
    let throttled = [
        ("operation", "DescribeApplicationAssignment"),
        ("kind", "throttled"),
    ];
    let told = service.scrape().await;
    assert_eq!(told.value("usher_aws_errors_total", &throttled), Some(2.0));
    let throttled = [("kind", "throttled")];
    assert_eq!(told.value("usher_aws_errors_total", &throttled), Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_change_that_aws_gives_up_is_an_error() {
    let service = TestService::start_with(with_admin_port()).await;
    let given_up = FaultAction::AsyncFailed { reason: None };
    service
        .simulator
        .add_fault(Fault::new("CreateAccountAssignment", given_up).times(1));
    let grant = service
        .assign(AssignRequest {
            principal: Some(user("bilal.khan")),
            target: Some(account_access("production", "DeveloperAccess")),
            ..AssignRequest::default()
        })
        .await;
    assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
    let given_up = [
        ("operation", "CreateAccountAssignment"),
        ("kind", "operation_failed"),
    ];
    let told = service.scrape().await;
    assert_eq!(told.value("usher_aws_errors_total", &given_up), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gauges_follow_a_grant_through_its_life() {
    let service = TestService::start_with(with_admin_port()).await;
    let grants = "usher_grants";
    let active = [("state", "ACTIVE")];
    let revoking = [("state", "REVOKING")];
    service.until_sample(grants, &active, 0.0).await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let refused = Fault::new("CreateApplicationAssignment", FaultAction::AccessDenied);
    service.simulator.add_fault(refused);
    let request = triple.assign();
    let provisioning = service
        .assign_within(request, Duration::from_millis(400))
        .await;
    service
        .until_sample(grants, &[("state", "PROVISIONING")], 1.0)
        .await;
    service.simulator.clear_faults();
    service
        .until_state(&provisioning.id, GrantState::Active)
        .await;
    service.until_sample(grants, &active, 1.0).await;
    let before = service.scrape().await;
    assert_eq!(before.value(grants, &[]), Some(1.0), "one grant, one state");
    assert_eq!(before.value("usher_overdue_revocations", &[]), Some(0.0));

    let refused = Fault::new("DeleteApplicationAssignment", FaultAction::AccessDenied);
    service.simulator.add_fault(refused);
    let shortly = Duration::from_millis(400);
    service
        .revoke_within(revoke_of(&provisioning.id), shortly)
        .await;
    service.until_sample(grants, &revoking, 1.0).await;
    let on_time = service.scrape().await;
    assert_eq!(on_time.value("usher_overdue_revocations", &[]), Some(0.0));
    service.clock.advance(SignedDuration::from_secs(100));
    service
        .until_sample("usher_overdue_revocations", &[], 1.0)
        .await;
    let overdue = service.scrape().await;
    let age = overdue.value("usher_overdue_revocation_age_seconds", &[]);
    assert!(
        age.is_some_and(|age| (100.0..160.0).contains(&age)),
        "{age:?}"
    );
    service.simulator.clear_faults();
    service
        .until_state(&provisioning.id, GrantState::Revoked)
        .await;
    service.until_sample(grants, &revoking, 0.0).await;
    let over = service.scrape().await;
    assert_eq!(
        over.value(grants, &[]),
        Some(0.0),
        "what is over is no gauge"
    );
    assert_eq!(over.value("usher_overdue_revocations", &[]), Some(0.0));
    let age = over.value("usher_overdue_revocation_age_seconds", &[]);
    assert_eq!(age, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_in_the_document_and_no_other() {
    let service = TestService::start_with(with_admin_port()).await;
    let told: Scrape = service.scrape().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("docs/metrics.md");
    let mut written = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells[1].split('`').nth(1).expect("a name");
        let name = name.split('{').next().expect("a name");
        written.insert(format!("{name} {}", cells[2]));
    }
    let kinds = told.kinds.iter();
    let told: BTreeSet<String> = kinds.map(|(name, kind)| format!("{name} {kind}")).collect();
    assert!(told.contains("usher_build_info gauge"));
    assert_eq!(told, written, "docs/metrics.md is not what is told");
}
