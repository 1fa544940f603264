//! A grant's whole life: given, extended by a second one, ended by time or by somebody.

use std::time::Duration;

use jiff::SignedDuration;
use usher::grpc::pb::{AssignmentState, GrantState, Standing};

use super::common::{TestService, revoke_of};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_made_and_ends_with_its_time() {
    let service = TestService::start().await;
    let triple = service.group_on("engineering", "Amazon Redshift");
    let grant = service.assign(triple.assign_for(HOUR)).await;
    assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
    assert_eq!(grant.standing(), Standing::No);
    assert_eq!(grant.people_count, 3);
    assert!(grant.waiting_for.is_none());
    assert!(service.is_assigned(&triple));
    let (start, end) = (grant.start_time.unwrap(), grant.end_time.unwrap());
    assert_eq!(end.seconds - start.seconds, 3600);

    service.clock.advance(SignedDuration::from_secs(3600));
    let over = service.until_state(&grant.id, GrantState::Expired).await;
    assert!(!service.is_assigned(&triple));
    assert!(over.last_error.is_none());
    assert_eq!(service.effects("DeleteApplicationAssignment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends_when_somebody_says_so() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    let answer = service.revoke(revoke_of(&grant.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert_eq!(answer.grants[0].state(), GrantState::Revoked);
    assert!(answer.remaining_paths.is_empty());
    assert!(!service.is_assigned(&triple));
    let again = service.revoke(revoke_of(&grant.id)).await;
    assert_eq!(again.grants[0].state(), GrantState::Revoked);
    assert_eq!(service.effects("DeleteApplicationAssignment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_goes_with_its_last_grant() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let first = service.assign(triple.assign_for(HOUR)).await;
    let second = service.assign(triple.assign()).await;
    assert_ne!(first.id, second.id, "a second Assign is another grant");
    assert_eq!(service.effects("CreateApplicationAssignment"), 1);

    service.clock.advance(SignedDuration::from_secs(3600));
    service.until_state(&first.id, GrantState::Expired).await;
    assert!(service.is_assigned(&triple), "the second grant holds it");
    assert_eq!(service.grant(&second.id).await.state(), GrantState::Active);
    assert_eq!(service.calls("DeleteApplicationAssignment").len(), 0);

    let answer = service.revoke(revoke_of(&second.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert!(!service.is_assigned(&triple));
}
