//! A simulator, a port into it, and short words for what tests say often.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher::budget::{Budget, BudgetConfig};
use usher::domain::{
    ApplicationArn, DirectAssignment, Instance, PrincipalId, PrincipalKind, PrincipalRef, Target,
};
use usher::identity_center::{
    AwsConfig, Call, Class, Demand, IdentityCenter, SdkIdentityCenter, StaticCredentials, WriteMode,
};
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

/// A rate that no test waits for.
pub(crate) fn plenty() -> BudgetConfig {
    BudgetConfig {
        sso_admin_per_second: 1000,
        identity_store_per_second: 1000,
        organizations_per_second: 1000,
        burst: 100,
        throttle_pause_milliseconds: 1,
        ..BudgetConfig::default()
    }
}

pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) port: Arc<SdkIdentityCenter>,
    pub(crate) instance: Instance,
}

/// The demo world without quotas, and a port that may write.
pub(crate) async fn bench() -> Bench {
    bench_with(World::demo(), Settings::unlimited()).await
}

pub(crate) async fn bench_with(world: World, settings: Settings) -> Bench {
    let options = SimulatorOptions {
        settings,
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(world, options).await.unwrap();
    let port = Arc::new(port(&simulator, |_| ()));
    let listed = port.instances(call()).await.unwrap();
    simulator.clear_calls();
    Bench {
        simulator,
        port,
        instance: listed[0].instance.clone(),
    }
}

pub(crate) fn port(
    simulator: &Simulator,
    change: impl FnOnce(&mut AwsConfig),
) -> SdkIdentityCenter {
    port_with(
        &simulator.endpoint_url(),
        plenty(),
        WriteMode::LoopbackOnly,
        change,
    )
}

pub(crate) fn port_with(
    endpoint_url: &str,
    budget: BudgetConfig,
    write_mode: WriteMode,
    change: impl FnOnce(&mut AwsConfig),
) -> SdkIdentityCenter {
    let mut config = AwsConfig {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(endpoint_url.to_owned()),
        backoff_min_milliseconds: 1,
        backoff_max_milliseconds: 5,
        ..AwsConfig::default()
    };
    change(&mut config);
    let credentials = StaticCredentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: "not-a-secret".to_owned(),
    };
    let budget = Budget::new(budget).unwrap();
    SdkIdentityCenter::connect_with_credentials(&config, &credentials, budget, write_mode).unwrap()
}

pub(crate) fn call() -> Call {
    call_for(Duration::from_secs(60))
}

pub(crate) fn call_for(time: Duration) -> Call {
    Call {
        deadline: Instant::now() + time,
        demand: Demand::usher(Class::Read),
    }
}

/// How many calls of this operation reached the simulator.
pub(crate) fn calls_of(simulator: &Simulator, operation: &str) -> usize {
    let calls = simulator.calls();
    calls
        .iter()
        .filter(|call| call.operation == operation)
        .count()
}

/// The operations that reached the simulator, in order.
pub(crate) fn operations(simulator: &Simulator) -> Vec<String> {
    let calls = simulator.calls();
    calls.into_iter().map(|call| call.operation).collect()
}

pub(crate) fn application(simulator: &Simulator, name: &str) -> ApplicationArn {
    let world = simulator.world();
    let arn = &world.application_named(name).unwrap().application_arn;
    ApplicationArn::parse(arn).unwrap()
}

pub(crate) fn user(simulator: &Simulator, name: &str) -> PrincipalRef {
    let world = simulator.world();
    PrincipalRef {
        kind: PrincipalKind::User,
        id: PrincipalId::parse(&world.user_named(name).unwrap().user_id).unwrap(),
    }
}

pub(crate) fn group(simulator: &Simulator, name: &str) -> PrincipalRef {
    let world = simulator.world();
    PrincipalRef {
        kind: PrincipalKind::Group,
        id: PrincipalId::parse(&world.group_named(name).unwrap().group_id).unwrap(),
    }
}

/// `engineering` on Amazon Redshift, which the demo world does not have yet.
pub(crate) fn wanted(simulator: &Simulator) -> DirectAssignment {
    DirectAssignment {
        target: Target::Application(application(simulator, "Amazon Redshift")),
        principal: group(simulator, "engineering"),
    }
}

pub(crate) fn is_assigned(simulator: &Simulator, assignment: &DirectAssignment) -> bool {
    let world = simulator.world();
    let rows = world.assignments_of(&assignment.target.key());
    rows.iter()
        .any(|row| row.principal_id == assignment.principal.id.as_str())
}
