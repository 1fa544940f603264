//! Findings over the wire: each thing once, with since when and what to do, as events when they come and go;
//! and why assignments stand, as collections tell.

use std::collections::BTreeMap;

use jiff::Timestamp;
use usher::grpc::pb::event_service_client::EventServiceClient;
use usher::grpc::pb::{
    Assignment, AuditReportRequest, AuditSummary, Completeness, EventFilter, FindingRow,
    ListAssignmentsRequest, ListEventsRequest, Provenance, ReportFormat, ReportView,
    audit_report_response,
};
use usher::simulator::{Fault, FaultAction};

use super::common::brake::set_enabled;
use super::common::{TestService, application, in_time, until};

fn asked(view: ReportView) -> AuditReportRequest {
    AuditReportRequest {
        view: view.into(),
        format: ReportFormat::Rows.into(),
        ..AuditReportRequest::default()
    }
}

/// The findings of a report, and its summary.
async fn findings(
    service: &TestService,
    request: AuditReportRequest,
) -> (Vec<FindingRow>, AuditSummary) {
    let answer = service.access().audit_report(in_time(request)).await;
    let mut parts = answer.expect("a report").into_inner();
    let mut rows = Vec::new();
    while let Some(message) = parts.message().await.expect("a part") {
        match message.part {
            Some(audit_report_response::Part::Rows(batch)) => rows.extend(batch.finding_rows),
            Some(audit_report_response::Part::Summary(summary)) => return (rows, summary),
            _ => {}
        }
    }
    panic!("the report was cut")
}

fn of<'a>(rows: &'a [FindingRow], finding: &str) -> Vec<&'a FindingRow> {
    let rows = rows.iter().filter(|row| row.finding == finding);
    rows.collect()
}

