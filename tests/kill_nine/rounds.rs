//! A hundred rounds: calls at once, a kill in their midst, a start on what is left.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::task::JoinSet;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::simulator::{
    Assignment, EnabledStatus, Fault, FaultAction, PrincipalType, Settings, Simulator,
    SimulatorOptions, User, World,
};

use super::child::{Place, Server};
use super::common::{AFTER_SETTLING, TokenChannel, Triple, connect};
use super::history::{Asked, Told, Wish};
use super::judge::{Evidence, all_grants};

const ROUNDS: usize = 100;
/// Rounds between two judgements.
const ROUNDS_A_CHECKPOINT: usize = 25;
const USERS: usize = 16;
/// New calls a round.
const CALLS: usize = 10;
/// A kill comes at most so long after the calls began.
const KILL_AFTER_MILLISECONDS_MAX: u64 = 400;
/// How long everything may take to settle: retries, second looks and this slow machine together.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(40);

/// Everything of one run.
struct Run {
    rng: Rng,
    simulator: Simulator,
    place: Place,
    triples: Vec<Triple>,
    standing: BTreeSet<Triple>,
    asked: Vec<Asked>,
    kills: usize,
}

/// A world of users on the demo's applications; every fifth assignment of the first users stands
/// before Usher comes.
fn world() -> (World, Vec<Triple>, BTreeSet<Triple>) {
    let mut world = World::demo();
    world.assignments.clear();
    let mut triples = Vec::new();
    for number in 0..USERS {
        let user_id = format!("d4e8f4a8-0000-4000-9000-{number:012}");
        world.users.push(User {
            identity_store_id: world.instances[0].identity_store_id.clone(),
            user_id: user_id.clone(),
            user_name: format!("user.{number}"),
            user_status: Some(EnabledStatus::Enabled),
            ..User::default()
        });
        for application in &world.applications {
            triples.push(Triple {
                kind: PrincipalType::User,
                principal_id: user_id.clone(),
                application_arn: application.application_arn.clone(),
            });
        }
    }
    for application in &world.applications {
        triples.push(Triple {
            kind: PrincipalType::Group,
            principal_id: world.groups[0].group_id.clone(),
            application_arn: application.application_arn.clone(),
        });
    }
    let standing: BTreeSet<Triple> = triples.iter().step_by(5).cloned().collect();
    world.assignments = standing
        .iter()
        .map(|triple| Assignment {
            application_arn: triple.application_arn.clone(),
            principal_type: triple.kind,
            principal_id: triple.principal_id.clone(),
        })
        .collect();
    (world, triples, standing)
}

impl Run {
    async fn begin(seed: u64) -> Self {
        let (world, triples, standing) = world();
        let options = SimulatorOptions {
            settings: Settings {
                seed,
                latency_milliseconds: 4,
                jitter_milliseconds: 10,
                visibility_milliseconds: 60,
                ..Settings::unlimited()
            },
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world, options).await.expect("a simulator");
        let place = Place::new(simulator.endpoint_url());
        Self {
            rng: Rng::with_seed(seed),
            simulator,
            place,
            triples,
            standing,
            asked: Vec::new(),
            kills: 0,
        }
    }

    /// Invents a call.
    fn invent(&mut self) -> Asked {
        let place = self.rng.usize(..self.triples.len());
        let mut triple = self.triples[place].clone();
        let wish = match self.rng.u32(..100) {
            0..30 => Wish::Give { duration: None },
            30..60 => Wish::Give {
                duration: Some(Duration::from_millis(self.rng.u64(50..1500))),
            },
            60..85 => match self.known_grant() {
                Some((grant_id, of)) => {
                    triple = of;
                    Wish::EndGrant { grant_id }
                }
                None => Wish::Give { duration: None },
            },
            _ => Wish::EndAssignment,
        };
        // What removes a standing assignment is asked until it is known.
        let has_request_id = matches!(wish, Wish::EndAssignment) || self.rng.bool();
        let now = Instant::now();
        Asked {
            number: self.asked.len(),
            triple,
            wish,
            has_request_id,
            told: Told::Unknown,
            began: now,
            ended: now,
            answered: None,
        }
    }

    fn known_grant(&mut self) -> Option<(String, Triple)> {
        let known: Vec<(&String, &Triple)> = self
            .asked
            .iter()
            .filter_map(|asked| match &asked.told {
                Told::Ok {
                    grant_id: Some(grant_id),
                } => Some((grant_id, &asked.triple)),
                _ => None,
            })
            .collect();
        let recent = known.len().saturating_sub(40);
        let place = self.rng.usize(recent..known.len().max(recent + 1));
        known
            .get(place)
            .map(|(grant_id, triple)| ((*grant_id).clone(), (*triple).clone()))
    }

