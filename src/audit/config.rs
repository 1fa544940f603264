//! The bounds of a collection, each with its reason.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

use super::schedule::Schedule;

/// More calls in flight than this cannot go faster at any quota of AWS: at 20 a second they would
/// wait half a minute each in the budget's queue, in front of everybody of their class.
const COLLECT_CONCURRENCY_MAX: usize = 512;

/// What was read of an instance stays in memory until its rows are written: about 100 MB for the
/// largest store that AWS allows.
const INSTANCES_AT_ONCE_MAX: usize = 64;
/// A call that is not answered within an hour will not be.
const CALL_TIMEOUT_SECONDS_MAX: u64 = 3600;
/// Progress that is told less than once a minute is none.
const PROGRESS_INTERVAL_MILLISECONDS_MAX: u64 = 60_000;

/// Who wants none for longer than an hour after every start wants none.
const COLLECT_AFTER_START_SECONDS_MAX: u64 = 3600;
/// What was read a day ago is not gone on with: a report that says nothing of an age means now.
const RESUME_SECONDS_MAX: u64 = 86_400;
/// A month: who may be told older facts has whole collections.
const READINGS_KEPT_HOURS_MAX: u64 = 744;
/// Ten years: older reports are files.
const HISTORY_DAYS_MAX: u64 = 3660;

/// The section `audit` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Calls in flight per stage of a collection (applications, groups, users). 16 fill a quota of
    /// 20 a second as long as AWS answers within 0.8 s; the budget, not this, sets the pace.
    pub collect_concurrency: NonZeroUsize,
    /// Instances read side by side in one report, and asked who the subject of a call is where a call
    /// is about all of them. Each has quotas of its own, so that four take the
    /// time of the largest; more would hold more users in memory at once.
    pub instances_at_once: NonZeroUsize,
    /// How long one call may take with its wait for the budget and its retries, in seconds. Audits
    /// are the lowest class: on a busy day their floor is a tenth of 20 a second, and 16 calls wait
    /// 8 s for it; five minutes outlast that and most outages of AWS.
    pub call_timeout_seconds: NonZeroU64,
    /// How often progress is told, in milliseconds: twice a second looks alive and costs nothing.
    pub progress_interval_milliseconds: NonZeroU64,
    /// When every instance is collected by itself, as a cron expression in UTC. By default at night, once a
    /// day: a day is the oldest that reports take facts to be.
    pub schedule: Schedule,
    /// How long after the start it is first looked whether a collection is due, in seconds. Who starts a
    /// server asks it for something first, and one that is started again and again is not always collecting.
    pub collect_after_start_seconds: u64,
    /// For how many days the history is kept: a year can be compared with the one before, and a month more.
    pub history_days: NonZeroU32,
    /// How old what an interrupted collection has read may be for the next one to go on with it, in seconds.
    /// The largest instances take AWS half an hour; an hour outlasts that and a restart. 0: never.
    pub resume_seconds: u64,
    /// For how many hours single readings are kept, for reports that may tell facts of their age. A day, as
    /// long as a collection by schedule is the newest one. Never shorter than `resume_seconds`.
    pub readings_kept_hours: NonZeroU32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        const COLLECT_CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
        const INSTANCES_AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
        const CALL_TIMEOUT_SECONDS: NonZeroU64 = NonZeroU64::MIN.saturating_add(299);
        const READINGS_KEPT_HOURS: NonZeroU32 = NonZeroU32::MIN.saturating_add(23);
        const HISTORY_DAYS: NonZeroU32 = NonZeroU32::MIN.saturating_add(395);
        const PROGRESS_INTERVAL_MILLISECONDS: NonZeroU64 = NonZeroU64::MIN.saturating_add(499);
        Self {
            collect_concurrency: COLLECT_CONCURRENCY,
            instances_at_once: INSTANCES_AT_ONCE,
            call_timeout_seconds: CALL_TIMEOUT_SECONDS,
            progress_interval_milliseconds: PROGRESS_INTERVAL_MILLISECONDS,
            schedule: Schedule::default(),
            collect_after_start_seconds: 60,
            history_days: HISTORY_DAYS,
            resume_seconds: 3600,
            readings_kept_hours: READINGS_KEPT_HOURS,
        }
    }
}