async fn assignments(service: &TestService, name: &str) -> BTreeMap<String, Assignment> {
    let request = ListAssignmentsRequest {
        target: Some(application(name)),
        max_age: Some(prost_types::Duration::default()),
        page_size: 100,
        ..ListAssignmentsRequest::default()
    };
    let answer = service.access().list_assignments(in_time(request)).await;
    let rows = answer.expect("a page").into_inner().assignments;
    let by_name = rows.into_iter().map(|row| {
        let name = row.principal.as_ref().map(|it| it.id.clone());
        (name.unwrap_or_default(), row)
    });
    by_name.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn why_an_assignment_stands_is_told_by_collections_where_no_grant_does() {
    let service = TestService::start().await;
    let before = service.user_on("anna.berg", "Amazon Redshift");
    service.set_assigned(&before, true);
    let rows = assignments(&service, "Amazon Redshift").await;
    let told = |rows: &BTreeMap<String, Assignment>, id: &str| rows[id].provenance();
    assert_eq!(told(&rows, &before.principal_id), Provenance::Unrecorded);
    let (_, summary) = findings(&service, asked(ReportView::Findings)).await;
    assert_eq!(summary.completeness(), Completeness::Complete);

    let beside = service.user_on("bilal.khan", "Amazon Redshift");
    service.set_assigned(&beside, true);
    let rows = assignments(&service, "Amazon Redshift").await;
    assert_eq!(told(&rows, &before.principal_id), Provenance::Standing);
    // Also before any collection has seen it.
    assert_eq!(told(&rows, &beside.principal_id), Provenance::OutOfBand);
    let (rows, _) = findings(&service, asked(ReportView::Findings)).await;
    let [found] = of(&rows, "out_of_band")[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(found.principal_id, beside.principal_id);
    assert_eq!(found.principal_name, "bilal.khan");
    assert_eq!(found.application_name, "Amazon Redshift");
    assert_eq!(found.severity, "HIGH");
    assert!(found.what_to_do.contains("revoke it"), "{found:?}");
    let only = ListAssignmentsRequest {
        target: Some(application("Amazon Redshift")),
        provenance: vec![Provenance::OutOfBand.into()],
        ..ListAssignmentsRequest::default()
    };
    let answer = service.access().list_assignments(in_time(only)).await;
    assert_eq!(answer.expect("a page").into_inner().assignments.len(), 1);
    // A grant takes it over; with its end it is Usher's to take away no more than before.
    let grant = service.assign(beside.assign()).await;
    let rows = assignments(&service, "Amazon Redshift").await;
    assert_eq!(told(&rows, &beside.principal_id), Provenance::Grant);
    assert_eq!(rows[&beside.principal_id].grant_ids, [grant.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_keeps_its_time_is_told_when_it_comes_and_goes_and_stays_in_the_past() {
    let service = TestService::start().await;
    findings(&service, asked(ReportView::Findings)).await;
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    service.set_assigned(&triple, true);
    let (first, _) = findings(&service, asked(ReportView::Findings)).await;
    let time = Timestamp::now();
    let since = of(&first, "out_of_band")[0].since.clone();
    assert!(!since.is_empty());
    let (again, _) = findings(&service, asked(ReportView::Findings)).await;
    assert_eq!(
        of(&again, "out_of_band")[0].since,
        since,
        "found first then"
    );
    // Where something could not be read nothing is gone, and the report is not whole.
    service.set_assigned(&triple, false);
    let fault = Fault::new("ListApplicationAssignments", FaultAction::AccessDenied);
    service.simulator.add_fault(fault);
    let (_, partial) = findings(&service, asked(ReportView::Findings)).await;
    assert_eq!(partial.completeness(), Completeness::Partial);
    assert!(events(&service, "finding_gone").await.is_empty());
    service.simulator.clear_faults();
    let (gone, _) = findings(&service, asked(ReportView::Findings)).await;
    assert!(of(&gone, "out_of_band").is_empty());
    until("the event of a finding that is gone", || async {
        let gone = events(&service, "finding_gone").await;
        let is_told = gone.iter().any(|body| body.contains("out_of_band"));
        is_told.then_some(()).ok_or_else(|| format!("{gone:?}"))
    })
    .await;
    let new = events(&service, "finding_new").await;
    let of_anna = |body: &&String| body.contains(&triple.principal_id);
    let told = new.iter().filter(of_anna).count();
    assert_eq!(told, 1, "{new:#?}");

    let asked_before = service.simulator.calls().len();
    let past = AuditReportRequest {
        as_of: Some(prost_types::Timestamp {
            seconds: time.as_second(),
            nanos: time.subsec_nanosecond(),
        }),
        ..asked(ReportView::Findings)
    };
    let (past, _) = findings(&service, past).await;
    assert_eq!(past, first);
    assert_eq!(service.simulator.calls().len(), asked_before);
}

/// The bodies of the events of a kind.
async fn events(service: &TestService, kind: &str) -> Vec<String> {
    let request = ListEventsRequest {
        filter: Some(EventFilter {
            kinds: vec![kind.to_owned()],
            ..EventFilter::default()
        }),
        page_size: 500,
        ..ListEventsRequest::default()
    };
    let channel = service.channel_of("tester").await;
    let answer = EventServiceClient::new(channel)
        .list_events(in_time(request))
        .await;
    let events = answer.expect("events").into_inner().events;
    events.into_iter().map(|event| event.body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_cannot_sign_in_and_grants_that_aws_does_not_have_are_found() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    service.set_assigned(&triple, false);
    let disabled = service.user_on("dmitri.orlov", "Wiki").principal_id;
    set_enabled(&service.simulator, std::slice::from_ref(&disabled), false);
    let (rows, summary) = findings(&service, asked(ReportView::Findings)).await;
    let [found] = of(&rows, "grant_without_assignment")[..] else {
        panic!("{rows:#?}")
    };
    assert_eq!(found.grant_id, grant.id);
    let of_users = of(&rows, "disabled_user");
    assert!(of_users.iter().any(|row| row.principal_id == disabled));
    let severities: Vec<&str> = rows.iter().map(|row| row.severity.as_str()).collect();
    let rank = |word: &&&str| ["HIGH", "MEDIUM", "LOW"].iter().position(|it| it == *word);
    assert!(severities.iter().is_sorted_by_key(|it| rank(&it)));
    let counted: i64 = summary.findings.iter().map(|it| it.count).sum();
    assert_eq!(counted, summary.row_count);
    assert_eq!(summary.row_count, i64::try_from(rows.len()).unwrap());
}
