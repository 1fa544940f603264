//! The poller: one for the process. While asynchronous changes of an instance are under way, it
//! reads AWS's list of them for each kind of change, and makes due what has vanished from it or
//! never was on it. What became of a change the worker asks that claims it then. A list may lag:
//! what is still under way then is made due again after pauses that double, never by each look. It
//! changes nothing in AWS.
//!
//! Each instance is polled by itself: one that is slow or failing never delays another.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Reconciler;
use crate::domain::plan::Write;
use crate::domain::{AssignmentRequestId, Failure, InstanceArn};
use crate::identity_center::{Call, Class, Demand};
use crate::store::{Duty, StoreError};

/// Why a look at an instance failed.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Aws(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a look at an instance found: whether anything is under way there, and what is remembered
/// of it.
type Look = (Result<bool, PollError>, Remembered);

/// What the looks so far told of the changes that are pending; at most one entry for each slot.
/// A process that starts anew makes each of them due once more.
#[derive(Debug, Default)]
struct Remembered(HashMap<AssignmentRequestId, Shown>);

/// Where a change was at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// AWS listed it.
    Listed,
    /// AWS did not list it, and it was made due. Whoever worked on it just then may have put it off
    /// without knowing, or the list lags behind the change's whole life: so it is made due again,
    /// after pauses that double.
    MadeDue { again_at: Instant, pause: Duration },
}

impl Remembered {
    /// Whether a change is to be made due: it has vanished from the list or was never on it, and it
    /// is the first such look, or as long ago as its pause.
    fn is_news(&mut self, id: &AssignmentRequestId, is_listed: bool, now: Instant) -> bool {
        if is_listed {
            self.0.insert(id.clone(), Shown::Listed);
            return false;
        }
        match self.0.get(id) {
            Some(Shown::MadeDue { again_at, .. }) => *again_at <= now,
            Some(Shown::Listed) | None => true,
        }
    }

    /// It is made due; the pause until it is again is at first the one between two looks.
    fn made_due(
        &mut self,
        id: &AssignmentRequestId,
        now: Instant,
        first: Duration,
        longest: Duration,
    ) {
        let pause = match self.0.get(id) {
            Some(Shown::MadeDue { pause, .. }) => pause.saturating_mul(2).min(longest),
            Some(Shown::Listed) | None => first,
        };
        let again_at = now + pause;
        self.0
            .insert(id.clone(), Shown::MadeDue { again_at, pause });
    }
}

/// The looks of one instance.
#[derive(Debug, Default)]
struct Looks {
    is_running: bool,
    /// Looks in a row that failed.
    failures: u32,
    /// When the next one is due; none: at once.
    next_at: Option<Instant>,
    /// What the looks so far told; a running look has it.
    remembered: Remembered,
}

/// The looks of all instances.
struct Polling {
    instances: HashMap<InstanceArn, Looks>,
    running: JoinSet<Look>,
    running_of: HashMap<Id, InstanceArn>,
}

