//! `usher check`: is everything there that Usher needs? Every account and every instance by itself, one
//! operation of each kind, reads only. One that fails never hides what the others would say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CommandError;
use super::brakes::tell_brakes;
use super::check_policy::{check_folder, check_groups, check_services, tell_last_load};
use super::connect::{connect, explain, look_call, start_call};
use super::instances::{describe, discoverer, look_call_time};
use super::serve::print_line;
use super::{check_callers, check_instance};
use crate::config::Config;
use crate::domain::{ErrorKind, Failure, Operation, PolicyTexts};
use crate::identity_center::{Discovered, IdentityCenter, SdkIdentityCenter, WriteMode};
use crate::policy::PolicySet;
use crate::store::{SqliteStore, Store};
use crate::telemetry::{self, LogFormat};

/// Arguments of `usher check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The configuration file; without one every setting has its default
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
    /// Also check this data directory; it is made when it is not there
    #[arg(long, env = "USHER_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// What has been found out so far, told line by line.
#[derive(Default)]
pub(super) struct Findings {
    missing: usize,
    untried: usize,
}

impl Findings {
    pub(super) fn good(&self, what: &str) {
        print_line(&format!("ok       {what}"));
    }

    pub(super) fn bad(&mut self, what: &str, why: &str) {
        self.missing += 1;
        print_line(&format!("missing  {what}: {why}"));
    }

    /// Tells what works and will not for ever, or not as somebody may believe.
    pub(super) fn warn(&self, what: &str, why: &str) {
        print_line(&format!("warning  {what}: {why}"));
    }

    /// Ends the command: with an error when something is missing.
    pub(super) fn end(&self) -> Result<(), CommandError> {
        if self.missing > 0 {
            return Err(CommandError(format!("{} missing; see above", self.missing)));
        }
        Ok(())
    }

    pub(super) fn not_tried(&mut self, what: &str, why: &str) {
        self.untried += 1;
        print_line(&format!("untried  {what}: {why}"));
    }

    pub(super) fn operation<T>(
        &mut self,
        operation: Operation,
        result: Result<T, Failure>,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.good(&operation.iam_action());
                Some(value)
            }
            Err(failure) => {
                self.bad(&operation.iam_action(), &explain(&failure));
                None
            }
        }
    }
}

/// Checks everything and ends with exit code 1 when something is missing.
pub(super) async fn run(args: CheckArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let mut findings = Findings::default();
    let config = match &args.config {
        Some(path) => {
            let config = Config::read(path).map_err(|error| CommandError::from_error(&error))?;
            findings.good(&format!("configuration {}", path.display()));
            config
        }
        None => Config::default(),
    };
    let policies = config.policy.directory.as_deref();
    let policies =
        policies.map(|directory| check_folder(&mut findings, directory, &config.policy.rules()));
    if let Some(directory) = &args.data_dir {
        check_data(&mut findings, &config, directory, policies.as_ref()).await;
    }
    let set = policies.and_then(|(set, _)| set);
    check_callers::run(&mut findings, &config).await;
    match connect(&config, None, WriteMode::Never, None).await {
        Ok(home) => check_aws(&mut findings, &config, &home, set.as_ref()).await,
        Err(problem) => findings.bad("AWS", &problem),
    }
    findings.end()?;
    let untried = if findings.untried > 0 {
        format!(", {} could not be tried", findings.untried)
    } else {
        String::new()
    };
    let writes = Operation::ALL.iter().copied();
    let writes = writes.filter(|operation| operation.is_write());
    let writes: Vec<_> = writes.map(Operation::iam_action).collect();
    print_line(&format!(
        "Usher can read what it needs{untried}. Writing was not tried, since that would change AWS: {}.",
        writes.join(", ")
    ));
    Ok(())
}

