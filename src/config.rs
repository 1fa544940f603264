//! The configuration file: TOML, every key known, every number checked before anything starts.
//! Each part of the service owns its own numbers; this puts them together.

use std::path::{Path, PathBuf};

use crate::app::AppConfig;
use crate::audit::AuditConfig;
use crate::budget::BudgetConfig;
use crate::directory::DirectoryConfig;
use crate::domain::InstanceArn;
use crate::domain::text::check_instance_name;
use crate::grpc::LimitsConfig;
use crate::identity_center::AwsConfig;
use crate::reconciler::ReconcilerConfig;
use crate::store::SqliteOptions;

/// The largest configuration file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The whole configuration. Everything has a default; docs/configuration.md lists it.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The instance to serve; found by ListInstances when absent.
    pub instance: Option<InstanceConfig>,
    /// How AWS is reached.
    pub aws: AwsConfig,
    /// How fast.
    pub budget: BudgetConfig,
    /// How long names and members are kept.
    pub directory: DirectoryConfig,
    /// The SQLite store.
    pub store: SqliteOptions,
    /// How the reconciler works.
    pub reconciler: ReconcilerConfig,
    /// How calls are served.
    pub service: AppConfig,
    /// What callers and connections may occupy.
    pub limits: LimitsConfig,
    /// How reports are collected.
    pub audit: AuditConfig,
}

/// Which instance to serve.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceConfig {
    /// Its ARN.
    pub arn: String,
    /// A short name for it in requests.
    pub alias: Option<String>,
}

/// Why a configuration is refused: a sentence with the place.
#[derive(Debug, thiserror::Error)]
#[error("the configuration {path}: {problem}", path = .path.display())]
pub struct ConfigError {
    path: PathBuf,
    problem: String,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// `ConfigError` with line and column for syntax and unknown keys, or with the field's name.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let refuse = |problem: String| ConfigError {
            path: path.to_owned(),
            problem,
        };
        let length = std::fs::metadata(path)
            .map_err(|error| refuse(error.to_string()))?
            .len();
        if length > FILE_BYTES_MAX {
            return Err(refuse("is larger than 1 MiB".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        config.check().map_err(refuse)?;
        Ok(config)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        self.aws
            .validate()
            .map_err(|error| format!("aws: {error}"))?;
        self.budget
            .validate()
            .map_err(|error| format!("budget: {error}"))?;
        self.directory
            .validate()
            .map_err(|error| format!("directory: {error}"))?;
        self.reconciler.check(self.aws.attempt_timeout())?;
        self.service.check()?;
        self.limits.check()?;
        self.audit.check()?;
        check_store(&self.store)?;
        if let Some(instance) = &self.instance {
            InstanceArn::parse(&instance.arn).map_err(|error| format!("instance.arn {error}"))?;
            let alias_is_wrong = instance.alias.as_ref().is_some_and(|alias| {
                check_instance_name(alias).is_err()
                    || alias.to_ascii_lowercase().starts_with("arn:")
            });
            if alias_is_wrong {
                return Err(
                    "instance.alias must be 1 to 64 characters without controls, and must not look like an ARN"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

/// Checks the numbers of the store. Its waits are at most 3 s, so that a call answers in time.
fn check_store(store: &SqliteOptions) -> Result<(), String> {
    let numbers: [(&str, u64, u64); 4] = [
        ("queued_writes_max", store.queued_writes_max as u64, 100_000),
        (
            "writes_per_commit_max",
            store.writes_per_commit_max as u64,
            10_000,
        ),
        ("readers", store.readers.into(), 256),
        ("wait_milliseconds", store.wait_milliseconds, 3000),
    ];
    for (name, number, maximum) in numbers {
        if !(1..=maximum).contains(&number) {
            return Err(format!(
                "store.{name} is {number}; it must be 1 to {maximum}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usher.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    #[test]
    fn an_empty_file_is_the_defaults_and_they_fit() {
        assert!(read("").is_ok());
    }

    #[test]
    fn unknown_keys_and_wrong_values_name_their_place() {
        let cases = [
            ("[reconciler]\nworker_max = 3", "worker_max"),
            ("[instance]\narn = \"arn:aws:s3:::bucket\"", "instance.arn"),
            ("[reconciler]\nlease_seconds = 1.0", "lease_seconds"),
            ("[limits]\ncalls_per_caller_max = 0", "calls_per_caller_max"),
            (
                "[service.application_notes]\n\"wiki\" = \"note\"",
                "application_notes",
            ),
            ("not toml", "line 1"),
            (
                "[audit]\ncall_timeout_seconds = 9223372036854775807",
                "audit.call_timeout_seconds",
            ),
            (
                "[limits]\ncall_seconds_max = 9223372036854775807",
                "limits.call_seconds_max",
            ),
            ("[limits]\nreports_max = 0", "limits.reports_max"),
            ("[store]\nreaders = 0", "store.readers"),
            (
                "[store]\nwait_milliseconds = 3001",
                "store.wait_milliseconds",
            ),
        ];
        for (text, expected) in cases {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
