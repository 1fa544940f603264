//! The bounds of a collection, each with its reason.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use serde::Deserialize;

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
}

impl Default for AuditConfig {
    fn default() -> Self {
        const COLLECT_CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
        const INSTANCES_AT_ONCE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
        const CALL_TIMEOUT_SECONDS: NonZeroU64 = NonZeroU64::MIN.saturating_add(299);
        const PROGRESS_INTERVAL_MILLISECONDS: NonZeroU64 = NonZeroU64::MIN.saturating_add(499);
        Self {
            collect_concurrency: COLLECT_CONCURRENCY,
            instances_at_once: INSTANCES_AT_ONCE,
            call_timeout_seconds: CALL_TIMEOUT_SECONDS,
            progress_interval_milliseconds: PROGRESS_INTERVAL_MILLISECONDS,
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
}
