//! The same load without Usher: AWS's own SDK with its retry modes, as tools use it today. An audit with
//! sixteen calls under way, and somebody who wants access beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_ssoadmin::Client;
use aws_sdk_ssoadmin::types::PrincipalType;
use tokio::task::JoinSet;
use usher::simulator::{Simulator, SimulatorOptions, World, WorldSizes};

use crate::stage::{
    PER_SECOND, calls_between, figure, milliseconds, of_sso_admin, percentile, seconds_now,
    settings, throttled_percent,
};

/// Calls that the audit has under way, as Usher's has.
const AT_ONCE: usize = 16;

pub(crate) async fn run(time: Duration) {
    let (standard, adaptive) = (RetryConfig::standard(), RetryConfig::adaptive());
    tokio::join!(
        mode("sdk_standard", standard.with_max_attempts(4), time),
        mode("sdk_adaptive", adaptive.with_max_attempts(4), time),
    );
}

async fn mode(name: &str, retry: RetryConfig, time: Duration) {
    let world = World::generate(
        7,
        &WorldSizes {
            applications: 100,
            ..WorldSizes::default()
        },
    );
    let options = SimulatorOptions {
        settings: settings(20.0),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(world.clone(), options)
        .await
        .expect("a simulator");
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(simulator.endpoint_url())
        .credentials_provider(Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "secret",
            None,
            None,
            "bench",
        ))
        .retry_config(retry)
        .load()
        .await;
    let client = Client::new(&config);
    let world = Arc::new(world);
    let stop = Arc::new(AtomicBool::new(false));
    let failed = Arc::new(AtomicU64::new(0));
    let mut auditors = JoinSet::new();
    for first in 0..AT_ONCE {
        let (client, world) = (client.clone(), Arc::clone(&world));
        let (stop, failed) = (Arc::clone(&stop), Arc::clone(&failed));
        auditors.spawn(async move {
            let mut number = first;
            while !stop.load(Ordering::Relaxed) {
                number += AT_ONCE;
                let arn = &world.applications[number % world.applications.len()].application_arn;
                let list = client.list_application_assignments().application_arn(arn);
                if list.send().await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                    // A tool goes on with the next, and not at once.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let from = seconds_now();
    let (mut grants, grants_failed) = grants(&client, &world, time).await;
    let to = seconds_now();
    stop.store(true, Ordering::Relaxed);
    while auditors.join_next().await.is_some() {}
    let calls = calls_between(&simulator, from, to);
    let served = calls.iter().filter(|call| !call.throttled).count() as f64;
    let named = |what: &str| format!("{name}_{what}");
    let sent = of_sso_admin(&calls) * 100.0 / (PER_SECOND * (to - from));
    let used = served * 100.0 / (PER_SECOND * (to - from));
    figure(&named("rate_sent"), sent, "%", "-");
    figure(&named("rate_used"), used, "%", "-");
    figure(&named("throttled"), throttled_percent(&calls), "%", "-");
    figure(
        &named("grant_call_p99"),
        percentile(&mut grants, 99),
        "ms",
        "-",
    );
    figure(&named("grants_failed"), grants_failed, "%", "-");
    let failed = failed.load(Ordering::Relaxed) as f64;
    figure(&named("audit_calls_failed"), failed, "-", "-");
}

/// A grant each second: read, create, read. How long each took, and how many of a hundred failed.
async fn grants(client: &Client, world: &World, time: Duration) -> (Vec<f64>, f64) {
    let (mut took, mut failed) = (Vec::new(), 0.0);
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut number = 0;
    while begun.elapsed() < time {
        ticks.tick().await;
        number += 1;
        let user = &world.users[number % world.users.len()].user_id;
        let arn = &world.applications[number % 10].application_arn;
        let asked = Instant::now();
        if grant(client, user, arn).await.is_none() {
            failed += 1.0;
        }
        took.push(milliseconds(asked.elapsed()));
    }
    let share = failed * 100.0 / took.len() as f64;
    (took, share)
}

async fn grant(client: &Client, user: &str, arn: &str) -> Option<()> {
    let is_there = || async {
        let read = client
            .describe_application_assignment()
            .application_arn(arn)
            .principal_id(user)
            .principal_type(PrincipalType::User)
            .send()
            .await;
        match read {
            Ok(_) => Some(true),
            Err(error) => {
                let service = error.into_service_error();
                service.is_resource_not_found_exception().then_some(false)
            }
        }
    };
    is_there().await?;
    let create = client
        .create_application_assignment()
        .application_arn(arn)
        .principal_id(user)
        .principal_type(PrincipalType::User);
    create.send().await.ok()?;
    is_there().await.map(drop)
}
