//! Watchers at fault: one that goes on from what was removed long ago, one that does not read.

use std::time::Duration;

use serde_json::json;
use tonic::Code;

use crate::bench::{Bench, CALLER, Setup};
use crate::check::{check_answer, refusal};
use crate::wire::{Answer, Connection, GRPC, encode, frame, post};

const WATCH: &str = "EventService/WatchEvents";

/// The refusals of both.
pub(crate) async fn watches_at_fault() -> [Answer; 2] {
    [watch_from_what_was_removed().await, watch_slowly().await]
}

/// A cursor among events that are older than events are kept.
async fn watch_from_what_was_removed() -> Answer {
    let mut setup = Setup::default();
    setup.config.log.retention_days = Some(0.000_001);
    let bench = Bench::start(setup).await;
    let nobody = bench.raw(WATCH, GRPC, frame(b"")).await;
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let began = std::time::Instant::now();
    loop {
        // Until the log has come so far, and gone so far; before that a stream just goes on.
        let cursor = frame(&encode(WATCH, &json!({"after_position": 1})));
        let shortly = [("grpc-timeout", "300m")];
        let answer = bench.send(CALLER, WATCH, &shortly, cursor).await;
        if !["FIELD_INVALID", "DEADLINE_EXCEEDED"].contains(&answer.reason().as_str()) {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "nothing goes");
        bench.raw(WATCH, GRPC, frame(b"")).await;
    }
}

/// A reader that sleeps while messages come.
async fn watch_slowly() -> Answer {
    let mut setup = Setup::default();
    let log = &mut setup.config.log;
    (log.watch_queued_max, log.watch_stalled_seconds_max) = (1, 0.05);
    log.heartbeat_seconds = 0.05;
    let bench = Bench::start(setup).await;
    let credential = format!("Bearer {}", bench.token(CALLER));
    let headers = [GRPC, &[("authorization", credential.as_str())]].concat();
    let body = frame(&encode(WATCH, &json!({"after_position": 0})));
    let connection = Connection::with_window(bench.address, 16).await;
    let pause = Duration::from_secs(3);
    connection
        .exchange_slowly(post(WATCH, &headers), body, pause)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_at_fault_are_told_how_to_go_on() {
    let [removed, slow] = watches_at_fault().await;
    let expected = refusal(Code::FailedPrecondition, "LOG_POSITION_REMOVED");
    check_answer("a cursor among what was removed", &removed, expected);
    let metadata = removed.details().error_info().unwrap().metadata.clone();
    let first: u64 = metadata["firstPosition"].parse().unwrap();
    assert!(first > 2, "{first}");
    let expected = refusal(Code::ResourceExhausted, "WATCHER_TOO_SLOW");
    check_answer("a reader that is slow", &slow, expected);
    // What had arrived by then says where to go on.
    assert!(!slow.messages(WATCH).is_empty());
}
