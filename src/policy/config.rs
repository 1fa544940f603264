//! The settings of policies: where they lie, how often their files are looked at, and how large a
//! set may be. It never reads a file.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

use super::problem::PolicyRules;
use super::terms;

/// The largest file of policies that may be allowed, and the largest set: a load holds them in memory.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where the written policies lie, and within which bounds they are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Their directory.
    pub directory: Option<PathBuf>,
    /// How often their files are looked at for changes, in seconds: a change should be in force
    /// within a minute, and a look reads every file.
    pub reload_seconds: u64,
    /// The longest duration of a permit without `@max_duration`, written like it. Default 8h, a
    /// working day: who wants more says so on the permit, where a reviewer sees it.
    pub duration_max_default: DurationMax,
    /// How large a set may be.
    pub bounds: PolicyBounds,
}

/// A longest duration as `@max_duration` writes it: a whole number with s, m, h or d, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DurationMax(Option<SignedDuration>);

/// How large a set may be. What is larger is refused before it is read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyBounds {
    /// Files of a directory. Default 256: one for each team of a large company.
    pub files_max: usize,
    /// Bytes of one file. Default 1 MiB: some three thousand policies.
    pub file_bytes_max: usize,
    /// Bytes of all files. Default 4 MiB: `policies_max` of the usual length, with comments.
    pub bytes_max: usize,
    /// Policies of a set. Default 4096: a decision looks at those whose scope fits, at worst at all
    /// of them, and that takes some milliseconds.
    pub policies_max: usize,
    /// Words and signs of one policy. Default and largest 4000: every `when` is a step into the
    /// depth to Cedar, which goes on the stack.
    pub tokens_max: usize,
    /// Operators of one policy. Default and largest 100: Cedar goes as deep as a policy is nested,
    /// on the stack, and a chain of `+` or `&&` is nested as deep as it is long.
    pub operators_max: usize,
    /// Brackets open at once. Default and largest 24, for the same reason.
    pub nesting_max: usize,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            directory: None,
            reload_seconds: 10,
            duration_max_default: DurationMax(Some(SignedDuration::from_hours(8))),
            bounds: PolicyBounds::default(),
        }
    }
}

impl Default for PolicyBounds {
    fn default() -> Self {
        Self {
            files_max: 256,
            file_bytes_max: 1024 * 1024,
            bytes_max: 4 * 1024 * 1024,
            policies_max: 4096,
            tokens_max: 4000,
            operators_max: 100,
            nesting_max: 24,
        }
    }
}

impl TryFrom<String> for DurationMax {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        terms::read_duration("policy.duration_max_default", &text).map(Self)
    }
}

impl PolicyConfig {
    /// What holds for every set that is loaded.
    #[must_use]
    pub fn rules(&self) -> PolicyRules {
        PolicyRules {
            duration_max_default: self.duration_max_default.0,
            bounds: self.bounds,
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// A sentence that names the field and what it must be.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=3600).contains(&self.reload_seconds) {
            return Err("policy.reload_seconds must be 1 to 3600".to_owned());
        }
        let (bounds, safe) = (&self.bounds, PolicyBounds::default());
        let numbers = [
            ("files_max", bounds.files_max, 10_000),
            ("file_bytes_max", bounds.file_bytes_max, BYTES_MAX),
            ("bytes_max", bounds.bytes_max, BYTES_MAX),
            ("policies_max", bounds.policies_max, 100_000),
            // Beyond the defaults a policy could end the process.
            ("tokens_max", bounds.tokens_max, safe.tokens_max),
            ("operators_max", bounds.operators_max, safe.operators_max),
            ("nesting_max", bounds.nesting_max, safe.nesting_max),
        ];
        for (name, number, maximum) in numbers {
            if !(1..=maximum).contains(&number) {
                return Err(format!(
                    "policy.bounds.{name} is {number}; it must be 1 to {maximum}"
                ));
            }
        }
        Ok(())
    }
}
