//! What a policy set is made from, and what is wrong with one that does not load.

use std::fmt;

use jiff::SignedDuration;

use super::config::{PolicyBounds, PolicyConfig};

/// A file with policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its name, for messages and for the version.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What holds for every set that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyRules {
    /// The longest duration of a permit that does not say one; none means no limit.
    pub duration_max_default: Option<SignedDuration>,
    /// How large a set may be.
    pub bounds: PolicyBounds,
}

impl Default for PolicyRules {
    fn default() -> Self {
        PolicyConfig::default().rules()
    }
}

/// One thing that is wrong, with what to do about it. Shown as `file:line: policy: sentence`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyProblem {
    /// The file; empty when it is about the set.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The policy's id, when it has a usable one.
    pub policy: Option<String>,
    /// What is wrong and what helps.
    pub sentence: String,
}

impl PolicyProblem {
    /// A problem of a whole file.
    pub(super) fn of_file(file: &str, sentence: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            policy: None,
            sentence: sentence.into(),
        }
    }

    /// A problem at a line.
    pub(super) fn at(file: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of_file(file, sentence)
        }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(formatter, "{}", self.file)?;
            if let Some(line) = self.line {
                write!(formatter, ":{line}")?;
            }
            formatter.write_str(": ")?;
        }
        if let Some(policy) = &self.policy {
            write!(formatter, "{policy}: ")?;
        }
        formatter.write_str(&self.sentence)
    }
}
