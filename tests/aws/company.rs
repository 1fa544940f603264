//! An organization with account instances in several regions, and a role in each of its accounts.

use std::sync::Arc;

use usher::budget::Budget;
use usher::identity_center::{
    AssumedRole, AwsConfig, DiscoveryConfig, RegionAndRole, SdkIdentityCenter,
};
use usher::simulator::{Settings, Simulator, SimulatorOptions, World, WorldSizes};

use crate::support::{plenty, port};

pub(crate) const ROLE: &str = "usher-audit";
pub(crate) const EXTERNAL_ID: &str = "a-handshake";
pub(crate) const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];

pub(crate) struct Company {
    pub(crate) simulator: Simulator,
    pub(crate) world: World,
    /// Of the management account, in us-east-1.
    pub(crate) home: Arc<SdkIdentityCenter>,
}

impl Company {
    /// 24 accounts and four instances: the organization's and those of the accounts 2, 3 and 4. The
    /// last account is suspended.
    pub(crate) async fn new() -> Self {
        Self::with(Settings::unlimited(), |_| ()).await
    }

    pub(crate) async fn with(settings: Settings, change: impl FnOnce(&mut AwsConfig)) -> Self {
        let sizes = WorldSizes {
            accounts: 24,
            account_instances: 3,
            role_name: Some(ROLE.to_owned()),
            role_external_id: Some(EXTERNAL_ID.to_owned()),
            applications: 12,
            groups: 12,
            users: 24,
            ..WorldSizes::default()
        };
        let world = World::generate(7, &sizes);
        let options = SimulatorOptions {
            settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world.clone(), options).await.unwrap();
        let home = Arc::new(port(&simulator, change));
        Self {
            simulator,
            world,
            home,
        }
    }

    pub(crate) fn account(&self, at: usize) -> &str {
        &self.world.accounts[at].account_id
    }

    pub(crate) fn role_arn(&self, at: usize) -> String {
        format!("arn:aws:iam::{}:role/{ROLE}", self.account(at))
    }

    pub(crate) fn role(&self, at: usize) -> AssumedRole {
        AssumedRole::new(&self.role_arn(at), Some(EXTERNAL_ID)).unwrap()
    }

    /// A port into an account by its role, in the home region.
    pub(crate) fn inside(&self, role: AssumedRole) -> SdkIdentityCenter {
        let wanted = RegionAndRole {
            region: None,
            role: Some(role),
        };
        self.home
            .for_instance(wanted, Budget::new(plenty()).unwrap())
    }

    /// Takes the role of an account away.
    pub(crate) fn remove_role(&self, at: usize) {
        let arn = self.role_arn(at);
        self.simulator
            .edit_world(|world| world.roles.retain(|role| role.role_arn != arn));
    }

    /// Discovery of everything.
    pub(crate) fn everywhere(&self) -> DiscoveryConfig {
        DiscoveryConfig {
            role_name: Some(ROLE.to_owned()),
            external_id: Some(EXTERNAL_ID.to_owned()),
            regions: REGIONS.map(str::to_owned).to_vec(),
            ..DiscoveryConfig::default()
        }
    }
}
