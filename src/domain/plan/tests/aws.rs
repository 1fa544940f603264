//! A model of AWS for one assignment: the truth, writes whose effect may come later, reads that lag.

use jiff::{SignedDuration, Timestamp};

use super::requests::Request;
use crate::domain::plan::{Answer, Bounds, Write};
use crate::domain::{ErrorKind, Failure, Target};

/// Who made what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// Somebody beside Usher, and nobody asked Usher to remove it.
    Other,
    /// Usher, or it is Usher's to remove because somebody asked for that.
    Usher,
    /// Somebody beside Usher, at a time when nobody could tell it from Usher's own.
    Either,
}

/// AWS, as far as one assignment goes.
#[derive(Debug)]
pub(super) struct Aws {
    /// What was true from when on, oldest first.
    truths: Vec<(Timestamp, Option<Maker>)>,
    /// Writes that were sent and have not taken effect yet.
    pub(super) late: Vec<(Timestamp, Write)>,
    /// Whether an assignment that others made becomes Usher's when Usher's Create finds it there:
    /// between a read and a Create nobody can tell (invariant 3 excepts it).
    pub(super) create_takes_over: bool,
    /// What the assignment is of.
    pub(super) target: Target,
    /// The asynchronous changes, as they were asked for.
    pub(super) requests: Vec<Request>,
}

/// What a write answered and when it takes effect, if it does.
pub(super) struct Sent {
    pub(super) outcome: Result<Answer, Failure>,
    pub(super) effect_at: Option<Timestamp>,
}

impl Aws {
    pub(super) fn new(present: bool, target: Target) -> Self {
        let maker = present.then_some(Maker::Other);
        Self {
            truths: vec![(Timestamp::UNIX_EPOCH, maker)],
            late: Vec::new(),
            create_takes_over: false,
            target,
            requests: Vec::new(),
        }
    }

    /// What is there now.
    pub(super) fn truth(&self) -> Option<Maker> {
        self.truths.last().and_then(|(_, maker)| *maker)
    }

    /// What was there at an instant.
    fn truth_at(&self, at: Timestamp) -> Option<Maker> {
        self.truths
            .iter()
            .rev()
            .find(|(since, _)| *since <= at)
            .and_then(|(_, maker)| *maker)
    }

    /// Whether somebody else's assignment was there at some time since.
    pub(super) fn was_made_by_others_since(&self, since: Timestamp) -> bool {
        let made_by_others =
            |maker: Option<Maker>| matches!(maker, Some(Maker::Other | Maker::Either));
        made_by_others(self.truth_at(since))
            || self
                .truths
                .iter()
                .any(|(at, maker)| *at >= since && made_by_others(*maker))
    }

    /// A Create is decided. What others made since the read that showed nothing, or shortly enough
    /// before it that the read did not show it, nobody can tell from Usher's own from here on.
    pub(super) fn begin_create(&mut self, shown_since: Timestamp) {
        let was_absent = self.truth_at(shown_since).is_none()
            || self
                .truths
                .iter()
                .any(|(at, maker)| *at >= shown_since && maker.is_none());
        if was_absent && self.truth() == Some(Maker::Other) {
            let (since, _) = *self.truths.last().unwrap();
            self.set(since, Some(Maker::Either));
        }
    }

    /// Others remove what is there. Reads may still show it for a while, and nobody can tell then
    /// what it was.
    pub(super) fn others_remove(&mut self, at: Timestamp) {
        if let Some((_, maker)) = self.truths.last_mut() {
            *maker = maker.map(|_| Maker::Either);
        }
        self.set(at, None);
    }

    pub(super) fn set(&mut self, at: Timestamp, maker: Option<Maker>) {
        self.truths.push((at, maker));
    }

    /// From now on what is there is Usher's to remove, and so is what reads may still show.
    pub(super) fn release(&mut self, at: Timestamp) {
        for (_, maker) in &mut self.truths {
            if maker.is_some() {
                *maker = Some(Maker::Usher);
            }
        }
        self.set(at, self.truth());
    }

    /// Lets everything take effect that is due by now.
    pub(super) fn settle(&mut self, now: Timestamp) {
        self.late.sort_by_key(|(at, _)| *at);
        while self.late.first().is_some_and(|(at, _)| *at <= now) {
            let (at, write) = self.late.remove(0);
            self.apply(at, write);
        }
    }

