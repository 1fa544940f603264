//! One history: calls under faults, death at a point, a start on what is left, more calls, quiet,
//! judgement.

use std::time::{Duration, Instant, SystemTime};

use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::operations_service_client::OperationsServiceClient;
use usher::grpc::pb::{CancelGrantRequest, GrantState};
use usher::simulator::{Settings, Simulator, SimulatorOptions};

use super::brake::{is_of_brake, look_at_brake, use_brake};
use super::common::asked::{Goal, Key, Told, Wish, epoch_seconds};
use super::common::checker::Evidence;
use super::common::child::{Place, Server, was_killed};
use super::common::faults::faults;
use super::common::load::Load;
use super::common::store_rows::{claimed, due};
use super::common::{TokenChannel, all_grants, connect, within};
use super::world::{Kinds, Setting, setting};

/// New calls of a wave.
const CALLS: usize = 10;
/// A point that this load does not reach in this time is not reached.
const REACHED_WITHIN: Duration = Duration::from_secs(60);
/// How long everything may take to settle: retries, second looks and this slow machine together.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);
/// Ends are acted on within this time while somebody works: the longest pause, a lease, a few
/// attempts that time out, and this slow machine.
const END_BOUND: Duration = Duration::from_secs(15);
/// A write leaves at most so long after what it was decided by changed: an attempt's time, and as
/// much from a call's arrival to its commit.
const LATENESS: Duration = Duration::from_secs(2);

/// Asynchronous changes under way at one time, for Usher and for the simulated AWS: so few that
/// calls have to wait for each other.
const OUTSTANDING_MAX: usize = 3;

/// How long the call that takes a wish back may take.
const CALL_MAX: Duration = Duration::from_secs(5);
/// When such a wish would begin: never while a history lasts.
const LATER: Duration = Duration::from_secs(3600);

/// What one history shows.
pub(crate) struct Outcome {
    /// From the start after the crash to listening.
    pub(crate) start: Duration,
    /// From the start after the crash to the first work.
    pub(crate) recovery: Duration,
    /// The checker's summary.
    pub(crate) summary: String,
}

/// A history under way.
struct Run {
    simulator: Simulator,
    place: Place,
    load: Load,
    setting: Setting,
    outages: Vec<(f64, f64)>,
    what: String,
}

impl Drop for Run {
    /// A history that broke something tells what the service said, whichever check found it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: the log:\n{}", self.what, self.place.last_log_lines());
        }
    }
}

impl Run {
    async fn begin(what: String, seed: u64, kinds: Kinds) -> Self {
        let settings = Settings {
            seed,
            latency_milliseconds: 4,
            jitter_milliseconds: 12,
            visibility_milliseconds: 60,
            status_visibility_milliseconds: 60,
            asynchronous_milliseconds: 120,
            asynchronous_jitter_milliseconds: 60,
            outstanding_assignments_max: Some(OUTSTANDING_MAX),
            ..Settings::unlimited()
        };
        let options = SimulatorOptions {
            settings,
            ..SimulatorOptions::default()
        };
        let setting = setting(kinds);
        let simulator = Simulator::start(setting.world.clone(), options).await;
        let simulator = simulator.expect("a simulator");
        Self {
            place: Place::with_outstanding_max(simulator.endpoint_url(), OUTSTANDING_MAX),
            simulator,
            load: Load::new(seed, setting.goals.clone()),
            setting,
            outages: Vec::new(),
            what,
        }
    }

    async fn connect(&self, server: &Server) -> TokenChannel {
        connect(server.address, &self.place.data(), "tester").await
    }

    /// Serves until the process dies at the point.
    async fn die_at(&mut self, point: &str, count: u64) {
        let argument = format!("--crash-at={point}:{count}");
        // Only a start with policies that do not load gets to where that is recorded.
        let is_of_refusal = point.contains("record_policy_refusal");
        let mend = is_of_refusal.then(|| self.place.break_policies());
        let ended = match self.place.begin(&[&argument]).await {
            Err(ended) => ended,
            Ok(mut server) => {
                self.serve_to_death(&mut server, &argument).await;
                server.ended().expect("its end was seen")
            }
        };
        assert!(was_killed(ended), "{}: {ended:?}", self.what);
        if let Some(mend) = mend {
            mend();
        }
    }