impl Reconciler {
    /// Polls until the token is cancelled. A look that runs then is dropped: nothing is lost.
    pub(super) async fn poll_requests(&self, stop: &CancellationToken) {
        let mut polling = Polling {
            instances: HashMap::new(),
            running: JoinSet::new(),
            running_of: HashMap::new(),
        };
        while !stop.is_cancelled() {
            let pause_until = self.start_looks(&mut polling);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.request_accepted.notified() => {
                    polling.look_by(Instant::now() + self.config.status_poll());
                }
                () = sleep_until(pause_until) => {}
                Some(done) = polling.running.join_next_with_id() => self.take_in(&mut polling, done),
            }
        }
    }

    /// Starts the looks that are due and says how long to sleep at most.
    fn start_looks(&self, polling: &mut Polling) -> Instant {
        let now = Instant::now();
        let listed = self.instances.arns();
        polling
            .instances
            .retain(|instance, looks| looks.is_running || listed.contains(instance));
        let mut next = now + self.config.poll_interval();
        for instance in listed {
            let looks = polling.instances.entry(instance.clone()).or_default();
            match looks.next_at {
                _ if looks.is_running => {}
                Some(at) if at > now => next = next.min(at),
                _ => {
                    looks.is_running = true;
                    let (this, of) = (self.clone(), instance.clone());
                    let mut remembered = mem::take(&mut looks.remembered);
                    let look = polling.running.spawn(async move {
                        let look = this.look_at(&of, &mut remembered);
                        // Where another replica looks, it makes due what it finds.
                        let found = this.duties.run(Duty::StatusLists, look).await;
                        let found = found.unwrap_or(Ok(false));
                        (found, remembered)
                    });
                    polling.running_of.insert(look.id(), instance);
                }
            }
        }
        next
    }

    fn take_in(&self, polling: &mut Polling, done: Result<(Id, Look), JoinError>) {
        let (id, look) = match done {
            Ok((id, look)) => (id, Some(look)),
            Err(error) => {
                tracing::error!(error = %error, "a look at AWS's asynchronous changes ended abnormally");
                (error.id(), None)
            }
        };
        let Some(instance) = polling.running_of.remove(&id) else {
            return;
        };
        let looks = polling.instances.entry(instance.clone()).or_default();
        looks.is_running = false;
        let found = look.map(|(found, remembered)| {
            looks.remembered = remembered;
            found
        });
        let pause = match found {
            Some(Ok(is_under_way)) => {
                looks.failures = 0;
                if is_under_way {
                    self.config.status_poll()
                } else {
                    self.config.poll_interval()
                }
            }
            Some(Err(error)) => {
                tracing::warn!(
                    error = %error,
                    instance.arn = %instance,
                    "AWS's asynchronous changes cannot be read; they are read one by one meanwhile"
                );
                looks.failures = looks.failures.saturating_add(1);
                self.pause_after(looks.failures)
            }
            None => {
                looks.failures = looks.failures.saturating_add(1);
                self.pause_after(looks.failures)
            }
        };
        looks.next_at = Some(Instant::now() + pause);
    }

    /// The pause after so many failures in a row: it doubles up to the longest one.
    fn pause_after(&self, failures: u32) -> Duration {
        let longest = Duration::try_from(self.bounds.backoff_max).unwrap_or(Duration::MAX);
        let first = self.config.status_poll();
        first
            .saturating_mul(2_u32.saturating_pow(failures))
            .min(longest.max(first))
    }

    async fn look_at(
        &self,
        instance: &InstanceArn,
        remembered: &mut Remembered,
    ) -> Result<bool, PollError> {
        // The records first: what has an id by now is on a list that is read after it, unless it
        // is no longer under way.
        let pending = self.store.pending_requests(instance).await?;
        let ids: BTreeSet<_> = pending
            .iter()
            .filter_map(|(_, change)| change.request_id.as_ref())
            .collect();
        remembered.0.retain(|id, _| ids.contains(id));
        let longest = Duration::try_from(self.bounds.request_reread).unwrap_or(Duration::MAX);
        let (mut is_under_way, mut problem) = (false, None);
        for write in Write::ALL {
            let asked: Vec<_> = pending
                .iter()
                .filter(|(_, change)| change.write == write)
                .filter_map(|(key, change)| Some((key, change.request_id.as_ref()?)))
                .collect();
            if asked.is_empty() {
                continue;
            }
            is_under_way = true;
            let call = self.call_of_a_look();
            let listed = match self.port.requests_in_progress(instance, write, call).await {
                Ok(listed) => listed,
                Err(failure) => {
                    // The other kind is looked at all the same. Where AWS refuses the list for
                    // good, changes are asked about one by one, after pauses that double.
                    let is_refusal = failure.kind.is_refusal();
                    problem.get_or_insert(failure);
                    if !is_refusal {
                        continue;
                    }
                    Vec::new()
                }
            };
            let listed: BTreeSet<_> = listed.iter().collect();
            let now = Instant::now();
            let ended: Vec<_> = asked
                .into_iter()
                .filter(|(_, id)| remembered.is_news(id, listed.contains(id), now))
                .collect();
            if !ended.is_empty() {
                let keys: Vec<_> = ended.iter().map(|(key, _)| (*key).clone()).collect();
                self.store.make_due(&keys, self.clock.now()).await?;
                for (_, id) in ended {
                    remembered.made_due(id, now, self.config.status_poll(), longest);
                }
            }
        }
        match problem {
            None => Ok(is_under_way),
            Some(failure) => Err(failure.into()),
        }
    }

    /// A look has as long as a claim: with retries and the wait for the budget.
    fn call_of_a_look(&self) -> Call {
        let longest = Duration::try_from(self.bounds.lease).unwrap_or_default();
        Call {
            deadline: Instant::now() + longest,
            demand: Demand::usher(Class::Grant),
        }
    }
}

impl Polling {
    /// Looks no later than this at every instance that nothing was under way of.
    fn look_by(&mut self, latest: Instant) {
        for looks in self.instances.values_mut() {
            if looks.failures == 0 {
                looks.next_at = looks.next_at.map(|at| at.min(latest));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_news_when_it_vanishes_and_after_doubling_pauses_while_it_does_not_show() {
        let id = AssignmentRequestId::parse("00000000-0000-4000-8000-000000000001").unwrap();
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(3));
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut remembered = Remembered::default();
        assert!(remembered.is_news(&id, false, at(0)));
        // The store failed: it is still news.
        assert!(remembered.is_news(&id, false, at(0)));
        let mut told = Vec::new();
        for second in 0..12 {
            if remembered.is_news(&id, false, at(second)) {
                remembered.made_due(&id, at(second), first, longest);
                told.push(second);
            }
        }
        assert_eq!(told, [0, 1, 3, 6, 9]);
        // The list lagged; then it ends, and pauses begin anew.
        assert!(!remembered.is_news(&id, true, at(12)));
        assert!(remembered.is_news(&id, false, at(12)));
        remembered.made_due(&id, at(12), first, longest);
        assert!(!remembered.is_news(&id, false, at(12)));
        assert!(remembered.is_news(&id, false, at(13)));
    }
}
