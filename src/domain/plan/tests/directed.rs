//! Each rule of the plan by itself: what was seen goes in, the next step comes out.

use super::case::{Case, kinds};
use crate::domain::grant::tests::at;
use crate::domain::plan::{Run, Write};
use crate::domain::{ErrorKind, EventKind, GrantState, Standing};

use GrantState::{Active, Provisioning, Revoking};

#[test]
fn the_first_create_follows_a_read() {
    Case::new(&[Provisioning]).reads();
    let changes = Case::new(&[Provisioning]).read(false).writes(Write::Create);
    assert_eq!(changes.record.standing, Standing::No);
    assert_eq!(kinds(&changes), [EventKind::CreateIntended]);
}

#[test]
fn what_was_there_before_is_standing_and_outlives_its_grants() {
    let changes = Case::new(&[Provisioning]).read(true).commits();
    assert_eq!(changes.record.standing, Standing::Yes);
    assert_eq!(
        kinds(&changes),
        [EventKind::StandingFound, EventKind::Activated]
    );
    let mut case = Case::new(&[Revoking]);
    case.record.standing = Standing::Yes;
    assert_eq!(kinds(&case.commits()), [EventKind::EndedAssignmentKept]);
}

#[test]
fn an_absent_standing_assignment_is_looked_for_within_the_horizon() {
    let mut case = Case::new(&[Provisioning]).read(false);
    case.record.standing = Standing::Yes;
    case.record.standing_seen_at = Some(case.ago(299));
    let failure = case.rests().record.last_failure.unwrap().failure;
    assert_eq!(failure.kind, ErrorKind::NotVisible);
    case.record.standing_seen_at = Some(case.ago(300));
    let changes = case.writes(Write::Create);
    assert_eq!(
        kinds(&changes),
        [EventKind::StandingGone, EventKind::CreateIntended]
    );
}

#[test]
fn a_presence_after_ones_own_delete_is_created_over() {
    let mut case = Case::new(&[Provisioning]).read(true);
    case.record.last_delete_at = Some(case.ago(369));
    let changes = case.writes(Write::Create);
    assert_eq!(changes.record.standing, Standing::No, "never standing");
    case.record.last_delete_at = Some(case.ago(370));
    assert_eq!(case.commits().record.standing, Standing::Yes);
}

#[test]
fn a_presence_after_an_acknowledged_create_is_active_and_looked_at_again() {
    let mut case = Case::new(&[Provisioning]);
    case.record.last_delete_at = Some(case.ago(100));
    let case = case
        .created(1, false)
        .wrote(Write::Create, Ok(()))
        .read(true);
    let changes = case.commits();
    assert_eq!(changes.grants[0].state, Active);
    assert_eq!(changes.record.recheck_at, Some(at(1000 - 100 + 370)));
}

#[test]
fn a_create_of_unknown_outcome_is_read_and_repeated_once() {
    let timeout = Err(ErrorKind::Timeout);
    let first = Case::new(&[Provisioning])
        .created(1, false)
        .wrote(Write::Create, timeout);
    first.reads();
    let second = first.read(false);
    second.writes(Write::Create);
    let second = second.wrote(Write::Create, timeout).read(false);
    second.rests();
}

#[test]
fn a_create_that_did_nothing_rests_without_a_read() {
    let case = Case::new(&[Provisioning])
        .created(1, false)
        .wrote(Write::Create, Err(ErrorKind::Throttled));
    let changes = case.rests();
    assert_eq!(changes.record.next_attempt_at, Some(at(1001)));
    assert_eq!(kinds(&changes), [EventKind::AttemptFailed]);
}

#[test]
fn a_final_refusal_fails_after_a_read_of_absence() {
    let case = Case::new(&[Provisioning])
        .created(1, false)
        .wrote(Write::Create, Err(ErrorKind::Validation));
    case.reads();
    let changes = case.read(false).commits();
    assert_eq!(changes.grants[0].state, GrantState::Failed);
    assert_eq!(kinds(&changes), [EventKind::Failed]);
    assert!(changes.record.recheck_at.is_some(), "confirmed once more");
}

#[test]
fn what_is_there_again_was_not_removed() {
    let mut case = Case::new(&[Provisioning]);
    case.record.removed_at = Some(case.ago(10));
    assert_eq!(
        case.read(false).writes(Write::Create).record.removed_at,
        None
    );
    let mut case = Case::new(&[]);
    case.record.removed_at = Some(case.ago(5000));
    case.record.recheck_at = Some(case.ago(1));
    assert_eq!(case.read(true).rests().record.removed_at, None);
}

