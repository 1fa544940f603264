//! Callers that ask too much, and a server that is full: each is told whose limit it is and when to
//! come again, the others are served, and nothing is touched by what is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::task::JoinHandle;
use tonic::Code;
use usher::grpc::LimitsConfig;
use usher::simulator::{Fault, FaultAction};

use crate::bench::{Bench, Setup, assign, with};
use crate::check::{Refusal, check_answer, refusal, retry_seconds};
use crate::wire::{Answer, GRPC, encode, frame};

const RATE: Refusal<'_> = refusal(Code::ResourceExhausted, "CALLER_RATE_LIMITED");
const BUSY: Refusal<'_> = refusal(Code::ResourceExhausted, "SERVER_BUSY");
const ASSIGN: &str = "AccessService/Assign";
const REVOKE: &str = "AccessService/Revoke";
const REPORT: &str = "AccessService/AuditReport";
const GET_GRANT: &str = "GrantService/GetGrant";
const LIST_GRANTS: &str = "GrantService/ListGrants";
const LIST_PRINCIPALS: &str = "DirectoryService/ListPrincipals";
const WHO_AM_I: &str = "DirectoryService/WhoAmI";

/// A caller whose burst is one hundred, at `per_second`; all others have the usual.
async fn bench_with_poor_alice(per_second: u32) -> Bench {
    let mut setup = Setup::default();
    let callers = format!(
        "[[callers]]\ncallers = [\"nobody\", \"alic*\"]\ncost_per_second = {per_second}\nburst = 100"
    );
    setup.config.limits.callers = toml::from_str::<LimitsConfig>(&callers).unwrap().callers;
    Bench::start(setup).await
}

/// Calls until the caller has spent its burst; how many were served, and the refusal.
async fn spend(bench: &Bench, caller: &str) -> (usize, Answer) {
    for served in 0..1000 {
        let answer = bench.call_as(caller, LIST_GRANTS, json!({})).await;
        if answer.code() != Code::Ok {
            return (served, answer);
        }
    }
    panic!("{caller} is never refused");
}

fn subject(answer: &Answer) -> String {
    let details = answer.details();
    let violations = &details.quota_failure().unwrap().violations;
    assert_eq!(violations.len(), 1);
    violations[0].subject.clone()
}

/// How many calls were refused for a reason.
fn refused_count(bench: &Bench, reason: &str) -> u64 {
    let rows = bench.refused_inbound.snapshot();
    let rows = rows.iter().filter(|row| row.reason == reason);
    rows.map(|row| row.count).sum()
}