impl AuditConfig {
    /// Checks the ranges; the types know that nothing is 0.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        let numbers = [
            (
                "collect_concurrency",
                self.collect_concurrency.get() as u64,
                COLLECT_CONCURRENCY_MAX as u64,
            ),
            (
                "instances_at_once",
                self.instances_at_once.get() as u64,
                INSTANCES_AT_ONCE_MAX as u64,
            ),
            (
                "call_timeout_seconds",
                self.call_timeout_seconds.get(),
                CALL_TIMEOUT_SECONDS_MAX,
            ),
            (
                "progress_interval_milliseconds",
                self.progress_interval_milliseconds.get(),
                PROGRESS_INTERVAL_MILLISECONDS_MAX,
            ),
            (
                "collect_after_start_seconds",
                self.collect_after_start_seconds.max(1),
                COLLECT_AFTER_START_SECONDS_MAX,
            ),
            (
                "history_days",
                u64::from(self.history_days.get()),
                HISTORY_DAYS_MAX,
            ),
            (
                "resume_seconds",
                self.resume_seconds.max(1),
                RESUME_SECONDS_MAX,
            ),
            (
                "readings_kept_hours",
                u64::from(self.readings_kept_hours.get()),
                READINGS_KEPT_HOURS_MAX,
            ),
        ];
        for (name, number, maximum) in numbers {
            if number > maximum {
                return Err(format!(
                    "audit.{name} is {number}; it must be 1 to {maximum}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn concurrency(&self) -> usize {
        self.collect_concurrency.get().min(COLLECT_CONCURRENCY_MAX)
    }

    pub(super) fn instances_at_once(&self) -> usize {
        self.instances_at_once.get().min(INSTANCES_AT_ONCE_MAX)
    }

    pub(super) fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.call_timeout_seconds.get())
    }

    /// How long after the start it is first looked whether a collection is due.
    #[must_use]
    pub fn first_look(&self) -> Duration {
        Duration::from_secs(self.collect_after_start_seconds)
    }

    /// For how long the history is kept.
    #[must_use]
    pub fn history(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.history_days.get()))
    }

    /// How old what an interrupted collection has read may be for the next one to go on with it.
    #[must_use]
    pub fn resume_age(&self) -> SignedDuration {
        SignedDuration::try_from(Duration::from_secs(self.resume_seconds))
            .unwrap_or(SignedDuration::MAX)
    }

    /// For how long readings are kept.
    #[must_use]
    pub fn readings_kept(&self) -> SignedDuration {
        let kept = SignedDuration::from_hours(i64::from(self.readings_kept_hours.get()));
        kept.max(self.resume_age())
    }

    pub(super) fn progress_interval(&self) -> Duration {
        Duration::from_millis(self.progress_interval_milliseconds.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_strangers_are_refused() {
        let config: AuditConfig = toml::from_str("").unwrap();
        assert_eq!(config, AuditConfig::default());
        assert_eq!(config.concurrency(), 16);
        assert_eq!(config.call_timeout(), Duration::from_secs(300));
        assert_eq!(config.progress_interval(), Duration::from_millis(500));
        assert!(toml::from_str::<AuditConfig>("collect_concurrency = 0").is_err());
        assert!(toml::from_str::<AuditConfig>("concurrency = 3").is_err());
    }

    #[test]
    fn readings_are_kept_as_long_as_they_can_be_gone_on_with() {
        let config: AuditConfig =
            toml::from_str("resume_seconds = 7200\nreadings_kept_hours = 1").unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.readings_kept(), SignedDuration::from_hours(2));
        let config: AuditConfig = toml::from_str("resume_seconds = 90000").unwrap();
        let refused = config.check().unwrap_err();
        assert!(
            refused.starts_with("audit.resume_seconds is 90000"),
            "{refused}"
        );
    }
}
