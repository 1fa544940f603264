//! The policies of a service: loaded at the start, and again when their files change. A set comes
//! into force when it is recorded, never before; one that does not load leaves the one in force as it
//! is, over a restart too, and says so in the log and in the events.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::access::ServiceMode;
use super::policy_files::{PolicyFolder, place_of, stand_in, texts_of};
use super::service::{ServiceOptions, StartError};
use crate::clock::Clock;
use crate::domain::{LoadedBy, PolicyLoad, PolicyRefusal, PolicyTexts};
use crate::policy::{PolicyInForce, PolicyProblem, PolicyRules, PolicySet};
use crate::store::{Store, StoreError};

/// The pause between the two looks that must see the same before it is loaded: somebody may be writing
/// just then, and a set without its forbids may load.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// How often a start looks again at files that change under its eyes.
const SETTLING_LOOKS_MAX: u32 = 10;
/// The most problems of a set that are told at once.
const PROBLEMS_TOLD_MAX: usize = 20;

/// Loads policies and keeps the set in force up to date with their files.
pub(super) struct PolicyKeeper {
    directory: Option<PathBuf>,
    rules: PolicyRules,
    reload_every: Duration,
    in_force: PolicyInForce,
    record: Record,
    /// What was looked at and recorded last, whether it loaded or not.
    seen: PolicyFolder,
}

/// Where loads are recorded.
struct Record {
    store: Arc<dyn Store>,
    clock: Clock,
}

impl PolicyKeeper {
    /// The written policies, or the set of theirs that was in force last; for a developer without a
    /// directory, the built-in set of `--dev`.
    ///
    /// # Errors
    /// What is wrong with the policies where no set stands in for them, or that there are none, or that
    /// nothing can be recorded.
    pub(super) async fn load(
        options: &ServiceOptions,
        store: Arc<dyn Store>,
    ) -> Result<Self, StartError> {
        let policy = &options.config.policy;
        let (directory, rules) = (policy.directory.clone(), policy.rules());
        let record = Record {
            store,
            clock: options.clock.clone(),
        };
        let (set, seen) = match &directory {
            Some(directory) => record.written(directory, &rules).await?,
            None if options.mode == ServiceMode::Development => {
                let set = PolicySet::development();
                let texts = texts_of(set.texts());
                let recording = record.load(&set, texts, LoadedBy::Start, None);
                recording.await.map_err(unrecorded)?;
                (set, PolicyFolder::default())
            }
            None => {
                return Err(StartError(
                    "nobody but a developer is served without written policies: write a section \
                     [policy] with directory; `usher policy init` writes a starter set into one"
                        .to_owned(),
                ));
            }
        };
        tracing::info!(policy.version = set.version(), "policies are in force");
        Ok(Self {
            directory,
            rules,
            reload_every: Duration::from_secs(policy.reload_seconds),
            in_force: PolicyInForce::new(set),
            record,
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
            let Some(now) = self.look(&directory).await else {
                continue;
            };
            tokio::time::sleep(SETTLE_PAUSE).await;
            if self.look(&directory).await.as_ref() != Some(&now) {
                continue;
            }
            // Policies are validated off the threads that serve calls.
            let rules = self.rules;
            let loading = move || {
                let loaded = now.load(&rules);
                (now, loaded)
            };
            match tokio::task::spawn_blocking(loading).await {
                Ok((now, loaded)) => self.take(&directory, now, loaded).await,
                Err(_) => tracing::error!("loading the policies ended abnormally"),
            }
        }
    }

    /// What is in the directory now, where it is not what was seen before.
    async fn look(&self, directory: &Path) -> Option<PolicyFolder> {
        let (there, rules) = (directory.to_owned(), self.rules);
        let reading = move || PolicyFolder::read(&there, &rules);
        match tokio::task::spawn_blocking(reading).await {
            Ok(now) => (now != self.seen).then_some(now),
            Err(_) => {
                tracing::error!("a look at the policies ended abnormally");
                None
            }
        }
    }

    /// Records what the files are now, and puts it in force where it loads. What could not be
    /// recorded counts as not seen: the next look tries again.
    async fn take(&mut self, directory: &Path, now: PolicyFolder, loaded: Loaded) {
        let in_force = self.in_force.current();
        let recorded = match loaded {
            Ok(set) => {
                let by = LoadedBy::Reload;
                let recording = self.record.load(&set, now.texts(), by, Some(directory));
                let recorded = recording.await;
                if recorded.is_ok() {
                    tracing::info!(policy.version = set.version(), "new policies are in force");
                    self.in_force.replace(set);
                }
                recorded
            }
            Err(problems) => {
                tracing::error!(
                    policy.version = in_force.version(),
                    problems = told(directory, &problems),
                    "the policies changed and do not load; those of this version stay in force"
                );
                self.record.refusal(&now, &problems).await
            }
        };
        match recorded {
            Ok(()) => self.seen = now,
            Err(error) => tracing::error!(
                policy.version = in_force.version(),
                error = %error,
                "the policies changed and the store cannot record it; those of this version stay in force, and it is tried again"
            ),
        }
    }
}

impl Record {
    /// What a start puts in force for a folder, and what it saw there: its files, or where those do not
    /// load the set that was in force last, which ends access in time as the start would otherwise not.
    async fn written(
        &self,
        directory: &Path,
        rules: &PolicyRules,
    ) -> Result<(PolicySet, PolicyFolder), StartError> {
        let seen = settled(directory, rules).await;
        let problems = match seen.load(rules) {
            Ok(set) => {
                let by = LoadedBy::Start;
                let recording = self.load(&set, seen.texts(), by, Some(directory));
                recording.await.map_err(unrecorded)?;
                return Ok((set, seen));
            }
            Err(problems) => problems,
        };
        self.refusal(&seen, &problems).await.map_err(unrecorded)?;
        let problems = told(directory, &problems);
        let last = self.store.last_policy_load().await.map_err(unrecorded)?;
        let set = stand_in(last.as_ref(), directory, rules).map_err(|why_not| {
            StartError(format!(
                "{problems}\n{why_not}, so that nothing stands in for them"
            ))
        })?;
        // It is recorded already: nothing comes into force that was not.
        tracing::error!(
            policy.version = set.version(),
            problems,
            "the policies do not load; those of this version, which were in force last, go on. Mend the files: they are looked at again"
        );
        Ok((set, seen))
    }

