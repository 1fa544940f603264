//! The two histories that look like failures and are none: AWS did it and did not say so, and AWS
//! did it and does not show it yet. In this process, without kills; judged by the checker.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use usher::grpc::pb::{Grant, GrantState};
use usher::simulator::{CallEffect, Fault, FaultAction, Settings};

use super::common::asked::{Goal, Key, Told, Wish};
use super::common::checker::Evidence;
use super::common::load::Load;
use super::common::store_rows::due;
use super::common::{Begin, TestService, short_times};
use super::every_point::number_from_environment;
use super::world::{Kinds, Setting, many, setting};

/// Writes whose answers are lost in an ordinary test run; the full length is 1,000.
const TIMEOUTS: u64 = 48;
/// How late reads are in an ordinary test run; the full length is 60 s. Usher counts with a quarter
/// more.
const LATE_VISIBILITY: Duration = Duration::from_millis(1200);
/// Calls at once.
const CALLS_AT_ONCE: usize = 48;
/// The writes that make an assignment: of an application, in an account.
const CREATES: [&str; 2] = ["CreateApplicationAssignment", "CreateAccountAssignment"];
/// The writes that remove one, likewise.
const DELETES: [&str; 2] = ["DeleteApplicationAssignment", "DeleteAccountAssignment"];

struct Story {
    service: TestService,
    load: Load,
    standing: Vec<Key>,
    /// How long a state may take to come.
    patience: Duration,
}

impl Story {
    async fn begin(setting: Setting, settings: Settings, horizon: Option<Duration>) -> Self {
        let mut config = short_times();
        if let Some(horizon) = horizon {
            config.reconciler.visibility_horizon_seconds = horizon.as_secs_f64();
        }
        let begin = Begin {
            world: setting.world,
            settings,
            config,
            ..Begin::default()
        };
        let patience = horizon.unwrap_or_default() * 4 + Duration::from_secs(240);
        Self {
            service: TestService::start_with(begin).await,
            load: Load::new(1, setting.goals),
            standing: setting.standing,
            patience,
        }
    }

    /// Makes one call about each goal, some at once, and waits until they are answered.
    async fn ask(&mut self, wishes: Vec<(Goal, Wish)>) {
        let mut wishes = wishes.into_iter();
        let mut sending: JoinSet<_> = JoinSet::new();
        loop {
            while sending.len() < CALLS_AT_ONCE
                && let Some((goal, wish)) = wishes.next()
            {
                let call = self.load.call(goal, wish, true);
                self.load.asked.push(call.clone());
                sending.spawn(call.send(self.service.access(), self.load.journal.clone()));
            }
            let Some(call) = sending.join_next().await else {
                return;
            };
            let call = call.expect("no panic");
            assert!(matches!(call.told, Told::Ok { .. }), "{call:#?}");
            let number = call.number;
            self.load.asked[number] = call;
        }
    }

    async fn give_all(&mut self) {
        let goals = self.load.goals.clone().into_iter();
        let wish = Wish::Give { duration: None };
        self.ask(goals.map(|goal| (goal, wish.clone())).collect())
            .await;
    }

    /// Revokes what the last so many calls gave.
    async fn end_all(&mut self) {
        let given = self.load.asked.iter().rev().take(self.load.goals.len());
        let ends = given.map(|given| match &given.told {
            Told::Ok {
                grant_id: Some(grant_id),
            } => (
                given.goal.clone(),
                Wish::EndGrant {
                    grant_id: grant_id.clone(),
                },
            ),
            other => panic!("{other:?}"),
        });
        let ends = ends.collect();
        self.ask(ends).await;
    }