/// The refusals of the limits, one of each reason.
pub(crate) async fn limits_at_fault() -> [Answer; 3] {
    let (_, beyond) = spend(&bench_with_poor_alice(1).await, "alice").await;
    let mut setup = Setup::default();
    let rates = &mut setup.config.limits.rates;
    (rates.address_failures_per_second, rates.address_burst) = (1, 1);
    let bench = Bench::start(setup).await;
    let nobody = || bench.raw(ASSIGN, GRPC, frame(b""));
    assert_eq!(nobody().await.code(), Code::Unauthenticated);
    let forged = nobody().await;
    let full = Full::of_lists().await;
    let busy = full.bench.call(LIST_GRANTS, json!({})).await;
    full.end().await;
    [beyond, forged, busy]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_beyond_its_rate_is_told_when_and_is_served_then() {
    let bench = bench_with_poor_alice(2).await;
    let (served, refused) = spend(&bench, "alice").await;
    // What the rate gave meanwhile came on top.
    assert!((50..100).contains(&served), "{served}");
    check_answer("beyond the rate", &refused, RATE);
    assert_eq!(subject(&refused), "caller");
    let wait = retry_seconds(&refused);
    assert!(
        wait <= 1.0,
        "a list costs 2, and 2 come in a second: {wait}"
    );
    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    let again = bench.call(LIST_GRANTS, json!({})).await;
    assert_eq!(again.code(), Code::Ok, "{:?}", again.status());
    // A dear call waits as long as its cost takes.
    let (_, refused) = spend(&bench, "alice").await;
    check_answer("a list", &refused, RATE);
    let report = bench.call(REPORT, json!({})).await;
    check_answer("a report", &report, RATE);
    let wait = retry_seconds(&report);
    assert!((23.0..=25.0).contains(&wait), "a report costs 50: {wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_at_its_limit_slows_no_other() {
    let bench = Arc::new(bench_with_poor_alice(1).await);
    spend(&bench, "alice").await;
    let flood = {
        let bench = bench.clone();
        tokio::spawn(async move {
            for _ in 0..2000 {
                let answer = bench.call_as("alice", LIST_GRANTS, json!({})).await;
                assert!(["CALLER_RATE_LIMITED", ""].contains(&answer.reason().as_str()));
            }
        })
    };
    let mut longest = Duration::ZERO;
    while !flood.is_finished() {
        let began = Instant::now();
        let answer = bench.call_as("bob", LIST_GRANTS, json!({})).await;
        assert_eq!(answer.code(), Code::Ok, "{:?}", answer.status());
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    flood.await.unwrap();
    assert!(longest < Duration::from_secs(1), "bob waited {longest:?}");
}

async fn events(connection: &mut SqliteConnection) -> i64 {
    let row = sqlx::query("SELECT COUNT(*) FROM events").fetch_one(connection);
    row.await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_limits_refuse_touches_no_store_and_is_counted() {
    let bench = bench_with_poor_alice(1).await;
    let (_, refused) = spend(&bench, "alice").await;
    check_answer("beyond", &refused, RATE);
    let path = bench.data_directory.path().join("usher.sqlite3");
    let url = format!("sqlite://{}", path.display());
    let mut store = SqliteConnection::connect(&url).await.unwrap();
    let (before, operations) = (events(&mut store).await, bench.simulator.calls().len());
    let counted = refused_count(&bench, RATE.reason);
    // From here on, whoever reads a grant or an event finds none.
    for change in [
        "ALTER TABLE grants RENAME TO gone_grants",
        "ALTER TABLE events RENAME TO gone_events",
    ] {
        sqlx::query(change).execute(&mut store).await.unwrap();
    }
    let mut told = 0;
    for _ in 0..200 {
        let report = bench.call(REPORT, json!({})).await;
        check_answer("beyond, without a store", &report, RATE);
        told += 1;
    }
    let other = bench.call_as("bob", LIST_GRANTS, json!({})).await;
    assert_eq!(other.reason(), "STORE_UNAVAILABLE");
    sqlx::query("ALTER TABLE gone_events RENAME TO events")
        .execute(&mut store)
        .await
        .unwrap();
    assert_eq!(events(&mut store).await, before);
    assert_eq!(bench.simulator.calls().len(), operations);
    assert_eq!(refused_count(&bench, RATE.reason), counted + told);
    assert_eq!(refused_count(&bench, BUSY.reason), 0);
}

/// A server of 8 slots: reports get none when 2 are taken, lists when 4 are, requests when 6 are.
/// Of these, so many are taken by calls that wait for AWS.
struct Full {
    bench: Arc<Bench>,
    grant: Value,
    waiting: Vec<JoinHandle<Answer>>,
}

impl Full {
    /// No list gets a slot any more.
    async fn of_lists() -> Self {
        let mut setup = Setup::default();
        let slots = &mut setup.config.limits.slots;
        (slots.calls_max, slots.calls_kept_for_decisions) = (8, 2);
        (slots.lists_percent, slots.reports_percent) = (50, 25);
        let bench = Arc::new(Bench::start(setup).await);
        let grant = bench.ok(ASSIGN, assign()).await["grant"]["id"].clone();
        let slow = FaultAction::DelayBeforeEffect {
            milliseconds: 5_000,
        };
        bench.simulator.add_fault(Fault::new("GetUserId", slow));
        let mut full = Self {
            bench,
            grant,
            waiting: Vec::new(),
        };
        let question = json!({"principal": {"user": "bilal.khan"}});
        for _ in 0..4 {
            full.wait_with(LIST_PRINCIPALS, question.clone());
        }
        full.until_busy(LIST_GRANTS).await;
        full
    }

    /// Nothing but decisions gets one.
    async fn of_requests() -> Self {
        let mut full = Self::of_lists().await;
        let wish = with(assign(), json!({"principal": {"user": "bilal.khan"}}));
        for _ in 0..2 {
            full.wait_with(ASSIGN, wish.clone());
        }
        full.until_busy(WHO_AM_I).await;
        full
    }

    /// A call that waits for AWS in a slot, once it has one: those that look whether the server is
    /// full take one for a moment too.
    fn wait_with(&mut self, method: &'static str, message: Value) {
        let bench = self.bench.clone();
        let call = async move {
            loop {
                let answer = bench.call_as("carla", method, message.clone()).await;
                if answer.reason() != BUSY.reason {
                    return answer;
                }
            }
        };
        self.waiting.push(tokio::spawn(call));
    }

    async fn until_busy(&self, method: &str) {
        let began = Instant::now();
        while self.bench.call(method, json!({})).await.reason() != BUSY.reason {
            assert!(began.elapsed() < Duration::from_secs(5), "{method}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn check_busy(what: &str, answer: &Answer, pause: f64) {
        check_answer(what, answer, BUSY);
        assert_eq!(subject(answer), "server");
        assert!((retry_seconds(answer) - pause).abs() < 1e-9, "{what}");
    }

    /// Every call that waits ends well, and there is room again.
    async fn end(self) {
        for call in self.waiting {
            let answer = call.await.unwrap();
            assert_eq!(answer.code(), Code::Ok, "{:?}", answer.status());
        }
        self.bench.simulator.clear_faults();
        self.bench.ok(LIST_GRANTS, json!({})).await;
        let report = self.bench.call(
            REPORT,
            json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_CSV"}),
        );
        assert_eq!(report.await.code(), Code::Ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_and_revokes_go_through_while_the_server_is_full() {
    let full = Full::of_requests().await;
    let bench = &full.bench;
    Full::check_busy("a report", &bench.call(REPORT, json!({})).await, 5.0);
    Full::check_busy("a list", &bench.call(LIST_GRANTS, json!({})).await, 1.0);
    Full::check_busy("a request", &bench.call(ASSIGN, assign()).await, 0.5);
    let id = json!({"grant_id": full.grant});
    Full::check_busy("a look", &bench.call(GET_GRANT, id.clone()).await, 0.5);
    let health = bench.raw("/grpc.health.v1.Health/Check", GRPC, frame(b""));
    assert_eq!(health.await.code(), Code::Ok);
    // Nothing waits for this grant, and that is what an approval hears.
    let approval = with(id.clone(), json!({"digest": "0".repeat(64)}));
    let approval = bench.call("GrantService/ApproveGrant", approval).await;
    assert!(!["SERVER_BUSY", ""].contains(&approval.reason().as_str()));
    let scope = json!({"scope": "FREEZE_SCOPE_GRANTS"});
    bench.ok("OperationsService/Freeze", scope.clone()).await;
    bench.ok("OperationsService/Unfreeze", scope).await;
    let revoked = bench.ok(REVOKE, id).await;
    assert_eq!(revoked["grants"][0]["state"], "GRANT_STATE_REVOKED");
    assert!(refused_count(bench, BUSY.reason) >= 4);
    full.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_leave_room_for_requests() {
    let full = Full::of_lists().await;
    let bench = &full.bench;
    Full::check_busy("a report", &bench.call(REPORT, json!({})).await, 5.0);
    Full::check_busy("a list", &bench.call(LIST_GRANTS, json!({})).await, 1.0);
    let id = json!({"grant_id": full.grant});
    bench.ok(GET_GRANT, id).await;
    full.end().await;
}

/// A stream holds no slot once it has begun: as many go on as streams may, whatever the slots.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_goes_on_holds_no_slot() {
    let mut setup = Setup::default();
    let slots = &mut setup.config.limits.slots;
    (slots.calls_max, slots.calls_kept_for_decisions) = (2, 1);
    (slots.lists_percent, slots.reports_percent) = (50, 50);
    setup.config.log.heartbeat_seconds = 0.05;
    let bench = Arc::new(Bench::start(setup).await);
    let watch = "EventService/WatchEvents";
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let mut streams = Vec::new();
    for number in 0..5_usize {
        let (bench, begun) = (bench.clone(), begun.clone());
        streams.push(tokio::spawn(async move {
            let body = frame(&encode(watch, &json!({"after_position": 0})));
            bench
                .send_until("alice", watch, body, |answer| {
                    begun.send(number).unwrap();
                    answer.messages(watch).len() > 40
                })
                .await
        }));
        while begins.recv().await != Some(number) {}
    }
    // All five go on, and a call finds a slot.
    assert!(streams.iter().all(|stream| !stream.is_finished()));
    bench.ok(LIST_GRANTS, json!({})).await;
    for stream in streams {
        assert_eq!(stream.await.unwrap().code(), Code::Ok);
    }
}
