//! Clients of one account in one Region, and the organization that the tests of accounts walk: 30
//! accounts, three instances in three Regions, one role in each account.

use aws_sdk_ssoadmin::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use usher::simulator::{
    Instance, Settings, Simulator, SimulatorOptions, Switches, World, WorldSizes,
};

use super::code;

/// The role in every account, and what it wants to be told.
pub(crate) const ROLE: &str = "usher-audit";
pub(crate) const EXTERNAL_ID: &str = "a-handshake";
/// The account of the world's own caller.
pub(crate) const MANAGEMENT: &str = "111122223333";

/// Who calls from where.
pub(crate) struct Place {
    pub(crate) sso: aws_sdk_ssoadmin::Client,
    pub(crate) store: aws_sdk_identitystore::Client,
    pub(crate) organizations: aws_sdk_organizations::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

impl Place {
    pub(crate) fn new(url: &str, credentials: Credentials, region: &str) -> Place {
        macro_rules! client {
            ($sdk:ident) => {
                $sdk::Client::from_conf(
                    $sdk::Config::builder()
                        .behavior_version(BehaviorVersion::latest())
                        .region(Region::new(region.to_owned()))
                        .credentials_provider(credentials.clone())
                        .retry_config(RetryConfig::disabled())
                        .endpoint_url(url)
                        .build(),
                )
            };
        }
        Place {
            sso: client!(aws_sdk_ssoadmin),
            store: client!(aws_sdk_identitystore),
            organizations: client!(aws_sdk_organizations),
            sts: client!(aws_sdk_sts),
        }
    }

    /// ARNs of the instances that ListInstances shows.
    pub(crate) async fn instances(&self) -> Vec<String> {
        let reply = self.sso.list_instances().send().await.expect("instances");
        let rows = reply.instances().iter();
        rows.filter_map(|row| row.instance_arn().map(str::to_owned))
            .collect()
    }

    /// How ListUsers of a store ends.
    pub(crate) async fn users(&self, instance: &Instance) -> Result<usize, String> {
        let call = self.store.list_users();
        let call = call.identity_store_id(&instance.identity_store_id);
        let reply = call.send().await.map_err(code)?;
        Ok(reply.users().len())
    }

    /// How ListApplications of an instance ends, without a filter.
    pub(crate) async fn applications(&self, instance: &Instance) -> Result<usize, String> {
        let call = self.sso.list_applications();
        let reply = call.instance_arn(&instance.instance_arn).send().await;
        Ok(reply.map_err(code)?.applications().len())
    }
}

/// A simulator of the organization.
pub(crate) struct Company {
    pub(crate) simulator: Simulator,
    pub(crate) world: World,
}

impl Company {
    /// Without quotas and odd pages.
    pub(crate) async fn new() -> Company {
        Company::with(Switches::default(), Settings::unlimited()).await
    }

    pub(crate) async fn with(switches: Switches, settings: Settings) -> Company {
        let sizes = WorldSizes {
            applications: 12,
            groups: 20,
            users: 60,
            accounts: 30,
            account_instances: 2,
            role_name: Some(ROLE.to_owned()),
            role_external_id: Some(EXTERNAL_ID.to_owned()),
            ..WorldSizes::default()
        };
        let world = World::generate(5, &sizes);
        let options = SimulatorOptions {
            switches,
            settings,
            ..SimulatorOptions::default()
        };
        let started = Simulator::start(world.clone(), options).await;
        Company {
            simulator: started.expect("a simulator"),
            world,
        }
    }

    /// The instance of an account.
    pub(crate) fn instance_of(&self, account: &str) -> &Instance {
        let mut rows = self.world.instances.iter();
        rows.find(|row| row.owner_account_id == account)
            .expect("an instance of the account")
    }

    /// The account at a place of the organization's list.
    pub(crate) fn account(&self, at: usize) -> &str {
        &self.world.accounts[at].account_id
    }

    /// The world's own caller, in a Region.
    pub(crate) fn management(&self, region: &str) -> Place {
        let credentials = Credentials::new("simulated", "simulated", None, None, "test");
        Place::new(&self.simulator.endpoint_url(), credentials, region)
    }

    /// AssumeRole of the role in an account.
    pub(crate) async fn credentials_in(&self, account: &str) -> Credentials {
        let call = self.management("us-east-1").sts.assume_role();
        let call = call
            .role_arn(format!("arn:aws:iam::{account}:role/{ROLE}"))
            .role_session_name("test")
            .external_id(EXTERNAL_ID);
        let reply = call.send().await.expect("a session");
        let given = reply.credentials().expect("credentials");
        Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            Some(given.session_token().to_owned()),
            None,
            "test",
        )
    }

    /// A session of the role in an account, calling in a Region.
    pub(crate) async fn inside(&self, account: &str, region: &str) -> Place {
        let credentials = self.credentials_in(account).await;
        Place::new(&self.simulator.endpoint_url(), credentials, region)
    }
}

pub(crate) fn refused<T>(code: &str) -> Result<T, String> {
    Err(code.to_owned())
}
