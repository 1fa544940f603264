//! What is counted of calls, by method: begun, ended by code, and how long they took. The names and
//! the codes are those of every gRPC dashboard (go-grpc-prometheus).
//!
//! Everything is laid out at the start: a call looks its method up and adds to atomics. A path that
//! is no method counts as `unknown`, so that callers make no labels.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::methods::{Method, methods};
use super::pb;
use crate::metrics::{Counter, Histogram, Kind, Page, Source};

/// How long calls take: reads a millisecond, Assign until its outcome, ten seconds at most, reports
/// and watches up to their longest time (`[limits]`).
const BOUNDS: [Duration; 16] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(1200),
    Duration::from_secs(7200),
];

/// The codes in their order, as Go writes them, whose names dashboards ask for.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// The counts of all calls of one server.
pub(super) struct CallMetrics {
    by_path: HashMap<String, usize>,
    /// The last one counts what is no method.
    methods: Vec<MethodCounts>,
}

struct MethodCounts {
    method: Method,
    started: Counter,
    handled: [Counter; CODES.len()],
    seconds: Histogram,
}

impl CallMetrics {
    /// Nothing counted yet, of every method that the server has.
    pub(super) fn new() -> Self {
        let sets = [
            pb::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let known: Vec<Method> = sets.into_iter().flat_map(methods).collect();
        let unknown = Method {
            service: "unknown".to_owned(),
            name: "unknown".to_owned(),
            kind: "unary",
        };
        let paths = known.iter().map(Method::path);
        Self {
            by_path: paths.enumerate().map(|(at, path)| (path, at)).collect(),
            methods: known
                .into_iter()
                .chain([unknown])
                .map(MethodCounts::new)
                .collect(),
        }
    }

    /// Counts a call that begins. It ends when the record does.
    pub(super) fn begin(self: &Arc<Self>, path: &str) -> CallRecord {
        let unknown = self.methods.len() - 1;
        let method = self.by_path.get(path).copied().unwrap_or(unknown);
        self.methods[method].started.add_one();
        CallRecord {
            metrics: Arc::clone(self),
            method,
            began: Instant::now(),
            has_ended: false,
        }
    }
}

impl MethodCounts {
    fn new(method: Method) -> Self {
        Self {
            method,
            started: Counter::default(),
            handled: std::array::from_fn(|_| Counter::default()),
            seconds: Histogram::new(&BOUNDS),
        }
    }

    fn labels(&self) -> [(&str, &str); 3] {
        [
            ("grpc_type", self.method.kind),
            ("grpc_service", &self.method.service),
            ("grpc_method", &self.method.name),
        ]
    }
}

impl Source for CallMetrics {
    fn tell(&self, page: &mut Page) {
        let mut family = page.family(
            "grpc_server_started_total",
            Kind::Counter,
            "Calls that have begun.",
        );
        for counts in &self.methods {
            family.sample(&counts.labels(), counts.started.value());
        }
        let mut family = page.family(
            "grpc_server_handled_total",
            Kind::Counter,
            "Calls that have ended, by their code; streams when their last byte is sent.",
        );
        for counts in &self.methods {
            let codes = CODES.iter().zip(&counts.handled);
            for (code, count) in codes.filter(|(_, count)| count.value() > 0) {
                let [kind, service, method] = counts.labels();
                family.sample(&[kind, service, method, ("grpc_code", code)], count.value());
            }
        }
        let mut family = page.family(
            "grpc_server_handling_seconds",
            Kind::Histogram,
            "How long calls took from their head to their end.",
        );
        for counts in &self.methods {
            if counts.handled.iter().any(|count| count.value() > 0) {
                family.histogram(&counts.labels(), &counts.seconds);
            }
        }
    }
}

/// One call that has begun. Dropped without an end it counts as cancelled: nobody was there for
/// the rest of the answer.
pub(super) struct CallRecord {
    metrics: Arc<CallMetrics>,
    method: usize,
    began: Instant,
    has_ended: bool,
}

impl CallRecord {
    /// Counts the end. A second one changes nothing.
    pub(super) fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let counts = &self.metrics.methods[self.method];
        let at = usize::try_from(i32::from(code)).unwrap_or_default();
        if let Some(count) = counts.handled.get(at) {
            counts.seconds.observe(self.began.elapsed());
            count.add_one();
        }
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_word_and_every_method_its_row() {
        for (at, word) in CODES.iter().enumerate() {
            let code = Code::from_i32(i32::try_from(at).unwrap());
            let own = match code {
                Code::Ok => "OK".to_owned(),
                Code::Cancelled => "Canceled".to_owned(),
                code => format!("{code:?}"),
            };
            assert_eq!(*word, own);
        }
        let metrics = CallMetrics::new();
        for path in [
            "/usher.v1.AccessService/Assign",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(metrics.by_path.contains_key(path), "{path}");
        }
        let report = metrics.by_path["/usher.v1.AccessService/AuditReport"];
        assert_eq!(metrics.methods[report].method.kind, "server_stream");
    }

    #[test]
    fn a_record_ends_once_and_a_dropped_one_is_cancelled() {
        let metrics = Arc::new(CallMetrics::new());
        let mut record = metrics.begin("/usher.v1.AccessService/Assign");
        record.end(Code::NotFound);
        record.end(Code::Ok);
        drop(record);
        drop(metrics.begin("/alice/secret"));
        let assign = &metrics.methods[metrics.by_path["/usher.v1.AccessService/Assign"]];
        let handled: Vec<u64> = assign.handled.iter().map(Counter::value).collect();
        assert_eq!((handled[5], handled.iter().sum()), (1, 1));
        let mut page = Page::default();
        metrics.tell(&mut page);
        let unknown = metrics.methods.last().unwrap();
        assert_eq!(unknown.handled[1].value(), 1);
    }
}
