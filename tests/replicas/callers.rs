//! Callers with short deadlines who write all the time and keep what they were told and when. They speak HTTP/2 by hand:
//! no timer of a client's library ends their calls, so that what is measured is the server's own word.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use usher::authentication::DevelopmentTokens;
use usher::domain::CallerName;
use usher::grpc::pb::GetGrantRequest;
use usher::grpc::pb::grant_service_client::GrantServiceClient;

use super::common::asked::Goal;
use super::common::{in_time, until};
use super::fleet::Fleet;
use super::wire::{Answer, Connection, GRPC, encode, frame, post};

const CALLERS: usize = 8;
/// The deadline of each call, as seconds and as its header.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
const DEADLINE_HEADER: (&str, &str) = ("grpc-timeout", "3S");
/// How much later than its deadline an answer may arrive.
pub(crate) const DEADLINE_SLACK: Duration = Duration::from_millis(100);
/// A call that is not answered by then never will be.
const NEVER: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
/// So many wishes have one that opens at once.
const OPENS_AT_ONCE_EVERY: u8 = 5;
const ASSIGN: &str = "AccessService/Assign";

/// One call and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) replica: usize,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) code: Code,
    pub(crate) reason: String,
    pub(crate) grant_id: Option<String>,
}

impl Call {
    pub(crate) fn took(&self) -> Duration {
        self.ended - self.began
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.code == Code::Ok
    }
}

/// What all callers know and keep.
struct Shared {
    addresses: Vec<SocketAddr>,
    authorization: String,
    goals: Vec<Goal>,
    calls: Mutex<Vec<Call>>,
    stop: CancellationToken,
}

/// Callers at work.
pub(crate) struct Callers {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Callers {
    /// Begins to call all replicas of a fleet.
    pub(crate) fn begin(fleet: &Fleet, goals: Vec<Goal>) -> Self {
        let tokens = DevelopmentTokens::open(&fleet.place.data()).expect("the token key");
        let caller = CallerName::parse("tester").expect("a caller's name");
        let now = u64::try_from(jiff::Timestamp::now().as_second()).expect("a time");
        let token = tokens.sign(&caller, now, 3600).expect("a token");
        let replicas = 0..fleet.roster.len();
        let shared = Arc::new(Shared {
            addresses: replicas.map(|it| fleet.roster.address(it)).collect(),
            authorization: format!("Bearer {token}"),
            goals,
            calls: Mutex::default(),
            stop: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        for number in 0..CALLERS {
            tasks.spawn(call_until_stopped(shared.clone(), number));
        }
        Self { shared, tasks }
    }

    /// The calls that ended so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("no panic").clone()
    }

    /// Waits until every replica has answered a call OK that was sent after a moment; answers how long after it.
    pub(crate) async fn back(&self, since: Instant) -> Duration {
        until("every replica to answer OK", || async {
            let calls = self.calls();
            let firsts = (0..self.shared.addresses.len()).map(|replica| {
                let is_it =
                    |call: &&Call| call.replica == replica && call.is_ok() && call.began >= since;
                calls.iter().find(is_it).map(|call| call.ended - since)
            });
            let firsts: Option<Vec<Duration>> = firsts.collect();
            let last = firsts.and_then(|firsts| firsts.into_iter().max());
            last.ok_or_else(|| format!("{:#?}", calls.iter().rev().take(8).collect::<Vec<_>>()))
        })
        .await
    }

    /// Calls no more, and answers all calls.
    pub(crate) async fn end(mut self) -> Vec<Call> {
        self.shared.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic");
        }
        self.calls()
    }
}

async fn call_until_stopped(shared: Arc<Shared>, number: usize) {
    let replica = number % shared.addresses.len();
    let mut connection = Connection::open(shared.addresses[replica]).await;
    let mut sent = 0;
    while !shared.stop.is_cancelled() {
        sent += 1;
        let message = wish(&shared, &format!("caller-{number}-{sent}"));
        let began = Instant::now();
        let answer = exchange(&shared, &connection, &message).await;
        let ended = Instant::now();
        if answer.as_ref().is_none_or(|answer| answer.broken.is_some()) {
            connection = Connection::open(shared.addresses[replica]).await;
        }
        let answer = answer.unwrap_or_default();
        let grant_id = (answer.code() == Code::Ok).then(|| {
            let told = answer.ok(ASSIGN);
            told["grant"]["id"].as_str().expect("an id").to_owned()
        });
        let call = Call {
            replica,
            began,
            ended,
            code: answer.code(),
            reason: answer.reason(),
            grant_id,
        };
        shared.calls.lock().expect("no panic").push(call);
        // What stands between two calls of one caller; nothing is awaited by it.
        tokio::time::sleep(PAUSE).await;
    }
}

/// The answer; none, if there never is one.
async fn exchange(shared: &Shared, connection: &Connection, message: &Value) -> Option<Answer> {
    let own = [
        ("authorization", shared.authorization.as_str()),
        DEADLINE_HEADER,
    ];
    let request = post(ASSIGN, &[GRPC, &own].concat());
    let body = frame(&encode(ASSIGN, message));
    let exchanged = connection.exchange(request, Some(body));
    tokio::time::timeout(NEVER, exchanged).await.ok()
}

/// What opens at once, or tomorrow: of the latter nothing waits for another.
fn wish(shared: &Shared, ticket: &str) -> Value {
    let goal = &shared.goals[fastrand::usize(..shared.goals.len())];
    let mut wish = json!({
        "principal": {"user": goal.key.principal_id},
        "target": {"application": goal.key.target},
        "justification": "a test", "ticket": ticket, "request_id": ticket,
    });
    if fastrand::u8(..OPENS_AT_ONCE_EVERY) > 0 {
        let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
        wish["start_time"] = json!(tomorrow.to_string());
    }
    wish
}

/// The reasons of calls that were not answered OK, each with how often it was told.
pub(crate) fn reasons(calls: &[Call]) -> std::collections::BTreeMap<String, usize> {
    let mut reasons = std::collections::BTreeMap::new();
    for call in calls.iter().filter(|call| !call.is_ok()) {
        let reason = format!("{:?} {}", call.code, call.reason);
        *reasons.entry(reason).or_default() += 1;
    }
    reasons
}

/// Every grant that was answered is there; answers how many there are.
pub(crate) async fn find_again(fleet: &Fleet, calls: &[Call]) -> usize {
    let mut found = 0;
    for (number, id) in calls
        .iter()
        .filter_map(|call| call.grant_id.as_ref())
        .enumerate()
    {
        let mut client = GrantServiceClient::new(fleet.channel(number % fleet.roster.len()));
        let grant_id = id.clone();
        let answer = client
            .get_grant(in_time(GetGrantRequest { grant_id }))
            .await;
        assert!(answer.is_ok(), "LOST: {id}: {answer:?}");
        found += 1;
    }
    found
}

/// The longest time that a call took; each has to end by its deadline.
pub(crate) fn check_deadlines(calls: &[Call]) -> Duration {
    let late: Vec<&Call> = calls
        .iter()
        .filter(|call| call.took() > DEADLINE + DEADLINE_SLACK)
        .collect();
    assert!(
        late.is_empty(),
        "{} of {}: {late:#?}",
        late.len(),
        calls.len()
    );
    calls.iter().map(Call::took).max().unwrap_or_default()
}
