//! A table of expected decisions, which runs whenever its policies are loaded.
//!
//! ```toml
//! [[test]]
//! name = "an engineer gets Redshift for a working day when a data lead agrees"
//! subject = { user = "alice", groups = ["engineering"] }
//! action = "Request"
//! target = { application = "Amazon Redshift" }
//! duration = "8h"
//! expect = ["engineers-redshift for 1 approval"]
//! ```
//! `expect` is "allowed", "denied", or for `Request` all paths and near misses:
//! "ID for N approvals", "ID misses max_duration", "ID misses requires".

use std::collections::BTreeSet;

use super::PolicySet;
use super::decision::{Decision, NearMiss, RequestDecision};
use super::explain::Answer;
use super::files::TABLE_FILE;
use super::problem::PolicyProblem;
use super::table_row::{Expectation, Row, read_rows};

/// What came out of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowResult {
    /// The row.
    pub name: String,
    /// None when it came out as expected; else what was expected and what came out instead.
    pub difference: Option<String>,
}

/// Decides every row of a table.
///
/// # Errors
/// The table is not one.
pub fn run_table(set: &PolicySet, text: &str) -> Result<Vec<RowResult>, PolicyProblem> {
    let refuse = |sentence: String| PolicyProblem::of_file(TABLE_FILE, sentence);
    let rows = read_rows(text).map_err(refuse)?;
    let results = rows.iter().map(|row| {
        let difference = difference(set, row)
            .map_err(|sentence| refuse(format!("row `{}`: {sentence}", row.name)))?;
        Ok(RowResult {
            name: row.name.clone(),
            difference,
        })
    });
    results.collect()
}

/// The rows that came out otherwise, as problems of the set.
pub(super) fn problems(results: &[RowResult]) -> Vec<PolicyProblem> {
    let failed = results.iter().filter_map(|row| {
        let difference = row.difference.as_ref()?;
        let sentence = format!("row `{}`: {difference}", row.name);
        Some(PolicyProblem::of_file(TABLE_FILE, sentence))
    });
    failed.collect()
}

/// How the answer to a row differs from what it expects.
fn difference(set: &PolicySet, row: &Row) -> Result<Option<String>, String> {
    let asked = row.asked()?;
    let answer = set.answer(&asked.scene, &asked.question());
    let expected = row
        .expect
        .as_ref()
        .ok_or("says nothing in `expect`; write \"allowed\", \"denied\", or a list of paths")?;
    let (is_allowed, outcomes, by) = match &answer {
        Answer::Paths(decision) => (
            !decision.paths.is_empty(),
            outcomes(decision),
            deciding_paths(decision),
        ),
        Answer::Decision(decision) => (
            decision.is_allowed,
            misses(&decision.near_misses).collect(),
            decision.policies.clone(),
        ),
    };
    let as_expected = match expected {
        Expectation::One(word) if word == "allowed" => is_allowed,
        Expectation::One(word) if word == "denied" => !is_allowed,
        Expectation::One(one) => is_outcome(one)? && outcomes == BTreeSet::from([one.clone()]),
        Expectation::All(all) => {
            for one in all {
                is_outcome(one)?;
            }
            outcomes == all.iter().cloned().collect()
        }
    };
    if !as_expected {
        return Ok(Some(format!(
            "expected {}, and it is {}",
            shown(expected),
            told(&answer)
        )));
    }
    let wrong_by = row.by.as_ref().filter(|wanted| {
        let wanted: BTreeSet<&String> = wanted.iter().collect();
        wanted != by.iter().collect()
    });
    Ok(wrong_by.map(|wanted| {
        format!(
            "expected a decision by {}, and it is {}",
            wanted.join(", "),
            told(&answer)
        )
    }))
}

/// Whether a text has the form of an outcome; a typo there would be a row that can never hold.
fn is_outcome(text: &str) -> Result<bool, String> {
    let counted = text.split_once(" for ").is_some_and(|(id, price)| {
        let is_count = |count: &str| count.parse::<u32>().is_ok_and(|count| count != 1);
        let several = price.strip_suffix(" approvals");
        !id.contains(' ') && (price == "1 approval" || several.is_some_and(is_count))
    });
    let missed = text.split_once(" misses ").is_some_and(|(id, limit)| {
        !id.contains(' ') && matches!(limit, "max_duration" | "requires")
    });
    if counted || missed {
        Ok(true)
    } else {
        Err(format!(
            "`{text}` is nothing to expect; write \"allowed\", \"denied\", \"ID for 2 approvals\", \"ID misses max_duration\" or \"ID misses requires\""
        ))
    }
}

fn misses(near_misses: &[NearMiss]) -> impl Iterator<Item = String> {
    near_misses
        .iter()
        .map(|miss| format!("{} misses {}", miss.policy, miss.limit))
}

fn outcomes(decision: &RequestDecision) -> BTreeSet<String> {
    let paths = decision.paths.iter().map(|path| {
        let count = path.approval_count();
        let unit = if count == 1 { "approval" } else { "approvals" };
        format!("{} for {count} {unit}", path.policy)
    });
    paths.chain(misses(&decision.near_misses)).collect()
}

fn deciding_paths(decision: &RequestDecision) -> Vec<String> {
    if decision.paths.is_empty() {
        return decision.forbidden_by.clone();
    }
    let paths = decision.paths.iter();
    paths.map(|path| path.policy.clone()).collect()
}

fn shown(expected: &Expectation) -> String {
    match expected {
        Expectation::One(one) => one.clone(),
        Expectation::All(all) if all.is_empty() => "nothing".to_owned(),
        Expectation::All(all) => all.join(", "),
    }
}

/// An answer in one line.
pub(super) fn told(answer: &Answer) -> String {
    match answer {
        Answer::Paths(decision) => {
            let outcomes: Vec<String> = outcomes(decision).into_iter().collect();
            if decision.paths.is_empty() {
                denied(&decision.forbidden_by, &decision.errors, &outcomes)
            } else {
                outcomes.join(", ")
            }
        }
        Answer::Decision(Decision {
            is_allowed: true,
            policies,
            ..
        }) => format!("allowed by {}", policies.join(", ")),
        Answer::Decision(decision) => {
            let missed: Vec<String> = misses(&decision.near_misses).collect();
            denied(&decision.policies, &decision.errors, &missed)
        }
    }
}

fn denied(forbids: &[String], errors: &[String], near_misses: &[String]) -> String {
    let mut reasons = Vec::new();
    if !errors.is_empty() {
        reasons.push(format!("{} cannot be evaluated", errors.join(", ")));
    }
    if !forbids.is_empty() {
        reasons.push(format!("forbidden by {}", forbids.join(", ")));
    }
    reasons.extend_from_slice(near_misses);
    if reasons.is_empty() {
        reasons.push("no permit fits".to_owned());
    }
    format!("denied: {}", reasons.join("; "))
}

impl Answer {
    /// The answer in one line, for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        told(self)
    }
}
