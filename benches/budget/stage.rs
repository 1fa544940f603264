//! A service at AWS's pace, auditors that never stop, and what the simulator's log says of it.

use std::time::Duration;

use tokio::task::JoinSet;
use usher::config::Config;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::{AuditReportRequest, ReportFormat, ReportView};
use usher::simulator::{
    CallRecord, EnabledStatus, PrincipalType, Settings, Simulator, Switches, World, WorldSizes,
};

use crate::common::{Begin, TestService, TokenChannel, Triple, in_time};

/// AWS's rate, and Usher's as configured.
pub(crate) const PER_SECOND: f64 = 20.0;

/// Prints a figure.
pub(crate) fn figure(name: &str, value: f64, unit: &str, target: &str) {
    println!("figure {name} {value:.3} {unit} target {target}");
}

/// A company with many applications: a report of it is mostly sso-admin operations.
fn world() -> World {
    World::generate(
        7,
        &WorldSizes {
            applications: 100,
            groups: 20,
            users: 300,
            assignments_per_application: 5,
            ..WorldSizes::default()
        },
    )
}

/// AWS at its pace, with such a burst.
pub(crate) fn settings(burst: f64) -> Settings {
    Settings {
        sso_admin_burst: burst,
        identity_store_burst: burst,
        odd_page_rate: 0.0,
        ..Settings::default()
    }
}

/// A service with its default configuration on such an AWS.
pub(crate) async fn service(settings: Settings) -> TestService {
    let config: Config =
        toml::from_str("[aws]\nregion = \"us-east-1\"\n").expect("a configuration");
    TestService::start_with(Begin {
        world: world(),
        settings,
        switches: Switches::default(),
        config,
    })
    .await
}

/// A user of the world on an application of it; each number gives another pair.
pub(crate) fn triple(world: &World, number: usize) -> Triple {
    let enabled = Some(EnabledStatus::Enabled);
    let mut users = world
        .users
        .iter()
        .filter(|user| user.user_status == enabled);
    let user = users.nth(number % 200).expect("so many users");
    // Ten applications: their facts stay fresh, and writes to one go one at a time.
    let application = &world.applications[number % 10];
    Triple {
        kind: PrincipalType::User,
        principal_id: user.user_id.clone(),
        application_arn: application.application_arn.clone(),
    }
}

/// How much later each auditor begins: served evenly, those who began together would read the same part of
/// their reports together, and leave AWS's other quotas unused.
const BEGIN_APART: Duration = Duration::from_secs(4);

/// Auditors that take one report after the other, until the set is dropped. It returns when all have begun.
pub(crate) async fn auditors(service: &TestService, count: usize) -> JoinSet<()> {
    let mut auditors = JoinSet::new();
    for number in 0..count {
        let channel = service.channel_of(&format!("auditor-{number}")).await;
        auditors.spawn(audit(channel));
        tokio::time::sleep(BEGIN_APART).await;
    }
    auditors
}

async fn audit(channel: TokenChannel) {
    let mut client = AccessServiceClient::new(channel).max_decoding_message_size(64 << 20);
    loop {
        let request = AuditReportRequest {
            view: ReportView::Access.into(),
            format: ReportFormat::Csv.into(),
            ..AuditReportRequest::default()
        };
        let mut request = in_time(request);
        request.set_timeout(Duration::from_secs(3600));
        let report = client.audit_report(request).await;
        let mut report = report.expect("a report").into_inner();
        while report.message().await.expect("a part").is_some() {}
    }
}

/// Now, on the clock of the simulator's log.
pub(crate) fn seconds_now() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 / 1e6
}

/// The calls of a window.
pub(crate) fn calls_between(simulator: &Simulator, from: f64, to: f64) -> Vec<CallRecord> {
    let calls = simulator.calls().into_iter();
    calls
        .filter(|call| (from..to).contains(&call.time_seconds))
        .collect()
}

/// How many of them were for sso-admin.
pub(crate) fn of_sso_admin(calls: &[CallRecord]) -> f64 {
    calls
        .iter()
        .filter(|call| call.service == "sso-admin")
        .count() as f64
}

/// How many of a hundred calls AWS throttled.
pub(crate) fn throttled_percent(calls: &[CallRecord]) -> f64 {
    let throttled = calls.iter().filter(|call| call.throttled).count();
    throttled as f64 * 100.0 / calls.len() as f64
}

/// The value that so many of a hundred do not exceed.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * percent / 100]
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
