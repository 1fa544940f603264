//! The command line: one binary, a file for each command. It puts the parts together, speaks to
//! people, and decides nothing that the service decides.

mod access;
mod adopt;
mod adopt_columns;
mod adopt_file;
mod adopt_quotes;
mod audit;
mod audit_output;
mod audit_parts;
mod backup;
mod brakes;
mod budget;
mod budget_metrics;
mod check;
mod check_callers;
mod check_instance;
mod check_policy;
mod connect;
mod copy;
mod demo;
mod demo_approvals;
mod demo_log;
mod demo_story;
mod eject;
mod instances;
mod log;
mod metrics;
mod migrate;
mod opened_store;
mod policy;
mod policy_files;
mod policy_keeper;
mod restore;
mod restore_plan;
mod restore_rows;
mod serve;
mod server_args;
mod service;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::simulator::SimulateArgs;
use crate::telemetry::{self, LogFormat};

pub use access::{ServiceMode, what_is_missing};
pub use service::{RunningService, ServiceOptions, StartError, start};

/// Who may have what in AWS IAM Identity Center, until when, and why.
#[derive(Debug, Parser)]
#[command(name = "usher", version, about)]
struct Usher {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows everything once, with a simulated AWS: no credentials needed
    Demo(demo::DemoArgs),
    /// Says whether credentials, read permissions, instances, policies, TLS, issuers and data
    /// directory are usable
    Check(check::CheckArgs),
    /// Writes a report of who has access to what, read-only; without a server, or of a running one
    Audit(Box<audit::AuditArgs>),
    /// Writes, checks, tests and explains policies
    Policy(policy::PolicyArgs),
    /// Verifies and exports the decision log, and erases names beside it
    Log(log::LogArgs),
    /// Brings a PostgreSQL database to the schema of this version
    Migrate(migrate::MigrateArgs),
    /// Copies a SQLite store into an empty PostgreSQL database, and verifies what is there
    Copy(copy::CopyArgs),
    /// Copies the SQLite store of a service, which may run meanwhile, into one file, and verifies the copy
    Backup(backup::BackupArgs),
    /// Puts a backup into an empty data directory, with everything frozen, and tells what the service would do
    Restore(Box<restore::RestoreArgs>),
    /// Serves the gRPC services
    Serve(serve::ServeArgs),
    /// Takes over the assignments that a CSV file names, with an owner, a reason and an end
    Adopt(Box<adopt::AdoptArgs>),
    /// Shows how a running server shares AWS's quotas, and who waits, live in a terminal
    Budget(Box<budget::BudgetArgs>),
    /// Prints every end that is left as lines for the AWS CLI, for who switches Usher off
    Eject(eject::EjectArgs),
    /// Prints a development token for a server started with --dev
    Token(token::TokenArgs),
    /// Serves a simulated AWS on loopback, for tests and trials
    Simulate(Box<SimulateArgs>),
}

/// What a command ends with when it did not succeed: a sentence for the person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub String);

impl CommandError {
    fn from_error(error: &dyn std::error::Error) -> Self {
        Self(error.to_string())
    }
}

async fn simulate(args: SimulateArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    crate::simulator::run(args)
        .await
        .map_err(|error| CommandError::from_error(&error))
}

/// Runs the command that the arguments name. Exit code 0: done; 1: it failed, with a sentence on
/// standard error; 2: the arguments are wrong; 3: `log verify` found something bad;
/// 4: `adopt` was refused some rows.
pub async fn run() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let outcome = match Usher::parse().command {
        Command::Log(args) => log::run(args).await,
        Command::Demo(args) => demo::run(args).await.map(done),
        Command::Check(args) => check::run(args).await.map(done),
        Command::Audit(args) => audit::run(*args).await,
        Command::Policy(args) => policy::run(&args).await.map(done),
        Command::Migrate(args) => migrate::run(&args).await.map(done),
        Command::Copy(args) => copy::run(&args).await.map(done),
        Command::Backup(args) => backup::run(&args).await.map(done),
        Command::Restore(args) => restore::run(*args).await.map(done),
        Command::Serve(args) => serve::run(args).await.map(done),
        Command::Adopt(args) => adopt::run(*args).await,
        Command::Budget(args) => budget::run(*args).await.map(done),
        Command::Eject(args) => eject::run(args).await.map(done),
        Command::Token(args) => token::run(&args).map(done),
        Command::Simulate(args) => simulate(*args).await.map(done),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("usher: {error}");
            ExitCode::FAILURE
        }
    }
}
