//! `usher audit`: a report without a server and without a store, against the ambient AWS. Reads
//! only, and at half of AWS's usual rate unless told otherwise: others use the quota too.

use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::CommandError;
use super::connect::connect;
use super::instances::InstanceKeeper;
use super::serve::end_signal;
use crate::audit::{
    Completeness, InstanceToRead, KnownCounts, Missing, Part, ReportRequest, Scope, Summary,
};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::external::ExternalRules;
use crate::domain::report::{Format, View};
use crate::identity_center::{Class, Demand, IdentityCenter, WriteMode};
use crate::telemetry::{self, LogFormat};

/// Parts of the report that may wait for the disk.
const PARTS_WAITING_MAX: usize = 4;

/// Arguments of `usher audit`.
#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    /// The question: who can enter what, the assignments as AWS has them, which instances there
    /// are, or who is in several of them
    #[arg(long, value_enum, default_value = "access")]
    view: ViewArg,
    /// The form of the rows
    #[arg(long, value_enum, default_value = "csv")]
    format: FormatArg,
    /// The file to write, or - for standard output; a file appears only when it is whole;
    /// a report that lacks something goes to the name with `.incomplete` at its end (before `.html`)
    #[arg(long, default_value = "-")]
    out: PathBuf,
    /// Operations a second, at most, on each of AWS's quotas
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_second: u32,
    /// The configuration file; without one every setting has its default
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
}

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

/// Writes the report. Exit code 1 when it could not be written, or lacks something; what it lacks
/// is told on standard error.
pub(super) async fn run(args: AuditArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let end = end_signal()?;
    tokio::select! {
        written = write_report(args) => written,
        // What was collected goes, and with it the unfinished file.
        () = end => Err(CommandError(
            "interrupted: no report was written to its place".to_owned(),
        )),
    }
}

async fn write_report(args: AuditArgs) -> Result<(), CommandError> {
    let mut config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| CommandError::from_error(&error))?,
        None => Config::default(),
    };
    config.budget.sso_admin_per_second = config.budget.sso_admin_per_second.min(args.per_second);
    config.budget.identity_store_per_second =
        config.budget.identity_store_per_second.min(args.per_second);
    config.budget.organizations_per_second =
        config.budget.organizations_per_second.min(args.per_second);
    config.budget.burst = config.budget.burst.min(args.per_second);
    // Before anything is asked of AWS: a report takes minutes, a wrong place should not.
    let mut output = Output::open(&args.out)?;
    let home = connect(&config, None, WriteMode::Never)
        .await
        .map_err(CommandError)?;
    let keeper = InstanceKeeper::find(home, &config)
        .await
        .map_err(CommandError)?;
    let external = config.external_rules().map_err(CommandError)?;
    let request = ReportRequest {
        external,
        ..what_to_read(&args, &keeper)
    };
    let (sender, mut parts) = mpsc::channel(PARTS_WAITING_MAX);
    let collecting = tokio::spawn(collect(request, keeper.router(), config, sender));
    let bar = progress_bar();
    let mut summary = None;
    while let Some(part) = parts.recv().await {
        match part {
            Part::Text(text) => output.write(&text)?,
            Part::Summary(whole) => summary = Some(whole),
            Part::Progress(progress) => {
                bar.set_length(progress.operations_planned.max(progress.operations_done));
                bar.set_position(progress.operations_done);
                bar.set_message(progress.step);
            }
            Part::Header(_) | Part::Rows(_) => {}
        }
    }
    bar.finish_and_clear();
    collecting
        .await
        .map_err(|error| CommandError(format!("the report failed: {error}")))??;
    let Some(summary) = summary else {
        return Err(CommandError(
            "the report was cut: it has no summary".to_owned(),
        ));
    };
    let is_complete = summary.completeness == Some(Completeness::Complete);
    let written_to = output.finish(is_complete)?;
    tell(&summary, written_to.as_deref())
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
            })
            .collect(),
        unreachable: instances.unreachable(),
        missing: Vec::new(),
        view: match args.view {
            ViewArg::Access => View::Access,
            ViewArg::Assignments => View::Assignments,
            ViewArg::Instances => View::Instances,
            ViewArg::DuplicateUsers => View::DuplicateUsers,
        },
        format: match args.format {
            FormatArg::Csv => Format::Csv,
            FormatArg::JsonLines => Format::JsonLines,
            FormatArg::Html => Format::Html,
        },
        scope: Scope::default(),
        demand: Demand::usher(Class::Audit),
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