    fn apply(&mut self, at: Timestamp, write: Write) {
        let next = match (write, self.truth()) {
            (Write::Delete, _) => None,
            (Write::Create, None) => Some(Maker::Usher),
            (Write::Create, Some(Maker::Other)) if self.create_takes_over => Some(Maker::Either),
            (Write::Create, Some(maker)) => Some(maker),
        };
        self.set(at, next);
    }

    /// A write reaches AWS whose answer nobody hears.
    pub(super) fn arrive(
        &mut self,
        write: Write,
        rng: &mut fastrand::Rng,
        at: Timestamp,
        bounds: &Bounds,
    ) {
        if self.target.is_asynchronous() {
            drop(self.accept(write, rng, at, true, bounds));
        } else {
            self.late.push((at, write));
        }
    }

    /// Reads, up to the horizon late.
    pub(super) fn read(&self, rng: &mut fastrand::Rng, now: Timestamp, bounds: &Bounds) -> bool {
        let lag = match rng.u8(..8) {
            0 => bounds.visibility_horizon.as_secs(),
            1 | 2 => rng.i64(0..=bounds.visibility_horizon.as_secs()),
            3 => rng.i64(0..=2),
            _ => 0,
        };
        let seen_at = now.checked_sub(SignedDuration::from_secs(lag)).unwrap();
        self.truth_at(seen_at).is_some()
    }

    /// Sends a write; with faults it may be refused, or its outcome stay unknown.
    pub(super) fn send(
        &mut self,
        write: Write,
        rng: &mut fastrand::Rng,
        now: Timestamp,
        faulty: bool,
        bounds: &Bounds,
    ) -> Sent {
        let operation = write.operation(&self.target);
        let failure = |kind| Err(Failure::new(kind, operation));
        let sent = match rng.u8(..if faulty { 10 } else { 4 }) {
            // A repeated create may be told as a conflict; an earlier write has not spread yet.
            0 if write == Write::Create && self.truth().is_some() => Sent {
                outcome: failure(ErrorKind::Conflict),
                effect_at: None,
            },
            0..=3 if self.target.is_asynchronous() => {
                let answer = self.accept(write, rng, now, faulty, bounds);
                return Sent {
                    outcome: answer,
                    effect_at: None,
                };
            }
            0..=3 => Sent {
                outcome: Ok(Answer::Done),
                effect_at: Some(now),
            },
            4 => Sent {
                outcome: failure(ErrorKind::Conflict),
                effect_at: None,
            },
            5 | 6 => Sent {
                outcome: failure(*rng.choice(REFUSALS.iter()).unwrap()),
                effect_at: None,
            },
            _ => {
                let timeout = bounds.attempt_timeout.as_secs();
                let effect_at = match rng.u8(..3) {
                    0 => Some(now),
                    1 => now
                        .checked_add(SignedDuration::from_secs(rng.i64(1..timeout)))
                        .ok(),
                    _ => None,
                };
                Sent {
                    outcome: failure(*rng.choice(UNKNOWNS.iter()).unwrap()),
                    effect_at,
                }
            }
        };
        if let Some(at) = sent.effect_at {
            self.arrive(write, rng, at, bounds);
        }
        self.settle(now);
        sent
    }
}

/// Refusals before any effect.
const REFUSALS: [ErrorKind; 5] = [
    ErrorKind::Throttled,
    ErrorKind::NotReached,
    ErrorKind::AccessDenied,
    ErrorKind::BudgetExhausted,
    ErrorKind::CredentialsInvalid,
];

/// How reads fail, of assignments and of changes.
pub(super) const READ_FAILURES: [ErrorKind; 7] = [
    ErrorKind::Throttled,
    ErrorKind::NotReached,
    ErrorKind::AccessDenied,
    ErrorKind::BudgetExhausted,
    ErrorKind::CredentialsInvalid,
    ErrorKind::Unavailable,
    ErrorKind::Unexpected,
];

/// Failures that say nothing about the effect.
const UNKNOWNS: [ErrorKind; 4] = [
    ErrorKind::Timeout,
    ErrorKind::Unavailable,
    ErrorKind::ConnectionLost,
    ErrorKind::Unexpected,
];
