//! The numbers of the decision log, each with its reason.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

/// The longest retention that is taken, in days: a century.
const RETENTION_DAYS_MAX: f64 = 36_525.0;

/// How the decision log is kept, and how it is watched.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// How often it is looked whether events wait to be chained: a reader sees an event within a
    /// second of its commit, and the look is one short read.
    pub chain_interval_milliseconds: u64,
    /// Events that one transaction chains. Writes of grants wait behind it: 256 take some
    /// milliseconds.
    pub chain_batch_max: usize,
    /// How long the one that chains has that right without renewing it. After a crash of one replica
    /// another goes on after this time; with SQLite, at once.
    pub lease_seconds: f64,
    /// How often a head is signed while the log grows.
    pub head_interval_seconds: f64,
    /// Heads that the store keeps, the newest: a week of minutes. Those that lie elsewhere are as many
    /// as somebody keeps there.
    pub heads_kept_max: usize,
    /// A file to which every head and checkpoint is appended, as a JSON line. It is to lie, or to be
    /// sent, where nobody who can change the database can change it.
    pub heads_file: Option<PathBuf>,
    /// Events older than so many days are removed, and a signed checkpoint stands in their place;
    /// without a number they are kept for ever. A fraction is taken.
    pub retention_days: Option<f64>,
    /// Events that one transaction removes: as for chaining, others wait behind it.
    pub removal_batch_max: usize,
    /// How often a stream that has nothing to tell says how far it is: below the minute after which
    /// some proxies close a silent stream.
    pub heartbeat_seconds: f64,
    /// How often policy is asked again whether a watcher may go on.
    pub watch_policy_seconds: f64,
    /// How often a watcher looks by itself, should nobody announce that the log has grown: another
    /// replica may chain.
    pub watch_poll_milliseconds: u64,
    /// Records that a watcher reads at once.
    pub watch_batch_max: usize,
    /// Messages that wait for a slow watcher.
    pub watch_queued_max: usize,
    /// How long a watcher may take none of them before its stream ends.
    pub watch_stalled_seconds_max: f64,
    /// Records that one ListEvents looks at: some tens of milliseconds. A page may be short for it.
    pub looked_at_max: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            chain_interval_milliseconds: 200,
            chain_batch_max: 256,
            lease_seconds: 5.0,
            head_interval_seconds: 60.0,
            heads_kept_max: 10_000,
            heads_file: None,
            retention_days: None,
            removal_batch_max: 1000,
            heartbeat_seconds: 15.0,
            watch_policy_seconds: 30.0,
            watch_poll_milliseconds: 500,
            watch_batch_max: 200,
            watch_queued_max: 64,
            watch_stalled_seconds_max: 30.0,
            looked_at_max: 20_000,
        }
    }
}

impl LogConfig {
    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// A sentence that names the field and what it must be.
    pub fn check(&self) -> Result<(), String> {
        let counts = [
            (
                "chain_interval_milliseconds",
                self.chain_interval_milliseconds,
                1000,
            ),
            ("chain_batch_max", self.chain_batch_max as u64, 10_000),
            ("heads_kept_max", self.heads_kept_max as u64, 10_000_000),
            ("removal_batch_max", self.removal_batch_max as u64, 100_000),
            (
                "watch_poll_milliseconds",
                self.watch_poll_milliseconds,
                60_000,
            ),
            ("watch_batch_max", self.watch_batch_max as u64, 10_000),
            ("watch_queued_max", self.watch_queued_max as u64, 10_000),
            ("looked_at_max", self.looked_at_max as u64, 1_000_000),
        ];
        for (name, number, maximum) in counts {
            if !(1..=maximum).contains(&number) {
                return Err(format!("log.{name} is {number}; it must be 1 to {maximum}"));
            }
        }
        let seconds = [
            ("lease_seconds", self.lease_seconds, 60.0),
            (
                "head_interval_seconds",
                self.head_interval_seconds,
                86_400.0,
            ),
            ("heartbeat_seconds", self.heartbeat_seconds, 3600.0),
            ("watch_policy_seconds", self.watch_policy_seconds, 900.0),
            (
                "watch_stalled_seconds_max",
                self.watch_stalled_seconds_max,
                3600.0,
            ),
        ];
        for (name, number, maximum) in seconds {
            if !(0.05..=maximum).contains(&number) {
                return Err(format!("log.{name} must be 0.05 to {maximum}"));
            }
        }
        match self.retention_days {
            Some(days) if !(0.000_001..=RETENTION_DAYS_MAX).contains(&days) => Err(format!(
                "log.retention_days must be above 0 and at most {RETENTION_DAYS_MAX}; leave it out to keep events for ever"
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn chain_interval(&self) -> Duration {
        Duration::from_millis(self.chain_interval_milliseconds)
    }

    pub(super) fn lease(&self) -> SignedDuration {
        signed(self.lease_seconds)
    }

    pub(super) fn head_interval(&self) -> SignedDuration {
        signed(self.head_interval_seconds)
    }

    /// How long events are kept; none for ever.
    #[must_use]
    pub fn retention(&self) -> Option<SignedDuration> {
        self.retention_days.map(|days| signed(days * 86_400.0))
    }

    /// How often a silent stream says how far it is.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        unsigned(self.heartbeat_seconds)
    }

    /// How often policy is asked again.
    #[must_use]
    pub fn watch_policy(&self) -> Duration {
        unsigned(self.watch_policy_seconds)
    }

    /// How often a watcher looks by itself.
    #[must_use]
    pub fn watch_poll(&self) -> Duration {
        Duration::from_millis(self.watch_poll_milliseconds)
    }

    /// How long a watcher may take nothing.
    #[must_use]
    pub fn watch_stalled_max(&self) -> Duration {
        unsigned(self.watch_stalled_seconds_max)
    }
}

/// Seconds that `check` has seen.
fn unsigned(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn signed(seconds: f64) -> SignedDuration {
    SignedDuration::try_from(unsigned(seconds)).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_bound_nothing_are_refused_by_name() {
        assert_eq!(LogConfig::default().check(), Ok(()));
        let refused = |change: fn(&mut LogConfig)| {
            let mut config = LogConfig::default();
            change(&mut config);
            config.check().unwrap_err()
        };
        let cases = [
            refused(|it| it.chain_batch_max = 0),
            refused(|it| it.lease_seconds = f64::NAN),
            refused(|it| it.head_interval_seconds = 0.0),
            refused(|it| it.retention_days = Some(0.0)),
            refused(|it| it.retention_days = Some(f64::INFINITY)),
        ];
        let names = [
            "log.chain_batch_max",
            "log.lease_seconds",
            "log.head_interval_seconds",
            "log.retention_days",
            "log.retention_days",
        ];
        for (told, name) in cases.iter().zip(names) {
            assert!(told.starts_with(name), "{told}");
        }
    }
}
