//! The log of every call that reached the simulator, in order of arrival, bounded. Holds what
//! happened, for tests and people; nothing is decided by it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::asynchronous::AsynchronousRecord;

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Counts from 1 in order of arrival and never starts again.
    pub sequence: u64,
    /// Arrival, epoch seconds with a fraction.
    pub time_seconds: f64,
    /// `sso-admin`, `identitystore`, `organizations`, `sts`, or empty when nobody could tell.
    pub service: String,
    /// As the client named it, also when it does not exist.
    pub operation: String,
    /// The input; null when it was not a JSON object.
    pub input: Value,
    /// The caller's account; empty when its credentials were refused or nobody asked for them.
    #[serde(default)]
    pub account_id: String,
    /// The Region that the call was signed for, if it was signed.
    #[serde(default)]
    pub region: Option<String>,
    /// The SDK's attempt number, from `amz-sdk-request`.
    pub attempt: Option<u32>,
    /// What `x-amzn-requestid` said.
    pub request_id: String,
    /// How the client saw it end.
    pub outcome: CallOutcome,
    /// `__type` of the error, if one was answered.
    pub error_code: Option<String>,
    /// Whether it was refused by a quota. Scripted throttles show in `faults` instead.
    pub throttled: bool,
    /// Whether the world was changed.
    pub effect: CallEffect,
    /// When it was changed, epoch seconds.
    pub effect_time_seconds: Option<f64>,
    /// Kinds of the scripted faults that hit.
    pub faults: Vec<String>,
    /// The operation that it began, if that ends after the call; kept up to date until then.
    #[serde(default)]
    pub asynchronous: Option<AsynchronousRecord>,
}

/// How a call ended for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// Not ended yet.
    #[default]
    InFlight,
    /// HTTP 200.
    Ok,
    /// An error was answered.
    Error,
    /// The connection was dropped without a reply.
    Dropped,
}

/// What a call did to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEffect {
    /// Nothing: a read, a refusal, or a write that found its wish fulfilled.
    #[default]
    None,
    /// It changed the world.
    Applied,
    /// It was dropped, or is an asynchronous operation, and will be carried out later.
    Later,
}

/// The log.
#[derive(Default)]
pub(super) struct CallLog {
    records: VecDeque<CallRecord>,
    /// Sequence number of the newest record.
    newest: u64,
    dropped: u64,
}

impl CallLog {
    /// Takes a record in, gives it its number and drops the oldest beyond `capacity`.
    pub(super) fn add(&mut self, mut record: CallRecord, capacity: usize) -> u64 {
        self.newest += 1;
        record.sequence = self.newest;
        self.records.push_back(record);
        while self.records.len() > capacity.max(1) {
            self.records.pop_front();
            self.dropped += 1;
        }
        self.newest
    }

    /// Changes a record, if it is still there.
    pub(super) fn update(&mut self, sequence: u64, change: impl FnOnce(&mut CallRecord)) {
        // Numbers run without gaps up to the newest, so the place follows from the number.
        let from_end = self
            .newest
            .checked_sub(sequence)
            .and_then(|age| usize::try_from(age).ok());
        let place = from_end.and_then(|age| self.records.len().checked_sub(age + 1));
        if let Some(record) = place.and_then(|place| self.records.get_mut(place)) {
            change(record);
        }
    }

    /// Records with a number above `since`.
    pub(super) fn since(&self, since: u64) -> impl Iterator<Item = &CallRecord> {
        let first = self
            .records
            .partition_point(|record| record.sequence <= since);
        self.records.range(first..)
    }

    /// Records that were dropped to stay within the capacity, since the last `clear`.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets all records; numbers go on.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(operation: &str) -> CallRecord {
        CallRecord {
            sequence: 0,
            time_seconds: 0.0,
            service: String::new(),
            operation: operation.to_owned(),
            input: Value::Null,
            account_id: String::new(),
            region: None,
            attempt: None,
            request_id: String::new(),
            outcome: CallOutcome::InFlight,
            error_code: None,
            throttled: false,
            effect: CallEffect::None,
            effect_time_seconds: None,
            faults: Vec::new(),
            asynchronous: None,
        }
    }

    #[test]
    fn the_log_is_bounded_and_says_what_it_dropped() {
        let mut log = CallLog::default();
        for at in 0..5 {
            log.add(record(&at.to_string()), 3);
        }
        assert_eq!(log.dropped(), 2);
        let kept: Vec<u64> = log.since(0).map(|record| record.sequence).collect();
        assert_eq!(kept, [3, 4, 5]);
        log.update(2, |_| panic!("it is gone"));
        log.update(4, |record| record.outcome = CallOutcome::Ok);
        assert_eq!(
            log.since(3).next().map(|record| record.outcome),
            Some(CallOutcome::Ok)
        );
        log.clear();
        assert_eq!(log.add(record("next"), 3), 6);
        log.update(5, |_| panic!("it is gone"));
        log.update(6, |record| record.throttled = true);
        assert!(log.since(5).all(|record| record.throttled));
    }
}