    /// Waits until every grant is one of these.
    async fn until_all(&self, wanted: &[GrantState]) -> Vec<Grant> {
        let began = Instant::now();
        loop {
            let grants = self.service.all_grants().await;
            let other = grants.iter().find(|grant| !wanted.contains(&grant.state()));
            let Some(other) = other else {
                return grants;
            };
            assert!(began.elapsed() < self.patience, "{other:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn effects(&self, operations: [&str; 2]) -> usize {
        let effects = operations.map(|operation| self.service.effects(operation));
        effects.iter().sum()
    }

    /// Waits until nothing is to be looked at again, ends the service, and has all of it judged.
    async fn judge(mut self, end_bound: Duration) -> String {
        let outstanding_max = self.service.config.reconciler.outstanding_changes_max;
        let began = Instant::now();
        loop {
            let due = due(&self.service.data.path().join("usher.sqlite3")).await;
            if due.is_empty() {
                break;
            }
            assert!(began.elapsed() < self.patience, "{due:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.service.stop().await;
        let evidence = Evidence {
            simulator: &self.service.simulator,
            data: self.service.data.path().to_owned(),
            journal: &self.load.journal,
            standing: self.standing,
            end_bound,
            lateness: Duration::from_secs(1),
            outages: Vec::new(),
            outstanding_max,
        };
        evidence.check("no kills")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_after_success_double_and_lose_nothing() {
    let timeouts = number_from_environment("USHER_TIMEOUTS").unwrap_or(TIMEOUTS);
    let pairs = usize::try_from(timeouts.div_ceil(2)).expect("a number");
    let setting = many(pairs);
    let mut story = Story::begin(setting, Settings::unlimited(), None).await;
    // Every write is done and nobody hears of it: a broken connection, or silence past the
    // attempt's time. All by principal, so that also a repeated write is lost.
    for (place, goal) in story.load.goals.iter().enumerate() {
        let action = if place % 2 == 0 {
            FaultAction::DropAfterEffect
        } else {
            FaultAction::DelayAfterEffect { milliseconds: 1500 }
        };
        let id = goal.key.principal_id.as_str();
        // The simulator takes a thousand faults: each goal has those of its own kind.
        let of_its_kind = usize::from(goal.key.target_kind == "ACCOUNT");
        for operation in [CREATES[of_its_kind], DELETES[of_its_kind]] {
            let fault = Fault::new(operation, action.clone());
            story
                .service
                .simulator
                .add_fault(fault.only_if("PrincipalId", id));
        }
    }
    story.give_all().await;
    let active = story.until_all(&[GrantState::Active]).await;
    assert_eq!(active.len(), pairs, "LOST OR DOUBLED");
    assert_eq!(story.effects(CREATES), pairs);
    story.end_all().await;
    let revoked = story.until_all(&[GrantState::Revoked]).await;
    assert_eq!(revoked.len(), pairs);
    let effects = story.effects(CREATES) + story.effects(DELETES);
    let calls = story.service.simulator.calls();
    let lost = calls.iter().filter(|call| !call.faults.is_empty()).count();
    assert!(lost >= 2 * pairs, "{lost} answers were lost");
    let repeated = calls
        .iter()
        .filter(|call| !call.faults.is_empty() && call.effect == CallEffect::None)
        .count();
    println!("{}", story.judge(Duration::from_secs(240)).await);
    println!("figure timeouts_after_success {lost}");
    println!("figure doubled {} target 0", effects - 2 * pairs);
    println!("figure lost {} target 0", pairs - revoked.len());
    println!("figure writes_sent_again {repeated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_reads_make_nothing_flap_and_nothing_standing() {
    let visibility = number_from_environment("USHER_LATE_VISIBILITY_SECONDS")
        .map_or(LATE_VISIBILITY, Duration::from_secs);
    let settings = Settings {
        visibility_milliseconds: u64::try_from(visibility.as_millis()).expect("a number"),
        ..Settings::unlimited()
    };
    let setting = setting(Kinds::All);
    let is_standing = |goal: &Goal| setting.standing.contains(&goal.key);
    let free = setting
        .goals
        .iter()
        .filter(|goal| !is_standing(goal))
        .count();
    let mut story = Story::begin(setting, settings, Some(visibility * 5 / 4)).await;
    let over = [GrantState::Active, GrantState::Revoked];
    story.give_all().await;
    story.until_all(&[GrantState::Active]).await;
    assert_eq!(story.effects(CREATES), free);
    assert_eq!(story.effects(DELETES), 0, "it flaps");
    story.end_all().await;
    // At once again, while reads still show what was just taken away.
    story.give_all().await;
    story.until_all(&over).await;
    story.end_all().await;
    story.until_all(&[GrantState::Revoked]).await;
    let (created, deleted) = (story.effects(CREATES), story.effects(DELETES));
    assert_eq!(created, deleted);
    assert!(created <= 2 * free, "it flaps: {created} for {free}");
    let bound = visibility * 3 + Duration::from_secs(15);
    println!("{}", story.judge(bound).await);
    println!(
        "figure late_visibility_seconds {:.1}",
        visibility.as_secs_f64()
    );
    println!(
        "figure late_visibility_creates {created} for {} grants",
        2 * free
    );
}