/// A bar in a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} operations, {eta} left: {msg}")
    {
        bar.set_style(style);
    }
    bar
}

/// Says on standard error what the report holds and what it lacks.
fn tell(summary: &Summary, written_to: Option<&Path>) -> Result<(), CommandError> {
    let operations: u64 = summary.operations_used.iter().map(|(_, count)| count).sum();
    eprintln!(
        "{} rows; {} users; {} applications; {} accounts; {} permission sets; {} assignments; {operations} operations; sha256 {}",
        summary.row_count,
        summary.user_count,
        summary.application_count,
        summary.account_count,
        summary.permission_set_count,
        summary.assignment_count,
        summary.sha256
    );
    for (finding, rows) in &summary.findings {
        eprintln!("finding {}: {rows} rows", finding.as_str());
    }
    for missing in &summary.missing {
        eprintln!("missing {}", lack(missing));
    }
    if summary.completeness == Some(Completeness::Complete) {
        eprintln!("the report is complete");
        return Ok(());
    }
    let place = written_to.map(|place| format!("; it was written to {}", place.display()));
    Err(CommandError(format!(
        "the report is incomplete: what is missing stands above{}",
        place.unwrap_or_default()
    )))
}

/// What is missing, with its instance, which the scope may not name.
fn lack(missing: &Missing) -> String {
    match &missing.instance_arn {
        Some(arn) => format!("{}: {} (instance {arn})", missing.scope, missing.reason),
        None => format!("{}: {}", missing.scope, missing.reason),
    }
}

/// Where a report goes that lacks something. A page keeps the end of its name, by which browsers
/// know it.
fn incomplete(place: &Path) -> PathBuf {
    if place.extension().is_some_and(|end| end == "html") {
        return place.with_extension("incomplete.html");
    }
    let mut place = place.to_owned();
    place.as_mut_os_string().push(".incomplete");
    place
}

/// Where the text goes.
enum Output {
    Standard,
    /// A device or a pipe: written as it stands, never replaced.
    Special(std::fs::File),
    /// Written beside its place and moved there when whole; where it lacks something, beside what
    /// may be a complete one from before.
    File {
        file: std::fs::File,
        beside: PathBuf,
        place: PathBuf,
    },
}

impl Output {
    fn open(place: &Path) -> Result<Self, CommandError> {
        if place == Path::new("-") {
            return Ok(Self::Standard);
        }
        if place.is_dir() {
            return Err(CommandError(format!(
                "cannot write {}: it is a directory; name a file in it",
                place.display()
            )));
        }
        let cannot_write =
            |error| CommandError(format!("cannot write {}: {error}", place.display()));
        let is_special = std::fs::metadata(place).is_ok_and(|found| !found.is_file());
        if is_special {
            let file = std::fs::OpenOptions::new().write(true).open(place);
            return file.map(Self::Special).map_err(cannot_write);
        }
        // Where a link stands, the file behind it is meant.
        let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
        let beside = PathBuf::from(name);
        // Who has access to what is not for everybody, and nobody may have laid a link here.
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(cannot_write)?;
        Ok(Self::File {
            file,
            beside,
            place,
        })
    }

    fn write(&mut self, text: &str) -> Result<(), CommandError> {
        let written = match self {
            Self::Standard => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Special(file) | Self::File { file, .. } => file.write_all(text.as_bytes()),
        };
        written.map_err(|error| CommandError(format!("the report cannot be written: {error}")))
    }

    /// Answers where the text lies, if in a file.
    fn finish(&mut self, is_complete: bool) -> Result<Option<PathBuf>, CommandError> {
        let finished = match self {
            Self::Standard => std::io::stdout().lock().flush().map(|()| None),
            Self::Special(file) => file.flush().map(|()| None),
            Self::File {
                file,
                beside,
                place,
            } => {
                let place = if is_complete {
                    place.clone()
                } else {
                    incomplete(place)
                };
                file.sync_all()
                    .and_then(|()| std::fs::rename(&*beside, &place))
                    .map(|()| Some(place))
            }
        };
        finished.map_err(|error| CommandError(format!("the report cannot be written: {error}")))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Self::File { beside, .. } = self {
            // Gone already when the report was whole.
            drop(std::fs::remove_file(beside));
        }
    }
}
