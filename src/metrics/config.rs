//! The settings of the admin port, each with its reason.

use std::net::SocketAddr;
use std::time::Duration;

/// The most connections it takes: some scrapers and some people, never a service of its own.
const CONNECTIONS_MAX: usize = 1024;
/// The longest time the configuration takes, in seconds: an hour.
const SECONDS_MAX: u64 = 3600;

/// Where metrics are told, and what whoever reads them may occupy.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where the admin port listens; without one there is none. It speaks plain HTTP and asks
    /// nobody who they are. Counts are all that it tells, but whoever reaches an address that is not
    /// loopback reads them: it is never chosen by itself.
    pub address: Option<SocketAddr>,
    /// Connections at once: a few scrapers and a person. One more is closed at once.
    pub connections_max: usize,
    /// How long the head of a request may take.
    pub head_seconds_max: u64,
    /// How long a connection may last: one request is answered on it, and who does not take the
    /// answer by then is left.
    pub connection_seconds_max: u64,
    /// The pause between two counts of the store. Scrapes read the last count, so that no number of
    /// them reaches the store; one count reads an index entry for each grant that is not over, some
    /// 0.1 s for a million.
    pub count_seconds: f64,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            address: None,
            connections_max: 16,
            head_seconds_max: 10,
            connection_seconds_max: 30,
            count_seconds: 15.0,
        }
    }
}

impl MetricsConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=CONNECTIONS_MAX).contains(&self.connections_max) {
            return Err(format!(
                "metrics.connections_max is {}; it must be 1 to {CONNECTIONS_MAX}",
                self.connections_max
            ));
        }
        for (name, seconds) in [
            ("head_seconds_max", self.head_seconds_max),
            ("connection_seconds_max", self.connection_seconds_max),
        ] {
            if !(1..=SECONDS_MAX).contains(&seconds) {
                return Err(format!(
                    "metrics.{name} is {seconds}; it must be 1 to {SECONDS_MAX}"
                ));
            }
        }
        // Overdue ends are told by it, a minute after they are due at the latest.
        if !(0.05..=60.0).contains(&self.count_seconds) {
            return Err(format!(
                "metrics.count_seconds is {}; it must be 0.05 to 60",
                self.count_seconds
            ));
        }
        Ok(())
    }

    /// The pause between two counts of the store.
    #[must_use]
    pub fn count_pause(&self) -> Duration {
        Duration::try_from_secs_f64(self.count_seconds).unwrap_or(Duration::from_secs(60))
    }

    pub(super) fn head_time_max(&self) -> Duration {
        Duration::from_secs(self.head_seconds_max)
    }

    pub(super) fn connection_time_max(&self) -> Duration {
        Duration::from_secs(self.connection_seconds_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let refuse = |change: fn(&mut MetricsConfig)| {
            let mut config = MetricsConfig::default();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert_eq!(MetricsConfig::default().check(), Ok(()));
        assert!(refuse(|it| it.connections_max = 0).contains("metrics.connections_max"));
        assert!(refuse(|it| it.connections_max = 1025).contains("metrics.connections_max"));
        assert!(refuse(|it| it.head_seconds_max = 0).contains("metrics.head_seconds_max"));
        assert!(refuse(|it| it.connection_seconds_max = 3601).contains("connection_seconds_max"));
        assert!(refuse(|it| it.count_seconds = f64::NAN).contains("metrics.count_seconds"));
        assert!(refuse(|it| it.count_seconds = 61.0).contains("metrics.count_seconds"));
    }
}
