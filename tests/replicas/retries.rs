//! A client that tries again as deploy/grpc/service_config.json says, and what that file has to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde_json::Value;
use tonic::{Code, Status};

/// How far a pause differs from the backoff (gRPC's A6): a fifth either way.
const JITTER: f64 = 0.2;

/// `retryPolicy` of a method.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetryPolicy {
    max_attempts: usize,
    initial_backoff: String,
    max_backoff: String,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<String>,
}

/// The service config, by `Service/Method`.
pub(crate) struct ServiceConfig {
    policies: BTreeMap<String, RetryPolicy>,
    /// How often a call was sent again so far.
    retries: AtomicUsize,
    replicas: usize,
    /// Which replica is next.
    next: AtomicUsize,
}

impl ServiceConfig {
    /// As it is shipped, for clients of so many replicas.
    pub(crate) fn shipped(replicas: usize) -> Self {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/deploy/grpc/service_config.json"
        );
        let text = std::fs::read_to_string(file).expect("the service config");
        let config: Value = serde_json::from_str(&text).expect("JSON");
        let mut policies = BTreeMap::new();
        for entry in config["methodConfig"].as_array().expect("methods") {
            let policy: RetryPolicy =
                serde_json::from_value(entry["retryPolicy"].clone()).expect("a policy");
            for name in entry["name"].as_array().expect("names") {
                let text = |field: &str| name[field].as_str().expect("a name").to_owned();
                let name = format!("{}/{}", text("service"), text("method"));
                let name = name.strip_prefix("usher.v1.").expect("our own").to_owned();
                assert!(
                    policies.insert(name, policy.clone()).is_none(),
                    "named twice"
                );
            }
        }
        Self {
            policies,
            retries: AtomicUsize::new(0),
            replicas,
            next: AtomicUsize::new(0),
        }
    }

    /// How often a call was sent again so far.
    pub(crate) fn retries(&self) -> usize {
        self.retries.load(Ordering::Relaxed)
    }

    /// Makes a call, again at the next replica while its policy says so.
    pub(crate) async fn call<T, F>(
        &self,
        method: &str,
        send: impl Fn(usize) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let policy = self.policies.get(method).expect("a method with a policy");
        let mut backoff = seconds(&policy.initial_backoff);
        let mut attempt = 1;
        loop {
            let answer = self.send_to_one_that_listens(&send).await;
            let Err(status) = answer else {
                return answer;
            };
            if attempt == policy.max_attempts || !policy.retries(&status) {
                return Err(status);
            }
            let jitter = 1.0 + JITTER * (fastrand::f64() * 2.0 - 1.0);
            tokio::time::sleep(backoff.mul_f64(jitter)).await;
            backoff = backoff.mul_f64(policy.backoff_multiplier);
            backoff = backoff.min(seconds(&policy.max_backoff));
            attempt += 1;
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One attempt, as `round_robin` makes it: a replica that cannot be connected to, or whose connection closed before
    /// the call was sent, is passed over.
    async fn send_to_one_that_listens<T, F>(&self, send: &impl Fn(usize) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut passed_over = 0;
        loop {
            let answer = send(self.next.fetch_add(1, Ordering::Relaxed)).await;
            match answer {
                Err(status) if was_never_sent(&status) && passed_over < self.replicas => {
                    passed_over += 1;
                }
                answer => return answer,
            }
        }
    }
}

impl RetryPolicy {
    fn retries(&self, status: &Status) -> bool {
        let codes = self.retryable_status_codes.iter();
        codes
            .map(String::as_str)
            .any(|code| code == name_of(status))
    }
}

/// Whether the client itself says so, and not a server.
fn is_clients_own(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// tonic's words for a connection that was refused, and for one that closed before the call was on it.
fn was_never_sent(status: &Status) -> bool {
    is_clients_own(status) && matches!(status.code(), Code::Unavailable | Code::Cancelled)
}

/// The code as service configs write it. A connection that broke is UNAVAILABLE to gRPC's clients; tonic says something
/// else.
fn name_of(status: &Status) -> &'static str {
    match status.code() {
        Code::Unavailable => "UNAVAILABLE",
        Code::Unknown | Code::Internal | Code::Cancelled if is_clients_own(status) => "UNAVAILABLE",
        _ => "another",
    }
}

fn seconds(text: &str) -> Duration {
    let number = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    Duration::from_secs_f64(number.expect("seconds"))
}

/// Whether a method only reads, by its name.
fn reads(method: &MethodDescriptor) -> bool {
    let begins = ["Get", "List", "Watch", "Explain", "WhoAmI", "AuditReport"];
    begins.iter().any(|begin| method.name().starts_with(begin))
}

#[test]
fn the_service_config_retries_reads_and_what_carries_a_request_id() {
    let pool = DescriptorPool::decode(usher::grpc::pb::DESCRIPTORS).expect("descriptors");
    let services = pool.services().filter(|it| it.package_name() == "usher.v1");
    let wanted: BTreeSet<String> = services
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .filter(|it| reads(it) || it.input().get_field_by_name("request_id").is_some())
        .map(|it| format!("{}/{}", it.parent_service().name(), it.name()))
        .collect();
    let shipped = ServiceConfig::shipped(1);
    let named: BTreeSet<String> = shipped.policies.keys().cloned().collect();
    assert_eq!(named, wanted);
    for (method, policy) in &shipped.policies {
        assert_eq!(policy.retryable_status_codes, ["UNAVAILABLE"], "{method}");
        // More than five are cut by clients.
        assert!((2..=5).contains(&policy.max_attempts), "{method}");
        assert!(seconds(&policy.initial_backoff) <= seconds(&policy.max_backoff));
    }
}
