//! One assignment with its grants, its callers and its reconciler.

use jiff::{SignedDuration, Timestamp};

use super::auditor::{Verdict, audit_events};
use super::aws::{Aws, Maker, READ_FAILURES};
use super::requests::account_access;
use crate::domain::grant::tests::{at, grant};
use crate::domain::intent::{self, EndRequest};
use crate::domain::plan::{Bounds, Changes, Run, Step, Write, next_step, presence_operation};
use crate::domain::{
    AssignmentRecord, CallerName, ErrorKind, EventKind, Failure, Grant, GrantState, Justification,
    Standing,
};

/// Steps that one run may take. The longest honest one: end of a due grant, others let go, read,
/// create, read, create again, read, activation, rest, with room for as many stale commits.
const STEPS_PER_RUN_MAX: usize = 24;

pub(super) fn bounds() -> Bounds {
    Bounds {
        visibility_horizon: SignedDuration::from_secs(300),
        lease: SignedDuration::from_secs(60),
        attempt_timeout: SignedDuration::from_secs(10),
        give_up_after: SignedDuration::from_secs(3600),
        backoff_first: SignedDuration::from_secs(1),
        backoff_max: SignedDuration::from_secs(300),
        asynchronous_max: SignedDuration::from_secs(200),
        request_unseen: SignedDuration::from_secs(20),
        request_reread: SignedDuration::from_secs(30),
    }
}

/// What may go wrong in a history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Whether AWS fails and the reconciler crashes now.
    pub(super) faulty: bool,
    /// Whether others change the assignment beside Usher.
    pub(super) others: bool,
    /// AWS refuses every Create for good.
    pub(super) refuses: Option<ErrorKind>,
    /// Whether the target is an account.
    pub(super) is_asynchronous: bool,
}

/// The world.
pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) now: Timestamp,
    pub(super) aws: Aws,
    pub(super) record: AssignmentRecord,
    pub(super) grants: Vec<Grant>,
    pub(super) weather: Weather,
    /// Whether AWS was read to hold nothing that Usher could have been told is missing.
    pub(super) found_missing: bool,
    /// Whether somebody asked for the assignment to be removed, whoever made it.
    pub(super) was_removed: bool,
    /// Nobody works on the assignment before this time: a paused holder has the lease.
    pub(super) leased_until: Timestamp,
    /// Whether the run may write: an asynchronous change that ended took its slot with it.
    pub(super) has_slot: bool,
    /// What happened, for whoever has to understand a failure.
    pub(super) trace: Option<Vec<String>>,
    pub(super) bounds: Bounds,
}

impl World {
    pub(super) fn new(seed: u64, present: bool, weather: Weather) -> Self {
        let mut key = grant(1, GrantState::Provisioning).assignment_key();
        if weather.is_asynchronous {
            key.target = account_access();
        }
        let mut aws = Aws::new(present, key.target.clone());
        aws.create_takes_over = weather.others;
        Self {
            rng: fastrand::Rng::with_seed(seed),
            now: at(0),
            aws,
            record: AssignmentRecord::new(key),
            grants: Vec::new(),
            weather,
            found_missing: false,
            was_removed: false,
            leased_until: at(0),
            has_slot: true,
            trace: None,
            bounds: bounds(),
        }
    }

