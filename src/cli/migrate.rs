//! `usher migrate`: brings a PostgreSQL database to the schema that this version knows. It changes no other
//! database, and nothing of AWS.

use std::path::PathBuf;

use super::CommandError;
use super::serve::print_line;
use crate::config::Config;
use crate::store::{PostgresOptions, prepare_postgres};

/// Arguments of `usher migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct MigrateArgs {
    /// The configuration file, with the section `[postgres]`; without one the variable USHER_POSTGRES_URL counts
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
}

/// The PostgreSQL database that a command is for; where none is named, what to do, and this besides.
pub(super) fn named_postgres(
    options: Option<PostgresOptions>,
    besides: &str,
) -> Result<PostgresOptions, CommandError> {
    options.ok_or_else(|| {
        CommandError(format!(
            "no PostgreSQL database is named: write [postgres] into the configuration file, or put \
             its URL into USHER_POSTGRES_URL{besides}"
        ))
    })
}

/// Migrates, and says from where to where.
pub(super) async fn run(args: &MigrateArgs) -> Result<(), CommandError> {
    let config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| CommandError::from_error(&error))?,
        None => Config::default(),
    };
    let options = named_postgres(
        PostgresOptions::chosen(config.postgres.as_ref()),
        ". A SQLite store migrates itself when it is opened",
    )?;
    let migrated = prepare_postgres(&options).await;
    let migrated = migrated.map_err(|error| CommandError::from_error(&error))?;
    print_line(&match migrated.from == migrated.to {
        true => format!("the database has schema {} already", migrated.to),
        false => format!("schema {} -> {}", migrated.from, migrated.to),
    });
    Ok(())
}
