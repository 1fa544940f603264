//! Logs: to standard error, as text for people or JSON for machines. Never secrets, never tokens.

use tracing_subscriber::EnvFilter;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `USHER_LOG` narrows it, for example `usher=debug`; the default is `usher=info`
/// with warnings of everything else.
pub fn start(format: LogFormat, default_filter: &str) {
    let filter =
        EnvFilter::try_from_env("USHER_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
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
}
