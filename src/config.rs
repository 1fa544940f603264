//! The configuration file: TOML, every key known, every number checked before anything starts.
//! Each part of the service owns its own numbers; this puts them together.

use std::path::{Path, PathBuf};

use crate::app::{
    AppConfig, ApprovalsConfig, BeneficiariesConfig, ExternalAssignments, RefusedCallsConfig,
};
use crate::audit::AuditConfig;
use crate::authentication::AuthenticationConfig;
use crate::budget::BudgetConfig;
use crate::decision_log::LogConfig;
use crate::directory::DirectoryConfig;
use crate::domain::external::ExternalRules;
use crate::grpc::{LimitsConfig, TlsConfig};
use crate::identity_center::{AwsConfig, ConfiguredInstance, DiscoveryConfig};
use crate::metrics::MetricsConfig;
use crate::policy::PolicyConfig;
use crate::reconciler::ReconcilerConfig;
use crate::store::{PostgresOptions, SqliteOptions};

/// The largest configuration file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The whole configuration. Everything has a default; docs/configuration.md lists it.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The instances to serve. Without any, and without discovery: what the credentials see.
    pub instances: Vec<ConfiguredInstance>,
    /// Whether instances are also looked for in the accounts of the organization, and how.
    pub discovery: DiscoveryConfig,
    /// Who keeps assignments outside of Usher.
    pub external_assignments: Vec<ExternalAssignments>,
    /// How AWS is reached.
    pub aws: AwsConfig,
    /// How fast.
    pub budget: BudgetConfig,
    /// How long names and members are kept.
    pub directory: DirectoryConfig,
    /// The SQLite store.
    pub store: SqliteOptions,
    /// The PostgreSQL store, in its place: for several replicas.
    pub postgres: Option<PostgresOptions>,
    /// How the reconciler works.
    pub reconciler: ReconcilerConfig,
    /// How calls are served.
    pub service: AppConfig,
    /// How people are waited for.
    pub approvals: ApprovalsConfig,
    /// How those who have access are watched.
    pub beneficiaries: BeneficiariesConfig,
    /// How many refused calls the log of events holds.
    pub refused_calls: RefusedCallsConfig,
    /// How the decision log is kept and watched.
    pub log: LogConfig,
    /// What callers and connections may occupy.
    pub limits: LimitsConfig,
    /// Where metrics are told.
    pub metrics: MetricsConfig,
    /// How reports are collected.
    pub audit: AuditConfig,
    /// How callers prove who they are.
    pub authentication: AuthenticationConfig,
    /// How connections are encrypted. Without it nobody but this machine is served.
    pub tls: Option<TlsConfig>,
    /// Where the written policies lie, and how large a set may be.
    pub policy: PolicyConfig,
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
        let config: Self = toml::from_str(&text).map_err(|error| {
            refuse(what_replaced_instance(&text).unwrap_or_else(|| error.to_string()))
        })?;
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
        self.approvals.check()?;
        self.beneficiaries.check()?;
        self.refused_calls.check()?;
        self.log.check()?;
        self.limits.check()?;
        self.metrics.check()?;
        self.audit.check()?;
        self.authentication.check()?;
        self.tls.as_ref().map_or(Ok(()), TlsConfig::check)?;
        self.check_certificates()?;
        check_store(&self.store)?;
        self.postgres
            .as_ref()
            .map_or(Ok(()), PostgresOptions::check)?;
        self.policy.check()?;
        ConfiguredInstance::validate_all(&self.instances)
            .map_err(|error| format!("instances: {error}"))?;
        self.external_rules()?;
        self.discovery
            .validate()
            .map_err(|error| format!("discovery: {error}"))
    }

    /// The rules of who keeps assignments outside of Usher.
    ///
    /// # Errors
    /// A sentence that names the rule and the setting.
    pub fn external_rules(&self) -> Result<ExternalRules, String> {
        let instances = self.instances.iter();
        let aliases: Vec<&str> = instances.filter_map(|it| it.alias.as_deref()).collect();
        ExternalAssignments::rules(&self.external_assignments, &aliases)
    }

    /// Client certificates need both: a CA that makes them good, and services that they stand for.
    fn check_certificates(&self) -> Result<(), String> {
        let has_services = !self.authentication.certificates.is_empty();
        let has_authority = (self.tls.as_ref()).is_some_and(|tls| tls.client_ca_file.is_some());
        match (has_services, has_authority) {
            (true, false) => Err("authentication.certificates: without tls.client_ca_file no client shows a certificate; name their CA".to_owned()),
            (false, true) => Err("tls.client_ca_file: without [[authentication.certificates]] every client certificate would be refused; say which service each stands for".to_owned()),
            _ => Ok(()),
        }
    }
}

/// What to write in the place of the section `[instance]`, which earlier versions had.
fn what_replaced_instance(text: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(text).ok()?;
    table.contains_key("instance").then(|| {
        "[instance] is no longer known, since several instances can be served; write \
         [[instances]] in its place, once for each instance, with the same arn and alias"
            .to_owned()
    })
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
            (
                "[[instances]]\narn = \"arn:aws:s3:::bucket\"",
                "instances: arn",
            ),
            (
                "[[instances]]\nalias = \"main\"\n[[instances]]\nalias = \"main\"",
                "`main` is given to two instances",
            ),
            (
                "[instance]\narn = \"arn:aws:sso:::instance/ssoins-1234567890abcdef\"",
                "write [[instances]] in its place",
            ),
            (
                "[discovery]\nrefresh_seconds = 1",
                "discovery: `refresh_seconds`",
            ),
            (
                "[discovery]\nlook_seconds_max = 5",
                "discovery: `look_seconds_max`",
            ),
            ("[reconciler]\nlease_seconds = 1.0", "lease_seconds"),
            ("[limits]\ncalls_per_caller_max = 0", "calls_per_caller_max"),
            (
                "[service.application_notes]\n\"wiki\" = \"note\"",
                "application_notes",
            ),
            (
                "[[external_assignments]]\nowner = \"terraform\"",
                "external_assignments, rule 1: it has no condition",
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
            ("[policy]\nreload_seconds = 0", "policy.reload_seconds"),
            (
                "[policy]\nduration_max_default = \"8 hours\"",
                "policy.duration_max_default has `8 hours`",
            ),
            (
                "[policy.bounds]\noperators_max = 101",
                "policy.bounds.operators_max is 101; it must be 1 to 100",
            ),
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

    #[test]
    fn limits_that_could_never_be_met_name_their_place() {
        let cases = [
            (
                "[limits.rates]\ncaller_burst = 99",
                "limits.rates.caller_burst is 99; it must be 100 to",
            ),
            (
                "[limits.rates]\naddress_failures_per_second = 0",
                "limits.rates.address_failures_per_second",
            ),
            (
                "[limits.slots]\ncalls_kept_for_decisions = 512",
                "limits.slots.calls_kept_for_decisions",
            ),
            (
                "[limits.slots]\nreports_percent = 80",
                "limits.slots.reports_percent is 80; it must be 1 to 75",
            ),
            ("[[limits.callers]]\ncallers = [\"bob\"]\nrate = 1", "rate"),
            (
                "[[limits.callers]]\ncallers = [\"bob\"]",
                "limits.callers, entry 1: it changes nothing",
            ),
        ];
        for (text, expected) in cases {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
