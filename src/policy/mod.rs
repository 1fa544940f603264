//! Who may do what: Cedar in, decisions out. No input or output but for reading a folder of
//! policies (`files`), no clock: a question brings its time and its facts, and a decision names the
//! policies that made it.
//!
//! ```text
//!   texts -> text (pieces) -> terms, rules (Usher's own checks) -> load (Cedar's validation, index) -> PolicySet
//!   question -> facts (entities of this question) -> index (shelves that may fit) -> decide -> decision
//! ```
//! Whatever cannot be understood does not load; whatever cannot be evaluated denies.

mod compared;
mod config;
mod decide;
mod decision;
mod explain;
mod facts;
mod files;
mod in_force;
mod index;
#[cfg(test)]
mod index_tests;
mod load;
mod memory;
mod problem;
mod question;
mod reach;
mod rules;
mod scope;
mod table;
mod table_row;
mod terms;
#[cfg(test)]
mod terms_tests;
mod text;
mod vocabulary;

use std::fmt;
use std::sync::Arc;

use load::{Inner, Loaded};

pub use config::{DurationMax, PolicyBounds, PolicyConfig};
pub use decision::{Decision, NearMiss, RequestDecision};
pub use explain::{Answer, Explanation, Outcome};
pub use files::{TABLE_FILE, load_directory, load_texts, read_directory, read_table, read_text};
pub use in_force::PolicyInForce;
pub use problem::{PolicyFile, PolicyProblem, PolicyRules};
pub use question::{
    Action, ActivationQuestion, BeneficiaryFacts, GrantQuestion, GroupFacts, Question, Resource,
    Scene, Subject, TargetFacts, UserFacts,
};
pub use table::{RowResult, run_table};
pub use table_row::{Asked, Row, read_row, read_rows};
pub use terms::parse_duration;
pub use vocabulary::SCHEMA_TEXT;

/// The text of the built-in set of `--dev`, and the name of its version.
const DEVELOPMENT_TEXT: &str = include_str!("development.cedar");
const DEVELOPMENT_VERSION: &str = "development-1";

/// A policy set: loaded once, never changed, cheap to clone.
#[derive(Clone)]
pub struct PolicySet {
    inner: Arc<Inner>,
}

/// A policy as tools show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySummary {
    /// Its id.
    pub id: String,
    /// It permits; else it forbids.
    pub is_permit: bool,
    /// The actions that its scope speaks of.
    pub actions: Vec<Action>,
    /// What it is for, in its author's words; may be empty.
    pub description: String,
    /// The file that it is in, and the line.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl PolicySet {
    /// The built-in set of `--dev`: it permits everything, without approvals and without limits.
    #[must_use]
    pub fn development() -> Self {
        let rules = PolicyRules::default();
        #[expect(
            clippy::expect_used,
            reason = "the text is a constant, and every test of the service loads it"
        )]
        let inner = load::load_built_in(DEVELOPMENT_TEXT, DEVELOPMENT_VERSION, &rules)
            .expect("the built-in policies");
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Loads a set, whole or not at all.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of files and lines.
    pub fn load(files: &[PolicyFile], rules: &PolicyRules) -> Result<Self, Vec<PolicyProblem>> {
        let inner = load::load_written(files, rules)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Whether it matters to this set who asks: to the built-in one it does not, so that nobody has
    /// to be in an identity store for it.
    #[must_use]
    pub fn asks_for_people(&self) -> bool {
        self.version() != DEVELOPMENT_VERSION
    }

    /// Whether there are ways to access, and every one is free: nobody is ever asked to agree.
    #[must_use]
    pub fn asks_nobody(&self) -> bool {
        let mut ways = self.inner.policies.values().filter(|it| it.is_way());
        let first = ways.next();
        first.is_some_and(|first| first.is_free()) && ways.all(Loaded::is_free)
    }

    /// What names the set in answers and events: hex sha256 of its texts, or the built-in's name.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// The files that it was made from.
    #[must_use]
    pub fn texts(&self) -> &[PolicyFile] {
        &self.inner.files
    }

    /// The groups that policies mention, by name or id, sorted: a subject's memberships in these,
    /// and in no others, can make a difference.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.inner.groups.iter().map(String::as_str)
    }

    /// The groups whose members approve, by name or id, sorted.
    pub fn approver_groups(&self) -> impl Iterator<Item = &str> {
        self.inner.approver_groups.iter().map(String::as_str)
    }

    /// The services that approve, sorted.
    pub fn approver_services(&self) -> impl Iterator<Item = &str> {
        self.inner.approver_services.iter().map(String::as_str)
    }

    /// Every policy, the built-in ones too, sorted by id.
    pub fn policies(&self) -> impl Iterator<Item = PolicySummary> {
        self.inner.policies.iter().map(|(id, loaded)| {
            let description = loaded.policy.annotation("description");
            PolicySummary {
                id: id.to_string(),
                is_permit: loaded.is_permit(),
                actions: loaded.actions.clone(),
                description: description.unwrap_or_default().to_owned(),
                file: loaded.file.clone(),
                line: loaded.line,
            }
        })
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PolicySet({})", self.inner.version)
    }
}
