//! The simulator driven by the real AWS SDK clients over HTTP, SDK retries off: what a client sees
//! is what AWS would show. One file an idea; this one holds the clients.

#![expect(clippy::expect_used, reason = "a panic is how a test says no")]
mod account_assignments;
mod account_bench;
mod account_faults;
mod control;
mod directory;
mod faults;
mod instances;
mod organization;
mod paging;
mod permission_sets;
mod places;
mod sessions;
mod strictness;
mod switches;
mod views;

use aws_sdk_identitystore::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssoadmin::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_ssoadmin::types::PrincipalType;
use usher::simulator::{Settings, Simulator, SimulatorOptions, Switches, World};

/// An id that no world holds.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A simulator with clients, and what a test of the demo world needs to name.
struct Bench {
    simulator: Simulator,
    sso: aws_sdk_ssoadmin::Client,
    store: aws_sdk_identitystore::Client,
    sts: aws_sdk_sts::Client,
    instance_arn: String,
    store_id: String,
}

impl Bench {
    /// The demo world, without quotas and odd pages.
    async fn demo() -> Bench {
        Bench::with(World::demo(), Switches::default(), Settings::unlimited()).await
    }

    async fn with(world: World, switches: Switches, settings: Settings) -> Bench {
        let instance_arn = world.instances[0].instance_arn.clone();
        let store_id = world.instances[0].identity_store_id.clone();
        let options = SimulatorOptions {
            switches,
            settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world, options).await.expect("a simulator");
        let credentials = || Credentials::new("simulated", "simulated", None, None, "test");
        macro_rules! client {
            ($sdk:ident) => {
                $sdk::Client::from_conf(
                    $sdk::Config::builder()
                        .behavior_version(BehaviorVersion::latest())
                        .region(Region::new("us-east-1"))
                        .credentials_provider(credentials())
                        .retry_config(RetryConfig::disabled())
                        .endpoint_url(simulator.endpoint_url())
                        .build(),
                )
            };
        }
        Bench {
            sso: client!(aws_sdk_ssoadmin),
            store: client!(aws_sdk_identitystore),
            sts: client!(aws_sdk_sts),
            simulator,
            instance_arn,
            store_id,
        }
    }

    fn application(&self, name: &str) -> String {
        let world = self.simulator.world();
        world
            .application_named(name)
            .expect("an application")
            .application_arn
            .clone()
    }

    fn group(&self, name: &str) -> String {
        self.simulator
            .world()
            .group_named(name)
            .expect("a group")
            .group_id
            .clone()
    }

    fn user(&self, name: &str) -> String {
        self.simulator
            .world()
            .user_named(name)
            .expect("a user")
            .user_id
            .clone()
    }

    /// CreateApplicationAssignment for a user, with the error's code if it failed.
    async fn assign_user(&self, application: &str, principal_id: &str) -> Result<(), String> {
        let call = self
            .sso
            .create_application_assignment()
            .application_arn(application);
        let call = call
            .principal_type(PrincipalType::User)
            .principal_id(principal_id);
        call.send().await.map(drop).map_err(code)
    }

    async fn unassign_user(&self, application: &str, principal_id: &str) -> Result<(), String> {
        let call = self
            .sso
            .delete_application_assignment()
            .application_arn(application);
        let call = call
            .principal_type(PrincipalType::User)
            .principal_id(principal_id);
        call.send().await.map(drop).map_err(code)
    }

    /// Whether DescribeApplicationAssignment finds a user's row.
    async fn describes_user(&self, application: &str, principal_id: &str) -> bool {
        let call = self
            .sso
            .describe_application_assignment()
            .application_arn(application);
        let call = call
            .principal_type(PrincipalType::User)
            .principal_id(principal_id);
        match call.send().await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(code(error), "ResourceNotFoundException");
                false
            }
        }
    }
}

/// The error's code, or `dropped` when no reply came.
fn code<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> String {
    match &error {
        SdkError::DispatchFailure(_) => "dropped".to_owned(),
        _ => error.code().unwrap_or("none").to_owned(),
    }
}
