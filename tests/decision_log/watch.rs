//! WatchEvents and WatchGrants: events within a second, everything once whatever happens to the stream.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use usher::grpc::pb::{EventFilter, Grant, GrantState, WatchGrantsRequest};

use super::common::{Begin, TestService, revoke_of, short_times};
use super::support::{LONG, events_of, listed, next, next_event, service, watching};

/// The promise: within a second after the commit.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_events_within_a_second() {
    // The times of the log as they are by default, and of the test as they are here.
    let begin = Begin {
        config: short_times(),
        ..Begin::default()
    };
    let service = TestService::start_with(begin).await;
    let mut client = events_of(&service, "tester").await;
    let mut stream = watching(&mut client, None).await;
    let hello = next(&mut stream).await;
    assert_eq!(hello.event, None, "it says first where it begins");
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    let answered = Instant::now();
    loop {
        let event = next_event(&mut stream).await;
        assert!(event.position > hello.position);
        if event.kind == "grant_activated" {
            assert_eq!(event.grant_id, grant.id);
            break;
        }
    }
    let took = answered.elapsed();
    assert!(took < SHOWN_WITHIN, "{took:?} after the answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_cut_and_resumed_miss_nothing_and_repeat_nothing() {
    let mut service = service().await;
    let triples = ["anna.berg", "bilal.khan", "carla.mendes"]
        .map(|user| service.user_on(user, "Amazon Redshift"));
    let mut seen = Vec::new();
    let mut cursor = 0;
    for round in 0..4 {
        for triple in &triples {
            let grant = service.assign(triple.assign()).await;
            service.revoke(revoke_of(&grant.id)).await;
        }
        if round == 1 {
            // The cursor outlives the process.
            service.restart().await;
        }
        let mut client = events_of(&service, "tester").await;
        let mut stream = watching(&mut client, Some(cursor)).await;
        // Cut in the middle of what there is.
        for _ in 0..11 {
            let message = next(&mut stream).await;
            cursor = message.position;
            seen.extend(message.event);
        }
    }
    let mut client = events_of(&service, "tester").await;
    let mut stream = watching(&mut client, Some(cursor)).await;
    let all = listed(&mut client, EventFilter::default(), 0).await;
    while seen.len() < all.len() {
        seen.push(next_event(&mut stream).await);
    }
    let positions: Vec<i64> = seen.iter().map(|event| event.position).collect();
    let expected: Vec<i64> = (1..=i64::try_from(all.len()).unwrap()).collect();
    assert_eq!(positions, expected);
    let hashes = |events: &[usher::grpc::pb::Event]| {
        let hashes = events.iter().map(|event| event.hash.clone());
        hashes.collect::<Vec<_>>()
    };
    assert_eq!(hashes(&seen), hashes(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_carry_the_cursor_past_what_does_not_fit() {
    let service = service().await;
    let mut client = events_of(&service, "tester").await;
    let request = usher::grpc::pb::WatchEventsRequest {
        filter: Some(EventFilter {
            kinds: vec!["grant_failed".to_owned()],
            ..EventFilter::default()
        }),
        after_position: Some(0),
        ..usher::grpc::pb::WatchEventsRequest::default()
    };
    let mut stream = client.watch_events(request).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.position, 0);
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    service.assign(triple.assign()).await;
    let began = Instant::now();
    loop {
        let heartbeat = next(&mut stream).await;
        assert_eq!(heartbeat.event, None);
        if heartbeat.position >= 4 {
            break;
        }
        assert!(began.elapsed() < LONG, "{heartbeat:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_told_whenever_something_happens_to_it() {
    let service = service().await;
    let request = |after_position, grant_id: &str| WatchGrantsRequest {
        grant_id: grant_id.to_owned(),
        after_position,
        ..WatchGrantsRequest::default()
    };
    let mut client = service.grants();
    let stream = client.watch_grants(request(None, "")).await;
    let mut stream = stream.expect("a stream").into_inner();
    let anna = service.user_on("anna.berg", "Amazon Redshift");
    let bilal = service.user_on("bilal.khan", "Amazon Redshift");
    let first = service.assign(anna.assign()).await;
    let second = service.assign(bilal.assign()).await;
    service.revoke(revoke_of(&first.id)).await;
    let mut last: BTreeMap<String, Grant> = BTreeMap::new();
    let mut cursor = 0;
    let is_told = |last: &BTreeMap<String, Grant>| {
        let state = |id| last.get(id).map(Grant::state);
        state(&first.id) == Some(GrantState::Revoked)
            && state(&second.id) == Some(GrantState::Active)
    };
    while !is_told(&last) {
        let message = tokio::time::timeout(LONG, stream.message()).await;
        let message = message
            .expect("in time")
            .expect("no error")
            .expect("no end");
        assert!(message.position >= cursor);
        cursor = message.position;
        if let Some(grant) = message.grant {
            assert_eq!(grant.timeline, [], "as a list shows it");
            last.insert(grant.id.clone(), grant);
        }
    }
    // From the beginning, and one of them alone.
    let stream = client.watch_grants(request(Some(0), &second.id)).await;
    let mut stream = stream.expect("a stream").into_inner();
    let told = loop {
        let message = tokio::time::timeout(LONG, stream.message()).await;
        let message = message
            .expect("in time")
            .expect("no error")
            .expect("no end");
        if let Some(grant) = message.grant {
            break grant;
        }
    };
    assert_eq!(told.id, second.id);
    let nobody = format!("grant_{}", "0".repeat(32));
    let refused = client.watch_grants(request(None, &nobody)).await;
    assert_eq!(refused.expect_err("no such").code(), tonic::Code::NotFound);
}
