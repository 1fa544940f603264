//! Each rule of asynchronous changes by itself.

use super::case::{Case, kinds};
use super::requests::account_access;
use super::world::bounds;
use crate::domain::grant::tests::at;
use crate::domain::plan::{Answer, RequestEnd, Run, Step, Write};
use crate::domain::{
    AssignmentRequestId, ErrorKind, EventKind, Failure, GrantState, Operation, PendingChange,
    Standing,
};

use GrantState::{Active, Provisioning, Revoking};

pub(super) fn id() -> AssignmentRequestId {
    AssignmentRequestId::parse("00000000-0000-4000-8000-000000000001").unwrap()
}

impl Case {
    /// The same on an account.
    pub(super) fn account(states: &[GrantState]) -> Self {
        let mut case = Self::new(states);
        case.record.key.target = account_access();
        case
    }

    /// A change intended so many seconds ago that may be under way.
    pub(super) fn pending(
        mut self,
        write: Write,
        seconds_ago: i64,
        id: Option<AssignmentRequestId>,
    ) -> Self {
        let since = self.ago(seconds_ago);
        if write == Write::Create {
            self = self.created(seconds_ago, false);
            self.record.create_acknowledged = false;
        } else {
            self.record.last_delete_at = Some(since);
        }
        self.record.pending = Some(PendingChange {
            write,
            request_id: id,
            since,
            own_before: false,
        });
        self
    }

    pub(super) fn ended(mut self, write: Write, end: RequestEnd) -> Self {
        self.run
            .observe_request(&mut self.record, write, Ok(end), self.now, &bounds());
        self
    }

    /// AWS fails to say where the Create is.
    pub(super) fn asks(&mut self, failure: Failure) {
        self.run.observe_request(
            &mut self.record,
            Write::Create,
            Err(failure),
            self.now,
            &bounds(),
        );
    }

    pub(super) fn fails_to_read(&mut self, kind: ErrorKind) {
        let failure = Failure::new(kind, Operation::ListAccountAssignments);
        self.run.observe(&mut self.record, Err(failure), self.now);
    }

    pub(super) fn sought(mut self, found: Option<AssignmentRequestId>) -> Self {
        self.run.observe_search(&mut self.record, Ok(found));
        self
    }

    /// Lets the step be committed.
    pub(super) fn saved(mut self) -> Self {
        self.record = self.commits().record;
        self.run.saved();
        self
    }
}

#[test]
fn an_accepted_change_is_put_on_record_with_its_id_and_left_alone() {
    let mut case = Case::account(&[Provisioning]).read(false);
    case.record = case.writes(Write::Create).record;
    let pending = case.record.pending.clone().unwrap();
    assert_eq!((pending.request_id, pending.since), (None, case.now));
    let accepted = Ok(Answer::Accepted(id()));
    case.run
        .observe_write(&mut case.record, Write::Create, accepted);
    let rested = case.rests().record;
    assert_eq!(rested.pending.unwrap().request_id, Some(id()));
    assert_eq!(rested.next_attempt_at, Some(at(1030)));
    // An application's intent leaves nothing pending.
    let application = Case::new(&[Provisioning]).read(false);
    assert_eq!(application.writes(Write::Create).record.pending, None);
}

#[test]
fn an_id_that_was_found_ends_what_kept_the_poller_away() {
    let mut case = Case::account(&[Provisioning]).pending(Write::Create, 5, None);
    let refused = Failure::new(
        ErrorKind::AccessDenied,
        Operation::ListAccountAssignmentCreationStatus,
    );
    case.run.observe_search(&mut case.record, Err(refused));
    case.record = case.rests().record;
    assert!(case.record.last_failure.is_some());
    case.run = Run::default();
    let rested = case.sought(Some(id())).rests().record;
    assert_eq!(rested.next_attempt_at, Some(at(1030)));
    assert_eq!(rested.last_failure, None);
}

#[test]
fn nothing_is_written_while_a_change_is_pending_and_an_end_still_comes() {
    let mut case = Case::account(&[Revoking, Active]).pending(Write::Create, 5, Some(id()));
    assert_eq!(case.step(), Step::ReadRequest(Write::Create, id()));
    case.grants[1].end_at = Some(at(1010));
    let case = case.ended(Write::Create, RequestEnd::InProgress);
    assert_eq!(case.rests().record.next_attempt_at, Some(at(1010)));
    let due = Case {
        now: at(1010),
        ..case
    };
    assert_eq!(kinds(&due.commits()), [EventKind::TimeOver]);
}

