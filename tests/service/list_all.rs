//! ListAssignments about everything: from the facts of the last collection, without a question to AWS, each
//! assignment once over the pages, with the reasons of now.

use std::collections::BTreeSet;

use tonic::Code;
use tonic_types::StatusExt as _;
use usher::grpc::pb::{
    Assignment, AuditReportRequest, ListAssignmentsRequest, ListAssignmentsResponse, Provenance,
    ReportFormat, ReportView, TargetKind,
};

use super::common::{TestService, in_time, reason, revoke_of, until};

/// Has the server collect everything.
pub(crate) async fn collect(service: &TestService) {
    let request = AuditReportRequest {
        view: ReportView::Access.into(),
        format: ReportFormat::Csv.into(),
        ..AuditReportRequest::default()
    };
    let answer = service.access().audit_report(in_time(request)).await;
    let mut parts = answer.expect("a report").into_inner();
    while parts.message().await.expect("a part").is_some() {}
}

async fn page(
    service: &TestService,
    request: ListAssignmentsRequest,
) -> Result<ListAssignmentsResponse, tonic::Status> {
    let answer = service.access().list_assignments(in_time(request)).await;
    answer.map(tonic::Response::into_inner)
}

/// All pages of a question, and nothing asked of AWS for them.
async fn all(service: &TestService, request: ListAssignmentsRequest) -> Vec<Assignment> {
    let before = service.simulator.calls().len();
    let mut rows = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAssignmentsRequest {
            page_token,
            ..request.clone()
        };
        let answer = page(service, request).await.expect("a page");
        rows.extend(answer.assignments);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(service.simulator.calls().len(), before, "AWS was asked");
    rows
}

/// Who has what, by ids.
fn keys(rows: &[Assignment]) -> Vec<String> {
    let keys = rows.iter().map(|row| {
        let principal = row.principal.as_ref().expect("a principal");
        let target = row.target.as_ref().expect("a target");
        format!(
            "{}{}{} {}",
            target.application_arn, target.account_id, target.permission_set_arn, principal.id
        )
    });
    keys.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_listed_once_over_the_pages_from_what_was_collected() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    collect(&service).await;
    let world = service.simulator.world();
    let expected = world.assignments.len() + world.account_assignments.len();
    let whole = all(&service, ListAssignmentsRequest::default()).await;
    assert_eq!(whole.len(), expected);
    let distinct: BTreeSet<String> = keys(&whole).into_iter().collect();
    assert_eq!(distinct.len(), expected);
    for page_size in [1, 3, 7] {
        let paged = ListAssignmentsRequest {
            page_size,
            ..ListAssignmentsRequest::default()
        };
        assert_eq!(all(&service, paged).await, whole, "pages of {page_size}");
    }
    let is_granted = |row: &&Assignment| row.provenance() == Provenance::Grant;
    let granted: Vec<&Assignment> = whole.iter().filter(is_granted).collect();
    assert_eq!(granted.len(), 1);
    assert_eq!(granted[0].grant_ids, std::slice::from_ref(&grant.id));
    let principal = granted[0].principal.as_ref().expect("a principal");
    assert_eq!(principal.name, "bilal.khan");
    let target = granted[0].target.as_ref().expect("a target");
    assert_eq!(target.application_name, "Amazon Redshift");
    let others = whole.iter().filter(|row| !is_granted(row));
    assert!(
        others
            .clone()
            .all(|row| row.provenance() == Provenance::Standing)
    );
    // What has ended since was held by its grant when it was collected.
    service.revoke(revoke_of(&grant.id)).await;
    assert_eq!(
        all(&service, ListAssignmentsRequest::default()).await,
        whole
    );
    // By kind, and by reason.
    for (kind, count) in [
        (TargetKind::Application, world.assignments.len()),
        (TargetKind::Account, world.account_assignments.len()),
    ] {
        let of_kind = ListAssignmentsRequest {
            target_kind: kind.into(),
            page_size: 2,
            ..ListAssignmentsRequest::default()
        };
        assert_eq!(all(&service, of_kind).await.len(), count, "{kind:?}");
    }
    let by_reason = ListAssignmentsRequest {
        provenance: vec![Provenance::Grant.into()],
        page_size: 1,
        ..ListAssignmentsRequest::default()
    };
    assert_eq!(all(&service, by_reason).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_list_are_of_one_collection_whatever_is_collected_meanwhile() {
    let service = TestService::start().await;
    collect(&service).await;
    let whole = all(&service, ListAssignmentsRequest::default()).await;
    let paged = ListAssignmentsRequest {
        page_size: 2,
        ..ListAssignmentsRequest::default()
    };
    let first = page(&service, paged.clone()).await.expect("a page");
    service.set_assigned(&service.user_on("anna.berg", "Amazon Redshift"), true);
    collect(&service).await;
    let rest = ListAssignmentsRequest {
        page_token: first.next_page_token,
        page_size: 1000,
        ..ListAssignmentsRequest::default()
    };
    let rest = page(&service, rest).await.expect("a page").assignments;
    assert_eq!([first.assignments, rest].concat(), whole);
    let now = all(&service, ListAssignmentsRequest::default()).await;
    assert_eq!(now.len(), whole.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_everything_without_facts_says_when_and_has_them_collected() {
    let service = TestService::start().await;
    let refused = page(&service, ListAssignmentsRequest::default()).await;
    let refused = refused.expect_err("a refusal");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "FACTS_NOT_COLLECTED");
    let retry = refused.get_details_retry_info();
    assert!(
        retry.and_then(|info| info.retry_delay).is_some(),
        "{refused:?}"
    );
    // By itself, long before its first look.
    let listed = until("facts", || async {
        let answer = page(&service, ListAssignmentsRequest::default()).await;
        answer.map_err(|status| status.to_string())
    });
    assert!(!listed.await.assignments.is_empty());
    let now = ListAssignmentsRequest {
        max_age: Some(prost_types::Duration::default()),
        ..ListAssignmentsRequest::default()
    };
    let refused = page(&service, now).await.expect_err("a refusal");
    assert_eq!(reason(&refused), "FIELD_INVALID");
    service.clock.advance(jiff::SignedDuration::from_hours(2));
    let young = ListAssignmentsRequest {
        max_age: Some(prost_types::Duration {
            seconds: 3600,
            nanos: 0,
        }),
        ..ListAssignmentsRequest::default()
    };
    let refused = page(&service, young).await.expect_err("a refusal");
    assert_eq!(reason(&refused), "FACTS_NOT_COLLECTED");
}
