//! The policies of a service: loaded at the start, and again when their files change. A set that does
//! not load leaves the one in force as it is, and says so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::policy::{PolicyFile, PolicyInForce, PolicyProblem, PolicyRules, PolicySet};
use crate::policy::{TABLE_FILE, load_directory, read_directory, read_text};

use super::access::ServiceMode;
use super::service::StartError;

/// The most problems of a set that are told at once.
const PROBLEMS_TOLD_MAX: usize = 20;

/// Loads policies and keeps the set in force up to date with their files.
pub(super) struct PolicyKeeper {
    directory: Option<PathBuf>,
    rules: PolicyRules,
    reload_every: Duration,
    in_force: PolicyInForce,
    /// The files that were looked at last, whether they loaded or not.
    seen: Vec<PolicyFile>,
}

impl PolicyKeeper {
    /// The written policies; for a developer without a directory, the built-in set of `--dev`.
    ///
    /// # Errors
    /// What is wrong with the policies, or that there are none.
    pub(super) fn load(config: &Config, mode: ServiceMode) -> Result<Self, StartError> {
        let (directory, rules) = (config.policy.directory.clone(), config.policy.rules());
        let mut seen = Vec::new();
        let set = match &directory {
            None if mode == ServiceMode::Development => PolicySet::development(),
            None => {
                return Err(StartError(
                    "nobody but a developer is served without written policies: write a section \
                     [policy] with directory; `usher policy init` writes a starter set into one"
                        .to_owned(),
                ));
            }
            Some(directory) => {
                seen = files(directory, &rules);
                load_directory(directory, &rules)
                    .map_err(|problems| StartError(told(directory, &problems)))?
            }
        };
        tracing::info!(policy.version = set.version(), "policies are in force");
        Ok(Self {
            directory,
            rules,
            reload_every: Duration::from_secs(config.policy.reload_seconds),
            in_force: PolicyInForce::new(set),
            seen,
        })
    }

    /// The set in force.
    pub(super) fn in_force(&self) -> PolicyInForce {
        self.in_force.clone()
    }

    /// Looks at the files again and again. Dropping it at any point is harmless.
    pub(super) async fn keep(mut self) {
        let Some(directory) = self.directory.take() else {
            return;
        };
        loop {
            tokio::time::sleep(self.reload_every).await;
            let (there, rules) = (directory.clone(), self.rules);
            let seen = std::mem::take(&mut self.seen);
            // Files are read and policies validated off the threads that serve calls.
            let looked = tokio::task::spawn_blocking(move || look(&there, &rules, seen)).await;
            let Ok((seen, loaded)) = looked else {
                tracing::error!("a look at the policies ended abnormally");
                continue;
            };
            self.seen = seen;
            match loaded {
                None => {}
                Some(Ok(set)) => {
                    tracing::info!(policy.version = set.version(), "new policies are in force");
                    self.in_force.replace(set);
                }
                Some(Err(problems)) => tracing::error!(
                    policy.version = self.in_force.current().version(),
                    problems = told(&directory, &problems),
                    "the policies changed and do not load; those of this version stay in force"
                ),
            }
        }
    }
}

type Loaded = Result<PolicySet, Vec<PolicyProblem>>;

/// What is in the directory now, and what loading it gives where it is not what was seen before.
fn look(
    directory: &Path,
    rules: &PolicyRules,
    seen: Vec<PolicyFile>,
) -> (Vec<PolicyFile>, Option<Loaded>) {
    let now = files(directory, rules);
    if now == seen {
        return (seen, None);
    }
    let loaded = load_directory(directory, rules);
    (now, Some(loaded))
}

/// The texts of the policies and of their table; what cannot be read is left out here and told when
/// it is loaded.
fn files(directory: &Path, rules: &PolicyRules) -> Vec<PolicyFile> {
    let bounds = &rules.bounds;
    let mut files = read_directory(directory, bounds).unwrap_or_default();
    let table = read_text(&directory.join(TABLE_FILE), bounds.file_bytes_max);
    files.push(PolicyFile {
        name: TABLE_FILE.to_owned(),
        text: table.unwrap_or_default(),
    });
    files
}

fn told(directory: &Path, problems: &[PolicyProblem]) -> String {
    let lines = problems.iter().take(PROBLEMS_TOLD_MAX);
    let lines: Vec<String> = lines.map(|problem| format!("\n  - {problem}")).collect();
    format!(
        "the policies in {} do not load; `usher policy check` tells more:{}",
        directory.display(),
        lines.concat()
    )
}
