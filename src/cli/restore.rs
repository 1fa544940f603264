//! `usher restore`: a backup becomes the store of a data directory, with everything frozen, and what came
//! after it is told from an export of the log. It must never change AWS, never write over a database, and
//! never leave a restored store that is not frozen.

use std::path::{Path, PathBuf};

use super::CommandError;
use super::backup::look_at;
use super::log::told;
use super::migrate::named_postgres;
use super::restore_plan;
use super::serve::print_line;
use crate::clock::Clock;
use crate::config::Config;
use crate::decision_log::{Continuation, Known, LookError, LostGrant};
use crate::decision_log::{continuation, database_end, read_heads};
use crate::domain::log::Link;
use crate::domain::log_head::{LogHead, LogKey};
use crate::store::{BrakeStore as _, PostgresOptions, PostgresStore, SqliteStore, Store as _};
use crate::telemetry::{self, LogFormat};

/// Arguments of `usher restore`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct RestoreArgs {
    /// The backup to restore, as `usher backup` wrote it
    #[arg(long, group = "what", value_name = "FILE")]
    from: Option<PathBuf>,
    /// Reads AWS and prints what the service would do once it is unfrozen; changes nothing
    #[arg(long, group = "what")]
    plan: bool,
    /// Freezes everything in a PostgreSQL database that was restored by its own means, before a service
    /// is started on it
    #[arg(long, group = "what")]
    mark: bool,
    /// The data directory; there must be no database in it
    #[arg(long, env = "USHER_DATA_DIR", default_value = "usher-data")]
    pub(super) data_dir: PathBuf,
    /// The configuration file
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
    /// An export of the decision log that is newer than the backup, as `usher log export` wrote it
    #[arg(long, value_name = "EXPORT", conflicts_with = "mark")]
    pub(super) log: Option<PathBuf>,
    /// Heads of the decision log that were kept elsewhere
    #[arg(long, value_name = "FILE", requires = "from")]
    head: Option<PathBuf>,
    /// The public key of heads, in hex, as it was kept elsewhere; else the one in the backup
    #[arg(long, requires = "from")]
    key: Option<String>,
    /// At most so many lines of each kind
    #[arg(long, default_value_t = 20)]
    pub(super) lines: usize,
}

/// Restores, marks or plans.
pub(super) async fn run(args: RestoreArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let mut config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| CommandError::from_error(&error))?,
        None => Config::default(),
    };
    config.postgres = PostgresOptions::chosen(config.postgres.as_ref());
    match &args.from {
        Some(file) => restore(&args, file, &config).await,
        None if args.plan => restore_plan::run(&args, &config).await,
        None => mark(&config).await,
    }
}

async fn restore(args: &RestoreArgs, file: &Path, config: &Config) -> Result<(), CommandError> {
    if config.postgres.is_some() {
        return Err(CommandError(
            "the service keeps its store in PostgreSQL: restore that by its own means and say `usher restore \
             --mark` (docs/backup.md)"
                .to_owned(),
        ));
    }
    // What is looked at first is whether it is a backup at all.
    SqliteStore::examine_copy(file)
        .await
        .map_err(|error| CommandError::from_error(&error))?;
    let end = database_end(file).await.map_err(failed)?;
    let heads = match &args.head {
        Some(path) => read_heads(path).map_err(failed)?,
        None => Vec::new(),
    };
    let key = args.key.as_deref().map(|key| {
        LogKey::from_hex(key.trim())
            .ok_or_else(|| CommandError("--key must be 64 digits of lower-case hex".to_owned()))
    });
    let (heads, later): (Vec<LogHead>, Vec<LogHead>) = heads
        .into_iter()
        .partition(|head| head.link.position <= end.position);
    let known = Known {
        heads,
        key: key.transpose()?,
    };
    let (facts, looked) = look_at(file, &known).await?;
    let went_on = match &args.log {
        Some(export) => Some(continuation(file, end, export).await.map_err(failed)?),
        None => None,
    };
    let now = Clock::system().now();
    SqliteStore::restore_copy(file, &args.data_dir, now)
        .await
        .map_err(|error| CommandError::from_error(&error))?;
    print_line(&format!(
        "restored into {}: {} grants, {} events",
        args.data_dir.display(),
        facts.grants,
        facts.events
    ));
    let mut lines = told(&looked);
    lines.extend(told_later_heads(end, &later));
    match &went_on {
        Some(went_on) => lines.extend(told_continuation(went_on, args.lines)),
        None => lines.push(
            "what came after the backup is not known: with --log EXPORT it would be told here, and `usher \
             restore --plan --log EXPORT` still tells it"
                .to_owned(),
        ),
    }
    for line in lines {
        print_line(&line);
    }
    print_line(HOW_TO_GO_ON);
    Ok(())
}

