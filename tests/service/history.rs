//! Reports of the past, and of facts that are kept: the same rows as when they were read, without a question
//! to AWS, with the reasons of their time.

use std::time::Duration;

use jiff::Timestamp;
use tonic::Code;
use usher::config::Config;
use usher::grpc::pb::{
    AuditReportRequest, AuditSummary, Completeness, ReportFormat, ReportView, audit_report_response,
};
use usher::simulator::{Fault, FaultAction};

use super::common::{
    Begin, TestService, application, in_time, reason, revoke_of, short_times, until, user,
};

/// A report of who can enter what, as CSV.
pub(crate) fn access() -> AuditReportRequest {
    AuditReportRequest {
        view: ReportView::Access.into(),
        format: ReportFormat::Csv.into(),
        ..AuditReportRequest::default()
    }
}

fn as_of(at: Timestamp) -> AuditReportRequest {
    AuditReportRequest {
        as_of: Some(prost_types::Timestamp {
            seconds: at.as_second(),
            nanos: at.subsec_nanosecond(),
        }),
        ..access()
    }
}

pub(crate) fn at_most(seconds: i64) -> AuditReportRequest {
    AuditReportRequest {
        max_age: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..access()
    }
}

pub(crate) async fn report(
    service: &TestService,
    request: AuditReportRequest,
) -> Result<(String, AuditSummary), tonic::Status> {
    let mut parts = (service.access().audit_report(in_time(request)).await?).into_inner();
    let mut text = String::new();
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(audit_report_response::Part::Text(piece)) => text.push_str(&piece),
            Some(audit_report_response::Part::Summary(summary)) => return Ok((text, summary)),
            _ => {}
        }
    }
    panic!("the report was cut")
}

/// A report that asks nothing of AWS.
pub(crate) async fn kept_report(
    service: &TestService,
    request: AuditReportRequest,
) -> (String, AuditSummary) {
    let before = service.simulator.calls().len();
    let answer = report(service, request).await.expect("a report");
    assert_eq!(service.simulator.calls().len(), before, "AWS was asked");
    assert!(answer.1.operations_used.is_empty());
    answer
}