    pub(super) fn note(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>6} {}", self.now.as_second() - 1_800_000_000, what(self));
            self.trace.get_or_insert_default().push(line);
        }
    }

    pub(super) fn open_grants(&self) -> Vec<Grant> {
        let open = self.grants.iter().filter(|grant| !grant.state.is_over());
        open.cloned().collect()
    }

    pub(super) fn has_live_grant(&self) -> bool {
        self.grants.iter().any(|grant| grant.state.is_live())
    }

    pub(super) fn request_grant(&mut self) -> Verdict {
        let mut new = grant(self.grants.len() as u128 + 1, GrantState::Provisioning);
        new.created_at = self.now;
        new.duration = self
            .rng
            .bool()
            .then(|| SignedDuration::from_secs(self.rng.i64(1..4000)));
        self.note(|_| format!("caller: grant for {:?}", new.duration));
        let changes = intent::request_grant(self.record.clone(), new);
        self.commit(&changes)
    }

    pub(super) fn revoke_some_grant(&mut self) -> Verdict {
        let open = self.open_grants();
        let Some(grant) = self.rng.choice(open.iter()) else {
            return Ok(());
        };
        self.note(|_| format!("caller: revoke {}", grant.id));
        match intent::revoke_grant(self.record.clone(), grant, &self.end_request()) {
            Some(changes) => self.commit(&changes),
            None => Ok(()),
        }
    }

    pub(super) fn remove_assignment(&mut self) -> Verdict {
        self.note(|_| "caller: remove".to_owned());
        let open = self.open_grants();
        let changes = intent::remove_assignment(self.record.clone(), &open, &self.end_request());
        // Whoever made it, somebody asked for it to go.
        self.aws.release(self.now);
        self.was_removed = true;
        self.commit(&changes)
    }

    fn end_request(&self) -> EndRequest {
        EndRequest {
            caller: CallerName::parse("portal").unwrap(),
            subject: CallerName::parse("alice").unwrap(),
            reason: Justification::default(),
            now: self.now,
        }
    }

    /// Somebody else makes or removes the assignment.
    pub(super) fn others_change(&mut self) {
        let present = self.rng.bool();
        self.note(|_| format!("others: present {present}"));
        if !present {
            self.aws.others_remove(self.now);
        } else if self.aws.truth().is_none() {
            let maker = if self.is_taken_for_own() {
                Maker::Either
            } else {
                Maker::Other
            };
            self.aws.set(self.now, Some(maker));
        }
    }

    /// Whether nobody could tell an assignment that appears now from Usher's own: while a grant
    /// holds it or it is to go, and as long as a late effect of Usher's own is possible.
    fn is_taken_for_own(&self) -> bool {
        let record = &self.record;
        let window = self.bounds.settle_window(&record.key.target);
        let late_effect_is_possible = record.recheck_at > record.last_create_at
            && record.recheck_at < record.last_create_at.map(|at| at + window + window);
        record.removal.is_some()
            || record.standing == Standing::No
                && (!self.open_grants().is_empty() || late_effect_is_possible)
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.aws.settle(self.now);
    }

    /// Lets time pass; the reconciler works whenever something is due.
    pub(super) fn live(&mut self, seconds: i64) -> Verdict {
        let until = self.now + SignedDuration::from_secs(seconds);
        while let Some(due) = self.record.next_attempt_at {
            let start = due.max(self.leased_until).max(self.now);
            if start > until {
                break;
            }
            self.now = start;
            self.pass(0);
            self.run()?;
            self.pass(1);
        }
        self.now = self.now.max(until);
        self.pass(0);
        Ok(())
    }

    /// One run of the reconciler, from the claim to the release or to a crash.
    pub(super) fn run(&mut self) -> Verdict {
        let mut run = Run::default();
        let mut record = self.record.clone();
        let mut grants = self.open_grants();
        self.has_slot = true;
        for _ in 0..STEPS_PER_RUN_MAX {
            if self.weather.faulty && self.rng.u8(..12) == 0 {
                self.interrupt(&mut run, &mut record, &mut grants)?;
            }
            if self.weather.faulty && self.rng.u8(..20) == 0 {
                self.note(|_| "reconciler: crash".to_owned());
                return Ok(());
            }
            let step = next_step(&record, &grants, &run, self.now, &self.bounds);
            match step {
                Step::Commit(changes) => {
                    self.note(|_| format!("commit {}", told(&changes)));
                    self.commit(&changes)?;
                    run.saved();
                    record = self.record.clone();
                    grants = self.open_grants();
                }
                Step::Read => self.read(&mut run, &mut record),
                Step::Write(write, changes) => {
                    self.note(|_| format!("{write:?} {}", told(&changes)));
                    self.audit_write(write)?;
                    if write == Write::Create {
                        // A run takes less than a lease, and its read may have lagged.
                        let shown_for = self.bounds.visibility_horizon + self.bounds.lease;
                        self.aws.begin_create(self.now - shown_for);
                    }
                    run.begin_write(&record, write);
                    self.commit(&changes)?;
                    record = self.record.clone();
                    grants = self.open_grants();
                    if !self.send(write, &mut run, &mut record) {
                        return Ok(());
                    }
                }
                Step::ReadRequest(write, id) => {
                    self.audit_request(&id)?;
                    self.read_request(write, &id, &mut run, &mut record);
                }
                Step::FindRequest(write) => self.find_request(write, &mut run, &mut record),
                Step::Rest(changes) => {
                    self.note(|_| format!("rest {}", told(&changes)));
                    self.commit(&changes)?;
                    return self.audit_rest();
                }
            }
            if self.weather.faulty {
                let seconds = self.rng.i64(0..3);
                self.pass(seconds);
            }
        }
        Err("a run takes too many steps".to_owned())
    }

    /// A caller writes, or others act, in the middle of a run. The commit that would follow is
    /// stale: the holder reads again, with or without what it has seen.
    fn interrupt(
        &mut self,
        run: &mut Run,
        record: &mut AssignmentRecord,
        grants: &mut Vec<Grant>,
    ) -> Verdict {
        let before = record.clone();
        match self.rng.u8(..if self.weather.others { 6 } else { 4 }) {
            0 | 1 => self.request_grant()?,
            2 => self.revoke_some_grant()?,
            3 => self.remove_assignment()?,
            _ => self.others_change(),
        }
        *record = self.record.clone();
        *grants = self.open_grants();
        if self.rng.bool() {
            // Somebody else's claim, with a slot of its own.
            *run = Run::default();
            self.has_slot = true;
        } else {
            run.carry_over(&before, record);
        }
        Ok(())
    }

    fn read(&mut self, run: &mut Run, record: &mut AssignmentRecord) {
        let read = if self.weather.faulty && self.rng.u8(..6) == 0 {
            let kind = *self.rng.choice(READ_FAILURES.iter()).unwrap();
            Err(Failure::new(kind, presence_operation(&record.key.target)))
        } else {
            Ok(self.aws.read(&mut self.rng, self.now, &self.bounds))
        };
        self.note(|world| format!("read {read:?} (truth {:?})", world.aws.truth()));
        run.observe(record, read, self.now);
    }

    /// Sends a write whose intent is committed. False when the reconciler dies over it.
    fn send(&mut self, write: Write, run: &mut Run, record: &mut AssignmentRecord) -> bool {
        if self.weather.faulty {
            match self.rng.u8(..20) {
                0 => {
                    self.note(|_| "reconciler: crash before sending".to_owned());
                    return false;
                }
                1 => {
                    // Paused with the write in hand: it goes out while the lease lasts, and takes
                    // its time; nobody else works before the lease is over.
                    let pause = self.rng.i64(1..self.bounds.lease.as_secs());
                    let travel = self.rng.i64(0..self.bounds.attempt_timeout.as_secs());
                    let effect_at = self.now + SignedDuration::from_secs(pause + travel);
                    self.aws
                        .arrive(write, &mut self.rng, effect_at, &self.bounds);
                    self.leased_until = self.now + self.bounds.lease;
                    self.note(|_| format!("reconciler: paused, effect after {pause}+{travel}"));
                    return false;
                }
                _ => {}
            }
        }
        let outcome = match self.weather.refuses.filter(|_| write == Write::Create) {
            Some(kind) => Err(Failure::new(kind, write.operation(&record.key.target))),
            None => {
                let faulty = self.weather.faulty;
                let sent = self
                    .aws
                    .send(write, &mut self.rng, self.now, faulty, &self.bounds);
                self.note(|_| format!("  -> {:?}, effect {:?}", sent.outcome, sent.effect_at));
                sent.outcome
            }
        };
        if self.weather.faulty && self.rng.u8(..20) == 0 {
            self.note(|_| "reconciler: crash before the answer".to_owned());
            return false;
        }
        run.observe_write(record, write, outcome);
        true
    }

    /// Commits as the store does, after the auditor has looked.
    pub(super) fn commit(&mut self, changes: &Changes) -> Verdict {
        let before = self.record.standing;
        if self.record.pending.is_some() && changes.record.pending.is_none() {
            self.has_slot = false;
        }
        for new in &changes.grants {
            let old = self.grants.iter().find(|old| old.id == new.id);
            audit_events(old, new, changes)?;
        }
        if before != Standing::Yes && changes.record.standing == Standing::Yes {
            let since = self.now - self.bounds.visibility_horizon;
            if !self.aws.was_made_by_others_since(since) {
                return Err("Usher's own assignment was taken for standing".to_owned());
            }
        }
        for new in &changes.grants {
            match self.grants.iter_mut().find(|old| old.id == new.id) {
                Some(old) => *old = new.clone(),
                None => self.grants.push(new.clone()),
            }
        }
        let kinds = changes.events.iter().map(|event| event.kind);
        self.found_missing |= kinds
            .into_iter()
            .any(|kind| kind == EventKind::FoundMissing);
        self.record = changes.record.clone();
        self.record.version += 1;
        Ok(())
    }
}

fn told(changes: &Changes) -> String {
    let events: Vec<_> = changes.events.iter().map(|event| event.kind).collect();
    let record = &changes.record;
    format!(
        "{events:?} standing {:?} next {:?} recheck {:?}",
        record.standing,
        record
            .next_attempt_at
            .map(|at| at.as_second() - 1_800_000_000),
        record.recheck_at.map(|at| at.as_second() - 1_800_000_000)
    )
}
