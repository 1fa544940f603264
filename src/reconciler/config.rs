//! The reconciler's numbers, each with its reason.

use std::time::Duration;

use jiff::SignedDuration;

use crate::domain::plan::Bounds;

/// How the reconciler works.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconcilerConfig {
    /// Assignments of one instance worked on at once, of each kind of work (break-glass, what somebody waits
    /// for, the rest), so that none keeps another waiting. AWS allows about 20 calls a second and answers in about
    /// 0.2 s, so that four calls in flight use it up; the rest is room for slow answers.
    pub workers_max: usize,
    /// How long a claim lasts. Longer than an attempt with its wait for the budget, short enough
    /// that another replica takes over within a minute (DESIGN.md §4.6).
    pub lease_seconds: f64,
    /// How long AWS's reads may lag behind its writes. Not documented by AWS; five minutes is far
    /// beyond what is reported.
    pub visibility_horizon_seconds: f64,
    /// How long AWS may refuse a grant until it has failed.
    pub give_up_after_seconds: f64,
    /// The pause after a first failure; it doubles from there.
    pub backoff_first_seconds: f64,
    /// The longest pause. With a claim that may run for a whole lease it stays within the 60 s in
    /// which an end is acted on (DESIGN.md §4.6).
    pub backoff_max_seconds: f64,
    /// The longest sleep without a look at the store, in case a wake-up was missed.
    pub poll_interval_seconds: f64,
    /// Asynchronous changes of one instance that AWS may have under way for Usher. AWS's older
    /// documents say 10, the newer 15 (aws-api.md §4): the stricter one.
    pub outstanding_changes_max: usize,
    /// How many of them only ends may take, so that changes which AWS takes long over never keep
    /// access from ending: a tenth, the floor that ends have of the rate too.
    pub outstanding_changes_kept_for_ends: usize,
    /// The pause between two looks at AWS's lists of asynchronous changes, while any is under way. A
    /// slot stays taken for half of it on average after AWS is done: with changes of 3 s, a whole second
    /// here would cost a twelfth of the throughput. Each look is one operation of the 20 a second for each kind of change.
    pub status_poll_seconds: f64,
    /// How long AWS may take over an asynchronous change. Not documented; Terraform gives up after
    /// five minutes. A change that takes longer is told of; one that Usher lost sight of may land
    /// until then.
    pub asynchronous_seconds_max: f64,
    /// How long, after its attempt is over, a change whose answer was lost is looked for in AWS's
    /// lists before it counts as never made. Reads show it much sooner as a rule, and a repeat does
    /// no harm; this keeps it rare. Where AWS's lists lag longer, one change more than the limit may
    /// be under way for a while: AWS then refuses, and the row waits.
    pub request_unseen_seconds: f64,
    /// After this time a change under way is read by itself, in case the poller saw nothing. With a
    /// lease it stays within the minute in which an end is acted on.
    pub request_reread_seconds: f64,
}

impl Default for ReconcilerConfig {
    fn default() -> Self {
        Self {
            workers_max: 8,
            lease_seconds: 30.0,
            visibility_horizon_seconds: 300.0,
            give_up_after_seconds: 3600.0,
            backoff_first_seconds: 0.5,
            backoff_max_seconds: 25.0,
            poll_interval_seconds: 2.0,
            outstanding_changes_max: 10,
            outstanding_changes_kept_for_ends: 1,
            status_poll_seconds: 0.5,
            asynchronous_seconds_max: 300.0,
            request_unseen_seconds: 20.0,
            request_reread_seconds: 30.0,
        }
    }
}

impl ReconcilerConfig {
    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// A sentence that names the field and what it must be.
    pub fn check(&self, attempt_timeout: Duration) -> Result<(), String> {
        if self.workers_max == 0 || self.workers_max > 256 {
            return Err("reconciler.workers_max must be 1 to 256".to_owned());
        }
        if self.outstanding_changes_max == 0 || self.outstanding_changes_max > 1000 {
            return Err("reconciler.outstanding_changes_max must be 1 to 1000".to_owned());
        }
        if self.outstanding_changes_kept_for_ends >= self.outstanding_changes_max {
            return Err(
                "reconciler.outstanding_changes_kept_for_ends must be less than reconciler.outstanding_changes_max"
                    .to_owned(),
            );
        }
        let fields = [
            ("lease_seconds", self.lease_seconds),
            ("give_up_after_seconds", self.give_up_after_seconds),
            ("backoff_first_seconds", self.backoff_first_seconds),
            ("backoff_max_seconds", self.backoff_max_seconds),
            ("poll_interval_seconds", self.poll_interval_seconds),
            ("status_poll_seconds", self.status_poll_seconds),
            ("asynchronous_seconds_max", self.asynchronous_seconds_max),
            ("request_unseen_seconds", self.request_unseen_seconds),
            ("request_reread_seconds", self.request_reread_seconds),
        ];
        for (name, seconds) in fields {
            if !(seconds > 0.0 && seconds <= 86_400.0) {
                return Err(format!(
                    "reconciler.{name} must be more than 0 and at most 86400"
                ));
            }
        }
        if !(0.0..=86_400.0).contains(&self.visibility_horizon_seconds) {
            return Err("reconciler.visibility_horizon_seconds must be 0 to 86400".to_owned());
        }
        if self.lease_seconds + self.backoff_max_seconds > 60.0 {
            return Err(
                "reconciler.lease_seconds and reconciler.backoff_max_seconds must together be at most 60, \
                 so that an end is acted on within a minute"
                    .to_owned(),
            );
        }
        if self.lease_seconds + self.request_reread_seconds > 60.0 {
            return Err(
                "reconciler.lease_seconds and reconciler.request_reread_seconds must together be at most 60, \
                 so that an end that waits for a change under way is acted on within a minute"
                    .to_owned(),
            );
        }
        if self.lease_seconds <= attempt_timeout.as_secs_f64() {
            return Err(
                "reconciler.lease_seconds must be longer than aws.attempt_timeout_seconds"
                    .to_owned(),
            );
        }
        Ok(())
    }

    pub(super) fn bounds(&self, attempt_timeout: Duration) -> Bounds {
        Bounds {
            visibility_horizon: seconds(self.visibility_horizon_seconds),
            lease: seconds(self.lease_seconds),
            attempt_timeout: SignedDuration::try_from(attempt_timeout)
                .unwrap_or(SignedDuration::MAX),
            give_up_after: seconds(self.give_up_after_seconds),
            backoff_first: seconds(self.backoff_first_seconds),
            backoff_max: seconds(self.backoff_max_seconds),
            asynchronous_max: seconds(self.asynchronous_seconds_max),
            request_unseen: seconds(self.request_unseen_seconds),
            request_reread: seconds(self.request_reread_seconds),
        }
    }

    pub(super) fn status_poll(&self) -> Duration {
        Duration::try_from_secs_f64(self.status_poll_seconds).unwrap_or(Duration::from_secs(1))
    }

    pub(super) fn poll_interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.poll_interval_seconds).unwrap_or(Duration::from_secs(2))
    }
}

fn seconds(seconds: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_and_a_short_lease_does_not() {
        let config = ReconcilerConfig::default();
        assert_eq!(config.check(Duration::from_secs(10)), Ok(()));
        let short = ReconcilerConfig {
            lease_seconds: 5.0,
            ..config
        };
        assert!(short.check(Duration::from_secs(10)).is_err());
        let never = ReconcilerConfig {
            backoff_max_seconds: f64::NAN,
            ..config
        };
        assert!(never.check(Duration::from_secs(10)).is_err());
    }
}