fn rows_of<'a>(text: &'a str, user: &str, application: &str) -> Vec<&'a str> {
    let is_it = |row: &&str| row.contains(user) && row.contains(application);
    text.lines().filter(is_it).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_time_is_answered_as_it_was_with_the_grants_of_its_time() {
    let service = TestService::start().await;
    let redshift = "Amazon Redshift";
    let mut request = service.user_on("bilal.khan", redshift).assign();
    request.justification = "INC-42".to_owned();
    let grant = service.assign(request).await;
    let (then, summary) = report(&service, access()).await.expect("a report");
    assert_eq!(summary.completeness(), Completeness::Complete);
    let time = Timestamp::now();
    service.revoke(revoke_of(&grant.id)).await;
    let (now, _) = report(&service, access()).await.expect("a report");
    assert!(rows_of(&now, "bilal.khan", redshift).is_empty());

    let (past, told) = kept_report(&service, as_of(time)).await;
    assert_eq!(past, then, "row for row");
    assert_eq!(told.completeness(), Completeness::Complete);
    assert_eq!(told.observed_from, summary.observed_from);
    let [row] = rows_of(&past, "bilal.khan", redshift)[..] else {
        panic!("{past}")
    };
    assert!(row.contains(&grant.id) && row.contains("INC-42"), "{row}");
    let (last, _) = kept_report(&service, as_of(Timestamp::now())).await;
    assert_eq!(last, now);
    // Still so after a restart.
    let mut service = service;
    service.restart().await;
    let (past, _) = kept_report(&service, as_of(time)).await;
    assert_eq!(past, then);
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_are_young_enough_answer_and_older_ones_are_read_again() {
    let service = TestService::start().await;
    let none = report(&service, at_most(3600)).await.expect("a report");
    assert!(!none.1.operations_used.is_empty(), "there was nothing yet");
    let (kept, _) = kept_report(&service, at_most(3600)).await;
    assert_eq!(kept, none.0);
    let (_, read) = report(&service, at_most(0)).await.expect("a report");
    assert!(!read.operations_used.is_empty());
    // A part of what is kept.
    let of_anna = AuditReportRequest {
        principal: Some(user("anna.berg")),
        ..at_most(3600)
    };
    let (rows, _) = report(&service, of_anna).await.expect("a report");
    assert!(rows.lines().skip(1).all(|row| row.contains("anna.berg")));
    assert!(rows.lines().count() > 2, "{rows}");
    let of_wiki = AuditReportRequest {
        target: Some(application("Wiki")),
        ..at_most(3600)
    };
    let (rows, summary) = report(&service, of_wiki).await.expect("a report");
    assert!(rows.lines().skip(1).all(|row| row.contains("Wiki")));
    assert_eq!(summary.application_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_is_missing_in_the_past_too_and_closes_nothing() {
    let service = TestService::start().await;
    let (whole, _) = report(&service, access()).await.expect("a report");
    let fault = Fault::new("ListApplicationAssignments", FaultAction::AccessDenied);
    service.simulator.add_fault(fault);
    let (_, partial) = report(&service, access()).await.expect("a report");
    assert_eq!(partial.completeness(), Completeness::Partial);
    let (past, told) = kept_report(&service, as_of(Timestamp::now())).await;
    assert_eq!(told.completeness(), Completeness::Partial);
    assert_eq!(told.missing, partial.missing);
    // What nobody saw gone is as it was last seen.
    for name in ["Amazon QuickSight", "Wiki"] {
        assert_eq!(
            rows_of(&past, "dmitri.orlov", name).len(),
            rows_of(&whole, "dmitri.orlov", name).len(),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_before_the_first_collection_and_questions_without_a_history_are_refused() {
    let service = TestService::start().await;
    let refused = report(&service, as_of(Timestamp::now())).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "FACTS_NOT_COLLECTED");
    report(&service, access()).await.expect("a report");
    let early = as_of(Timestamp::now() - Duration::from_secs(3600));
    let refused = report(&service, early).await.unwrap_err();
    assert_eq!(reason(&refused), "FACTS_NOT_COLLECTED");
    assert!(refused.message().contains("from 20"), "{refused:?}");
    let both = AuditReportRequest {
        max_age: Some(prost_types::Duration::default()),
        ..as_of(Timestamp::now())
    };
    let instances = AuditReportRequest {
        view: ReportView::Instances.into(),
        ..as_of(Timestamp::now())
    };
    let future = as_of(Timestamp::now() + Duration::from_secs(3600));
    for request in [both, instances, future] {
        let refused = report(&service, request).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_collects_by_itself_what_it_has_no_facts_of_and_by_its_schedule() {
    let mut config: Config = short_times();
    config.audit.collect_after_start_seconds = 0;
    let mut service = TestService::start_with(Begin {
        config,
        ..Begin::default()
    })
    .await;
    let first = collected(&service).await;
    // The next time of the schedule is within a day; nothing is collected before it.
    service.restart().await;
    assert_eq!(collected(&service).await, first);
    service.clock.advance(jiff::SignedDuration::from_hours(24));
    service.restart().await;
    until("another collection", || async {
        let (_, summary) = report(&service, last(&service)).await.expect("a report");
        let last = summary.observed_from.map(|at| at.seconds);
        if last > first {
            Ok(())
        } else {
            Err(format!("{last:?}"))
        }
    })
    .await;
}

/// The last collection, by the clock of the service.
fn last(service: &TestService) -> AuditReportRequest {
    as_of(service.clock.now())
}

/// When the last collection of a service began to read.
async fn collected(service: &TestService) -> Option<i64> {
    until("a collection", || async {
        match report(service, last(service)).await {
            Ok((_, summary)) => Ok(summary.observed_from.map(|at| at.seconds)),
            Err(status) => Err(format!("{status:?}")),
        }
    })
    .await
}