    /// Sends calls at once, each a little later than the other.
    fn send(&mut self, calls: Vec<Asked>, channel: &TokenChannel) -> JoinSet<Asked> {
        let mut sending = JoinSet::new();
        for mut call in calls {
            let client = AccessServiceClient::new(channel.clone());
            let pause = Duration::from_millis(self.rng.u64(..60));
            if call.number == self.asked.len() {
                self.asked.push(call.clone());
                call.began = Instant::now();
            }
            sending.spawn(async move {
                tokio::time::sleep(pause).await;
                call.send(client).await
            });
        }
        sending
    }

    async fn keep_answers(&mut self, mut sending: JoinSet<Asked>) {
        while let Some(call) = sending.join_next().await {
            let call = call.expect("no panic");
            let number = call.number;
            self.asked[number] = call;
        }
    }

    /// Calls whose fate nobody knows, with new ones.
    fn calls_of_a_round(&mut self) -> Vec<Asked> {
        let mut calls: Vec<Asked> = self
            .asked
            .iter()
            .filter(|asked| asked.is_open())
            .cloned()
            .collect();
        for place in 0..CALLS {
            let mut call = self.invent();
            call.number += place;
            calls.push(call);
        }
        calls
    }

    fn add_faults(&self) {
        let actions = [
            FaultAction::Throttle,
            FaultAction::InternalError { after_effect: true },
            FaultAction::DropBeforeEffect,
            FaultAction::DropAfterEffect,
            FaultAction::EffectLater { milliseconds: 300 },
            FaultAction::Conflict,
        ];
        for operation in [
            "CreateApplicationAssignment",
            "DeleteApplicationAssignment",
            "DescribeApplicationAssignment",
        ] {
            for action in &actions {
                // AWS answers a read with no ConflictException.
                let is_read = operation.starts_with("Describe");
                if is_read && *action == FaultAction::Conflict {
                    continue;
                }
                let fault = Fault::new(operation, action.clone()).probability(0.07);
                self.simulator.add_fault(fault);
            }
        }
    }

    async fn connect(&self, server: &Server) -> TokenChannel {
        connect(server.address, &self.place.data(), "tester").await
    }

    /// Calls, a kill, their answers.
    async fn round(&mut self, number: usize) {
        let mut server = self.place.serve().await;
        let channel = self.connect(&server).await;
        if number % 10 == 7 {
            self.add_faults();
        }
        let calls = self.calls_of_a_round();
        let sending = self.send(calls, &channel);
        let moment = self.rng.u64(..=KILL_AFTER_MILLISECONDS_MAX);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        server.kill();
        self.kills += 1;
        self.keep_answers(sending).await;
        self.simulator.clear_faults();
    }

    /// Starts it once more, lets everything settle, and judges.
    async fn checkpoint(&mut self) {
        let server = self.place.serve().await;
        let channel = self.connect(&server).await;
        for _ in 0..5 {
            let open: Vec<Asked> = self
                .asked
                .iter()
                .filter(|asked| asked.is_open())
                .cloned()
                .collect();
            if open.is_empty() {
                break;
            }
            let sending = self.send(open, &channel);
            self.keep_answers(sending).await;
        }
        assert!(
            !self.asked.iter().any(Asked::is_open),
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
                // It has to stay so until no effect can land late any more.
                let since = *settled_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= quiet {
                    evidence.judge();
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
            self.asked.len(),
            all_grants(&channel).await.len(),
            began.elapsed().as_secs_f64()
        );
    }

    fn evidence(&self, grants: Vec<usher::grpc::pb::Grant>) -> Evidence<'_> {
        Evidence {
            asked: &self.asked,
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
        run.round(number).await;
        if number % ROUNDS_A_CHECKPOINT == 0 || number == rounds {
            run.checkpoint().await;
        }
    }
    let ok = |asked: &&Asked| matches!(asked.told, Told::Ok { .. });
    println!(
        "{rounds} rounds, {} kills, {} calls of which {} were answered OK, seed {seed}, {:.0} s",
        run.kills,
        run.asked.len(),
        run.asked.iter().filter(ok).count(),
        began.elapsed().as_secs_f64()
    );
    assert_eq!(run.kills, rounds);
}
