//! `usher copy`: everything of a SQLite store into an empty PostgreSQL database, for those who grow. It changes
//! nothing in the data directory and nothing of AWS.

use std::path::PathBuf;

use super::CommandError;
use super::migrate::named_postgres;
use super::serve::print_line;
use crate::config::Config;
use crate::store::{CopiedStore, PostgresOptions, copy_to_postgres};
use crate::telemetry::{self, LogFormat};

/// Arguments of `usher copy`.
#[derive(Debug, clap::Args)]
pub(super) struct CopyArgs {
    /// From which store: sqlite
    #[arg(long, default_value = "sqlite")]
    from: String,
    /// Into which store: postgres
    #[arg(long, default_value = "postgres")]
    to: String,
    /// The data directory of a service that is stopped
    #[arg(long, env = "USHER_DATA_DIR", default_value = "usher-data")]
    data_dir: PathBuf,
    /// The configuration file, with the section `[postgres]`; without one the variable USHER_POSTGRES_URL counts
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
}

/// Copies, and says what.
pub(super) async fn run(args: &CopyArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    if (args.from.as_str(), args.to.as_str()) != ("sqlite", "postgres") {
        return Err(CommandError(
            "a store is copied from sqlite to postgres and no other way; write --from sqlite --to postgres, or leave \
             both out"
                .to_owned(),
        ));
    }
    let config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| CommandError::from_error(&error))?,
        None => Config::default(),
    };
    let options = named_postgres(PostgresOptions::chosen(config.postgres.as_ref()), "")?;
    let copied = copy_to_postgres(&args.data_dir, &options).await;
    let copied = copied.map_err(|error| CommandError::from_error(&error))?;
    for line in told(&copied) {
        print_line(&line);
    }
    print_line(&format!(
        "copied. Start every service with [postgres] from now on, and none on {} any more: it was left as it was",
        args.data_dir.display()
    ));
    Ok(())
}

/// The counts as a table, and where the log ends.
fn told(copied: &CopiedStore) -> Vec<String> {
    let names = copied.tables.iter().map(|(name, _)| name.len());
    let width = names.max().unwrap_or_default();
    let row = |name: &str, count: &str| format!("{name:width$}  {count:>10}");
    let mut lines = vec![row("table", "rows")];
    let rows = copied.tables.iter();
    lines.extend(rows.map(|(name, count)| row(name, &count.to_string())));
    let end = copied.log_end;
    lines.push(match end.position {
        0 => "the decision log is empty".to_owned(),
        position => format!(
            "the decision log verifies up to position {position}, the last hash {}",
            end.hash
        ),
    });
    lines
}
