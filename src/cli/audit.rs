//! `usher audit`: a report without a server and without a store, against the ambient AWS; or, with
//! `--server`, the report of a running one, which knows the reasons. Reads only, and without a server
//! at half of AWS's usual rate unless told otherwise: others use the quota too.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::CommandError;
use super::audit_output::{Output, dated};
use super::audit_parts::Writing;
use super::connect::connect;
use super::instances::InstanceKeeper;
use super::serve::end_signal;
use super::server_args::CallerArgs;
use crate::audit::{InstanceToRead, KnownCounts, Part, Peers, ReportRequest, Reuse, Scope};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::external::ExternalRules;
use crate::domain::report::{Format, View};
use crate::grpc::ReportQuestion;
use crate::identity_center::{Class, Demand, IdentityCenter, WriteMode};
use crate::policy::parse_duration;
use crate::telemetry::{self, LogFormat};

/// Parts of the report that may wait for the disk.
const PARTS_WAITING_MAX: usize = 4;
/// Operations a second, on each quota, unless the arguments say otherwise: half of AWS's rate.
const PER_SECOND_DEFAULT: u32 = 10;
/// The variable that names the configuration. It is set for other commands too, so that it is no
/// argument, which would be refused beside `--server`.
const CONFIG_VARIABLE: &str = "USHER_CONFIG";
/// The exit code of wrong arguments, as clap has it.
const WRONG_ARGUMENTS: u8 = 2;

/// Arguments of `usher audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct AuditArgs {
    /// The question: who can enter what, the assignments as AWS has them, which instances there
    /// are, or who is in several of them
    #[arg(long, value_enum, default_value = "access")]
    view: ViewArg,
    /// The form of the rows
    #[arg(long, value_enum, default_value = "csv")]
    format: FormatArg,
    /// The file to write, or - for standard output; {date} in it becomes the date in UTC, such as
    /// 2026-11-28. A file appears only when it is whole; a report that lacks something goes to the
    /// name with `.incomplete` at its end (before `.html`)
    #[arg(long, default_value = "-")]
    out: PathBuf,
    /// Operations a second, at most, on each of AWS's quotas; 10 if it is left out. Not with --server
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_second: Option<u32>,
    /// The configuration file, else that of the variable USHER_CONFIG; without one every setting has
    /// its default. Not with --server
    #[arg(long)]
    config: Option<PathBuf>,
    /// Ask this running server: https://HOST:PORT, or http:// on loopback. It must be an argument: the
    /// variable USHER_SERVER does not count
    #[arg(long)]
    server: Option<String>,
    #[command(flatten)]
    caller: CallerArgs,
    /// The instance, by ARN or alias; without it the report covers all of the server's. With --server
    #[arg(long)]
    instance: Option<String>,
    /// How old the server's facts may be, such as 1h; without it AWS is read now. With --server
    #[arg(long, value_parser = read_age)]
    max_age: Option<SignedDuration>,
    /// The state of a past time, such as 2026-11-01T00:00:00Z. With --server
    #[arg(long)]
    as_of: Option<Timestamp>,
    /// What changed since this time, in the place of the state, from what the server keeps, with
    /// --server
    #[arg(long, value_name = "TIME")]
    compare_to: Option<Timestamp>,
}

const AFTER_HELP: &str = "\
Without --server AWS is read with the ambient credentials, and no reasons are known. With it the report is
the server's: its budget, its grants, its instances; policy must permit the caller ReadAudit.
Standard error tells the plan, in a terminal the progress, and at last what the report holds and lacks.
Exit code 0: the report is complete; 1: it lacks something, or was not written; 2: wrong arguments.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ViewArg {
    /// One row for each instance, target, user and path, groups expanded
    Access,
    /// One row for each assignment
    Assignments,
    /// One row for each instance, and for each account that could not be looked into
    Instances,
    /// People who are in several identity stores
    DuplicateUsers,
    /// What somebody should look at, the gravest first
    Findings,
    /// Everything that happened since --compare-to; with --server
    Changes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArg {
    /// CSV by RFC 4180, safe to open in a spreadsheet
    Csv,
    /// One JSON object a line
    JsonLines,
    /// One page to read and print, whole without a network; it lists 50,000 rows at most
    Html,
}

impl ViewArg {
    fn view(self) -> View {
        match self {
            Self::Access => View::Access,
            Self::Assignments => View::Assignments,
            Self::Instances => View::Instances,
            Self::DuplicateUsers => View::DuplicateUsers,
            Self::Findings => View::Findings,
            Self::Changes => View::Changes,
        }
    }
}

impl FormatArg {
    fn format(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::JsonLines => Format::JsonLines,
            Self::Html => Format::Html,
        }
    }
}

