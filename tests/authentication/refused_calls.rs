//! What refused calls leave in the log when there are too many, or the store does not answer.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use usher::app::{RefusedCalls, RefusedCallsConfig};
use usher::clock::Clock;
use usher::domain::{About, AccessDenied, CallerName, Unauthenticated};
use usher::store::{SqliteOptions, SqliteStore, Store};

use crate::store_rows::bodies;

fn denied(caller: &str) -> AccessDenied {
    AccessDenied {
        caller: CallerName::parse(caller).unwrap(),
        subject: None,
        action: "ReadGrants",
        about: About::default(),
        policies: Vec::new(),
        policy_version: "v".to_owned(),
        suppressed_count: 0,
    }
}

fn unauthenticated(reason: &'static str) -> Unauthenticated {
    Unauthenticated {
        reason,
        method: "",
        issuer: None,
        has_certificate: false,
        suppressed_count: 0,
    }
}

/// The callers, or reasons, of all events, each with what it counts as left out.
async fn told(directory: &std::path::Path) -> Vec<(String, u64)> {
    let bodies = bodies(&directory.join("usher.sqlite3")).await;
    let told = bodies.iter().map(|body| {
        let who = body.get("caller").or_else(|| body.get("reason"));
        let who = who.and_then(Value::as_str).unwrap_or_default().to_owned();
        (who, body["suppressed_count"].as_u64().unwrap())
    });
    told.collect()
}

async fn store(directory: &std::path::Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(directory, SqliteOptions::default()).await;
    Arc::new(store.unwrap())
}

#[tokio::test]
async fn refused_calls_beyond_their_bounds_are_counted_in_the_next_event() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let config = RefusedCallsConfig {
        denials_per_caller_per_minute_max: 2,
        denials_per_minute_max: 4,
        unauthenticated_per_reason_per_minute_max: 1,
        unauthenticated_per_minute_max: 2,
        ..RefusedCallsConfig::default()
    };
    let (calls, writer) = RefusedCalls::new(store.clone(), Clock::system(), config);
    for caller in ["loud", "loud", "loud", "loud", "other"] {
        calls.denied(denied(caller));
    }
    // Strangers take nothing of what callers have.
    for reason in ["MISSING", "MISSING", "INVALID", "EXPIRED"] {
        calls.unauthenticated(unauthenticated(reason));
    }
    let stop = CancellationToken::new();
    stop.cancel();
    // What was noted before the end is written.
    writer.run(stop).await;
    let expected = [
        ("loud", 2),
        ("loud", 0),
        ("other", 0),
        ("MISSING", 2),
        ("INVALID", 0),
    ];
    let expected = expected.map(|(who, count)| (who.to_owned(), count));
    assert_eq!(told(directory.path()).await, expected);
    store.close().await;
}

#[tokio::test]
async fn a_full_queue_suppresses_and_never_waits() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let config = RefusedCallsConfig {
        queued_max: 1,
        ..RefusedCallsConfig::default()
    };
    let (calls, writer) = RefusedCalls::new(store.clone(), Clock::system(), config);
    // Nobody writes yet.
    for _ in 0..5 {
        calls.denied(denied("alice"));
    }
    let stop = CancellationToken::new();
    stop.cancel();
    writer.run(stop).await;
    assert_eq!(told(directory.path()).await, [("alice".to_owned(), 4)]);
    store.close().await;
}