#[test]
fn pauses_double_up_to_their_cap_and_tell_each_kind_once() {
    let mut case = Case::new(&[Provisioning]);
    let mut pauses = Vec::new();
    for _ in 0..11 {
        case.run = Run::default();
        let case_now = case.now;
        case = case.wrote(Write::Create, Err(ErrorKind::Throttled));
        let changes = case.rests();
        let told = usize::from(pauses.is_empty());
        assert_eq!(changes.events.len(), told);
        let next = changes.record.next_attempt_at.unwrap();
        pauses.push(next.duration_since(case_now).as_secs());
        case.record = changes.record;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}

#[test]
fn an_end_does_not_wait_for_a_pause() {
    let mut case = Case::new(&[Provisioning, Active]);
    case.grants[1].end_at = Some(at(1010));
    case.record.failed_attempts = 9;
    let case = case.wrote(Write::Create, Err(ErrorKind::Throttled));
    assert_eq!(case.rests().record.next_attempt_at, Some(at(1010)));
}

#[test]
fn an_assignment_stays_while_another_grant_holds_it() {
    let case = Case::new(&[Active, Revoking]).created(900, true);
    let changes = case.commits();
    assert_eq!(kinds(&changes), [EventKind::EndedAssignmentKept]);
    let due = Case {
        now: at(3601),
        ..Case::new(&[Active])
    };
    assert_eq!(kinds(&due.commits()), [EventKind::TimeOver]);
}

#[test]
fn a_later_grant_overtakes_a_removal_and_owns_what_stands() {
    let mut case = Case::new(&[Provisioning]).removal();
    case.record.standing = Standing::Yes;
    case.record.recheck_at = Some(at(5));
    let changes = case.commits();
    assert_eq!(kinds(&changes), [EventKind::RemovalSuperseded]);
    assert_eq!(changes.record.standing, Standing::No);
    assert_eq!(
        (changes.record.removal, changes.record.recheck_at),
        (None, None)
    );
}

#[test]
fn an_end_is_a_delete_an_absence_and_a_second_look() {
    let case = Case::new(&[Revoking]).created(900, true);
    let changes = case.writes(Write::Delete);
    assert_eq!(kinds(&changes), [EventKind::DeleteIntended]);
    let case = case.wrote(Write::Delete, Ok(()));
    case.reads();
    let changes = case.read(false).commits();
    assert_eq!(kinds(&changes), [EventKind::EndedAssignmentGone]);
    assert_eq!(changes.record.recheck_at, Some(at(1370)));
}

#[test]
fn an_absence_within_the_window_of_an_unseen_create_is_no_end_yet() {
    let deleted = |seconds_ago| {
        let case = Case::new(&[Revoking]).created(seconds_ago, false);
        let case = case.wrote(Write::Delete, Ok(()));
        case.read(false)
    };
    deleted(369).rests();
    deleted(370).commits();
}

#[test]
fn an_acknowledged_create_is_looked_for_before_its_delete() {
    let case = Case::new(&[Revoking]).created(5, false);
    case.reads();
    case.read(true).writes(Write::Delete);
}

#[test]
fn a_revocation_never_fails() {
    for kind in [
        ErrorKind::Validation,
        ErrorKind::AccessDenied,
        ErrorKind::Conflict,
    ] {
        let mut case = Case::new(&[Revoking])
            .created(900, true)
            .wrote(Write::Delete, Err(kind));
        case.record.refusing_since = Some(at(1000 - 90_000));
        case.reads();
        assert_eq!(case.read(true).rests().grants, []);
    }
}

#[test]
fn a_forbidden_delete_keeps_no_grant_whose_assignment_is_not_there() {
    let case = Case::new(&[Revoking])
        .created(900, true)
        .wrote(Write::Delete, Err(ErrorKind::AccessDenied));
    let changes = case.read(false).commits();
    assert_eq!(kinds(&changes), [EventKind::EndedAssignmentGone]);
}

#[test]
fn a_create_without_effect_keeps_no_end_waiting() {
    let created = |kind| {
        let mut case = Case::new(&[Revoking]).created(5, false);
        let before = Case::new(&[Revoking]).created(5000, true).record;
        case.run.begin_write(&before, Write::Create);
        let case = case.wrote(Write::Create, Err(kind));
        let case = case.wrote(Write::Delete, Ok(()));
        case.read(false)
    };
    for kind in [
        ErrorKind::Throttled,
        ErrorKind::Conflict,
        ErrorKind::NotFound,
    ] {
        created(kind).commits();
    }
    created(ErrorKind::Timeout).rests();
}

#[test]
fn an_explicit_removal_is_done_when_aws_has_taken_a_delete() {
    // Read before the removal was asked for.
    let case = Case::new(&[]).removal().read(false);
    case.writes(Write::Delete);
    for kind in [ErrorKind::Conflict, ErrorKind::Timeout] {
        let case = Case::new(&[]).removal().wrote(Write::Delete, Err(kind));
        case.read(false).rests();
    }
    let mut case = Case::new(&[]).removal().wrote(Write::Delete, Ok(()));
    case.record.standing = Standing::Yes;
    let changes = case.read(false).commits();
    assert_eq!(kinds(&changes), [EventKind::AssignmentRemoved]);
    assert_eq!(changes.record.standing, Standing::Unknown);
}

/// An assignment whose absence was confirmed so long after Usher's Create, and whose second look
/// is due.
fn confirmed_gone(states: &[GrantState], seconds_after_create: i64) -> Case {
    let window = 370;
    let mut case = Case::new(states).created(window + seconds_after_create, true);
    case.record.last_delete_at = Some(case.ago(window));
    case.record.removed_at = Some(case.ago(window));
    case.record.gone_at = case.record.removed_at;
    case.record.recheck_at = Some(case.now);
    case
}

#[test]
fn a_late_effect_is_found_and_undone() {
    let case = confirmed_gone(&[], 369).read(true);
    let changes = case.writes(Write::Delete);
    assert_eq!(
        kinds(&changes),
        [EventKind::LateEffectFound, EventKind::DeleteIntended]
    );
    let case = case.wrote(Write::Delete, Ok(())).read(false);
    assert_eq!(
        case.rests().record.recheck_at,
        Some(at(1370)),
        "and once more"
    );
}

#[test]
fn what_others_made_after_a_confirmed_absence_is_left_alone() {
    let found = confirmed_gone(&[], 370).read(true).rests();
    assert_eq!(kinds(&found), [EventKind::FoundOutOfBand]);
    assert_eq!(found.record.standing, Standing::Unknown);
    // It was gone all the same: a report says that somebody made it anew.
    assert_eq!(found.record.removed_at, None);
    assert!(found.record.gone_at.is_some());
    let active = confirmed_gone(&[Provisioning], 370).read(true).commits();
    assert_eq!(active.record.standing, Standing::Yes);
    let ended = confirmed_gone(&[Revoking], 370).commits();
    assert_eq!(kinds(&ended), [EventKind::EndedAssignmentKept]);
}

#[test]
fn a_quiet_second_look_forgets_the_mark() {
    let case = confirmed_gone(&[], 900);
    case.reads();
    let changes = case.read(false).rests();
    assert_eq!(changes.record.standing, Standing::Unknown);
    assert_eq!(changes.record.next_attempt_at, None);
    assert_eq!(kinds(&changes), []);
}

#[test]
fn a_delete_that_lands_after_activation_is_made_good() {
    let mut case = Case::new(&[Active]).created(300, true);
    case.record.recheck_at = Some(case.now);
    case.reads();
    let case = case.read(false);
    let changes = case.writes(Write::Create);
    assert_eq!(kinds(&changes), [EventKind::LateEffectFound]);
    let mut refused = case.wrote(Write::Create, Err(ErrorKind::QuotaExceeded));
    refused.reads();
    refused = refused.read(false);
    assert_eq!(kinds(&refused.rests()), [EventKind::FoundMissing]);
}

#[test]
fn nothing_to_do_rests_for_ever() {
    let changes = Case::new(&[]).rests();
    assert_eq!(changes.record.next_attempt_at, None);
    let mut endless = Case::new(&[Active]);
    endless.grants[0].end_at = None;
    assert_eq!(endless.rests().record.next_attempt_at, None);
    let active = Case::new(&[Active]).rests();
    assert_eq!(active.record.next_attempt_at, Some(at(3601)));
}