impl AuditArgs {
    /// What does not go together, as a sentence.
    fn refusal(&self) -> Option<String> {
        let first = |given: &[(&'static str, bool)]| {
            let mut given = given.iter().filter(|(_, is_given)| *is_given);
            given.next().map(|(name, _)| *name)
        };
        if self.server.is_some() {
            if let Some(name) = first(&[
                ("--per-second", self.per_second.is_some()),
                ("--config", self.config.is_some()),
            ]) {
                return Some(format!(
                    "{name} is not for --server: a server reads AWS by its own configuration and within its own budget; leave one of them out"
                ));
            }
            return None;
        }
        if let Some(name) = first(&[
            ("--max-age", self.max_age.is_some()),
            ("--as-of", self.as_of.is_some()),
            ("--compare-to", self.compare_to.is_some()),
            ("--view changes", self.view == ViewArg::Changes),
        ]) {
            return Some(format!(
                "{name} is for --server: only a server keeps what it read before; without one AWS is read as it is now"
            ));
        }
        if self.instance.is_some() {
            return Some(
                "--instance is for --server, which has names for its instances; without one the report covers those that the configuration names or that are found (--config)"
                    .to_owned(),
            );
        }
        (self.caller.given()).map(|name| {
            format!(
                "{name} is for --server: AWS is asked with the ambient credentials; name the server"
            )
        })
    }

    fn config(&self) -> Result<Config, CommandError> {
        let variable = || std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
        let path = self.config.clone().or_else(variable);
        let mut config = match path {
            Some(path) => Config::read(&path).map_err(|error| CommandError::from_error(&error))?,
            None => Config::default(),
        };
        let per_second = self.per_second.unwrap_or(PER_SECOND_DEFAULT);
        let budget = &mut config.budget;
        budget.sso_admin_per_second = budget.sso_admin_per_second.min(per_second);
        budget.identity_store_per_second = budget.identity_store_per_second.min(per_second);
        budget.organizations_per_second = budget.organizations_per_second.min(per_second);
        budget.burst = budget.burst.min(per_second);
        Ok(config)
    }
}

fn read_age(text: &str) -> Result<SignedDuration, String> {
    parse_duration(text)
        .ok_or_else(|| "is not a whole number with s, m, h or d, such as 1h".to_owned())
}

/// Writes the report. Exit code 1 when it could not be written, or lacks something; what it lacks
/// is told on standard error.
pub(super) async fn run(args: AuditArgs) -> Result<ExitCode, CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    if let Some(refusal) = args.refusal() {
        eprintln!("usher: {refusal}");
        return Ok(ExitCode::from(WRONG_ARGUMENTS));
    }
    let end = end_signal()?;
    tokio::select! {
        written = write_report(args) => written.map(|()| ExitCode::SUCCESS),
        // What was collected goes, and with it the unfinished file.
        () = end => Err(CommandError(
            "interrupted: no report was written to its place".to_owned(),
        )),
    }
}

async fn write_report(args: AuditArgs) -> Result<(), CommandError> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let place = dated(&args.out, today);
    match &args.server {
        Some(server) => {
            // Before anything is asked: a report takes minutes, a wrong place should not.
            let writing = Writing::into(Output::open(&place)?);
            write_of_server(&args, server, writing).await
        }
        None => {
            let config = args.config()?;
            let writing = Writing::into(Output::open(&place)?);
            write_of_aws(&args, config, writing).await
        }
    }
}

/// Writes what a server reports.
async fn write_of_server(
    args: &AuditArgs,
    server: &str,
    mut writing: Writing,
) -> Result<(), CommandError> {
    let connection = args.caller.connect(server).await?;
    let question = ReportQuestion {
        instance: args.instance.clone().unwrap_or_default(),
        view: args.view.view(),
        format: args.format.format(),
        max_age: args.max_age,
        as_of: args.as_of,
        compare_to: args.compare_to,
    };
    let told = |error| CommandError::from_error(&error);
    let mut parts = connection.audit_report(&question).await.map_err(told)?;
    while let Some(part) = parts.next().await.map_err(told)? {
        writing.take(part.into())?;
    }
    writing.finish()
}

/// Writes what is read of AWS here.
async fn write_of_aws(
    args: &AuditArgs,
    config: Config,
    mut writing: Writing,
) -> Result<(), CommandError> {
    let home = connect(&config, None, WriteMode::Never, None)
        .await
        .map_err(CommandError)?;
    let keeper = InstanceKeeper::find(home, &config)
        .await
        .map_err(CommandError)?;
    let external = config.external_rules().map_err(CommandError)?;
    let request = ReportRequest {
        external,
        ..what_to_read(args, &keeper)
    };
    let (sender, mut parts) = mpsc::channel(PARTS_WAITING_MAX);
    let collecting = tokio::spawn(collect(request, keeper.router(), config, sender));
    while let Some(part) = parts.recv().await {
        writing.take(part.into())?;
    }
    collecting
        .await
        .map_err(|error| CommandError(format!("the report failed: {error}")))??;
    writing.finish()
}

/// Everything of every instance that was found, and the accounts that could not be looked into.
fn what_to_read(args: &AuditArgs, keeper: &InstanceKeeper) -> ReportRequest {
    let instances = keeper.instances();
    ReportRequest {
        instances: (instances.all().iter())
            .map(|instance| InstanceToRead {
                instance: instance.as_ref().clone(),
                known: KnownCounts::default(),
                kept: None,
                reuse: Reuse::default(),
            })
            .collect(),
        peers: Peers::default(),
        unreachable: instances.unreachable(),
        missing: Vec::new(),
        view: args.view.view(),
        format: args.format.format(),
        scope: Scope::default(),
        demand: Demand::usher(Class::Audit),
        compared: None,
        external: ExternalRules::default(),
        validate_only: false,
    }
}

async fn collect(
    request: ReportRequest,
    port: Arc<dyn IdentityCenter>,
    config: Config,
    sender: mpsc::Sender<Part>,
) -> Result<(), CommandError> {
    let run = crate::audit::run(
        &request,
        port.as_ref(),
        None,
        &Clock::system(),
        &config.audit,
        sender,
    )
    .await;
    run.map(|_| ())
        .map_err(|error| CommandError::from_error(&error))
}