    async fn load(
        &self,
        set: &PolicySet,
        texts: PolicyTexts,
        loaded_by: LoadedBy,
        directory: Option<&Path>,
    ) -> Result<(), StoreError> {
        let load = PolicyLoad {
            version: set.version().to_owned(),
            texts,
            loaded_by,
            loaded_at: self.clock.now(),
            directory: directory.and_then(place_of),
        };
        self.store.record_policy_load(load).await
    }

    async fn refusal(
        &self,
        folder: &PolicyFolder,
        problems: &[PolicyProblem],
    ) -> Result<(), StoreError> {
        let content_hash = folder.texts().content_hash();
        let refusal = PolicyRefusal {
            content_hash: content_hash.map_err(|error| StoreError::Corrupt(error.to_string()))?,
            problem_count: problems.len(),
            refused_at: self.clock.now(),
        };
        self.store.record_policy_refusal(refusal).await.map(drop)
    }
}

/// What is in a folder, once two looks have seen the same, or many have not.
async fn settled(directory: &Path, rules: &PolicyRules) -> PolicyFolder {
    let mut seen = PolicyFolder::read(directory, rules);
    for _ in 0..SETTLING_LOOKS_MAX {
        tokio::time::sleep(SETTLE_PAUSE).await;
        let now = PolicyFolder::read(directory, rules);
        if now == seen {
            break;
        }
        seen = now;
    }
    seen
}

type Loaded = Result<PolicySet, Vec<PolicyProblem>>;

fn unrecorded(error: StoreError) -> StartError {
    StartError(format!(
        "policies come into force when they are recorded, and they cannot be: {error}"
    ))
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
