//! Kill -9 around every commit of the log, those of its removals too: what is left verifies, and the
//! next start goes on with it.

use std::time::Duration;

use usher::grpc::pb::event_service_client::EventServiceClient;
use usher::grpc::pb::{EventFilter, WatchEventsRequest};
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

use super::common::child::{Place, was_killed};
use super::common::{call_as_nobody, connect, until};
use super::support::{LONG, listed, verified};

/// The commits of the log, and how often each is passed before the process dies.
const POINTS: [(&str, u64); 5] = [
    ("lease_log", 1),
    ("chain_events", 1),
    ("chain_events", 3),
    ("keep_log_head", 2),
    ("forget_log", 2),
];

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_around_every_commit_of_the_log_leaves_one_chain() {
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(World::demo(), options).await.unwrap();
    for (commit, count) in POINTS {
        for moment in ["before", "after"] {
            let point = format!("store.{commit}.{moment}_commit:{count}");
            // Events are old at once where their removal is to be seen.
            let retention = match commit {
                "forget_log" => "retention_days = 0.000005\n",
                _ => "",
            };
            let log =
                format!("[log]\nhead_interval_seconds = 0.1\nlease_seconds = 0.2\n{retention}");
            let place = Place::with_section(simulator.endpoint_url(), &log);
            let ended = match place.begin(&[&format!("--crash-at={point}")]).await {
                Err(ended) => ended,
                Ok(mut server) => {
                    let mut ended = server.ended();
                    while ended.is_none() {
                        call_as_nobody_or_nothing(server.address).await;
                        ended = server.end_within(Duration::from_millis(50)).await;
                    }
                    ended.unwrap()
                }
            };
            assert!(was_killed(ended), "{point}: {ended:?}");
            let (code, said) = verified(&place.data(), &[]);
            assert_eq!(code, 0, "{point}: {said}");
            let server = place.serve().await;
            let channel = connect(server.address, &place.data(), "tester").await;
            call_as_nobody(server.address).await;
            goes_on(&point, EventServiceClient::new(channel)).await;
            drop(server);
            let (code, said) = verified(&place.data(), &[]);
            assert_eq!(code, 0, "{point}: {said}");
        }
    }
}

/// What is an event; the server may die before, at or after any step.
async fn call_as_nobody_or_nothing(address: std::net::SocketAddr) {
    let url = format!("http://{address}");
    let endpoint = tonic::transport::Endpoint::from_shared(url).unwrap();
    if let Ok(channel) = endpoint.connect().await {
        let mut client = EventServiceClient::new(channel);
        let answer = client.watch_events(WatchEventsRequest::default());
        drop(tokio::time::timeout(LONG, answer).await);
    }
}

/// Whoever called without a credential after the start is in the log.
async fn goes_on(point: &str, client: EventServiceClient<super::common::TokenChannel>) {
    until(&format!("{point}: an event after the start"), || {
        let mut client = client.clone();
        async move {
            let filter = EventFilter {
                kinds: vec!["unauthenticated".to_owned()],
                ..EventFilter::default()
            };
            let events = listed(&mut client, filter, 0).await;
            if events.is_empty() {
                Err("there is none".to_owned())
            } else {
                Ok(())
            }
        }
    })
    .await;
}
