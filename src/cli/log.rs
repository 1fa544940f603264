//! `usher log`: verifies and exports the decision log, and erases names beside it. All of it works
//! without a server and without AWS; all but the erasing changes nothing.
//!
//! Exit codes of `verify`: 0, the chain is whole as far as can be told; 1, it cannot be looked at; 2, the
//! arguments are wrong; 3, something is bad, which is named.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::CommandError;
use crate::decision_log::{CheckedBy, Known, LookError, Looked, Place};
use crate::decision_log::{database_key, export, read_heads, verify};
use crate::domain::log_head::{LogHead, LogKey};
use crate::domain::log_verify::{BadRecord, Fault};
use crate::store::{LogCopy, LogStore as _, SqliteOptions, SqliteStore, Store as _};
use crate::telemetry::{self, LogFormat};

/// What `verify` ends with where something is bad.
const SOMETHING_IS_BAD: u8 = 3;

/// Arguments of `usher log`.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LogCommand {
    /// Says whether the log is whole, and names the first bad record; exit code 3 where there is one
    Verify(VerifyArgs),
    /// Writes the log as JSON lines, one record each, to standard output
    Export {
        #[command(flatten)]
        data: DataArgs,
        /// Only records behind this position
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Prints the public key that heads are signed by, in hex
    Key {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Erases the remembered names of principals and targets, by their ids. The log holds ids only and
    /// stays as it is. No server may be running
    EraseNames {
        #[command(flatten)]
        data: DataArgs,
        /// Ids of users, groups, applications, accounts or permission sets
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct DataArgs {
    /// The data directory, or a copy of the database in it
    #[arg(long, env = "USHER_DATA_DIR", default_value = "usher-data")]
    data_dir: PathBuf,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// An export, or a copy of the database, in place of the data directory
    file: Option<PathBuf>,
    /// Heads that were kept elsewhere, a JSON line each, as `log.heads_file` and GetLogHead give them.
    /// Without one nobody can tell whether the newest records were cut
    #[arg(long)]
    head: Option<PathBuf>,
    /// The public key, in hex, as it was kept elsewhere; else the one in the database
    #[arg(long)]
    key: Option<String>,
    /// The export was made with --after of this position
    #[arg(long, default_value_t = 0, requires = "file")]
    after: u64,
}

/// Runs the command.
pub(super) async fn run(args: LogArgs) -> Result<ExitCode, CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    match args.command {
        LogCommand::Verify(args) => return verify_and_tell(args).await,
        LogCommand::Export { data, after } => write_export(&data, after).await?,
        LogCommand::Key { data } => {
            let key = database_key(&data.data_dir).await.map_err(failed)?;
            say(&key.to_hex())?;
        }
        LogCommand::EraseNames { data, ids } => erase_names(&data, &ids).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(error: LookError) -> CommandError {
    CommandError::from_error(&error)
}

fn say(line: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| CommandError(format!("it cannot be printed: {error}")))
}

async fn verify_and_tell(args: VerifyArgs) -> Result<ExitCode, CommandError> {
    let place = match args.file {
        Some(path) if LogCopy::is_database(&path) => Place::Database(path),
        Some(path) => Place::File {
            path,
            after: args.after,
        },
        None => Place::Database(args.data.data_dir),
    };
    let heads = args.head.as_deref().map(read_heads).transpose();
    let key = args.key.as_deref().map(|key| {
        LogKey::from_hex(key.trim())
            .ok_or_else(|| CommandError("--key must be 64 digits of lower-case hex".to_owned()))
    });
    let known = Known {
        heads: heads.map_err(failed)?.unwrap_or_default(),
        key: key.transpose()?,
    };
    let looked = verify(&place, &known).await.map_err(failed)?;
    for line in told(&looked) {
        say(&line)?;
    }
    let is_good = looked.chain.is_ok() && looked.bad_head.is_none();
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOMETHING_IS_BAD)
    })
}

