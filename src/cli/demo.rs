//! `usher demo`: simulator, server and store in one process, and a story told through the same gRPC
//! calls that a person could type.

use std::path::{Path, PathBuf};
use std::pin::Pin;

use super::CommandError;
use super::access::ServiceMode;
use super::demo_story::{self, ENGINEER, REVIEWERS, Tokens};
use super::serve::{end_signal, print_line};
use super::service::{ServiceOptions, start};
use crate::authentication::DevelopmentTokens;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::CallerName;
use crate::identity_center::StaticCredentials;
use crate::simulator::{Simulator, SimulatorOptions, World};
use crate::telemetry::{self, LogFormat};

/// How long the printed token is valid, in seconds: a working day.
const TOKEN_SECONDS: u64 = 8 * 3600;
/// What the demonstration's configuration says about the Redshift application. The example is
/// AWS's own: Identity Center does not know what was granted inside the database.
const REDSHIFT_NOTE: &str = "Identity Center access is gone; database permissions are not. \
    In Redshift, also run: DROP ROLE \"AWSIDC:engineering\"";

/// By what the demonstration decides: its own token may everything, an engineer a little.
const POLICIES: &str = include_str!("demo.cedar");
/// Whose token tells most of the story.
const TELLER: &str = "demo";

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
    config.policy.directory = Some(write_policies(&scratch.0)?);
    let options = ServiceOptions {
        config,
        data_directory: scratch.0.join("data"),
        listen: ([127, 0, 0, 1], 0).into(),
        mode: ServiceMode::Development,
        allow_writes: false,
        credentials: Some(StaticCredentials::simulated()),
        clock: Clock::system(),
    };
    let outcome = show(options, args.once, &simulator, end.as_mut()).await;
    // On every path: after an interrupt, and after a story that did not go as it should.
    simulator.stop().await;
    outcome
}

/// Starts the service, tells the story and serves, each until `end`.
async fn show(
    options: ServiceOptions,
    once: bool,
    simulator: &Simulator,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), CommandError> {
    let (clock, data_directory) = (options.clock.clone(), options.data_directory.clone());
    let policies = options.config.policy.directory.clone();
    let service = tokio::select! {
        started = start(options) => started.map_err(|error| CommandError::from_error(&error))?,
        () = &mut end => return Ok(()),
    };
    let told = async {
        let tokens = Tokens {
            teller: sign_token(&data_directory, TELLER)?,
            engineer: sign_token(&data_directory, ENGINEER)?,
            reviewers: [
                sign_token(&data_directory, REVIEWERS[0])?,
                sign_token(&data_directory, REVIEWERS[1])?,
            ],
        };
        (demo_story::tell(&service, &clock, &tokens, &data_directory).await)
            .map(|()| tokens)
            .map_err(|problem| {
                CommandError(format!("the story did not go as it should: {problem}"))
            })
    };
    let told = tokio::select! {
        told = told => Some(told),
        // Interrupted in the middle of the story.
        () = &mut end => None,
    };
    let goes_on = !once && matches!(told, Some(Ok(_)));
    if let Some(Ok(tokens)) = &told
        && goes_on
    {
        print_what_to_try(&service.address.to_string(), tokens);
        if let Some(policies) = policies {
            print_line(&format!(
                "The policies are in {}; what you change there counts within ten seconds",
                policies.display()
            ));
        }
        print_line(&format!(
            "The simulated AWS answers at {}",
            simulator.endpoint_url()
        ));
    }
    let ended = if goes_on {
        service.run_until(end).await
    } else {
        service.run_until(std::future::ready(())).await
    };
    match told {
        Some(Err(problem)) => Err(problem),
        _ => ended.map_err(|error| CommandError::from_error(&error)),
    }
}

fn print_what_to_try(address: &str, tokens: &Tokens) {
    print_line("");
    print_line("The server goes on until Ctrl-C. Try it:");
    print_line(&format!("  TOKEN={}", tokens.teller));
    print_line(&format!("  ENGINEER_TOKEN={}", tokens.engineer));
    let [first, second] = &tokens.reviewers;
    print_line(&format!("  FIRST_REVIEWER_TOKEN={first}"));
    print_line(&format!("  SECOND_REVIEWER_TOKEN={second}"));
    print_line(&format!("  grpcurl -plaintext {address} list"));
    print_line(&format!(
        "  grpcurl -plaintext -H \"authorization: Bearer $TOKEN\" -d '{{\"type\":\"PRINCIPAL_TYPE_USER\"}}' {address} usher.v1.DirectoryService/ListPrincipals"
    ));
}

/// Writes the policies where the server reads them, and a person may change them.
fn write_policies(scratch: &Path) -> Result<PathBuf, CommandError> {
    let directory = scratch.join("policies");
    std::fs::create_dir_all(&directory)
        .and_then(|()| std::fs::write(directory.join("demo.cedar"), POLICIES))
        .map_err(|error| {
            CommandError(format!(
                "{} cannot be written: {error}",
                directory.display()
            ))
        })?;
    Ok(directory)
}

fn sign_token(data_directory: &Path, subject: &str) -> Result<String, CommandError> {
    let tokens = DevelopmentTokens::open(data_directory)
        .map_err(|error| CommandError::from_error(&error))?;
    let subject = CallerName::parse(subject).map_err(|error| CommandError::from_error(&error))?;
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    tokens
        .sign(&subject, now, TOKEN_SECONDS)
        .map_err(CommandError)
}
