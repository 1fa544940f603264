//! Why assignments stand, from a real store.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use usher::audit::{Completeness, Scope};
use usher::domain::report::{Format, View};
use usher::domain::{
    ApplicationArn, AssignmentKey, CallerName, Grant, GrantId, Justification, PrincipalId,
    PrincipalKind, PrincipalRef, Requester, Target, Ticket,
};
use usher::simulator::PrincipalType;
use usher::store::{GrantRequest, SqliteOptions, SqliteStore, Store};

use crate::bench::Bench;

/// A grant on an assignment that the world has.
pub(crate) fn grant_on_first_assignment(bench: &Bench) -> Grant {
    let world = bench.simulator.world();
    let assignment = &world.assignments[0];
    let kind = match assignment.principal_type {
        PrincipalType::Group => PrincipalKind::Group,
        PrincipalType::User => PrincipalKind::User,
    };
    let arn = ApplicationArn::parse(&assignment.application_arn).expect("an ARN");
    let key = AssignmentKey {
        instance_arn: bench.instance.arn.clone(),
        principal: PrincipalRef {
            kind,
            id: PrincipalId::parse(&assignment.principal_id).expect("an id"),
        },
        target: Target::Application(arn),
    };
    let mut requester = Requester::itself(CallerName::parse("portal").expect("a name"));
    requester.subject = CallerName::parse("alice").expect("a name");
    let id = GrantId::from_uuid(uuid::Uuid::now_v7());
    Grant {
        justification: Justification::parse("=cmd|'/c calc'!A1").expect("a reason"),
        ticket: Ticket::parse("INC-42").expect("a ticket"),
        duration: Some(SignedDuration::from_hours(1)),
        ..Grant::new(id, key, requester, Timestamp::now())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_explain_their_assignments_and_a_dead_store_claims_nothing() {
    let bench = Bench::quick(17).await;
    let directory = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(directory.path(), SqliteOptions::default()).await;
    let store = Arc::new(store.expect("a store"));
    let grant = grant_on_first_assignment(&bench);
    let request = GrantRequest {
        grant: grant.clone(),
        request: None,
    };
    store.record_grant(request).await.expect("a recorded grant");

    let ask = |format| {
        let store = Some(Arc::clone(&store));
        bench.report_with(store, View::Assignments, format, Scope::default())
    };
    let report = ask(Format::Rows).await;
    let (granted, others): (Vec<_>, Vec<_>) =
        (report.rows.iter()).partition(|row| !row.grant_id.is_empty());
    assert_eq!(granted.len(), 1);
    assert_eq!(granted[0].grant_id, grant.id.as_str());
    assert_eq!(granted[0].provenance, "GRANT");
    assert_eq!(granted[0].requested_by, "portal");
    assert_eq!(granted[0].ticket, "INC-42");
    assert_eq!(granted[0].justification, "=cmd|'/c calc'!A1");
    assert!(!others.is_empty());
    assert!(others.iter().all(|row| row.provenance == "UNRECORDED"));
    let csv = ask(Format::Csv).await;
    assert!(csv.text.contains(",'=cmd|'/c calc'!A1,INC-42,"));

    store.close().await;
    let report = ask(Format::Rows).await;
    assert!(report.rows.iter().all(|row| row.provenance.is_empty()));
    assert_eq!(report.summary.completeness, Some(Completeness::Partial));
    let lacks = |missing: &usher::audit::Missing| missing.scope.starts_with("grants");
    assert!(report.summary.missing.iter().any(lacks));
}