/// What a look found, in sentences.
pub(super) fn told(looked: &Looked) -> Vec<String> {
    let mut lines = Vec::new();
    match &looked.chain {
        Ok(whole) => {
            let (from, until) = (looked.after + 1, whole.end.position);
            lines.push(if whole.count == 0 {
                format!("whole: no records behind position {}", looked.after)
            } else {
                let (count, hash) = (whole.count, whole.end.hash);
                format!("whole: {count} records, positions {from} to {until}, the last hash {hash}")
            });
            lines.push(told_anchor(looked.anchored_until, until));
        }
        Err(bad) => lines.push(told_fault(bad)),
    }
    if let Some((head, is_foreign)) = &looked.bad_head {
        lines.push(told_head(head, *is_foreign));
    }
    lines.extend(match looked.key {
        CheckedBy::Given => None,
        CheckedBy::Database => Some(
            "signatures were checked by the key in the database, with which whoever can change it can sign; \
             name one that was kept elsewhere with --key"
                .to_owned(),
        ),
        CheckedBy::Nobody => Some("signatures were not checked: name a key with --key".to_owned()),
    });
    if looked.unchained_count > 0 {
        let count = looked.unchained_count;
        lines.push(format!(
            "{count} events are committed and not chained yet; a server chains them within a second"
        ));
    }
    lines
}

fn told_anchor(anchored_until: Option<u64>, until: u64) -> String {
    match anchored_until {
        Some(anchor) if anchor >= until => {
            "anchored: a head from elsewhere knows the last record".to_owned()
        }
        Some(anchor) => format!(
            "tail unanchored behind position {anchor}: no head from elsewhere knows the {} records after it",
            until - anchor
        ),
        None => "tail unanchored: without a head from elsewhere (--head) nobody can tell whether newer records were cut, or all of them made anew".to_owned(),
    }
}

fn told_fault(bad: &BadRecord) -> String {
    let position = bad.position;
    let what = match bad.fault {
        Fault::Unreadable => "is unreadable: it is no record in its one form".to_owned(),
        Fault::Edited => "was edited: it does not hold what was hashed".to_owned(),
        Fault::Removed { until } if until == position => {
            "was removed: it is not there, and later ones are".to_owned()
        }
        Fault::Removed { until } => {
            format!("was removed, and those after it up to position {until}: later ones are there")
        }
        Fault::Reordered => "was reordered: another stands in its place".to_owned(),
        Fault::Rewritten => {
            "was rewritten, it or some before it: they were hashed anew, and what was known of the chain does not follow".to_owned()
        }
        Fault::Cut { until } => {
            format!("was cut, and everything after it: a head knows records up to position {until}")
        }
    };
    format!("BAD: the record of position {position} {what}")
}

fn told_head(head: &LogHead, is_foreign: bool) -> String {
    let (kind, position) = (head.kind.as_str(), head.link.position);
    let of = if is_foreign {
        "from elsewhere"
    } else {
        "in the database"
    };
    format!("BAD: the {kind} {of} of position {position} is not signed by this key")
}

async fn write_export(data: &DataArgs, after: u64) -> Result<(), CommandError> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    export(&data.data_dir, after, |line| writeln!(out, "{line}"))
        .await
        .map_err(failed)?;
    out.flush()
        .map_err(|error| CommandError(format!("it cannot be written: {error}")))
}

async fn erase_names(data: &DataArgs, ids: &[String]) -> Result<(), CommandError> {
    if !LogCopy::is_database(&data.data_dir.join("usher.sqlite3")) {
        let place = data.data_dir.display();
        return Err(CommandError(format!(
            "there is no database in {place}; name the --data-dir of the server"
        )));
    }
    let store = SqliteStore::open(&data.data_dir, SqliteOptions::default()).await;
    let store = store.map_err(|error| CommandError::from_error(&error))?;
    let erased = store.erase_names(ids).await;
    store.close().await;
    let count = erased.map_err(|error| CommandError::from_error(&error))?;
    say(&format!("{count} names erased"))
}
