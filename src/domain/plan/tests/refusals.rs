//! When a grant fails, and what a Create without effect leaves behind.

use super::case::Case;
use crate::domain::grant::tests::at;
use crate::domain::plan::{Run, Write};
use crate::domain::{ErrorKind, Failure, GrantState, Operation, Standing};

use GrantState::Provisioning;

#[test]
fn a_refusal_for_an_hour_fails_however_young_the_last_attempt_is() {
    let mut case = Case::new(&[Provisioning])
        .created(1, false)
        .wrote(Write::Create, Err(ErrorKind::AccessDenied));
    case.record.refusing_since = Some(case.ago(3599));
    case.rests();
    case.record.refusing_since = Some(case.ago(3600));
    case.reads();
    let failed = case.read(false).commits();
    assert_eq!(failed.grants[0].state, GrantState::Failed);
}

#[test]
fn a_grant_has_an_hour_of_its_own_whoever_was_refused_before() {
    let mut case = Case::new(&[Provisioning, Provisioning])
        .created(1, false)
        .wrote(Write::Create, Err(ErrorKind::AccessDenied));
    case.record.refusing_since = Some(case.ago(90_000));
    let oldest = case.grants[0].id.clone();
    case.grants[1].created_at = case.ago(10);
    let changes = case.read(false).commits();
    assert_eq!(changes.grants.len(), 1);
    assert_eq!(changes.grants[0].id, oldest);
}

#[test]
fn an_outage_begins_the_hour_of_refusal_anew() {
    let mut case = Case::new(&[Provisioning])
        .created(1, false)
        .wrote(Write::Create, Err(ErrorKind::Timeout));
    case.record.refusing_since = Some(case.ago(3599));
    case.run = Run::default();
    let failure = Failure::new(
        ErrorKind::NotReached,
        Operation::DescribeApplicationAssignment,
    );
    case.run.observe(&mut case.record, Err(failure), case.now);
    assert_eq!(case.rests().record.refusing_since, None);
}

#[test]
fn what_others_made_after_a_create_without_effect_is_not_ushers() {
    for kind in [
        ErrorKind::AccessDenied,
        ErrorKind::Throttled,
        ErrorKind::Conflict,
    ] {
        let mut case = Case::new(&[Provisioning]);
        case.run.begin_write(&case.record, Write::Create);
        let case = case.created(0, false).wrote(Write::Create, Err(kind));
        assert_eq!(case.record.standing, Standing::Unknown, "{kind:?}");
        let changes = case.read(true).commits();
        assert_eq!(changes.record.standing, Standing::Yes, "{kind:?}");
    }
    let mut case = Case::new(&[Provisioning]);
    case.run.begin_write(&case.record, Write::Create);
    let case = case
        .created(0, false)
        .wrote(Write::Create, Err(ErrorKind::Timeout));
    assert_eq!(case.record.standing, Standing::No, "it may have landed");
}

#[test]
fn an_outage_never_fails_a_grant() {
    let mut case = Case::new(&[Provisioning]).created(1, false);
    case.record.refusing_since = Some(case.ago(900));
    for kind in [
        ErrorKind::Throttled,
        ErrorKind::Timeout,
        ErrorKind::NotReached,
    ] {
        let mut run = Run::default();
        let failure = Failure::new(kind, Operation::DescribeApplicationAssignment);
        run.observe(&mut case.record, Err(failure), case.now);
        case.run = run;
        case.record.refusing_since = Some(at(1000 - 90_000));
        case.rests();
    }
}
