//! What the rows of ACCESS and ASSIGNMENTS amount to: counted while they stream, target by target,
//! in bounded memory. Rows must come in the order of the report.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::findings::OVERDUE_AFTER;
use super::about::About;
use super::cells::{path, principal_label, target_label};
use super::findings::{self, Example};
use super::markup::Html;
use super::people::{People, WayCounts, Ways};
use super::reasons::{Reason, Reasons};
use super::top::Top;
use crate::domain::report::{Finding, Provenance, ReportPath, Row, View};

/// Overdue grants that are told apart; of more, only the rows are counted. So many take 1 MB.
const OVERDUE_MAX: usize = 1_000;
/// Examples that are named of each finding: enough to begin with.
const EXAMPLES_MAX: usize = 3;

/// The counts of a report.
#[derive(Debug, Default)]
pub(in crate::audit) struct Access {
    pub(super) people: People,
    pub(super) reasons: Reasons,
    pub(super) targets: Top<TargetLine>,
    /// Targets that somebody enters.
    pub(super) target_count: u64,
    pub(super) overdue: Overdue,
    pub(super) examples: BTreeMap<Finding, Vec<Html>>,
    present: Option<Present>,
}

/// A target with who enters it.
#[derive(Debug, Default)]
pub(super) struct TargetLine {
    pub(super) label: Html,
    pub(super) ways: WayCounts,
    /// There may be more: the members of a group could not be read.
    pub(super) has_unknown: bool,
}

/// Grants whose end is over and whose access is still there, the one that ended first leading.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    pub(super) grants: BTreeMap<(String, String), OverdueLine>,
    /// Rows of further ones.
    pub(super) rows_beside: u64,
}

/// An overdue grant.
#[derive(Debug)]
pub(super) struct OverdueLine {
    pub(super) principal: Html,
    pub(super) target: Html,
    pub(super) rows: u64,
}

/// The target whose rows come now.
#[derive(Debug)]
struct Present {
    key: [String; 5],
    line: TargetLine,
    people: u64,
    /// The person whose rows come now.
    person: String,
    ways: Ways,
}

impl Access {
    /// Counts a row.
    pub(super) fn count(&mut self, row: &Row, about: &About) {
        self.collect_examples(row);
        if is_overdue(row, about.started_at) {
            self.overdue.add(row);
        }
        let Some(path) = path(row).filter(|path| lets_in(row, *path)) else {
            return;
        };
        self.reasons.add(Reason::of(row));
        self.turn_to(row);
        let Some(present) = &mut self.present else {
            return;
        };
        // Rows of ASSIGNMENTS name the group itself.
        let person = match about.view {
            View::Assignments if row.user_id.is_empty() => &row.group_id,
            _ => &row.user_id,
        };
        if person.is_empty() {
            present.line.has_unknown = true;
            return;
        }
        if present.person != *person {
            present.person.clone_from(person);
            present.ways = Ways::default();
            present.people += 1;
            self.people.meet(person, || principal_label(row));
        }
        if present.ways.add(path) {
            present.line.ways.add(path);
            self.people.enter(person, path);
        }
    }

    /// The rows are over.
    pub(super) fn end(&mut self) {
        self.end_target();
        self.people.end_instance();
    }

    /// Goes on to the target of this row, if it is another.
    fn turn_to(&mut self, row: &Row) {
        let key = [
            &row.instance_arn,
            &row.target_kind,
            &row.application_arn,
            &row.account_id,
            &row.permission_set_arn,
        ];
        let before = self.present.as_ref().map(|present| &present.key);
        if before.is_some_and(|before| before.iter().eq(key)) {
            return;
        }
        if before.is_some_and(|before| before.first() != Some(&row.instance_arn)) {
            self.people.end_instance();
        }
        self.end_target();
        self.present = Some(Present {
            key: key.map(Clone::clone),
            line: TargetLine {
                label: target_label(row),
                ..TargetLine::default()
            },
            people: 0,
            person: String::new(),
            ways: Ways::default(),
        });
    }

    fn end_target(&mut self) {
        if let Some(present) = self.present.take() {
            self.target_count += 1;
            self.targets.offer(present.people, present.line);
        }
    }

    fn collect_examples(&mut self, row: &Row) {
        for finding in findings::of_cell(&row.findings) {
            let examples = self.examples.entry(finding).or_default();
            if examples.len() >= EXAMPLES_MAX {
                continue;
            }
            let mut example = Html::default();
            match findings::example(finding) {
                Example::Target => example.add(&target_label(row)),
                Example::Principal => example.add(&principal_label(row)),
                Example::Both => {
                    (example.add(&principal_label(row)).raw(" – ")).add(&target_label(row))
                }
            };
            if !examples.contains(&example) {
                examples.push(example);
            }
        }
    }
}

impl Overdue {
    fn add(&mut self, row: &Row) {
        let key = (row.expires_at.clone(), row.grant_id.clone());
        if let Some(line) = self.grants.get_mut(&key) {
            line.rows += 1;
            return;
        }
        if self.grants.len() >= OVERDUE_MAX {
            self.rows_beside += 1;
            return;
        }
        let mut principal = Html::default();
        if row.path == ReportPath::Group.as_str() {
            // The grant is the group's, whoever of its members stands on the row.
            let of_group = Row {
                user_id: String::new(),
                ..row.clone()
            };
            principal.add(&principal_label(&of_group));
        } else {
            principal.add(&principal_label(row));
        }
        let line = OverdueLine {
            principal,
            target: target_label(row),
            rows: 1,
        };
        self.grants.insert(key, line);
    }
}

/// Whether somebody enters by this row now: as `Tally::user_count` has it.
fn lets_in(row: &Row, path: ReportPath) -> bool {
    path != ReportPath::None && !matches!(row.user_status.as_str(), "DISABLED" | "DELETED")
}

/// Whether its grant should have ended before the report began.
pub(super) fn is_overdue(row: &Row, started_at: Timestamp) -> bool {
    if row.provenance != Provenance::Grant.as_str() {
        return false;
    }
    let Ok(end) = row.expires_at.parse::<Timestamp>() else {
        return false;
    };
    end.checked_add(OVERDUE_AFTER)
        .is_ok_and(|late| late < started_at)
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
