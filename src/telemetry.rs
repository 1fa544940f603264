//! Logs: to standard error, as text for people or JSON for machines. Never secrets, never tokens.

use tracing_subscriber::EnvFilter;

/// The environment's word on what is logged.
const VARIABLE: &str = "USHER_LOG";

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `USHER_LOG` says what is logged, for example `usher=debug`; without it, or when
/// it is empty, `default_filter` does.
///
/// # Errors
/// A sentence, when `USHER_LOG` is no filter.
pub fn start(format: LogFormat, default_filter: &str) -> Result<(), String> {
    let wanted = std::env::var_os(VARIABLE).unwrap_or_default();
    let filter = if wanted.is_empty() {
        default_filter
    } else {
        wanted
            .to_str()
            .ok_or_else(|| format!("{VARIABLE} is not UTF-8"))?
    };
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("{VARIABLE} is `{filter}`, which is not a filter such as usher=debug: {error}")
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start, as in tests, changes nothing.
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    drop(started);
    Ok(())
}
