//! A report from the question to the summary, part by part.

use std::collections::BTreeMap;

use super::super::fake::FakePort;
use super::super::fixtures::{
    account_id, arn, instance, organization_instance, other_instance, request, request_about,
    the_group, the_user,
};
use super::super::{Completeness, Scope, Summary};
use super::*;
use crate::domain::report::{Batch, COLUMNS, Finding, Format, InstanceRow, Row};
use crate::domain::{AssignmentRequired, ErrorKind, Instance, Operation};
use crate::identity_center::UnreachableAccount;

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

fn rows_of(parts: &[Part]) -> Vec<Row> {
    let batches = parts.iter().filter_map(|part| match part {
        Part::Rows(Batch::Assigned(rows)) => Some(rows.clone()),
        _ => None,
    });
    batches.flatten().collect()
}

fn instance_rows(parts: &[Part]) -> Vec<InstanceRow> {
    let batches = parts.iter().filter_map(|part| match part {
        Part::Rows(Batch::Instances(rows)) => Some(rows.clone()),
        _ => None,
    });
    batches.flatten().collect()
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
    let page = parts(port(), ask(Format::Html)).await;
    for parts in [&json, &csv, &page] {
        assert_eq!(summary(parts).row_count, 6);
    }
    let rows = texts(&page).matches("<tr><th scope=\"row\"><b>").count();
    assert_eq!(rows, 6);
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

fn about(instances: Vec<Instance>, view: View) -> ReportRequest {
    request_about(instances, view, Scope::default())
}

#[tokio::test]
async fn instances_are_written_in_their_order_and_the_unreachable_are_named() {
    let port = port();
    let mut request = about((1..=9).map(other_instance).collect(), View::Access);
    request.unreachable = vec![UnreachableAccount {
        account_id: account_id(77),
        name: "payments".to_owned(),
        reason: "the role cannot be assumed".to_owned(),
    }];
    let parts = parts(port, request).await;
    let Some(Part::Header(header)) = parts.first() else {
        panic!("no header")
    };
    assert_eq!(header.instance_arns.len(), 9);
    // Four at once, so that nine equal ones take three times as long as one.
    let of_one = header.plan.total() / 9;
    assert_eq!(header.estimated_duration.as_secs(), of_one * 3);
    let arns: Vec<String> = rows_of(&parts)
        .into_iter()
        .map(|row| row.instance_arn)
        .collect();
    assert!(arns.is_sorted());
    assert_eq!(arns.len(), 9 * 6);
    let summary = summary(&parts);
    assert_eq!((summary.row_count, summary.user_count), (9 * 6, 9 * 3));
    assert_eq!(summary.completeness, Some(Completeness::Partial));
    let [missing] = summary.missing.as_slice() else {
        panic!("{:?}", summary.missing)
    };
    assert_eq!(missing.scope, "account 000000000077 (payments)");
    assert_eq!(missing.reason, "the role cannot be assumed");
}

#[tokio::test]
async fn one_failing_instance_is_unreachable_and_the_others_are_counted() {
    let port = port();
    for operation in [
        Operation::ListApplications,
        Operation::ListUsers,
        Operation::ListGroups,
    ] {
        port.world()
            .fails(operation, "", 0, ErrorKind::RoleNotAssumed);
    }
    let failed = parts(port, about(vec![other_instance(1)], View::Instances)).await;
    let rows = instance_rows(&failed);
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (row.reach.as_str(), row.user_count.as_str()),
        ("UNREACHABLE", "")
    );
    assert_eq!(row.reason, ErrorKind::RoleNotAssumed.explanation());
    let instances = vec![organization_instance(), other_instance(2)];
    let found = parts(self::port(), about(instances, View::Instances)).await;
    let rows = instance_rows(&found);
    let told: Vec<_> = (rows.iter())
        .map(|row| {
            (
                row.kind.as_str(),
                row.user_count.as_str(),
                row.permission_set_count.as_str(),
            )
        })
        .collect();
    assert_eq!(told, [("ORGANIZATION", "3", "0"), ("ACCOUNT", "3", "")]);
}

/// Only some accounts may list the accounts; where no instance gives access to accounts, their
/// names are no part of the answer.
#[tokio::test]
async fn names_of_accounts_are_missing_only_where_an_instance_gives_access_to_accounts() {
    let port = port();
    (port.world()).fails(Operation::ListAccounts, "", 0, ErrorKind::AccessDenied);
    for (instance, completeness) in [
        (other_instance(1), Completeness::Complete),
        (organization_instance(), Completeness::Partial),
    ] {
        let told = parts(Arc::clone(&port), about(vec![instance], View::Instances)).await;
        assert_eq!(summary(&told).completeness, Some(completeness));
        let missing = usize::from(completeness == Completeness::Partial);
        assert_eq!(summary(&told).missing.len(), missing);
    }
}

#[tokio::test]
async fn with_one_instance_nobody_is_in_two_and_nothing_is_asked() {
    let port = port();
    let one = parts(
        Arc::clone(&port),
        about(vec![instance()], View::DuplicateUsers),
    )
    .await;
    assert!(port.world().log.is_empty());
    let Some(Part::Header(header)) = one.first() else {
        panic!("no header")
    };
    assert!(header.plan.note.starts_with("Nothing is read"));
    assert_eq!(summary(&one).completeness, Some(Completeness::Complete));
    assert_eq!(summary(&one).row_count, 0);
    // The fake has the same people in every store.
    let instances = vec![instance(), other_instance(2)];
    let two = parts(port, about(instances, View::DuplicateUsers)).await;
    assert_eq!(summary(&two).row_count, 2 * 3);
    let csv = ReportRequest {
        format: Format::Csv,
        ..about(vec![instance(), other_instance(2)], View::DuplicateUsers)
    };
    let csv = parts(self::port(), csv).await;
    let columns = View::DuplicateUsers.columns().join(",");
    assert_eq!(texts(&csv).lines().next(), Some(columns.as_str()));
    assert_eq!(texts(&csv).lines().count(), 1 + 6);
}

#[tokio::test]
async fn an_instance_is_read_beside_others_only_so_far_as_the_configuration_says() {
    let config: AuditConfig = toml::from_str("instances_at_once = 1").unwrap();
    let request = about((1..=4).map(other_instance).collect(), View::Access);
    let (sink, mut parts) = mpsc::channel(1);
    let port = port();
    let reading = Arc::clone(&port);
    let running = tokio::spawn(async move {
        run(
            &request,
            reading.as_ref(),
            None,
            &Clock::system(),
            &config,
            sink,
        )
        .await
    });
    let mut rows = 0;
    while let Some(part) = parts.recv().await {
        if let Part::Rows(Batch::Assigned(batch)) = part {
            rows += batch.len();
        }
    }
    assert_eq!(rows, 4 * 6);
    assert_eq!(running.await.unwrap().unwrap().len(), 4);
    // One after the other: each begins when the one before has asked for everything.
    let lists: Vec<usize> = (port.world().log.iter().enumerate())
        .filter(|(_, (operation, _))| *operation == Operation::ListApplications)
        .map(|(place, _)| place)
        .collect();
    let whole = port.world().log.len() / 4;
    assert_eq!(lists, [0, whole, 2 * whole, 3 * whole]);
}
