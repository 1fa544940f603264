//! A watcher at one replica sees what was written through another within a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::event_service_client::EventServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::{AssignRequest, WatchEventsRequest, WatchGrantsRequest};
use usher::simulator::{Settings, World};

use super::cluster::Cluster;
use super::common::{TokenChannel, application, in_time, user};
use super::fleet::{Beginning, Fleet};

const WRITES: usize = 150;
/// Of the writes, so few are slower that they do not count.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
/// How long a write is awaited before it counts as never seen.
const WATCHED_FOR: Duration = Duration::from_secs(20);
/// Writes are spread, so that they meet the intervals of chaining at any moment.
const PAUSE_MILLISECONDS: std::ops::Range<u64> = 0..60;
const LATER: Duration = Duration::from_secs(86_400);

/// When a watcher saw a grant for the first time.
type Seen = (String, Instant);

/// A watcher's stream, with the grants that it tells of.
struct Watcher {
    seen: UnboundedReceiver<Seen>,
    reading: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Watcher {
    async fn of_grants(channel: TokenChannel) -> Self {
        let mut client = GrantServiceClient::new(channel);
        let stream = client.watch_grants(WatchGrantsRequest::default()).await;
        let mut stream = stream.expect("a stream").into_inner();
        Self::reading(move |seen| {
            tokio::spawn(async move {
                while let Some(told) = stream.message().await.expect("a stream that goes on") {
                    tell(&seen, told.grant.map(|grant| grant.id));
                }
            })
        })
    }

    async fn of_events(channel: TokenChannel) -> Self {
        let mut client = EventServiceClient::new(channel);
        let stream = client.watch_events(WatchEventsRequest::default()).await;
        let mut stream = stream.expect("a stream").into_inner();
        Self::reading(move |seen| {
            tokio::spawn(async move {
                while let Some(told) = stream.message().await.expect("a stream that goes on") {
                    tell(&seen, told.event.map(|event| event.grant_id));
                }
            })
        })
    }

    fn reading(begin: impl FnOnce(UnboundedSender<Seen>) -> JoinHandle<()>) -> Self {
        let (sender, seen) = unbounded_channel();
        Self {
            seen,
            reading: begin(sender),
        }
    }

    /// How long after each write it was seen, shortest first.
    async fn delays(&mut self, written: &BTreeMap<String, Instant>) -> Vec<Duration> {
        let give_up_at = tokio::time::Instant::now() + WATCHED_FOR;
        let mut delays: BTreeMap<String, Duration> = BTreeMap::new();
        while delays.len() < written.len() {
            let seen = tokio::time::timeout_at(give_up_at, self.seen.recv()).await;
            let missing = written.len() - delays.len();
            let seen = seen.unwrap_or_else(|_| panic!("{missing} writes were never seen"));
            let (id, at) = seen.expect("a stream that goes on");
            if let Some(wrote) = written.get(&id) {
                delays
                    .entry(id)
                    .or_insert(at.saturating_duration_since(*wrote));
            }
        }
        let mut delays: Vec<Duration> = delays.into_values().collect();
        delays.sort();
        delays
    }
}

fn tell(seen: &UnboundedSender<Seen>, id: Option<String>) {
    if let Some(id) = id {
        // Nobody listens any more at the end.
        seen.send((id, Instant::now())).ok();
    }
}

/// Grants from tomorrow on, and when each was answered.
async fn write(channel: TokenChannel) -> BTreeMap<String, Instant> {
    let mut client = AccessServiceClient::new(channel);
    let mut written = BTreeMap::new();
    for _ in 0..WRITES {
        let request = AssignRequest {
            principal: Some(user("anna.berg")),
            target: Some(application("Amazon Redshift")),
            start_time: Some((SystemTime::now() + LATER).into()),
            justification: "a test".to_owned(),
            ..AssignRequest::default()
        };
        let answer = client.assign(in_time(request)).await.expect("OK");
        let grant = answer.into_inner().grant.expect("a grant");
        written.insert(grant.id, Instant::now());
        let pause = Duration::from_millis(fastrand::u64(PAUSE_MILLISECONDS));
        tokio::time::sleep(pause).await;
    }
    written
}

fn ninety_nine_percent(delays: &[Duration]) -> Duration {
    delays[delays.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_see_within_a_second_what_other_replicas_write() {
    let cluster = Cluster::start().await;
    let fleet = Fleet::start(Beginning {
        world: World::demo(),
        settings: Settings::unlimited(),
        replicas: 2,
        url: cluster.url(),
        more: String::new(),
    })
    .await;
    // Both ways: only one of the two chains the log.
    for (writer, reader) in [(0, 1), (1, 0)] {
        let mut grants = Watcher::of_grants(fleet.channel(reader)).await;
        let mut events = Watcher::of_events(fleet.channel(reader)).await;
        let written = write(fleet.channel(writer)).await;
        for (what, watcher) in [("grants", &mut grants), ("events", &mut events)] {
            let delays = watcher.delays(&written).await;
            let (worst, most) = (delays[delays.len() - 1], ninety_nine_percent(&delays));
            println!(
                "figure watch_{what} written_at {writer} seen_at {reader} median_milliseconds {} \
                 p99_milliseconds {} max_milliseconds {}",
                delays[delays.len() / 2].as_millis(),
                most.as_millis(),
                worst.as_millis()
            );
            assert!(most <= SEEN_WITHIN, "{delays:#?}");
        }
    }
}
