//! A report from the question to the summary, part by part.

use std::collections::BTreeMap;

use super::super::fake::FakePort;
use super::super::fixtures::{arn, request, the_group, the_user};
use super::super::{Completeness, Scope, Summary};
use super::*;
use crate::domain::report::{Batch, COLUMNS, Finding, Format, Row};
use crate::domain::{AssignmentRequired, ErrorKind, Operation};

fn port() -> Arc<FakePort> {
    Arc::new(FakePort::new(|world| {
        world
            .users(1..=3)
            .group(1, &[1, 2])
            .application(1, AssignmentRequired::Yes, &[the_group(1), the_user(3)])
            .application(2, AssignmentRequired::No, &[]);
    }))
}

/// Runs a report as the service does: in a task of its own.
async fn parts(port: Arc<FakePort>, request: ReportRequest) -> Vec<Part> {
    let (sink, mut parts) = mpsc::channel(4);
    let running = tokio::spawn(async move {
        run(
            &request,
            port.as_ref(),
            None,
            &Clock::system(),
            &AuditConfig::default(),
            sink,
        )
        .await
    });
    let mut all = Vec::new();
    while let Some(part) = parts.recv().await {
        all.push(part);
    }
    running.await.unwrap().unwrap();
    all
}

fn texts(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn summary(parts: &[Part]) -> &Summary {
    match parts.last() {
        Some(Part::Summary(summary)) => summary,
        other => panic!("not a summary: {other:?}"),
    }
}

#[tokio::test]
async fn a_report_begins_with_its_plan_and_ends_with_its_summary() {
    let parts = parts(port(), request(View::Access, Scope::default())).await;
    let Some(Part::Header(header)) = parts.first() else {
        panic!("no header")
    };
    assert_eq!(header.columns, COLUMNS);
    assert_eq!(header.estimated_duration.as_secs(), header.plan.total());
    let progress = parts.iter().rev().find_map(|part| match part {
        Part::Progress(progress) => Some(progress),
        _ => None,
    });
    let summary = summary(&parts);
    let used: u64 = summary.operations_used.iter().map(|(_, count)| count).sum();
    assert_eq!(progress.unwrap().operations_done, used);
    assert_eq!(progress.unwrap().operations_planned, used);
    let rows: Vec<&Row> = (parts.iter())
        .flat_map(|part| match part {
            Part::Rows(Batch::Assigned(rows)) => rows.as_slice(),
            _ => &[],
        })
        .collect();
    assert_eq!(rows.len(), 3 + 3);
    assert_eq!(summary.row_count, 6);
    assert_eq!(summary.user_count, 3);
    assert_eq!(summary.application_count, 2);
    assert_eq!(summary.assignment_count, 2);
    assert_eq!(summary.completeness, Some(Completeness::Complete));
    assert_eq!(
        summary.findings,
        BTreeMap::from([(Finding::OpenApplication, 3)])
    );
    assert!(summary.observed_from.is_some());
}

#[tokio::test]
async fn all_forms_hold_the_same_rows() {
    let ask = |format| ReportRequest {
        format,
        ..request(View::Access, Scope::default())
    };
    let rows = parts(port(), ask(Format::Rows)).await;
    let json = parts(port(), ask(Format::JsonLines)).await;
    let csv = parts(port(), ask(Format::Csv)).await;
    assert_eq!(summary(&rows).sha256, summary(&json).sha256);
    assert_ne!(summary(&csv).sha256, summary(&json).sha256);
    assert_eq!(texts(&json).lines().count(), 6);
    assert_eq!(texts(&csv).lines().count(), 7);
    for parts in [&json, &csv] {
        assert_eq!(summary(parts).row_count, 6);
    }
}

#[tokio::test]
async fn validating_reads_nothing() {
    let port = port();
    let request = ReportRequest {
        validate_only: true,
        ..request(View::Access, Scope::default())
    };
    let parts = parts(port.clone(), request).await;
    assert!(matches!(parts[0], Part::Header(_)));
    assert_eq!(*summary(&parts), Summary::default());
    assert_eq!(parts.len(), 2);
    assert!(port.world().log.is_empty());
}

#[tokio::test]
async fn a_failed_scope_makes_it_partial_and_no_less_a_report() {
    let port = port();
    let (failing, denied) = (Operation::ListApplicationAssignments, arn(1));
    (port.world()).fails(failing, denied.as_str(), 0, ErrorKind::AccessDenied);
    let parts = parts(port, request(View::Access, Scope::default())).await;
    let summary = summary(&parts);
    assert_eq!(summary.completeness, Some(Completeness::Partial));
    assert_eq!(
        summary.missing[0].scope,
        format!("application {denied}: assignments")
    );
    assert_eq!(summary.row_count, 3);
}

#[tokio::test]
async fn when_nobody_listens_it_stops() {
    let port = port();
    let (sink, parts) = mpsc::channel(1);
    drop(parts);
    let request = request(View::Access, Scope::default());
    let ended = run(
        &request,
        port.as_ref(),
        None,
        &Clock::system(),
        &AuditConfig::default(),
        sink,
    )
    .await;
    assert!(matches!(ended, Err(RunError::ReceiverGone)));
    assert!(port.world().log.is_empty());
}