    /// Serves, and is killed from outside while claims stand: what opening has to clear.
    async fn leave_leases(&mut self) {
        let mut server = self.place.serve().await;
        let channel = self.connect(&server).await;
        let began_at = epoch_seconds();
        let calls = self.load.wave(CALLS);
        let sending = self.load.send(calls, &channel);
        let store = self.place.data().join("usher.sqlite3");
        super::common::until("a claim", || async {
            let claims = claimed(&store);
            if claims.await.is_empty() {
                Err("none stands".to_owned())
            } else {
                Ok(())
            }
        })
        .await;
        server.kill();
        self.outages.push((began_at, epoch_seconds()));
        self.load.keep_answers(sending).await;
    }

    async fn serve_to_death(&mut self, server: &mut Server, argument: &str) {
        // It may die before, at or after any step here.
        let Ok(channel) =
            super::common::try_connect(server.address, &self.place.data(), "tester").await
        else {
            server.end_within(REACHED_WITHIN).await;
            return;
        };
        let began = Instant::now();
        while server.ended().is_none() {
            assert!(
                began.elapsed() < REACHED_WITHIN,
                "{argument} is not reached"
            );
            // A stranger too: what it leaves behind is an event.
            super::common::call_as_nobody(server.address).await;
            let mut calls = self.load.wave(CALLS);
            // Given once and then taken away in every wave: most times it is gone already, which is
            // remembered too.
            let wish = match self.load.asked.is_empty() {
                true => Wish::Give { duration: None },
                false => Wish::EndAssignment,
            };
            let mut call = self.load.call(self.setting.taken.clone(), wish, true);
            call.number += CALLS;
            calls.push(call);
            let sending = self.load.send(calls, &channel);
            self.load.keep_answers(sending).await;
            if is_of_brake(argument) {
                self.use_brake(&channel, argument).await;
            }
            if argument.contains("decide_grant") {
                self.take_a_wish_back(&channel).await;
            }
        }
    }

    /// A decision that changes nothing in AWS: somebody wants access from later on, and then not.
    async fn take_a_wish_back(&mut self, channel: &TokenChannel) {
        let begins_at = SystemTime::now() + LATER;
        let goal = Goal::from(&self.setting.leavers[0]);
        let call = self.load.call(goal, Wish::GiveLater { begins_at }, true);
        let number = call.number;
        let sending = self.load.send(vec![call], channel);
        self.load.keep_answers(sending).await;
        let Told::Ok {
            grant_id: Some(grant_id),
        } = self.load.asked[number].told.clone()
        else {
            return;
        };
        let cancel = CancelGrantRequest {
            grant_id,
            ..CancelGrantRequest::default()
        };
        let mut grants = GrantServiceClient::new(channel.clone());
        if let Err(error) = grants.cancel_grant(within(cancel, CALL_MAX)).await {
            println!("{}: nothing was taken back: {error}", self.what);
        }
    }

    /// Gives somebody access, and takes it away by the brake's own ways.
    async fn use_brake(&mut self, channel: &TokenChannel, argument: &str) {
        let Some(leaver) = self.setting.leavers.pop() else {
            return;
        };
        let wish = Wish::Give { duration: None };
        let call = self.load.call(Goal::from(&leaver), wish, true);
        let number = call.number;
        let sending = self.load.send(vec![call], channel);
        self.load.keep_answers(sending).await;
        let Told::Ok {
            grant_id: Some(grant_id),
        } = self.load.asked[number].told.clone()
        else {
            return;
        };
        let used = use_brake(channel, (&grant_id, &leaver.principal_id), &self.simulator);
        if let Err(error) = used.await {
            println!("{argument}: the brake was not used to its end: {error}");
        }
    }

