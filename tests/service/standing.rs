//! What was there before Usher, what others made since, and what only somebody's word removes.

use std::time::Duration;

use jiff::SignedDuration;
use tonic::Code;
use usher::grpc::pb::{AccessPath, AssignmentState, GrantState, Standing};

use super::common::{AFTER_SETTLING, TestService, reason, revoke_of};

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