#[test]
fn a_change_that_takes_too_long_is_told_and_never_given_up() {
    let told = |seconds_ago| {
        let case = Case::account(&[Provisioning]).pending(Write::Create, seconds_ago, Some(id()));
        let record = case
            .ended(Write::Create, RequestEnd::InProgress)
            .rests()
            .record;
        assert!(record.pending.is_some());
        record.last_failure.map(|last| last.failure)
    };
    assert_eq!(told(199), None);
    let failure = told(200_000).unwrap();
    assert_eq!(failure.kind, ErrorKind::NotVisible);
    assert_eq!(
        failure.operation,
        Operation::DescribeAccountAssignmentCreationStatus.name()
    );
}

#[test]
fn a_change_that_succeeded_is_saved_then_read() {
    let case = Case::account(&[Provisioning])
        .pending(Write::Create, 800, Some(id()))
        .ended(Write::Create, RequestEnd::Succeeded);
    let case = case.saved();
    assert_eq!(case.record.pending, None);
    assert!(case.record.create_acknowledged);
    // However long AWS took, its reads may lag from now on.
    assert_eq!(case.record.last_create_at, Some(case.now));
    case.reads();
    let changes = case.read(true).commits();
    assert_eq!(kinds(&changes), [EventKind::Activated]);
}

#[test]
fn after_a_change_the_next_write_takes_another_claim() {
    let case = Case::account(&[Revoking])
        .pending(Write::Create, 5, Some(id()))
        .ended(Write::Create, RequestEnd::Succeeded)
        .saved();
    case.reads();
    let case = case.read(true);
    assert_eq!(case.rests().record.next_attempt_at, Some(case.now));
    let next = Case {
        run: Run::default(),
        ..case
    };
    next.writes(Write::Delete);
}

#[test]
fn a_grant_fails_after_three_failed_operations_with_the_reason_of_the_last() {
    let failed = |before: u32| {
        let mut case = Case::account(&[Provisioning]).pending(Write::Create, 5, Some(id()));
        case.record.failed_operations = before;
        let end = RequestEnd::Failed("the account is suspended".to_owned());
        let case = case.ended(Write::Create, end).saved();
        case.reads();
        case.read(false)
    };
    for before in [0, 1] {
        let record = failed(before).rests().record;
        assert_eq!(record.failed_operations, before + 1);
        let failure = record.last_failure.unwrap().failure;
        assert_eq!(failure.reason, "the account is suspended");
    }
    let changes = failed(2).commits();
    assert_eq!(kinds(&changes), [EventKind::Failed]);
    let failure = changes.grants[0].failure.clone().unwrap().failure;
    assert_eq!(failure.kind, ErrorKind::OperationFailed);
    assert_eq!(failure.operation, Operation::CreateAccountAssignment.name());
    assert_eq!(failure.reason, "the account is suspended");
    assert_eq!(changes.record.failed_operations, 0);
    // It is there after all: AWS made nothing for Usher, so that others did.
    assert_eq!(
        kinds(&failed(2).read(true).commits()),
        [EventKind::StandingFound, EventKind::Activated]
    );
}

#[test]
fn an_end_never_fails_however_often_the_operation_does() {
    let mut case =
        Case::account(&[Revoking])
            .created(5000, true)
            .pending(Write::Delete, 5, Some(id()));
    case.record.failed_operations = 90;
    let end = RequestEnd::Failed(String::new());
    let case = case.ended(Write::Delete, end).saved().read(true);
    assert_eq!(case.rests().grants, []);
}

#[test]
fn a_change_that_aws_forgot_is_settled_by_a_read() {
    let case = Case::account(&[Revoking])
        .created(5000, true)
        .pending(Write::Delete, 80, Some(id()))
        .ended(Write::Delete, RequestEnd::Unknown)
        .saved();
    case.reads();
    assert_eq!(
        kinds(&case.read(false).commits()),
        [EventKind::EndedAssignmentGone]
    );
}

#[test]
fn a_lost_id_is_sought_and_adopted() {
    let case = Case::account(&[Provisioning]).pending(Write::Create, 1, None);
    assert_eq!(case.step(), Step::FindRequest(Write::Create));
    let case = case.sought(Some(id()));
    let rested = case.rests().record;
    assert_eq!(rested.pending.unwrap().request_id, Some(id()));
    assert_eq!(rested.standing, Standing::No);
}

