//! A simulated organization with the real discovery and router on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use usher::audit::{InstanceToRead, KnownCounts, Peers, ReportRequest, Reuse, Scope};
use usher::budget::{Budget, BudgetConfig};
use usher::domain::external::ExternalRules;
use usher::domain::report::{Format, View};
use usher::identity_center::{
    AwsConfig, Call, Class, Demand, Discoverer, DiscoveryConfig, IdentityCenter, InstanceRouter,
    SdkIdentityCenter, StaticCredentials, WriteMode,
};
use usher::simulator::{Settings, Simulator, SimulatorOptions, World, WorldSizes};

use super::bench::{Report, receive};

const ROLE: &str = "usher-audit";

/// An organization with everything discovered that can be.
pub(crate) struct Organization {
    pub(crate) simulator: Simulator,
    pub(crate) world: World,
    home: Arc<SdkIdentityCenter>,
    discoverer: Discoverer,
}

/// The sizes of the acceptance criterion.
fn sizes() -> WorldSizes {
    WorldSizes {
        accounts: 30,
        account_instances: 2,
        role_name: Some(ROLE.to_owned()),
        permission_sets: 20,
        assignments_per_account: 6,
        applications: 40,
        groups: 300,
        users: 2_000,
        ..WorldSizes::default()
    }
}

impl Organization {
    pub(crate) async fn new(seed: u64, settings: Settings, budget: BudgetConfig) -> Self {
        let world = World::generate(seed, &sizes());
        let options = SimulatorOptions {
            settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world.clone(), options)
            .await
            .expect("a simulator");
        let config = AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(simulator.endpoint_url()),
            // On a busy machine an attempt must not count twice because it was slow.
            attempt_timeout_seconds: 60,
            ..AwsConfig::default()
        };
        let credentials = StaticCredentials::simulated();
        let budget = Budget::new(budget).expect("a budget");
        let home = SdkIdentityCenter::connect_with_credentials(
            &config,
            &credentials,
            budget,
            WriteMode::Never,
        );
        let home = Arc::new(home.expect("an adapter"));
        let regions = (world.instances.iter()).filter_map(|row| row.primary_region.clone());
        let discovery = DiscoveryConfig {
            role_name: Some(ROLE.to_owned()),
            regions: regions.collect::<BTreeSet<_>>().into_iter().collect(),
            ..DiscoveryConfig::default()
        };
        let discoverer = Discoverer::new(Arc::clone(&home), Vec::new(), discovery);
        Self {
            simulator,
            world,
            home,
            discoverer,
        }
    }

    /// As fast as the machine goes, with everything odd that AWS may do to pages.
    pub(crate) async fn quick(seed: u64) -> Self {
        let settings = Settings {
            odd_page_rate: 0.3,
            omitted_list_rate: 1.0,
            ..Settings::unlimited()
        };
        Self::new(seed, settings, plenty()).await
    }

    /// Discovers, and makes a report over everything that is there.
    pub(crate) async fn report(&self, view: View) -> Report {
        let (router, request) = self.request(view).await;
        receive(router, None, request).await
    }

    /// Discovers; answers the way to everything that is there, and the question about all of it.
    pub(crate) async fn request(&self, view: View) -> (Arc<InstanceRouter>, ReportRequest) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let found = self
            .discoverer
            .discover(Call {
                deadline,
                demand: Demand::usher(Class::Read),
            })
            .await;
        let found = found.expect("what is there");
        let mut instances: Vec<InstanceToRead> = (found.instances.iter())
            .map(|(instance, _)| InstanceToRead {
                instance: instance.clone(),
                known: KnownCounts::default(),
                kept: None,
                reuse: Reuse::default(),
            })
            .collect();
        instances.sort_by(|left, right| left.instance.arn.cmp(&right.instance.arn));
        let router = InstanceRouter::new(Arc::clone(&self.home) as Arc<dyn IdentityCenter>);
        let routes = found.instances.into_iter();
        let routes = routes.map(|(instance, port)| (instance.arn, port));
        router.set_routes(routes.collect(), found.ports);
        self.simulator.clear_calls();
        let request = ReportRequest {
            peers: Peers {
                served: instances.iter().map(|it| it.instance.clone()).collect(),
                may_be_told: true,
            },
            instances,
            unreachable: found.unreachable,
            missing: Vec::new(),
            view,
            format: Format::Rows,
            scope: Scope::default(),
            demand: Demand::usher(Class::Audit),
            compared: None,
            external: ExternalRules::default(),
            validate_only: false,
        };
        (Arc::new(router), request)
    }

    /// Takes away the role of an account that owns an instance; answers the account's id and the
    /// instance's ARN.
    pub(crate) fn lock_out(&self) -> (String, String) {
        let instance = &self.world.instances[2];
        let account = &instance.owner_account_id;
        let arn = format!("arn:aws:iam::{account}:role/{ROLE}");
        self.simulator
            .edit_world(|world| world.roles.retain(|role| role.role_arn != arn));
        (account.clone(), instance.instance_arn.clone())
    }
}

/// A budget that nobody waits for.
pub(crate) fn plenty() -> BudgetConfig {
    BudgetConfig {
        sso_admin_per_second: 1000,
        identity_store_per_second: 1000,
        organizations_per_second: 1000,
        burst: 1000,
        ..BudgetConfig::default()
    }
}
