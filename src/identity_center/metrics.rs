//! What is counted of AWS: every request that leaves, what became of those that failed, and how
//! long AWS took. One for all ports of a service: no account, region or instance is a label.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{ErrorKind, Operation};
use crate::metrics::{Counter, Histogram, Kind, Page, Source};

/// How long one attempt takes: AWS answers most within 0.3 s, and an attempt has 10 s (`[aws]`).
const BOUNDS: [Duration; 9] = [
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(10),
];

/// The counts, in the order of `Operation::ALL` and `ErrorKind::ALL`.
#[derive(Debug)]
pub struct AwsMetrics {
    operations: [OperationCounts; Operation::ALL.len()],
}

#[derive(Debug)]
struct OperationCounts {
    sent: Counter,
    errors: [Counter; ErrorKind::ALL.len()],
    seconds: Histogram,
}

impl Default for AwsMetrics {
    fn default() -> Self {
        Self {
            operations: std::array::from_fn(|_| OperationCounts {
                sent: Counter::default(),
                errors: std::array::from_fn(|_| Counter::default()),
                seconds: Histogram::new(&BOUNDS),
            }),
        }
    }
}

impl AwsMetrics {
    /// Counts a request that leaves now. It has taken as long as what is answered here lives.
    pub(super) fn sent(self: &Arc<Self>, operation: Operation) -> Timing {
        self.operations[operation as usize].sent.add_one();
        Timing {
            metrics: Arc::clone(self),
            operation,
            began: Instant::now(),
        }
    }

    /// Counts an attempt that failed, also one that nothing was sent of, and an asynchronous change
    /// of which AWS says so.
    pub(super) fn failed(&self, operation: Operation, kind: ErrorKind) {
        self.operations[operation as usize].errors[kind as usize].add_one();
    }

    fn rows(&self) -> impl Iterator<Item = (Operation, &OperationCounts)> {
        Operation::ALL.iter().copied().zip(&self.operations)
    }
}

impl Source for AwsMetrics {
    fn tell(&self, page: &mut Page) {
        let mut family = page.family(
            "usher_aws_operations_total",
            Kind::Counter,
            "Attempts on AWS that took their permit and left.",
        );
        for (operation, counts) in self.rows() {
            family.sample(&[("operation", operation.name())], counts.sent.value());
        }
        let mut family = page.family(
            "usher_aws_errors_total",
            Kind::Counter,
            "Attempts on AWS that failed, by what became of them; those of some kinds never left.",
        );
        for (operation, counts) in self.rows() {
            let kinds = ErrorKind::ALL.iter().zip(&counts.errors);
            for (kind, count) in kinds.filter(|(_, count)| count.value() > 0) {
                let labels = [("operation", operation.name()), ("kind", kind.as_str())];
                family.sample(&labels, count.value());
            }
        }
        let mut family = page.family(
            "usher_aws_operation_seconds",
            Kind::Histogram,
            "How long AWS took over one attempt, without the wait for the budget.",
        );
        for (operation, counts) in self.rows() {
            if counts.sent.value() > 0 {
                family.histogram(&[("operation", operation.name())], &counts.seconds);
            }
        }
    }
}

/// One attempt that is under way; dropped when it is over, or when nobody waits for it any more.
pub(super) struct Timing {
    metrics: Arc<AwsMetrics>,
    operation: Operation,
    began: Instant,
}

impl Drop for Timing {
    fn drop(&mut self) {
        let counts = &self.metrics.operations[self.operation as usize];
        counts.seconds.observe(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_kind_is_counted_by_itself() {
        let metrics = Arc::new(AwsMetrics::default());
        for (at, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, at, "{operation:?}");
            drop(metrics.sent(*operation));
            for (at, kind) in ErrorKind::ALL.iter().enumerate() {
                assert_eq!(*kind as usize, at, "{kind:?}");
                metrics.failed(*operation, *kind);
            }
        }
        for counts in &metrics.operations {
            assert_eq!(counts.sent.value(), 1);
            assert!(counts.errors.iter().all(|count| count.value() == 1));
            let observed = counts.seconds.counts();
            assert_eq!(observed.last().map(|(_, count)| *count), Some(1));
        }
    }
}