/// What is to be done next.
const HOW_TO_GO_ON: &str = "everything is frozen on every instance: nothing is made or removed in AWS until somebody calls Unfreeze there.\n\
     Look first at what would be done: usher restore --plan";

fn failed(error: LookError) -> CommandError {
    CommandError::from_error(&error)
}

/// Freezes what PostgreSQL restored.
async fn mark(config: &Config) -> Result<(), CommandError> {
    let options = named_postgres(
        config.postgres.clone(),
        ". A SQLite backup is restored with --from, which marks it",
    )?;
    let store = PostgresStore::open(&options).await;
    let store = store.map_err(|error| CommandError::from_error(&error))?;
    let marked = store.mark_restored(Clock::system().now()).await;
    store.close().await;
    let end = marked.map_err(|error| CommandError::from_error(&error))?;
    print_line(&format!(
        "marked as restored; its log ends at position {}",
        end.position
    ));
    print_line(HOW_TO_GO_ON);
    Ok(())
}

/// What heads that were signed after the backup know.
fn told_later_heads(end: Link, later: &[LogHead]) -> Option<String> {
    let last = later.iter().max_by_key(|head| head.link.position)?;
    Some(format!(
        "at least {} events are lost: a head of {} knows the log up to position {}",
        last.link.position - end.position,
        last.signed_at,
        last.link.position
    ))
}

/// What an export knows that the backup does not.
pub(super) fn told_continuation(went_on: &Continuation, lines_max: usize) -> Vec<String> {
    let (from, until) = (went_on.from.position, went_on.end.position);
    if until <= from {
        return vec![format!(
            "the export ends at position {until} and continues nothing: the backup's log ends at {from}"
        )];
    }
    let mut lines = vec![format!(
        "the export continues the backup's log up to position {until}: {} events are lost, which name {} grants",
        went_on.lost_count,
        went_on.grants.len()
    )];
    lines.extend(
        went_on
            .grants
            .iter()
            .take(lines_max)
            .map(|grant| format!("lost     {}", told_lost(grant))),
    );
    if went_on.grants.len() > lines_max {
        let more = went_on.grants.len() - lines_max;
        lines.push(format!("         and {more} more grants (--lines)"));
    }
    if !went_on.without_grant.is_empty() {
        let kinds = went_on.without_grant.iter();
        let kinds: Vec<String> = kinds
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        lines.push(format!("lost, of no grant: {}", kinds.join(", ")));
    }
    lines
}

fn told_lost(grant: &LostGrant) -> String {
    let known = match &grant.known_state {
        Some(state) => format!("{state} in the backup"),
        None => "not in the backup".to_owned(),
    };
    let what = grant.key.as_ref().map(restore_plan::told_key);
    let at = grant.last_at.map(|at| format!(", the last at {at}"));
    format!(
        "{}, {known}: {}{}{}",
        grant.id,
        grant.kinds.join(", "),
        at.unwrap_or_default(),
        what.map(|what| format!("; {what}")).unwrap_or_default()
    )
}