/// Checks the data directory, and what it says of the policies in force. While a service has it, it
/// is only read.
async fn check_data(
    findings: &mut Findings,
    config: &Config,
    directory: &Path,
    policies: Option<&(Option<PolicySet>, PolicyTexts)>,
) {
    let shown = format!("data directory {}", directory.display());
    let last = if SqliteStore::is_in_use(directory) {
        findings.not_tried(&shown, "a running service has it");
        SqliteStore::read_last_policy_load(directory).await
    } else {
        match SqliteStore::open(directory, config.store.clone()).await {
            Ok(store) => {
                findings.good(&shown);
                let last = store.last_policy_load().await;
                store.close().await;
                last
            }
            Err(problem) => {
                findings.bad("data directory", &problem.to_string());
                return;
            }
        }
    };
    match last {
        Ok(last) => tell_last_load(findings, config, last.as_ref(), policies),
        Err(problem) => findings.bad("policies in force", &problem.to_string()),
    }
    let brakes = SqliteStore::read_brakes(directory).await;
    let everywhere = SqliteStore::read_frozen_everywhere(directory).await;
    tell_brakes(findings, brakes, everywhere);
}

/// Checks who Usher is, what it finds, each instance that it found, and who is to approve there.
async fn check_aws(
    findings: &mut Findings,
    config: &Config,
    home: &Arc<SdkIdentityCenter>,
    policies: Option<&PolicySet>,
) {
    match home.caller_identity(start_call()).await {
        Ok(identity) => findings.good(&format!("credentials: {}", identity.arn)),
        Err(failure) => {
            findings.bad("credentials", &explain(&failure));
            return;
        }
    }
    findings.operation(
        Operation::DescribeOrganization,
        home.organization(start_call()).await,
    );
    let look = discoverer(Arc::clone(home), config)
        .discover(look_call(look_call_time(config)))
        .await;
    let found = match look {
        Ok(found) => found,
        Err(failure) => {
            findings.bad(&failure.operation, &explain(&failure));
            return;
        }
    };
    tell_found(findings, home, &found);
    check_accounts(findings, config, home, &found).await;
    for (instance, port) in &found.instances {
        check_instance::run(findings, port.as_ref(), instance).await;
    }
    if let Some(set) = policies {
        check_services(findings, set, config);
        check_groups(findings, set, &found.instances).await;
    }
}

/// What the look says about signing in elsewhere, and which accounts it could not look into.
fn tell_found(findings: &mut Findings, home: &SdkIdentityCenter, found: &Discovered) {
    if !found.instances.is_empty() {
        findings.good(&Operation::ListInstances.iam_action());
    } else if found.unreachable.is_empty() {
        findings.bad(
            "instance",
            "AWS lists none for these credentials in this region; use the region where IAM Identity \
             Center is enabled (AWS_REGION)",
        );
    }
    let assume = Operation::AssumeRole.iam_action();
    let sent = home.operations_sent().into_iter();
    let sent = sent.filter(|(operation, _)| *operation == Operation::AssumeRole);
    let sent: u64 = sent.map(|(_, count)| count).sum();
    let refused = found.unreachable.iter();
    let refused = refused.filter(|row| row.reason.contains(&assume)).count();
    if sent == 0 {
        findings.not_tried(&assume, "no account was to be looked into through a role");
    } else if sent > refused as u64 {
        findings.good(&assume);
    }
    for row in &found.unreachable {
        let told = describe(row);
        let (account, reason) = told.split_once(": ").unwrap_or((&told, ""));
        findings.bad(account, reason);
    }
}

/// The accounts of the organization, which only an organization's instance and discovery need.
async fn check_accounts(
    findings: &mut Findings,
    config: &Config,
    home: &SdkIdentityCenter,
    found: &Discovered,
) {
    let action = Operation::ListAccounts.iam_action();
    let looks_everywhere = config.discovery.role_name.is_some();
    let mut instances = found.instances.iter();
    let giving = instances.find(|(instance, _)| instance.gives_account_access());
    let listed = match giving {
        // Accounts are looked up where their instance is; home may be outside of the organization.
        Some((_, port)) if !looks_everywhere => port.accounts(None, None, start_call()).await,
        _ => home.accounts(None, None, start_call()).await,
    };
    let is_needed = looks_everywhere || giving.is_some();
    let is_refused = listed
        .as_ref()
        .is_err_and(|failure| failure.kind == ErrorKind::AccessDenied);
    if is_refused && !is_needed {
        findings.not_tried(&action, "refused here, and nothing that is served needs it");
    } else {
        findings.operation(Operation::ListAccounts, listed);
    }
}