    /// Starts it on what is left and waits until it works. Answers how long it took to listen, and
    /// to work.
    async fn recover(&mut self, died_at: f64) -> (Server, Duration, Duration) {
        let began = Instant::now();
        let seen = self.simulator.calls().len();
        let server = self.place.serve().await;
        let start = began.elapsed();
        let channel = self.connect(&server).await;
        let probe = self.setting.probe.clone();
        let call = self
            .load
            .call(probe.clone(), Wish::Give { duration: None }, true);
        let sending = self.load.send(vec![call], &channel);
        let look = || async {
            let calls = self.simulator.calls();
            // Nobody but the reconciler writes, and nobody else looks for the probe's assignment.
            let works = calls.iter().skip(seen).any(|call| {
                let of = call.input.get("PrincipalId").and_then(|id| id.as_str());
                let of_probe = of == Some(&probe.key.principal_id);
                call.operation.contains("Assignment") && of_probe || Key::of_write(call).is_some()
            });
            works
                .then_some(())
                .ok_or_else(|| format!("{}: no work", self.what))
        };
        super::common::until("the first work after the start", look).await;
        let recovery = began.elapsed();
        self.outages.push((died_at, epoch_seconds()));
        self.load.keep_answers(sending).await;
        (server, start, recovery)
    }

    /// Waits until nothing is under way and nothing is to be looked at again, ends the process in
    /// order, and has the history judged.
    async fn settle_and_judge(&mut self, mut server: Server) -> String {
        let channel = self.connect(&server).await;
        let all = self.load.answer_all(&channel).await;
        assert!(all, "{}: calls without an answer", self.what);
        let began = Instant::now();
        loop {
            let moving = self.under_way(&channel).await;
            if moving.is_empty() {
                break;
            }
            assert!(
                began.elapsed() < SETTLE_TIME_MAX,
                "{}: not settled: {moving:#?}",
                self.what
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(channel);
        server.signal("TERM");
        let ended = server.end_within(Duration::from_secs(20)).await;
        assert!(ended.is_some(), "{}: it does not end", self.what);
        self.judge()
    }

    fn judge(&self) -> String {
        let evidence = Evidence {
            simulator: &self.simulator,
            data: self.place.data(),
            journal: &self.load.journal,
            standing: self.setting.standing.clone(),
            end_bound: END_BOUND,
            lateness: LATENESS,
            outages: self.outages.clone(),
            outstanding_max: OUTSTANDING_MAX,
        };
        evidence.check(&self.what)
    }

    /// Grants on their way, and assignments that somebody will look at again.
    async fn under_way(&self, channel: &TokenChannel) -> Vec<String> {
        let grants = all_grants(channel).await;
        let now = jiff::Timestamp::now().as_second();
        let moving = grants.into_iter().filter(|grant| match grant.state() {
            GrantState::Provisioning | GrantState::Revoking => true,
            GrantState::Active => grant.end_time.is_some_and(|end| end.seconds < now + 2),
            _ => false,
        });
        let moving: Vec<String> = moving.map(|grant| format!("{grant:?}")).collect();
        if !moving.is_empty() {
            return moving;
        }
        due(&self.place.data().join("usher.sqlite3")).await
    }
}

/// Whether a crash point is one of what a collection of facts commits.
fn is_of_collections(point: &str) -> bool {
    let own = ["collection", "facts", "readings"];
    own.iter().any(|own| point.contains(own))
}

/// The whole history of one crash.
pub(crate) async fn crash(point: &str, count: u64, kinds: Kinds, seed: u64) -> Outcome {
    let what = format!("{point}:{count} seed {seed}");
    let mut run = Run::begin(what, seed, kinds).await;
    for fault in faults(&mut run.load.rng) {
        run.simulator.add_fault(fault);
    }
    if point.starts_with("store.clear_leases.") {
        run.leave_leases().await;
    }
    if is_of_brake(point) {
        run.place.watch_beneficiaries();
    }
    if is_of_collections(point) {
        run.place.collect_at_once();
    }
    run.die_at(point, count).await;
    let died_at = epoch_seconds();
    let (server, start, recovery) = run.recover(died_at).await;
    let channel = run.connect(&server).await;
    if is_of_brake(point) {
        // What was frozen is frozen still; who waits below waits for the ends.
        let mut operations = OperationsServiceClient::new(channel.clone());
        let brake = look_at_brake(&mut operations).await;
        brake.expect("the brake after the crash");
    }
    let calls = run.load.wave(CALLS);
    let sending = run.load.send(calls, &channel);
    run.load.keep_answers(sending).await;
    run.simulator.clear_faults();
    drop(channel);
    let summary = run.settle_and_judge(server).await;
    Outcome {
        start,
        recovery,
        summary,
    }
}
