//! A hundred rounds: calls at once, a kill in their midst, a start on what is left.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use usher::simulator::{PrincipalType, Settings, Simulator, SimulatorOptions, World};

use super::common::asked::{Asked, Goal, Key, Told, epoch_seconds};
use super::common::checker;
use super::common::child::{Place, Server};
use super::common::faults::faults;
use super::common::load::Load;
use super::common::store_rows::due;
use super::common::targets::{WorldTarget, add_user, empty_world};
use super::common::{AFTER_SETTLING, TokenChannel, all_grants, connect};
use super::judge::Evidence;

const ROUNDS: usize = 100;
/// Rounds between two judgements.
const ROUNDS_A_CHECKPOINT: usize = 25;
const USERS: usize = 16;
/// Targets beside the applications whose changes are asynchronous.
const ACCOUNT_TARGETS: usize = 2;
/// Asynchronous changes under way at one time, for Usher and for the simulated AWS: so few that
/// calls have to wait for each other.
const OUTSTANDING_MAX: usize = 3;
/// New calls a round.
const CALLS: usize = 10;
/// A kill comes at most so long after the calls began: an asynchronous change has its time to end.
const KILL_AFTER_MILLISECONDS_MAX: u64 = 700;
/// How long everything may take to settle: retries, second looks and this slow machine together.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(40);

/// Ends are acted on within this time while somebody works, on this slow machine.
const END_BOUND: Duration = Duration::from_secs(15);
/// Work is resumed within this time of a start (DESIGN.md §4.6).
const RESUMED_WITHIN_SECONDS: f64 = 5.0;
/// A write leaves at most so long after what it was decided by changed: an attempt's time, and as
/// much from a call's arrival to its commit.
const LATENESS: Duration = Duration::from_secs(2);

/// Everything of one run.
struct Run {
    simulator: Simulator,
    place: Place,
    load: Load,
    standing: BTreeSet<Key>,
    kills: usize,
    /// From each kill until work goes on after the next start, in epoch seconds.
    outages: Vec<(f64, f64)>,
}

/// A world of users and a group on the demo's applications, and on two permission sets in an account
/// each; every fifth assignment stands before Usher comes.
fn setting() -> (World, Vec<Goal>, BTreeSet<Key>) {
    let mut world = empty_world();
    let mut targets = WorldTarget::applications(&world);
    targets.extend(
        WorldTarget::accounts(&world)
            .into_iter()
            .take(ACCOUNT_TARGETS),
    );
    let users = (0..USERS).map(|number| (PrincipalType::User, add_user(&mut world, number)));
    let mut principals: Vec<(PrincipalType, String)> = users.collect();
    principals.push((PrincipalType::Group, world.groups[0].group_id.clone()));
    let (mut goals, mut standing) = (Vec::new(), BTreeSet::new());
    for (kind, principal_id) in &principals {
        for target in &targets {
            let goal = target.goal(*kind, principal_id);
            if goals.len().is_multiple_of(5) {
                target.put(&mut world, *kind, principal_id);
                standing.insert(goal.key.clone());
            }
            goals.push(goal);
        }
    }
    (world, goals, standing)
}

impl Run {
    async fn begin(seed: u64) -> Self {
        let (world, goals, standing) = setting();
        let options = SimulatorOptions {
            settings: Settings {
                seed,
                latency_milliseconds: 4,
                jitter_milliseconds: 10,
                visibility_milliseconds: 60,
                status_visibility_milliseconds: 60,
                asynchronous_milliseconds: 120,
                asynchronous_jitter_milliseconds: 60,
                outstanding_assignments_max: Some(OUTSTANDING_MAX),
                ..Settings::unlimited()
            },
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world, options).await.expect("a simulator");
        let place = Place::with_outstanding_max(simulator.endpoint_url(), OUTSTANDING_MAX);
        Self {
            simulator,
            place,
            load: Load::new(seed, goals),
            standing,
            kills: 0,
            outages: Vec::new(),
        }
    }

    async fn connect(&self, server: &Server) -> TokenChannel {
        connect(server.address, &self.place.data(), "tester").await
    }

    /// A start on what is left, which ends an outage as soon as work has to be resumed: a process
    /// that is killed again before owes nothing.
    async fn serve(&mut self) -> Server {
        let server = self.place.serve().await;
        if let Some((_, end)) = self.outages.last_mut() {
            *end = epoch_seconds() + RESUMED_WITHIN_SECONDS;
        }
        server
    }

