//! The command line. Dispatches to the library and turns errors into sentences and exit codes.

use std::process::ExitCode;

use clap::Parser;
use usher::simulator::{self, SimulateArgs};

/// Who may have what, who agreed, until when and why
#[derive(Parser)]
#[command(name = "usher", version)]
enum Command {
    /// Serve a local double of AWS IAM Identity Center, for tests and trials
    Simulate(SimulateArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Simulate(args) = Command::parse();
    match simulator::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                eprintln!("usher: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
