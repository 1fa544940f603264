//! What a report answers, part by part: header, progress, rows or text, summary. Pure values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::collection::Missing;
use super::format::{FormatError, Piece};
use super::meter::Progress;
use super::plan::Plan;
use super::since_last::SinceLast;
use crate::domain::report::{Batch, Finding, Format, ReportRow, View};
use crate::domain::{InstanceArn, Operation};

/// So many lacks are named one by one; the rest is counted. A role that may not read members would
/// otherwise fill a summary with ten thousand equal sentences.
const MISSING_NAMED_MAX: usize = 1_000;

/// A part of the answer. Order: one `Header`, any number of the others, one `Summary` last. An
/// answer without its `Summary` was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// What will be read.
    Header(Header),
    /// How far the collection is.
    Progress(Progress),
    /// Sorted rows, with the format ROWS.
    Rows(Batch),
    /// Text, with the others; pieces join without separators.
    Text(String),
    /// What the report holds and what it lacks.
    Summary(Box<Summary>),
}

/// The plan of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The question.
    pub view: View,
    /// The form.
    pub format: Format,
    /// The instances it covers, sorted.
    pub instance_arns: Vec<InstanceArn>,
    /// The columns, in order.
    pub columns: &'static [&'static str],
    /// What it will ask of AWS, and what it cannot know before.
    pub plan: Plan,
    /// How long that takes within the budgets as they are now: instances are read side by side, so
    /// many at once as `AuditConfig::instances_at_once` says.
    pub estimated_duration: std::time::Duration,
}

/// Whether a report holds everything it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing is missing.
    Complete,
    /// Something is missing; the summary says what and why.
    Partial,
}

/// What a report holds and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Rows.
    pub row_count: u64,
    /// Different users: that can enter something (`Tally::user_count`), that are in the instances'
    /// stores, or that share something.
    pub user_count: u64,
    /// Applications covered, those without any assignment too.
    pub application_count: u64,
    /// Accounts covered: those with a permission set on them.
    pub account_count: u64,
    /// Permission sets covered, those on no account too.
    pub permission_set_count: u64,
    /// Assignments read that the scope wants.
    pub assignment_count: u64,
    /// What the report asked for, sorted: retries are not counted, what the budget refused is.
    pub operations_used: Vec<(Operation, u64)>,
    /// Whether something is missing; none with `validate_only`. A report that needs nothing, like
    /// one about people in several stores where one is asked, is complete.
    pub completeness: Option<Completeness>,
    /// What is missing and why, sorted.
    pub missing: Vec<Missing>,
    /// When the oldest fact was read.
    pub observed_from: Option<Timestamp>,
    /// When the newest fact was read.
    pub observed_until: Option<Timestamp>,
    /// sha256 in hex of the text; for ROWS, of the same rows as JSON Lines. Empty with
    /// `validate_only`.
    pub sha256: String,
    /// What changed since the collection before; for the page alone, and where there was one.
    pub since_last: Option<SinceLast>,
    /// How many rows carry each finding.
    pub findings: BTreeMap<Finding, u64>,
}

/// Why a report ended without its summary.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody takes the parts any more. Nothing is left running.
    #[error("nobody listens to the report any more")]
    ReceiverGone,
    /// A fault of ours.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl Summary {
    /// What is missing, and so whether the report is whole.
    pub(super) fn lack(&mut self, missing: BTreeSet<Missing>) {
        self.completeness = Some(if missing.is_empty() {
            Completeness::Complete
        } else {
            Completeness::Partial
        });
        self.missing = named(missing);
    }

    /// A time at which facts were read.
    pub(super) fn observe(&mut self, from: Option<Timestamp>, until: Option<Timestamp>) {
        self.observed_from = match (self.observed_from, from) {
            (Some(known), Some(from)) => Some(known.min(from)),
            (known, from) => known.or(from),
        };
        self.observed_until = self.observed_until.max(until);
    }
}

impl<R: ReportRow> From<Piece<R>> for Part {
    fn from(piece: Piece<R>) -> Self {
        match piece {
            Piece::Rows(rows) => Self::Rows(R::batch(rows)),
            Piece::Text(text) => Self::Text(text),
        }
    }
}

fn named(missing: BTreeSet<Missing>) -> Vec<Missing> {
    let unnamed = missing.len().saturating_sub(MISSING_NAMED_MAX);
    let mut named: Vec<Missing> = missing.into_iter().take(MISSING_NAMED_MAX).collect();
    if unnamed > 0 {
        named.push(Missing {
            instance_arn: None,
            scope: format!("{unnamed} further scopes"),
            reason: "too many to name; mend the reasons above first".to_owned(),
            gaps: Vec::new(),
        });
    }
    named
}
