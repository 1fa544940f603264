//! `usher demo`: simulator, server and store in one process, and a story told through the same gRPC
//! calls that a person could type.

use std::path::PathBuf;

use super::CommandError;
use super::demo_story;
use super::serve::{end_signal, print_line};
use super::service::{ServiceOptions, start};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::CallerName;
use crate::grpc::identity::DevelopmentTokens;
use crate::identity_center::StaticCredentials;
use crate::simulator::{Simulator, SimulatorOptions, World};
use crate::telemetry::{self, LogFormat};

/// How long the printed token is valid, in seconds: a working day.
const TOKEN_SECONDS: u64 = 8 * 3600;
/// What the demonstration's configuration says about the Redshift application. The example is
/// AWS's own: Identity Center does not know what was granted inside the database.
const REDSHIFT_NOTE: &str = "Identity Center access is gone; database permissions are not. \
    In Redshift, also run: DROP ROLE \"AWSIDC:engineering\"";

/// Arguments of `usher demo`.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// End after the story instead of keeping the server for trials
    #[arg(long)]
    once: bool,
}

/// A directory that goes with the demonstration.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Tells the story, then serves until Ctrl-C, or ends with `--once`.
pub(super) async fn run(args: DemoArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    let end = end_signal()?;
    tokio::pin!(end);
    let scratch =
        Scratch(std::env::temp_dir().join(format!("usher-demo-{}", uuid::Uuid::new_v4().simple())));
    let world = World::demo();
    let note_for = world
        .applications
        .iter()
        .find(|application| application.name.contains("Redshift"));
    let note_for = note_for.map(|application| application.application_arn.clone());
    let simulator = Simulator::start(world, SimulatorOptions::default())
        .await
        .map_err(|error| CommandError::from_error(&error))?;
    let mut config = Config::default();
    config.aws.endpoint_url = Some(simulator.endpoint_url());
    config.aws.region = Some("us-east-1".to_owned());
    config.service.application_notes = note_for
        .into_iter()
        .map(|arn| (arn, REDSHIFT_NOTE.to_owned()))
        .collect();
    let clock = Clock::system();
    let options = ServiceOptions {
        config,
        data_directory: scratch.0.clone(),
        listen: ([127, 0, 0, 1], 0).into(),
        credentials: Some(StaticCredentials {
            access_key_id: "simulated".to_owned(),
            secret_access_key: "simulated".to_owned(),
        }),
        clock: clock.clone(),
    };
    let service = start(options)
        .await
        .map_err(|error| CommandError::from_error(&error))?;
    let token = sign_token(&scratch.0)?;
    let told = tokio::select! {
        told = demo_story::tell(&service, &clock, &token) => Some(told),
        () = &mut end => None,
    };
    let outcome = match told {
        // Interrupted in the middle of the story.
        None => service.run_until(std::future::ready(())).await,
        Some(Ok(())) if args.once => service.run_until(std::future::ready(())).await,
        Some(Ok(())) => {
            print_line("");
            print_line("The server goes on until Ctrl-C. Try it:");
            print_line(&format!("  TOKEN={token}"));
            print_line(&format!("  grpcurl -plaintext {} list", service.address));
            print_line(&format!(
                "  grpcurl -plaintext -H \"authorization: Bearer $TOKEN\" -d '{{\"type\":\"PRINCIPAL_TYPE_USER\"}}' {} usher.v1.DirectoryService/ListPrincipals",
                service.address
            ));
            print_line(&format!(
                "The simulated AWS answers at {}",
                simulator.endpoint_url()
            ));
            service.run_until(end).await
        }
        Some(Err(problem)) => {
            drop(service.run_until(std::future::ready(())).await);
            return Err(CommandError(format!(
                "the story did not go as it should: {problem}"
            )));
        }
    };
    simulator.stop().await;
    outcome.map_err(|error| CommandError::from_error(&error))
}

fn sign_token(data_directory: &std::path::Path) -> Result<String, CommandError> {
    let tokens = DevelopmentTokens::open(data_directory)
        .map_err(|error| CommandError::from_error(&error))?;
    let subject = CallerName::parse("demo").map_err(|error| CommandError::from_error(&error))?;
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    tokens
        .sign(&subject, now, TOKEN_SECONDS)
        .map_err(CommandError)
}