#[test]
fn what_is_not_found_is_settled_by_what_is_seen_or_by_its_age() {
    let unfound = |seconds_ago, present| {
        let case = Case::account(&[Provisioning]).pending(Write::Create, seconds_ago, None);
        let case = case.sought(None);
        case.reads();
        case.read(present)
    };
    assert_eq!(unfound(1, true).commits().record.pending, None);
    let young = unfound(1, false).rests().record;
    assert!(young.pending.is_some());
    assert_eq!(young.next_attempt_at, Some(at(1000 - 1 + 80)));
    let old = unfound(80, false).saved();
    assert_eq!(old.record.pending, None);
    assert_eq!(old.rests().record.next_attempt_at, Some(old.now));
    // A presence from before one's own Delete proves nothing.
    let mut stale = unfound(1, true);
    stale.record.last_delete_at = Some(stale.ago(100));
    assert!(stale.rests().record.pending.is_some());
}

#[test]
fn a_write_of_unknown_outcome_stays_pending_and_one_without_effect_does_not() {
    let written = |kind| {
        Case::account(&[Provisioning])
            .pending(Write::Create, 0, None)
            .wrote(Write::Create, Err(kind))
    };
    assert_eq!(
        written(ErrorKind::Timeout).step(),
        Step::FindRequest(Write::Create)
    );
    let throttled = written(ErrorKind::Throttled).rests().record;
    assert_eq!(throttled.pending, None);
    let conflict = written(ErrorKind::Conflict).commits().record;
    assert_eq!(conflict.pending, None);
}

#[test]
fn a_failure_to_ask_for_a_change_keeps_it_pending() {
    let mut case = Case::account(&[Provisioning]).pending(Write::Create, 5, Some(id()));
    let operation = Write::Create.request_operation();
    let failure = Failure::new(ErrorKind::Throttled, operation);
    case.asks(failure);
    let record = case.rests().record;
    assert!(record.pending.is_some());
    assert_eq!(record.next_attempt_at, Some(at(1001)));
}

#[test]
fn the_window_of_an_account_is_longer_by_the_time_that_aws_may_take() {
    let application = Case::new(&[]).record.key.target;
    let longer = bounds().settle_window(&account_access()) - bounds().settle_window(&application);
    assert_eq!(longer, bounds().asynchronous_max);
}

#[test]
fn a_change_that_is_not_shown_yet_is_under_way() {
    let unknown = |seconds_ago| {
        Case::account(&[Provisioning])
            .pending(Write::Create, seconds_ago, Some(id()))
            .ended(Write::Create, RequestEnd::Unknown)
    };
    assert!(unknown(79).rests().record.pending.is_some());
    assert_eq!(unknown(80).saved().record.pending, None);
}

#[test]
fn a_failed_create_leaves_nothing_of_ushers_own_unless_something_was_there() {
    let failed = |own_before| {
        let mut case = Case::account(&[Provisioning]).pending(Write::Create, 5, Some(id()));
        case.record.failed_operations = 2;
        case.record.pending.as_mut().unwrap().own_before = own_before;
        let end = RequestEnd::Failed(String::new());
        case.ended(Write::Create, end).saved().read(false).commits()
    };
    let own = failed(true).record;
    assert_eq!(own.standing, Standing::No);
    assert!(own.recheck_at.is_some());
    let nothing = failed(false).record;
    assert_eq!(nothing.standing, Standing::Unknown);
    assert_eq!(nothing.recheck_at, None);
    // What is intended says which of the two it is.
    let intended = |case: Case| case.read(false).writes(Write::Create).record.pending;
    let first = intended(Case::account(&[Provisioning])).unwrap();
    assert!(!first.own_before);
    let again = Case::account(&[Provisioning]).created(100, false);
    assert!(intended(again).unwrap().own_before);
}

#[test]
fn a_create_that_was_not_sent_leaves_the_record_as_it_was() {
    for mut case in [
        Case::new(&[Provisioning]).read(false),
        Case::account(&[Provisioning]).read(false),
    ] {
        let before = case.record.clone();
        case.run.begin_write(&before, Write::Create);
        case.record = case.writes(Write::Create).record;
        assert_eq!(case.record.standing, Standing::No);
        case.run.withdraw_write(&mut case.record, Write::Create);
        assert_eq!(case.record, before);
    }
}
