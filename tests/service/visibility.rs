//! AWS's reads lag behind its writes, and its effects behind its answers. Nothing flaps, nothing
//! becomes standing that is not, and what lands late is undone.

use std::time::Duration;

use usher::grpc::pb::{AssignmentState, GrantEventType, GrantState, Standing, WaitingKind};
use usher::simulator::{Fault, FaultAction, Settings};

use super::common::{AFTER_SETTLING, Begin, TestService, revoke_of, until};

/// How late reads are; the configured horizon is 1.5 s.
const LATE_MILLISECONDS: u64 = 1000;

async fn late_service() -> TestService {
    TestService::start_with(Begin {
        settings: Settings {
            visibility_milliseconds: LATE_MILLISECONDS,
            ..Settings::unlimited()
        },
        ..Begin::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn success_is_shown_only_when_a_read_shows_it() {
    let service = late_service().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let grant = service
        .assign_within(triple.assign(), Duration::from_millis(700))
        .await;
    assert_eq!(grant.state(), GrantState::Provisioning);
    let waiting = grant.waiting_for.expect("it says for what it waits");
    assert_eq!(waiting.kind(), WaitingKind::AwsPropagation);
    let grant = service.until_state(&grant.id, GrantState::Active).await;
    assert_eq!(grant.standing(), Standing::No);
    let answer = service.revoke(revoke_of(&grant.id)).await;
    assert_eq!(answer.assignment_state(), AssignmentState::Absent);
    assert_eq!(service.effects("CreateApplicationAssignment"), 1);
    assert_eq!(service.effects("DeleteApplicationAssignment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_and_fro_under_late_reads_never_makes_a_standing_mark() {
    let service = late_service().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let shortly = Duration::from_millis(400);
    // Each call comes while the one before is still on its way.
    let mut last = None;
    for round in 0..6 {
        let grant = service.assign_within(triple.assign(), shortly).await;
        assert_ne!(grant.standing(), Standing::Yes, "round {round}: {grant:#?}");
        let revoke = match round % 3 {
            0 => revoke_of(&grant.id),
            1 => triple.revoke(),
            _ => {
                service.until_state(&grant.id, GrantState::Active).await;
                revoke_of(&grant.id)
            }
        };
        service.revoke_within(revoke, shortly).await;
        last = Some(grant.id);
    }
    let last = last.expect("a grant");
    service.until_state(&last, GrantState::Revoked).await;
    service.until_assigned(&triple, false).await;
    let end = service.assign(triple.assign()).await;
    assert_eq!(end.state(), GrantState::Active, "{end:#?}");
    assert_eq!(end.standing(), Standing::No);
    assert!(service.is_assigned(&triple), "shown as ACTIVE and absent");
    service.revoke(revoke_of(&end.id)).await;
    assert!(!service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assign_during_an_end_keeps_or_makes_the_assignment() {
    let service = late_service().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let first = service.assign(triple.assign()).await;
    let answer = service
        .revoke_within(revoke_of(&first.id), Duration::from_millis(300))
        .await;
    assert_eq!(answer.grants[0].state(), GrantState::Revoking);
    let second = service.assign(triple.assign()).await;
    assert_eq!(second.state(), GrantState::Active, "{second:#?}");
    assert_eq!(second.standing(), Standing::No);
    assert!(service.is_assigned(&triple), "shown as ACTIVE and absent");
    service.until_state(&first.id, GrantState::Revoked).await;
    assert!(service.is_assigned(&triple));
    service.revoke(revoke_of(&second.id)).await;
    assert!(!service.is_assigned(&triple));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_lands_after_the_end_is_found_and_undone() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let later = FaultAction::EffectLater { milliseconds: 1200 };
    service
        .simulator
        .add_fault(Fault::new("CreateApplicationAssignment", later).times(1));
    let grant = service.assign(triple.assign()).await;
    assert_eq!(grant.state(), GrantState::Active, "made by a second Create");
    let answer = service.revoke(revoke_of(&grant.id)).await;
    assert_eq!(answer.grants[0].state(), GrantState::Revoked);
    assert!(!service.is_assigned(&triple));
    service.until_assigned(&triple, true).await;
    service.clock.advance(AFTER_SETTLING);
    service.until_assigned(&triple, false).await;
    until("the timeline to tell", || async {
        let grant = service.grant(&grant.id).await;
        assert_eq!(grant.state(), GrantState::Revoked, "the end stands");
        Ok(())
    })
    .await;
    // What comes next is Usher's own again, and the late effect left no standing mark.
    let next = service.assign(triple.assign()).await;
    assert_eq!(next.standing(), Standing::No);
    assert!(
        next.timeline
            .iter()
            .all(|event| event.r#type() != GrantEventType::StandingFound)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_lands_after_the_next_grant_is_repaired() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let first = service.assign(triple.assign()).await;
    let later = FaultAction::EffectLater { milliseconds: 1200 };
    service
        .simulator
        .add_fault(Fault::new("DeleteApplicationAssignment", later).times(1));
    service
        .revoke_within(revoke_of(&first.id), Duration::from_millis(300))
        .await;
    let second = service.assign(triple.assign()).await;
    assert_eq!(second.state(), GrantState::Active);
    assert_eq!(second.standing(), Standing::No);
    until("the late Delete to land", || async {
        let deletes = service.effects("DeleteApplicationAssignment");
        if deletes > 0 {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
    service.clock.advance(AFTER_SETTLING);
    service.until_assigned(&triple, true).await;
    assert_eq!(service.grant(&second.id).await.state(), GrantState::Active);
    service.revoke(revoke_of(&second.id)).await;
    assert!(!service.is_assigned(&triple));
}
