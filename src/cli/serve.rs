//! `usher serve`: the service against the AWS that the environment names.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};

use super::CommandError;
use super::access::{ServiceMode, what_is_missing};
use super::service::{ServiceOptions, start};
use crate::clock::Clock;
use crate::config::Config;
use crate::crash_points::{self, Crash};
use crate::store::PostgresOptions;
use crate::telemetry::{self, LogFormat};

/// Arguments of `usher serve`.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Development: loopback only, tokens from `usher token`, everybody with a token may do
    /// everything; writes only to a simulated AWS on loopback
    #[arg(long)]
    dev: bool,
    /// Change AWS also where its endpoints are not on loopback; without this they are only read
    #[arg(long)]
    allow_writes: bool,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// Where metrics are told over plain HTTP to whoever asks; without it, and without
    /// `metrics.address` in the configuration, nowhere
    #[arg(long, value_name = "ADDRESS")]
    metrics_address: Option<SocketAddr>,
    /// Where the store lies; made when it is not there
    #[arg(long, env = "USHER_DATA_DIR", default_value = "usher-data")]
    data_dir: PathBuf,
    /// The configuration file; without one every setting has its default
    #[arg(long, env = "USHER_CONFIG")]
    config: Option<PathBuf>,
    /// How logs are written to standard error
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// For tests: as on a machine whose clock is off by so many seconds
    #[arg(
        long,
        hide = true,
        requires = "dev",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    clock_off_seconds: i32,
    /// For tests: dies as by kill -9 at a crash point, NAME:COUNT, the COUNT-th time
    #[arg(long, hide = true, requires = "dev", value_name = "NAME:COUNT")]
    crash_at: Option<Crash>,
}

/// Serves until SIGINT or SIGTERM. Prints `listening on ADDRESS` when it is ready.
pub(super) async fn run(args: ServeArgs) -> Result<(), CommandError> {
    telemetry::start(args.log_format, "usher=info,warn").map_err(CommandError)?;
    if let Some(crash) = args.crash_at {
        crash_points::arm(crash);
    }
    let mut config = match &args.config {
        Some(path) => Config::read(path).map_err(|error| CommandError::from_error(&error))?,
        None => Config::default(),
    };
    config.postgres = PostgresOptions::chosen(config.postgres.as_ref());
    if args.metrics_address.is_some() {
        config.metrics.address = args.metrics_address;
    }
    let missing = what_is_missing(&config);
    if !args.dev && !missing.is_empty() {
        return Err(CommandError(why_not_without_dev(&missing)));
    }
    let options = ServiceOptions {
        config,
        data_directory: args.data_dir.clone(),
        listen: args.listen,
        mode: if args.dev {
            ServiceMode::Development
        } else {
            ServiceMode::Authenticated
        },
        allow_writes: args.allow_writes,
        credentials: None,
        clock: Clock::system_off_by(SignedDuration::from_secs(args.clock_off_seconds.into())),
    };
    // Signals are caught from before the start, so that one during it ends in order too.
    let end = end_signal()?;
    tokio::pin!(end);
    let service = tokio::select! {
        started = start(options) => started.map_err(|error| CommandError::from_error(&error))?,
        () = &mut end => return Ok(()),
    };
    let mode = if service.may_write && args.allow_writes {
        "read-write, since --allow-writes says so"
    } else if service.may_write {
        "read-write, since AWS is simulated on loopback"
    } else {
        "read-only"
    };
    let instances = service.instances.all().len();
    tracing::info!(instances, mode, "serving");
    if let Some(address) = service.metrics_address {
        tracing::info!(%address, "metrics are told over plain HTTP");
    }
    print_line(&format!("listening on {}", service.address));
    service
        .run_until(end)
        .await
        .map_err(|error| CommandError::from_error(&error))
}

/// Why a server is not started for others than its developer: nobody is served without TLS,
/// authentication and policy.
fn why_not_without_dev(missing: &[String]) -> String {
    format!(
        "without --dev it serves only with TLS, authentication and policy. Missing in the \
         configuration file (--config):\n  - {}",
        missing.join("\n  - ")
    )
}

/// Completes at SIGINT or SIGTERM.
pub(super) fn end_signal() -> Result<impl Future<Output = ()>, CommandError> {
    let listen = |kind| {
        signal(kind).map_err(|error| CommandError(format!("signals cannot be caught: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Prints a line at once, also into a pipe. A reader that has gone is not an error of the service.
pub(super) fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
