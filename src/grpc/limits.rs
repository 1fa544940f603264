//! What one caller, one connection and all together may occupy, each number with its reason.
//! tonic by itself bounds almost nothing of this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::inbound::{CallerLimits, RatesConfig, SlotsConfig};
use crate::domain::CallerName;

/// The longest time the configuration takes, in seconds: a day.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// The largest message it takes, in bytes: all that is read is held in memory.
const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The most metadata it takes, in bytes.
const METADATA_BYTES_MAX: u64 = 1024 * 1024;
/// The most calls or connections it takes: more than a process may have files.
const COUNT_MAX: u64 = 1_000_000;
/// The most reports at once it takes: each is held in memory.
const REPORTS_MAX: u64 = 1000;

/// The bounds of the surface.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Bytes of a request message: the largest sensible one, an Assign with a full justification,
    /// is under 16 KiB.
    pub message_bytes_max: usize,
    /// Bytes of a request message of AccessService, whose requests carry texts. Above the other
    /// messages' 256 KiB, so that a text of a megabyte, pasted by mistake, is blamed by its field's
    /// name instead of only being too large; with 64 calls a caller that is 80 MB at most.
    pub text_message_bytes_max: usize,
    /// Bytes of a request's metadata: a token of 8 KiB and room beside it.
    pub metadata_bytes_max: u32,
    /// Calls open on one connection.
    pub streams_per_connection_max: u32,
    /// Connections open at once: each costs memory and a file.
    pub connections_max: usize,
    /// Unary calls of one caller at once (DESIGN.md §5).
    pub calls_per_caller_max: usize,
    /// Reports of one caller at once: each holds a collection in memory.
    pub reports_per_caller_max: usize,
    /// Reports of all callers at once: each holds a collection in memory, some 100 MB at 100,000
    /// users (aws-api.md §9), and all share one quota of AWS, so that more at once only makes each
    /// of them slower.
    pub reports_max: usize,
    /// Streams of events and grants of one caller at once: some dashboards and a feed.
    pub watches_per_caller_max: usize,
    /// Streams of all callers at once: each reads the log for itself, some hundred short reads a second
    /// together.
    pub watches_max: usize,
    /// How long a unary call may take where the caller sets no deadline, and at most.
    pub call_seconds_max: u64,
    /// How long a report may take: a large organization's takes 20 minutes (aws-api.md §9).
    pub report_seconds_max: u64,
    /// How long a stream of events or grants may last; then it is resumed. It bounds how long a
    /// credential that was revoked elsewhere goes on being believed.
    pub watch_seconds_max: u64,
    /// How long a new connection may stay silent, or take for the first 24 bytes that HTTP/2 asks.
    pub first_byte_seconds_max: u64,
    /// How often a silent peer is asked whether it is there.
    pub keepalive_interval_seconds: u64,
    /// How long it may take to answer.
    pub keepalive_timeout_seconds: u64,
    /// How old a connection may get, so that clients spread over new replicas.
    pub connection_age_seconds_max: u64,
    /// How long calls on such an old connection may go on.
    pub connection_grace_seconds: u64,
    /// How long shutdown waits for open calls: below the 30 s that Kubernetes waits.
    pub drain_seconds_max: u64,
    /// How fast calls may come.
    pub rates: RatesConfig,
    /// How many calls are handled at once, and which of them are refused first.
    pub slots: SlotsConfig,
    /// What some callers have in the place of what everybody has.
    pub callers: Vec<CallerLimits>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            message_bytes_max: 256 * 1024,
            text_message_bytes_max: 1280 * 1024,
            metadata_bytes_max: 16 * 1024,
            streams_per_connection_max: 128,
            connections_max: 1000,
            calls_per_caller_max: 64,
            reports_per_caller_max: 4,
            reports_max: 8,
            watches_per_caller_max: 16,
            watches_max: 256,
            call_seconds_max: 30,
            report_seconds_max: 7200,
            watch_seconds_max: 3600,
            first_byte_seconds_max: 10,
            keepalive_interval_seconds: 20,
            keepalive_timeout_seconds: 10,
            connection_age_seconds_max: 1800,
            connection_grace_seconds: 7200,
            drain_seconds_max: 15,
            rates: RatesConfig::default(),
            slots: SlotsConfig::default(),
            callers: Vec::new(),
        }
    }
}

