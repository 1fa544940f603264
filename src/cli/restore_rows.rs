//! The rows of `usher restore --plan`: what would be done about each assignment, why, and how many of each
//! kind. It decides nothing: what the reconciler would do it is told.

use std::collections::BTreeMap;

use super::restore_plan::told_key;
use crate::domain::plan::Write;
use crate::domain::{AssignmentKey, AssignmentRecord, Grant, GrantState};
use crate::reconciler::Foreseen;

/// What would become of an assignment, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// It would be made.
    Create,
    /// It would be removed.
    Delete,
    /// AWS has none although an active grant holds it, and it would not be made again.
    Missing,
    /// AWS has it, and only a grant that is lost speaks of it.
    Left,
    /// AWS is at work on it, or its reads may lag.
    Wait,
    /// Nobody could read whether AWS has it.
    Unread,
    /// Nothing would be done.
    Nothing,
}

impl What {
    const ALL: [Self; 7] = [
        Self::Create,
        Self::Delete,
        Self::Missing,
        Self::Left,
        Self::Wait,
        Self::Unread,
        Self::Nothing,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Missing => "missing",
            Self::Left => "left",
            Self::Wait => "wait",
            Self::Unread => "unread",
            Self::Nothing => "nothing",
        }
    }
}

/// One assignment.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) what: What,
    line: String,
}

impl Row {
    fn new(what: What, key: &AssignmentKey, why: &str) -> Self {
        let line = format!("{:<8} {}: {why}", what.word(), told_key(key));
        Self { what, line }
    }

    /// What the reconciler would do.
    pub(super) fn foreseen(
        record: &AssignmentRecord,
        grants: &[Grant],
        is_present: bool,
        foreseen: Foreseen,
    ) -> Self {
        let has = if is_present {
            "AWS has it"
        } else {
            "AWS has none"
        };
        let is_active = grants.iter().any(|it| it.state == GrantState::Active);
        let (what, more) = match foreseen {
            Foreseen::Send(Write::Create) => (What::Create, ""),
            Foreseen::Send(Write::Delete) if is_present => (What::Delete, ""),
            Foreseen::Send(Write::Delete) => (What::Delete, ": it is removed already"),
            Foreseen::Wait => (What::Wait, "; AWS is at work on it, or its reads may lag"),
            Foreseen::Nothing if is_active && !is_present => (
                What::Missing,
                ": it is not made again; Revoke ends the grant, another Assign makes the assignment anew",
            ),
            Foreseen::Nothing => (What::Nothing, ""),
        };
        let mut why: Vec<String> = grants.iter().map(told_grant).collect();
        if let Some(removal) = &record.removal {
            why.push(format!("its removal was asked for at {}", removal.at));
        }
        why.push(format!("{has}{more}"));
        Self::new(what, &record.key, &why.join(", "))
    }

    /// What only a lost grant speaks of.
    pub(super) fn left(key: &AssignmentKey, grant_id: &str) -> Self {
        let why = format!(
            "AWS has it, and {grant_id} is lost: nothing ends it; AdoptAssignments gives it an owner and an end, \
             Revoke removes it"
        );
        Self::new(What::Left, key, &why)
    }

    /// What could not be read.
    pub(super) fn unread(key: &AssignmentKey, why: &str) -> Self {
        Self::new(What::Unread, key, why)
    }
}

fn told_grant(grant: &Grant) -> String {
    let end = match (&grant.ending, grant.end_at) {
        (Some(ending), _) => format!(" since {}", ending.at),
        (None, Some(end)) => format!(" until {end}"),
        (None, None) => String::new(),
    };
    format!("{} is {}{end}", grant.id, grant.state.as_str())
}

/// The rows that are more than nothing, at most so many of each kind, and their number.
pub(super) fn told_rows(rows: &[Row], lines_max: usize) -> Vec<String> {
    let mut counts: BTreeMap<What, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.what).or_default() += 1;
    }
    let mut lines = Vec::new();
    for what in What::ALL {
        let count = counts.get(&what).copied().unwrap_or_default();
        if what == What::Nothing || count == 0 {
            continue;
        }
        let of_kind = rows.iter().filter(|row| row.what == what);
        lines.extend(of_kind.take(lines_max).map(|row| row.line.clone()));
        if count > lines_max {
            let more = count - lines_max;
            lines.push(format!("{:<8} and {more} more (--lines)", what.word()));
        }
    }
    let counted = What::ALL.into_iter().map(|what| {
        let count = counts.get(&what).copied().unwrap_or_default();
        format!("{} {count}", what.word())
    });
    let counted: Vec<String> = counted.collect();
    lines.push(format!(
        "plan of {} assignments: {}",
        rows.len(),
        counted.join(", ")
    ));
    lines
}
