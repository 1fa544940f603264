//! Calls that the inbound limits refuse: what the caller is told, and how many there were. They leave
//! no event and no line each: anybody can make any number of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tonic::Status;

use super::slots::Class;
use crate::grpc::pb::ErrorReason;
use crate::grpc::status::{status, wire_reason};

/// The shortest time between two lines of the log about refusals of one reason, in nanoseconds.
const LINE_INTERVAL: u64 = 1_000_000_000;

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::grpc) enum Refusal {
    /// The caller's bucket has too little; in so many nanoseconds it has enough.
    CallerRate { wait: u64 },
    /// The caller has as many calls open as it may.
    CallerConcurrency,
    /// Too many calls from that address proved nobody; in so many nanoseconds one more may try.
    AddressRate { wait: u64 },
    /// The server has no slot for calls of this class.
    ServerBusy { class: Class },
}

impl Refusal {
    /// Every reason, in the order of `place`.
    const REASONS: [ErrorReason; 4] = [
        ErrorReason::CallerRateLimited,
        ErrorReason::CallerConcurrencyLimited,
        ErrorReason::AddressRateLimited,
        ErrorReason::ServerBusy,
    ];

    fn place(self) -> usize {
        match self {
            Self::CallerRate { .. } => 0,
            Self::CallerConcurrency => 1,
            Self::AddressRate { .. } => 2,
            Self::ServerBusy { .. } => 3,
        }
    }

    /// What the caller is told, with when to come again.
    pub(in crate::grpc) fn status(self, call_id: &str) -> Status {
        let (message, subject, description, pause) = match self {
            Self::CallerRate { wait } => (
                "your calls come faster than one caller's may",
                "caller",
                "what one caller may spend on calls a second, and at once",
                until(wait),
            ),
            Self::CallerConcurrency => (
                "too many of your calls are open",
                "caller",
                "the number of calls that one caller may have open",
                Duration::from_millis(200),
            ),
            Self::AddressRate { wait } => (
                "too many calls from your address came with credentials that prove nobody; yours were not looked at",
                "address",
                "the number of calls a second from one address whose credentials prove nobody",
                until(wait),
            ),
            Self::ServerBusy { class } => (
                "this server handles as many calls as it has room for; what is left is kept for more urgent ones",
                "server",
                "the number of calls of this kind that the server handles at once",
                class.pause(),
            ),
        };
        let reason = Self::REASONS[self.place()];
        status(reason, call_id, message, &[], |details| {
            details.set_retry_info(Some(pause));
            details.add_quota_failure_violation(subject, description);
        })
    }
}

/// The wait in whole milliseconds, rounded up: many clients read no less of RetryInfo, and who comes
/// a part of one too early is refused again.
fn until(wait: u64) -> Duration {
    Duration::from_millis(wait.div_ceil(1_000_000))
}

/// How many calls the inbound limits refused since the start; every clone is the same.
#[derive(Debug, Clone, Default)]
pub struct RefusedInbound {
    reasons: Arc<[Refused; Refusal::REASONS.len()]>,
}

/// The refusals of one reason.
#[derive(Debug, Default)]
struct Refused {
    by_class: [AtomicU64; Class::ALL.len()],
    /// When the log may have the next line; the first one at once.
    next_line_at: AtomicU64,
    /// Refusals that the log was told of.
    told: AtomicU64,
}

/// Refused calls of one reason and class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedInboundCount {
    /// The reason, as in the error table.
    pub reason: &'static str,
    /// `reports`, `lists`, `requests` or `decisions`.
    pub class: &'static str,
    /// How many.
    pub count: u64,
}

impl RefusedInbound {
    /// Every reason and class with its count, those with none too.
    #[must_use]
    pub fn snapshot(&self) -> Vec<RefusedInboundCount> {
        let reasons = Refusal::REASONS.into_iter().zip(self.reasons.iter());
        let rows = reasons.flat_map(|(reason, refused)| {
            let classes = Class::ALL.into_iter().zip(&refused.by_class);
            classes.map(move |(class, count)| RefusedInboundCount {
                reason: wire_reason(reason),
                class: class.word(),
                count: count.load(Ordering::Relaxed),
            })
        });
        rows.collect()
    }

    /// Counts a refusal. Of each reason the log has at most one line a second, with an example and
    /// how many there were since the last.
    pub(super) fn count(&self, refusal: Refusal, class: Class, example: &str, now: u64) {
        let refused = &self.reasons[refusal.place()];
        refused.by_class[class as usize].fetch_add(1, Ordering::Relaxed);
        let Some(count) = refused.untold(now) else {
            return;
        };
        tracing::warn!(
            reason = wire_reason(Refusal::REASONS[refusal.place()]),
            class = class.word(),
            example,
            count,
            "calls were refused by the inbound limits"
        );
    }
}

impl Refused {
    /// How many refusals the log was not told of, where it may have a line now; they count as told.
    fn untold(&self, now: u64) -> Option<u64> {
        let order = Ordering::Relaxed;
        let next = now.saturating_add(LINE_INTERVAL);
        let is_time = |at| (at <= now).then_some(next);
        self.next_line_at.fetch_update(order, order, is_time).ok()?;
        let all = self.by_class.iter().map(|count| count.load(order)).sum();
        Some(all - self.told.swap(all, order).min(all))
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn each_refusal_says_whose_quota_and_when_to_come_again() {
        let class = Class::Lists;
        for (refusal, reason, subject, pause) in [
            (
                Refusal::CallerRate { wait: 1_000_001 },
                "CALLER_RATE_LIMITED",
                "caller",
                2,
            ),
            (
                Refusal::CallerConcurrency,
                "CALLER_CONCURRENCY_LIMITED",
                "caller",
                200,
            ),
            (
                Refusal::AddressRate { wait: 1 },
                "ADDRESS_RATE_LIMITED",
                "address",
                1,
            ),
            (Refusal::ServerBusy { class }, "SERVER_BUSY", "server", 1000),
        ] {
            let status = refusal.status("call");
            let details = status.get_error_details();
            assert_eq!(status.code(), tonic::Code::ResourceExhausted);
            assert_eq!(details.error_info().unwrap().reason, reason);
            let pause = Some(Duration::from_millis(pause));
            assert_eq!(details.retry_info().unwrap().retry_delay, pause);
            let violations = &details.quota_failure().unwrap().violations;
            assert_eq!(violations.len(), 1);
            assert_eq!(violations[0].subject, subject);
        }
    }

    #[test]
    fn refusals_are_counted_and_the_log_has_one_line_a_second() {
        let refused = RefusedInbound::default();
        let busy = |class, now| {
            refused.count(Refusal::ServerBusy { class }, class, "nobody", now);
        };
        for number in 0..1000 {
            busy(Class::Lists, number);
        }
        busy(Class::Reports, 1000);
        let seen = refused.snapshot();
        let seen = seen.iter().filter(|row| row.count > 0);
        let seen: Vec<_> = seen.map(|row| (row.reason, row.class, row.count)).collect();
        let reason = "SERVER_BUSY";
        assert_eq!(seen, [(reason, "reports", 1), (reason, "lists", 1000)]);
        // One line had the first of them; the next one has the others.
        let busy = &refused.reasons[3];
        assert_eq!(busy.untold(LINE_INTERVAL - 1), None);
        assert_eq!(busy.untold(LINE_INTERVAL), Some(1000));
        assert_eq!(busy.untold(LINE_INTERVAL), None);
    }
}