impl LimitsConfig {
    /// Checks that nothing is bounded to nothing, nor to what no machine has.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        let numbers = self.numbers().into_iter().chain(self.numbers_of_watches());
        for (name, number, maximum) in numbers {
            if !(1..=maximum).contains(&number) {
                return Err(format!(
                    "limits.{name} is {number}; it must be 1 to {maximum}"
                ));
            }
        }
        self.rates.check()?;
        self.slots.check()?;
        CallerLimits::check_all(&self.callers)
    }

    /// Every bound but those of watches: its name, its value, and the largest value it takes.
    fn numbers(&self) -> [(&'static str, u64, u64); 16] {
        [
            (
                "message_bytes_max",
                self.message_bytes_max as u64,
                MESSAGE_BYTES_MAX,
            ),
            (
                "text_message_bytes_max",
                self.text_message_bytes_max as u64,
                MESSAGE_BYTES_MAX,
            ),
            (
                "metadata_bytes_max",
                self.metadata_bytes_max.into(),
                METADATA_BYTES_MAX,
            ),
            (
                "streams_per_connection_max",
                self.streams_per_connection_max.into(),
                COUNT_MAX,
            ),
            ("connections_max", self.connections_max as u64, COUNT_MAX),
            (
                "calls_per_caller_max",
                self.calls_per_caller_max as u64,
                COUNT_MAX,
            ),
            (
                "reports_per_caller_max",
                self.reports_per_caller_max as u64,
                REPORTS_MAX,
            ),
            ("reports_max", self.reports_max as u64, REPORTS_MAX),
            ("call_seconds_max", self.call_seconds_max, SECONDS_MAX),
            ("report_seconds_max", self.report_seconds_max, SECONDS_MAX),
            (
                "first_byte_seconds_max",
                self.first_byte_seconds_max,
                SECONDS_MAX,
            ),
            (
                "keepalive_interval_seconds",
                self.keepalive_interval_seconds,
                SECONDS_MAX,
            ),
            (
                "keepalive_timeout_seconds",
                self.keepalive_timeout_seconds,
                SECONDS_MAX,
            ),
            (
                "connection_age_seconds_max",
                self.connection_age_seconds_max,
                SECONDS_MAX,
            ),
            (
                "connection_grace_seconds",
                self.connection_grace_seconds,
                SECONDS_MAX,
            ),
            ("drain_seconds_max", self.drain_seconds_max, SECONDS_MAX),
        ]
    }

    /// The same of streams of events and grants.
    fn numbers_of_watches(&self) -> [(&'static str, u64, u64); 3] {
        let (own, all) = (self.watches_per_caller_max, self.watches_max);
        [
            ("watches_per_caller_max", own as u64, REPORTS_MAX),
            ("watches_max", all as u64, COUNT_MAX),
            ("watch_seconds_max", self.watch_seconds_max, SECONDS_MAX),
        ]
    }

    pub(super) fn watch_time_max(&self) -> Duration {
        Duration::from_secs(self.watch_seconds_max)
    }

    pub(super) fn call_time_max(&self) -> Duration {
        Duration::from_secs(self.call_seconds_max)
    }

    pub(super) fn report_time_max(&self) -> Duration {
        Duration::from_secs(self.report_seconds_max)
    }
}

/// Counts what each caller has open. Callers with nothing open take no memory.
#[derive(Debug, Clone)]
pub(super) struct OpenCalls {
    open: Arc<Mutex<HashMap<CallerName, usize>>>,
    per_caller_max: usize,
}

/// One open call; it is counted until dropped.
#[derive(Debug)]
pub(super) struct OpenCall {
    calls: OpenCalls,
    caller: CallerName,
}

impl OpenCalls {
    pub(super) fn new(per_caller_max: usize) -> Self {
        Self {
            open: Arc::default(),
            per_caller_max,
        }
    }

    /// Counts one more call; none when the caller has as many as it may.
    pub(super) fn try_open(&self, caller: &CallerName) -> Option<OpenCall> {
        self.try_open_below(caller, self.per_caller_max)
    }

    /// The same for a caller that may have so many.
    pub(super) fn try_open_below(&self, caller: &CallerName, calls_max: usize) -> Option<OpenCall> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(caller.clone()).or_insert(0);
        if *count >= calls_max {
            return None;
        }
        *count += 1;
        Some(OpenCall {
            calls: self.clone(),
            caller: caller.clone(),
        })
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut open = self
            .calls
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_bounded_by_itself_and_leaves_nothing_behind() {
        let calls = OpenCalls::new(2);
        let alice = CallerName::parse("alice").unwrap();
        let bob = CallerName::parse("bob").unwrap();
        let first = calls.try_open(&alice).unwrap();
        let second = calls.try_open(&alice).unwrap();
        assert!(calls.try_open(&alice).is_none());
        assert!(calls.try_open(&bob).is_some());
        drop(first);
        assert!(calls.try_open(&alice).is_some());
        drop(second);
        assert!(calls.open.lock().unwrap().is_empty());
    }
}