    fn kill(&mut self, mut server: Server) {
        self.outages.push((epoch_seconds(), f64::MAX));
        server.kill();
        self.kills += 1;
    }

    /// Calls while AWS fails in some ways, a kill, their answers.
    async fn round(&mut self) {
        let server = self.serve().await;
        let channel = self.connect(&server).await;
        for fault in faults(&mut self.load.rng) {
            self.simulator.add_fault(fault);
        }
        let calls = self.load.wave(CALLS);
        let sending = self.load.send(calls, &channel);
        let moment = self.load.rng.u64(..=KILL_AFTER_MILLISECONDS_MAX);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        self.kill(server);
        self.load.keep_answers(sending).await;
        self.simulator.clear_faults();
    }

    /// Starts it once more, lets everything settle, and judges.
    async fn checkpoint(&mut self) {
        let server = self.serve().await;
        let channel = self.connect(&server).await;
        assert!(
            self.load.answer_all(&channel).await,
            "calls are not answered: {}",
            self.place.last_log_lines()
        );
        let began = Instant::now();
        let mut settled_since: Option<Instant> = None;
        let quiet = Duration::try_from(AFTER_SETTLING).expect("a time");
        loop {
            let evidence = self.evidence(all_grants(&channel).await);
            let problems = evidence.unsettled();
            if problems.is_empty() {
                // It has to stay so until no effect can land late any more, and nothing is to be
                // looked at again.
                let since = *settled_since.get_or_insert_with(Instant::now);
                let due = due(&self.place.data().join("usher.sqlite3")).await;
                assert!(
                    due.is_empty() || began.elapsed() < SETTLE_TIME_MAX,
                    "still to be looked at: {due:#?}"
                );
                if since.elapsed() >= quiet && due.is_empty() {
                    evidence.judge();
                    println!("{}", self.checker_says());
                    break;
                }
            } else {
                assert!(
                    settled_since.is_none() || began.elapsed() < SETTLE_TIME_MAX,
                    "it came apart again: {problems:#?}"
                );
                settled_since = None;
                assert!(
                    began.elapsed() < SETTLE_TIME_MAX,
                    "not settled after {SETTLE_TIME_MAX:?}: {problems:#?}\n{}",
                    self.place.last_log_lines()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!(
            "checkpoint: {} kills, {} calls, {} grants; settled and quiet after {:.1} s",
            self.kills,
            self.load.asked.len(),
            all_grants(&channel).await.len(),
            began.elapsed().as_secs_f64()
        );
    }

    /// What the independent checker says of the whole history so far.
    fn checker_says(&self) -> String {
        let evidence = checker::Evidence {
            simulator: &self.simulator,
            data: self.place.data(),
            journal: &self.load.journal,
            standing: self.standing.iter().cloned().collect(),
            end_bound: END_BOUND,
            lateness: LATENESS,
            outages: self.outages.clone(),
            outstanding_max: OUTSTANDING_MAX,
        };
        evidence.check("random kills")
    }

    fn evidence(&self, grants: Vec<usher::grpc::pb::Grant>) -> Evidence<'_> {
        Evidence {
            asked: &self.load.asked,
            grants,
            standing: &self.standing,
            simulator: &self.simulator,
        }
    }
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_left_by_a_hundred_kills() {
    let seed = number_from_environment("USHER_KILL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds = number_from_environment("USHER_KILL_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| usize::try_from(rounds).expect("a number"));
    println!("USHER_KILL_SEED={seed}");
    let began = Instant::now();
    let mut run = Run::begin(seed).await;
    for number in 1..=rounds {
        run.round().await;
        if number % ROUNDS_A_CHECKPOINT == 0 || number == rounds {
            run.checkpoint().await;
        }
    }
    let ok = |asked: &&Asked| matches!(asked.told, Told::Ok { .. });
    println!(
        "{rounds} rounds, {} kills, {} calls of which {} were answered OK, seed {seed}, {:.0} s",
        run.kills,
        run.load.asked.len(),
        run.load.asked.iter().filter(ok).count(),
        began.elapsed().as_secs_f64()
    );
    println!("figure random_kills {}", run.kills);
    assert_eq!(run.kills, rounds);
}
