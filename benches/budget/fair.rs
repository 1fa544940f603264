//! Callers of one class: each gets as much, whatever others have queued.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use usher::budget::{Budget, BudgetConfig};
use usher::domain::ApplicationArn;
use usher::identity_center::{
    AwsConfig, Call, Class, Demand, IdentityCenter, SdkIdentityCenter, StaticCredentials, WriteMode,
};
use usher::simulator::{Simulator, SimulatorOptions, World, WorldSizes};

use crate::stage::{figure, milliseconds, percentile, settings};

/// What ten callers have queued: up to a hundred times each other's.
const BACKLOGS: [usize; 10] = [45, 75, 125, 210, 350, 580, 970, 1_620, 2_700, 4_500];
/// While all have work: the smallest is through after 22.5 s.
const FAIR_SECONDS: u64 = 20;

/// The adapter on an AWS of its own, which is asked about one application.
struct Stage {
    port: Arc<dyn IdentityCenter>,
    arn: ApplicationArn,
    _simulator: Simulator,
}

impl Stage {
    async fn new() -> Self {
        let world = World::generate(7, &WorldSizes::default());
        let arn = &world.applications[0].application_arn;
        let arn = ApplicationArn::parse(arn).expect("an ARN");
        let options = SimulatorOptions {
            settings: settings(3.0),
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world, options).await.expect("a simulator");
        let config = AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(simulator.endpoint_url()),
            ..AwsConfig::default()
        };
        let budget = Budget::new(BudgetConfig::default()).expect("a budget");
        let credentials = StaticCredentials::simulated();
        let port = SdkIdentityCenter::connect_with_credentials(
            &config,
            &credentials,
            budget,
            WriteMode::Never,
        );
        Self {
            port: Arc::new(port.expect("an adapter")),
            arn,
            _simulator: simulator,
        }
    }

    /// One operation of a caller's.
    fn ask(&self, class: Class, caller: &str) -> impl Future<Output = Duration> + Send + use<> {
        let (port, arn) = (Arc::clone(&self.port), self.arn.clone());
        let call = Call {
            deadline: tokio::time::Instant::now() + Duration::from_secs(3600),
            demand: Demand::of(class, caller),
        };
        async move {
            let asked = Instant::now();
            port.application(&arn, call).await.expect("an answer");
            asked.elapsed()
        }
    }
}

pub(crate) async fn run() {
    jain().await;
    one_slot().await;
}

/// Ten audit callers: how evenly they are served while all have work.
async fn jain() {
    let stage = Stage::new().await;
    let mut calls = JoinSet::new();
    for (caller, backlog) in BACKLOGS.into_iter().enumerate() {
        for _ in 0..backlog {
            let asked = stage.ask(Class::Audit, &format!("auditor-{caller}"));
            calls.spawn(async move {
                asked.await;
                caller
            });
        }
    }
    let mut served = [0.0_f64; BACKLOGS.len()];
    let end = tokio::time::Instant::now() + Duration::from_secs(FAIR_SECONDS);
    while let Ok(Some(caller)) = tokio::time::timeout_at(end, calls.join_next()).await {
        served[caller.expect("no panic")] += 1.0;
    }
    let (sum, squares) = served.iter().fold((0.0, 0.0), |(sum, squares), it| {
        (sum + it, squares + it * it)
    });
    let jain = sum * sum / (served.len() as f64 * squares);
    figure("fair_jain_of_ten_audit_callers", jain, "-", ">=0.98");
    let queued = calls.len();
    figure("fair_operations_that_waited", queued as f64, "-", "-");
    // Ten thousand hang up at once: whoever comes next is served as if they had never been.
    calls.abort_all();
    while calls.join_next().await.is_some() {}
    let next = stage.ask(Class::Audit, "auditor-0").await;
    figure("fair_wait_after_all_hung_up", milliseconds(next), "ms", "-");
}

/// One caller with a thousand questions queued: what another waits more than it would alone.
async fn one_slot() {
    let stage = Stage::new().await;
    let alone = p99_of_another(&stage).await;
    let mut crowd = JoinSet::new();
    for _ in 0..1_000 {
        crowd.spawn(stage.ask(Class::Read, "crowd"));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let beside = p99_of_another(&stage).await;
    figure("one_slot_p99_alone", alone, "ms", "-");
    figure("one_slot_p99_beside_a_thousand", beside, "ms", "-");
    figure("one_slot_rise", beside - alone, "ms", "<=50.5");
    crowd.abort_all();
}

async fn p99_of_another(stage: &Stage) -> f64 {
    let mut waits = Vec::new();
    for _ in 0..100 {
        // At odd times, so that all moments between two permits occur.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(120..230))).await;
        waits.push(milliseconds(stage.ask(Class::Read, "other").await));
    }
    percentile(&mut waits, 99)
}
