//! How streams end: with the right to see, with the server, with a watcher that does not read, with events
//! that were removed; and that there are so many of them at most.

use std::time::{Duration, Instant};

use tonic::{Code, Status, Streaming};
use usher::app::{AppError, WatchEvents};
use usher::config::Config;
use usher::domain::log_event::EventFilter;
use usher::grpc::pb::{WatchEventsRequest, WatchEventsResponse, WatchGrantsRequest};

use super::common::{reason, revoke_of, until, within};
use super::support::{AppOnStore, LONG, config, events_of, next, service, service_with, watching};

/// What a stream of everything asks, behind a place.
fn watch(after: Option<u64>) -> WatchEvents {
    WatchEvents {
        instance: String::new(),
        filter: EventFilter::default(),
        after,
    }
}

/// The status with which a stream ends.
async fn end(stream: &mut Streaming<WatchEventsResponse>) -> Status {
    let began = Instant::now();
    loop {
        let message = tokio::time::timeout(LONG, stream.message()).await;
        match message.expect("it goes on or ends in time") {
            Ok(Some(_)) => assert!(began.elapsed() < LONG, "it does not end"),
            Ok(None) => panic!("it ends without a reason"),
            Err(status) => return status,
        }
    }
}

/// Policies that let Emi read events, and later do not.
fn with_policies(folder: &std::path::Path) -> Config {
    let mut config = config();
    config.policy.directory = Some(folder.to_owned());
    config.policy.reload_seconds = 1;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_no_longer_see_does_not_go_on_watching() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.cedar");
    let policy = |actions: &str| {
        let text = format!(
            "@id(\"emi\") permit (principal is Usher::User, action in [{actions}], resource) when {{ principal.name == \"emi.sato\" }};"
        );
        std::fs::write(&file, text).unwrap();
    };
    policy("Usher::Action::\"ReadEvents\", Usher::Action::\"ReadDirectory\"");
    let service = service_with(with_policies(folder.path())).await;
    let mut client = events_of(&service, "emi.sato").await;
    let mut stream = watching(&mut client, Some(0)).await;
    next(&mut stream).await;
    policy("Usher::Action::\"ReadDirectory\"");
    let ended = end(&mut stream).await;
    assert_eq!(reason(&ended), "POLICY_DENIED", "{ended:?}");
    let mut stranger = events_of(&service, "bilal.khan").await;
    let refused = stranger.watch_events(WatchEventsRequest::default()).await;
    assert_eq!(refused.expect_err("no right").code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_does_not_read_is_ended_and_resumes() {
    let mut config = config();
    config.log.watch_queued_max = 2;
    config.log.watch_stalled_seconds_max = 0.1;
    config.log.heartbeat_seconds = 0.05;
    let simulated = AppOnStore::new(config).await;
    let (app, context) = (&simulated.app, simulated.context());
    let mut stream = app.watch_events(&context, watch(Some(0))).await.unwrap();
    until("the end of the stream", || async {
        let is_ended = stream.sender_strong_count() == 0;
        is_ended
            .then_some(())
            .ok_or_else(|| "it goes on".to_owned())
    })
    .await;
    let mut positions = Vec::new();
    let reason = loop {
        match stream.recv().await.expect("a reason at the end") {
            Ok(message) => positions.push(message.position),
            Err(error) => break error,
        }
    };
    assert!(matches!(reason, AppError::WatcherTooSlow), "{reason:?}");
    assert!(
        positions.is_sorted() && positions.len() == 2,
        "{positions:?}"
    );
    let resumed = app.watch_events(&context, watch(positions.last().copied()));
    let first = resumed.await.unwrap().recv().await.unwrap().unwrap();
    assert_eq!(Some(&first.position), positions.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_whose_events_were_removed_is_told_which_one_is_the_first() {
    let mut config = config();
    config.log.retention_days = Some(0.5 / 86_400.0);
    let service = service_with(config).await;
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    let mut client = events_of(&service, "tester").await;
    let grant = service.assign(triple.assign()).await;
    let refused = until("the removal of the first events", || async {
        let mut client = events_of(&service, "tester").await;
        let request = WatchEventsRequest {
            after_position: Some(1),
            ..WatchEventsRequest::default()
        };
        let answer = client.watch_events(within(request, LONG)).await;
        let refused = answer.err().ok_or("they are there")?;
        match reason(&refused).as_str() {
            // The log has not come so far yet.
            "FIELD_INVALID" => Err(refused.to_string()),
            _ => Ok(refused),
        }
    })
    .await;
    assert_eq!(reason(&refused), "LOG_POSITION_REMOVED", "{refused:?}");
    let details = tonic_types::StatusExt::get_error_details(&refused);
    let first = &details.error_info().unwrap().metadata["firstPosition"];
    let first: i64 = first.parse().unwrap();
    assert!(first > 2);
    // 0 is the beginning of what is kept, whatever that is.
    let mut stream = watching(&mut client, Some(0)).await;
    assert!(next(&mut stream).await.position >= first - 1);
    service.revoke(revoke_of(&grant.id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_server_and_hold_nothing_up() {
    let mut service = service().await;
    let mut client = events_of(&service, "tester").await;
    let mut events = watching(&mut client, None).await;
    let mut grants = service.grants();
    let grants_stream = grants.watch_grants(WatchGrantsRequest::default()).await;
    let mut grants_stream = grants_stream.unwrap().into_inner();
    next(&mut events).await;
    grants_stream.message().await.unwrap();
    drop((client, grants));
    let began = Instant::now();
    let ended = tokio::spawn(async move { (end(&mut events).await, grants_stream) });
    service.stop().await;
    // The drain of the tests is 3 s.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let (status, mut grants_stream) = ended.await.unwrap();
    assert_eq!(reason(&status), "SHUTTING_DOWN", "{status:?}");
    while let Ok(Some(_)) = grants_stream.message().await {}
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_streams_are_open_at_once_and_each_ends_with_its_time() {
    let mut config = config();
    config.limits.watches_per_caller_max = 2;
    config.limits.watches_max = 3;
    config.limits.watch_seconds_max = 1;
    let service = service_with(config).await;
    let mut client = events_of(&service, "tester").await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(watching(&mut client, None).await);
    }
    let refused = client.watch_events(WatchEventsRequest::default()).await;
    let refused = refused.expect_err("a third of one caller");
    assert_eq!(reason(&refused), "CALLER_CONCURRENCY_LIMITED");
    let mut other = events_of(&service, "other").await;
    open.push(watching(&mut other, None).await);
    let refused = other.watch_events(WatchEventsRequest::default()).await;
    let refused = refused.expect_err("a fourth of all");
    assert_eq!(reason(&refused), "CALLER_CONCURRENCY_LIMITED");
    let mut last = open.pop().unwrap();
    assert_eq!(end(&mut last).await.code(), Code::DeadlineExceeded);
    // The places are free again once the others have ended too.
    for mut stream in open {
        assert_eq!(end(&mut stream).await.code(), Code::DeadlineExceeded);
    }
    until("a free place", || async {
        let mut client = events_of(&service, "tester").await;
        let answer = client.watch_events(WatchEventsRequest::default()).await;
        answer.map(drop).map_err(|status| status.to_string())
    })
    .await;
}
