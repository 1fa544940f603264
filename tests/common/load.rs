//! Calls that a seed invents: grants with and without an end, ends of grants and of assignments,
//! several at once on the same few assignments, repeated by their request ids until they are
//! answered.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::task::JoinSet;
use usher::grpc::pb::access_service_client::AccessServiceClient;

use super::TokenChannel;
use super::asked::{Asked, Goal, Journal, Told, Wish};

/// Each call of a wave is sent at most so much later than the wave begins.
const SENT_WITHIN_MILLISECONDS: u64 = 60;

/// Everything that was asked so far, and what will be.
pub struct Load {
    pub rng: Rng,
    pub goals: Vec<Goal>,
    pub asked: Vec<Asked>,
    pub journal: Journal,
    /// Grants with an end last from so long to so long.
    pub durations_milliseconds: std::ops::Range<u64>,
}

impl Load {
    /// Calls about these assignments.
    #[must_use]
    pub fn new(seed: u64, goals: Vec<Goal>) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            goals,
            asked: Vec::new(),
            journal: Journal::default(),
            durations_milliseconds: 50..1500,
        }
    }

    /// A call that has not been sent.
    #[must_use]
    pub fn call(&self, goal: Goal, wish: Wish, has_request_id: bool) -> Asked {
        let now = Instant::now();
        Asked {
            number: self.asked.len(),
            goal,
            wish,
            has_request_id,
            told: Told::Unknown,
            began: now,
            ended: now,
            answered: None,
        }
    }

    /// Invents a call.
    pub fn invent(&mut self) -> Asked {
        let place = self.rng.usize(..self.goals.len());
        let mut goal = self.goals[place].clone();
        let wish = match self.rng.u32(..100) {
            0..30 => Wish::Give { duration: None },
            30..60 => Wish::Give {
                duration: Some(Duration::from_millis(
                    self.rng.u64(self.durations_milliseconds.clone()),
                )),
            },
            60..85 => match self.known_grant() {
                Some((grant_id, of)) => {
                    goal = of;
                    Wish::EndGrant { grant_id }
                }
                None => Wish::Give { duration: None },
            },
            _ => Wish::EndAssignment,
        };
        // What removes a standing assignment is asked until it is known.
        let has_request_id = matches!(wish, Wish::EndAssignment) || self.rng.bool();
        self.call(goal, wish, has_request_id)
    }

    fn known_grant(&mut self) -> Option<(String, Goal)> {
        let known: Vec<(&String, &Goal)> = self
            .asked
            .iter()
            .filter_map(|asked| match &asked.told {
                Told::Ok {
                    grant_id: Some(grant_id),
                } => Some((grant_id, &asked.goal)),
                _ => None,
            })
            .collect();
        let recent = known.len().saturating_sub(40);
        let place = self.rng.usize(recent..known.len().max(recent + 1));
        known
            .get(place)
            .map(|(grant_id, goal)| ((*grant_id).clone(), (*goal).clone()))
    }

    /// Calls whose fate nobody knows, with so many new ones.
    pub fn wave(&mut self, new_calls: usize) -> Vec<Asked> {
        let mut calls = self.open();
        for place in 0..new_calls {
            let mut call = self.invent();
            call.number += place;
            calls.push(call);
        }
        calls
    }

    /// Calls that have to be sent again.
    #[must_use]
    pub fn open(&self) -> Vec<Asked> {
        let open = self.asked.iter().filter(|asked| asked.is_open());
        open.cloned().collect()
    }

    /// Sends calls at once, each a little later than the other.
    pub fn send(&mut self, calls: Vec<Asked>, channel: &TokenChannel) -> JoinSet<Asked> {
        let mut sending = JoinSet::new();
        for mut call in calls {
            let client = AccessServiceClient::new(channel.clone());
            let pause = Duration::from_millis(self.rng.u64(..SENT_WITHIN_MILLISECONDS));
            if call.number == self.asked.len() {
                self.asked.push(call.clone());
                call.began = Instant::now();
            }
            let journal = self.journal.clone();
            sending.spawn(async move {
                tokio::time::sleep(pause).await;
                call.send(client, journal).await
            });
        }
        sending
    }

    /// Waits for the answers.
    pub async fn keep_answers(&mut self, mut sending: JoinSet<Asked>) {
        while let Some(call) = sending.join_next().await {
            let call = call.expect("no panic");
            let number = call.number;
            self.asked[number] = call;
        }
    }

    /// Sends calls until nobody's fate is unknown, a few times at most. Answers whether it is so.
    pub async fn answer_all(&mut self, channel: &TokenChannel) -> bool {
        for _ in 0..8 {
            let open = self.open();
            if open.is_empty() {
                return true;
            }
            let sending = self.send(open, channel);
            self.keep_answers(sending).await;
        }
        self.open().is_empty()
    }
}
