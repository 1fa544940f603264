//! What was read of AWS is not read again: after an interruption, and where a report may tell older facts.

use std::collections::BTreeMap;

use usher::config::Config;
use usher::grpc::pb::AuditSummary;
use usher::simulator::{CallRecord, Fault, FaultAction, Settings, World, WorldSizes};

use super::common::{Begin, TestService, in_time, short_times, until};
use super::history::{access, at_most, kept_report, report};

/// Operations a second: a report takes five seconds.
const PER_SECOND: u32 = 20;
/// So many operations are the middle of it.
const IN_THE_MIDDLE: usize = 60;
/// What a moment is at this rate: what was under way, and what waited to be kept.
const OF_A_MOMENT: usize = 20;

/// A service that reports slowly.
async fn slow_service(change: impl FnOnce(&mut Config)) -> TestService {
    let mut config = short_times();
    config.budget.sso_admin_per_second = PER_SECOND;
    config.budget.identity_store_per_second = PER_SECOND;
    config.budget.burst = 1;
    change(&mut config);
    let sizes = WorldSizes {
        applications: 25,
        groups: 100,
        users: 200,
        ..WorldSizes::default()
    };
    TestService::start_with(Begin {
        world: World::generate(31, &sizes),
        settings: Settings {
            odd_page_rate: 0.0,
            ..Settings::unlimited()
        },
        config,
        ..Begin::default()
    })
    .await
}

/// What reports ask, but for what settles orphan candidates.
fn of_reports(service: &TestService) -> Vec<CallRecord> {
    let reads = [
        "ListApplications",
        "GetApplicationAssignmentConfiguration",
        "ListApplicationAssignments",
        "ListGroups",
        "ListGroupMemberships",
        "ListUsers",
    ];
    let mut calls = service.simulator.calls();
    calls.retain(|call| reads.contains(&call.operation.as_str()));
    calls
}

/// How many of these calls asked what one before had asked.
fn repeated(calls: &[CallRecord]) -> usize {
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls {
        *asked
            .entry(format!("{} {}", call.operation, call.input))
            .or_default() += 1;
    }
    asked.values().map(|count| count - 1).sum()
}

fn used(summary: &AuditSummary) -> i64 {
    let used = summary.operations_used.iter();
    used.map(|used| used.count).sum()
}

async fn until_the_middle(service: &TestService) {
    until("the middle of it", || async {
        match of_reports(service).len() {
            asked if asked >= IN_THE_MIDDLE => Ok(()),
            asked => Err(format!("{asked} operations")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_client_hangs_up_is_gone_on_with_by_the_next_one_after_a_restart() {
    let mut service = slow_service(|_| {}).await;
    let parts = service.access().audit_report(in_time(access())).await;
    let parts = parts.expect("a report").into_inner();
    until_the_middle(&service).await;
    drop(parts);
    service.restart().await;
    let (text, second) = report(&service, access()).await.expect("a report");
    let again = repeated(&of_reports(&service));
    assert!(again <= OF_A_MOMENT, "{again} operations were made twice");
    // That one was finished: the next reads everything anew, and says the same.
    let (anew, third) = report(&service, access()).await.expect("a report");
    assert_eq!(text, anew);
    let spared = used(&third) - used(&second);
    assert!(spared >= (IN_THE_MIDDLE - OF_A_MOMENT) as i64, "{spared}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_by_schedule_that_is_stopped_goes_on_after_the_next_start() {
    let mut service = slow_service(|config| {
        config.audit.collect_after_start_seconds = 0;
    })
    .await;
    until_the_middle(&service).await;
    service.restart().await;
    until("its facts", || async {
        let last = usher::grpc::pb::AuditReportRequest {
            as_of: Some(std::time::SystemTime::now().into()),
            ..access()
        };
        let told = report(&service, last).await;
        told.map(|_| ()).map_err(|status| status.to_string())
    })
    .await;
    let again = repeated(&of_reports(&service));
    assert!(again <= OF_A_MOMENT, "{again} operations were made twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_max_age_spares_what_was_read_of_a_collection_that_lacks_something() {
    let service = TestService::start().await;
    let denied = "ListGroupMemberships";
    let fault = Fault::new(denied, FaultAction::AccessDenied);
    service.simulator.add_fault(fault);
    report(&service, access()).await.expect("a report");
    service.simulator.clear_faults();
    service.simulator.clear_calls();
    let (text, summary) = report(&service, at_most(3600)).await.expect("a report");
    let asked = of_reports(&service);
    assert!(!asked.is_empty() && asked.iter().all(|call| call.operation == denied));
    assert_eq!(asked.len() as i64, used(&summary));
    // Now there is a whole collection, which answers by itself.
    let (kept, _) = kept_report(&service, at_most(3600)).await;
    assert_eq!(kept, text);
    let (anew, read) = report(&service, access()).await.expect("a report");
    assert_eq!(anew, text);
    assert!(used(&read) > used(&summary));
}
