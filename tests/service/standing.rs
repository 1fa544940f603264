//! What was there before Usher, what others made since, and what only somebody's word removes.

use std::time::Duration;

use jiff::SignedDuration;
use tonic::Code;
use usher::grpc::pb::{
    AccessPath, AssignRequest, Assignment, AssignmentState, AuditReportRequest, GrantState,
    ListAssignmentsRequest, PrincipalStatus, Provenance, ReportFormat, ReportView, Standing,
};
use usher::simulator::{Fault, FaultAction};

use super::common::{AFTER_SETTLING, TestService, Triple, group, in_time, reason, revoke_of, user};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_assignment_outlives_its_grants() {
    let service = TestService::start().await;
    let triple = service.user_on("anna.berg", "Amazon QuickSight");
    assert!(service.is_assigned(&triple), "the demo world has it");
    let grant = service.assign(triple.assign_for(HOUR)).await;
    assert_eq!(grant.state(), GrantState::Active);
    assert_eq!(grant.standing(), Standing::Yes);
    assert_eq!(service.calls("CreateApplicationAssignment").len(), 0);

    service.clock.advance(SignedDuration::from_secs(3600));
    service.until_state(&grant.id, GrantState::Expired).await;
    let second = service.assign(triple.assign()).await;
    let answer = service.revoke(revoke_of(&second.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Present);
    assert_eq!(answer.grants[0].state(), GrantState::Revoked);
    assert_eq!(answer.remaining_paths[0].path(), AccessPath::Direct);
    assert!(service.is_assigned(&triple));
    assert_eq!(service.calls("DeleteApplicationAssignment").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_revoke_removes_what_is_standing_and_its_grants() {
    let service = TestService::start().await;
    let triple = service.user_on("anna.berg", "Amazon QuickSight");
    let grant = service.assign(triple.assign()).await;
    assert_eq!(grant.standing(), Standing::Yes);
    let answer = service.revoke(triple.revoke()).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert_eq!(answer.grants[0].id, grant.id);
    assert_eq!(answer.grants[0].state(), GrantState::Revoked);
    assert!(!service.is_assigned(&triple));
    // The mark went with it: what the next grant makes is Usher's.
    let next = service.assign(triple.assign()).await;
    assert_eq!(next.standing(), Standing::No);
    service.revoke(revoke_of(&next.id)).await;
    assert!(!service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_nobody_recorded_can_be_revoked() {
    let service = TestService::start().await;
    let triple = service.group_on("analysts", "Amazon QuickSight");
    assert!(service.is_assigned(&triple));
    let answer = service.revoke(triple.revoke()).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert!(answer.grants.is_empty());
    assert!(!service.is_assigned(&triple));
    let again = service.revoke(triple.revoke()).await;
    assert_eq!(again.assignment_state(), AssignmentState::Absent);
    assert_eq!(service.calls("DeleteApplicationAssignment").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_there_cannot_be_revoked() {
    let service = TestService::start().await;
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    let status = service.try_revoke(triple.revoke()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    assert_eq!(reason(&status), "ASSIGNMENT_NOT_FOUND");
    assert_eq!(service.calls("DeleteApplicationAssignment").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_through_a_group_is_refused_with_the_groups_named() {
    let service = TestService::start().await;
    let person = service.user_on("dmitri.orlov", "Amazon QuickSight");
    let status = service.try_revoke(person.revoke()).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(reason(&status), "ACCESS_VIA_GROUP");
    let group = service.group_on("analysts", "Amazon QuickSight");
    let told = format!("{status:?}");
    assert!(told.contains("analysts"), "{told}");
    assert!(told.contains(&group.principal_id), "{told}");
    assert!(service.is_assigned(&group));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_aws_does_not_make_access_look_absent() {
    let service = TestService::start().await;
    let person = service.user_on("dmitri.orlov", "Amazon QuickSight");
    service.simulator.add_fault(Fault::new(
        "ListGroupMembershipsForMember",
        FaultAction::AccessDenied,
    ));
    let status = service.try_revoke(person.revoke()).await.unwrap_err();
    assert_eq!(reason(&status), "USHER_ROLE_LACKS_PERMISSION", "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_revoked_by_the_id_that_aws_no_longer_knows() {
    let mut service = TestService::start().await;
    let triple = service.user_on("anna.berg", "Amazon QuickSight");
    let grant = service.assign(triple.assign_for(HOUR)).await;
    service.simulator.edit_world(|world| {
        world
            .users
            .retain(|user| user.user_id != triple.principal_id);
        world
            .memberships
            .retain(|row| row.user_id != triple.principal_id);
    });
    // What the directory had kept is gone with the process.
    service.restart().await;
    assert!(service.is_assigned(&triple), "an orphan");
    let answer = service.revoke(triple.revoke()).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert_eq!(answer.grants[0].id, grant.id);
    assert!(!service.is_assigned(&triple));
}

/// Advances past the second look on `triple` and awaits that it has been taken: work on one
/// application goes one at a time, so that a later grant on it proves the earlier work done.
async fn let_second_look_happen(service: &TestService, application: &str) {
    let before = service.calls("DescribeApplicationAssignment").len();
    service.clock.advance(AFTER_SETTLING);
    service
        .until_called("DescribeApplicationAssignment", before + 1)
        .await;
    let other = service.group_on("contractors", application);
    let grant = service.assign(other.assign()).await;
    assert_eq!(grant.state(), GrantState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_make_again_after_usher_removed_it_is_theirs() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    // Long enough ago that no effect of that Create can still be under way.
    service.clock.advance(AFTER_SETTLING);
    service.revoke(revoke_of(&grant.id)).await;
    assert!(!service.is_assigned(&triple));
    service.set_assigned(&triple, true);
    let_second_look_happen(&service, "Amazon Redshift").await;
    assert!(service.is_assigned(&triple), "Usher's second look took it");
    assert_eq!(service.calls("DeleteApplicationAssignment").len(), 1);
    let next = service.assign(triple.assign()).await;
    assert_eq!(next.standing(), Standing::Yes, "others made it");
    let answer = service.revoke(revoke_of(&next.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Present);
    assert!(service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_user_left_behind_is_listed_and_a_mistyped_id_is_not_found() {
    let service = TestService::start().await;
    let orphan = service.user_on("anna.berg", "Amazon QuickSight");
    service.simulator.edit_world(|world| {
        world
            .users
            .retain(|user| user.user_id != orphan.principal_id);
        world
            .memberships
            .retain(|row| row.user_id != orphan.principal_id);
    });
    for include_group_paths in [false, true] {
        let request = ListAssignmentsRequest {
            principal: Some(orphan.principal()),
            include_group_paths,
            ..ListAssignmentsRequest::default()
        };
        let answer = service.access().list_assignments(in_time(request)).await;
        let rows = answer.expect("rows").into_inner().assignments;
        assert!(!rows.is_empty());
        for row in rows {
            let principal = row.principal.expect("a principal");
            assert_eq!(principal.id, orphan.principal_id);
            assert_eq!(principal.status(), PrincipalStatus::Deleted);
        }
    }
    let mistyped = "d4e8f4a8-0000-4000-9000-999999999999";
    for nobody in [user(mistyped), group(&orphan.principal_id)] {
        let request = ListAssignmentsRequest {
            principal: Some(nobody.clone()),
            ..ListAssignmentsRequest::default()
        };
        let listed = service.access().list_assignments(in_time(request)).await;
        let request = AuditReportRequest {
            principal: Some(nobody),
            view: ReportView::Access.into(),
            format: ReportFormat::Csv.into(),
            ..AuditReportRequest::default()
        };
        let reported = service.access().audit_report(in_time(request)).await;
        assert_eq!(reason(&listed.unwrap_err()), "PRINCIPAL_NOT_FOUND");
        assert_eq!(reason(&reported.err().unwrap()), "PRINCIPAL_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_on_its_way_out_does_not_hold_what_is_standing() {
    let service = TestService::start().await;
    let triple = service.user_on("anna.berg", "Amazon QuickSight");
    let grant = service.assign(triple.assign_for(HOUR)).await;
    assert!(grant.last_error.is_none());
    let row = only_row(&service, &triple).await;
    assert_eq!(row.provenance(), Provenance::Grant);
    assert_eq!(row.grant_ids, std::slice::from_ref(&grant.id));
    assert_eq!(row.end_time, grant.end_time);
    service.revoke(revoke_of(&grant.id)).await;
    let row = only_row(&service, &triple).await;
    assert_eq!(row.provenance(), Provenance::Standing);
    assert!(row.grant_ids.is_empty() && row.end_time.is_none());
}

async fn only_row(service: &TestService, triple: &Triple) -> Assignment {
    let request = ListAssignmentsRequest {
        principal: Some(triple.principal()),
        target: Some(triple.target()),
        ..ListAssignmentsRequest::default()
    };
    let answer = service.access().list_assignments(in_time(request)).await;
    let mut rows = answer.expect("rows").into_inner().assignments;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_deleted_while_it_is_known_is_not_found() {
    let service = TestService::start().await;
    let triple = service.user_on("anna.berg", "Amazon QuickSight");
    only_row(&service, &triple).await;
    service.simulator.edit_world(|world| {
        let gone = &triple.application_arn;
        world.assignments.retain(|row| row.application_arn != *gone);
        world
            .applications
            .retain(|application| application.application_arn != *gone);
    });
    let request = AssignRequest {
        validate_only: true,
        ..triple.assign()
    };
    let status = service.try_assign(request).await.unwrap_err();
    assert_eq!(reason(&status), "APPLICATION_NOT_FOUND", "{status:?}");
}
