//! Changes that AWS will not tell of, fails for ever, or finished before somebody asked for more.

use super::case::{Case, kinds};
use super::pending::id;
use super::world::bounds;
use crate::domain::grant::tests::at;
use crate::domain::plan::{RequestEnd, Write};
use crate::domain::{ErrorKind, EventKind, Failure, GrantState, Operation, Standing};

use GrantState::{Provisioning, Revoking};

#[test]
fn a_refusal_to_tell_of_a_change_does_not_hold_its_slot_for_ever() {
    let refused = |seconds_ago, refusing_since| {
        let mut case =
            Case::account(&[Provisioning]).pending(Write::Create, seconds_ago, Some(id()));
        case.record.refusing_since = refusing_since;
        let operation = Write::Create.request_operation();
        case.asks(Failure::new(ErrorKind::AccessDenied, operation));
        case
    };
    assert!(refused(199, None).rests().record.pending.is_some());
    let old = refused(200, None);
    old.reads();
    let old = old.read(false).saved();
    assert_eq!(old.record.pending, None);
    assert_eq!(old.rests().record.next_attempt_at, Some(old.now));
    // Neither is it held where reads are refused too; then the read's refusal is what is retried.
    let mut blind = refused(200, None);
    blind.fails_to_read(ErrorKind::AccessDenied);
    let blind = blind.saved();
    assert_eq!(blind.record.pending, None);
    let rested = blind.rests().record;
    let last = rested.last_failure.unwrap().failure.operation;
    assert_eq!(last, Operation::ListAccountAssignments.name());
    let mut throttled = refused(200, None);
    throttled.fails_to_read(ErrorKind::Throttled);
    assert!(throttled.rests().record.pending.is_some());
    // Long refused, the grant fails; what is there after all is activated.
    let given_up = refused(200, Some(at(-3000)));
    let failed = given_up.read(false).saved().commits();
    assert_eq!(kinds(&failed), [EventKind::Failed]);
    assert_eq!(failed.record.standing, Standing::No);
    let there = refused(200, Some(at(-3000))).read(true).saved().commits();
    assert_eq!(kinds(&there), [EventKind::Activated]);
}

#[test]
fn a_change_that_cannot_be_asked_about_is_let_go_when_reads_of_its_assignment_work() {
    for kind in [ErrorKind::Unexpected, ErrorKind::Unavailable] {
        let mut case = Case::account(&[Provisioning]).pending(Write::Create, 200, Some(id()));
        case.asks(Failure::new(kind, Write::Create.request_operation()));
        case.reads();
        // An outage fails the read too, and nothing is let go.
        let mut outage = case.clone();
        outage.fails_to_read(ErrorKind::Unavailable);
        assert!(outage.rests().record.pending.is_some());
        assert_eq!(case.read(true).saved().record.pending, None);
    }
}

#[test]
fn what_fails_again_and_again_rests_longer_and_longer() {
    let pause = |failed_operations| {
        let mut case =
            Case::account(&[Revoking])
                .created(5000, true)
                .pending(Write::Delete, 5, Some(id()));
        case.record.failed_attempts = 30;
        case.record.failed_operations = failed_operations;
        let end = RequestEnd::Failed(String::new());
        let case = case.ended(Write::Delete, end).saved().read(true);
        let due_at = case.rests().record.next_attempt_at.unwrap();
        due_at.duration_since(case.now)
    };
    let longest = bounds().backoff_max;
    assert_eq!(pause(3), longest);
    assert_eq!(pause(8), longest);
    assert_eq!(pause(10), longest * 3);
    assert_eq!(pause(1000), longest * 12);
}

#[test]
fn a_delete_from_before_a_removal_was_asked_for_does_not_count_for_it() {
    // Its end is heard of after the removal; what is there now others may have made in between.
    let ended = |seconds_ago| {
        let mut case = Case::account(&[Revoking])
            .created(5000, true)
            .removal()
            .pending(Write::Delete, seconds_ago, Some(id()));
        let asked_at = case.ago(10);
        case.record.removal.as_mut().unwrap().at = asked_at;
        case.ended(Write::Delete, RequestEnd::Succeeded)
    };
    // Another Delete, in a claim with a slot of its own.
    let before = ended(20).rests().record;
    assert_eq!(
        (before.pending, before.next_attempt_at),
        (None, Some(at(1000)))
    );
    assert!(before.removal.is_some());
    let after = ended(5).saved().read(false).commits();
    assert_eq!(
        kinds(&after),
        [EventKind::EndedAssignmentGone, EventKind::AssignmentRemoved]
    );
}
