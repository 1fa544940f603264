//! ListEvents and GetLogHead: everything in its order, narrowed truly, and a head that others can check.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use tonic::Code;
use usher::domain::log::{Link, LogRecord, from_hex};
use usher::domain::log_verify::Verifier;
use usher::grpc::pb::{
    Event, EventFilter, GetLogHeadRequest, GrantState, ListEventsRequest, WatchEventsRequest,
};

use super::common::{in_time, reason, revoke_of, until};
use super::support::{events_of, listed, service};

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_listed_in_one_chain_and_narrowed_by_every_filter() {
    let service = service().await;
    let mut client = events_of(&service, "tester").await;
    let anna = service.user_on("anna.berg", "Amazon Redshift");
    let bilal = service.user_on("bilal.khan", "Amazon Redshift");
    let first = service.assign(anna.assign()).await;
    let second = service.assign(bilal.assign()).await;
    service.revoke(revoke_of(&first.id)).await;
    let of_first = EventFilter {
        grant_id: first.id.clone(),
        ..EventFilter::default()
    };
    let events = until("the end of the first grant in the log", || async {
        let mut client = events_of(&service, "tester").await;
        let events = listed(&mut client, of_first.clone(), 0).await;
        match events.last() {
            Some(event) if event.kind == "ended_assignment_gone" => Ok(events),
            _ => Err(format!("{events:#?}")),
        }
    })
    .await;
    assert!(events.iter().all(|event| event.grant_id == first.id));
    assert_eq!(events[0].kind, "grant_requested");
    assert_eq!(events[0].subject, "tester");
    assert_eq!(events[0].principal.as_ref().unwrap().name, "anna.berg");
    assert_eq!(
        events[0].target.as_ref().unwrap().application_name,
        "Amazon Redshift"
    );
    let all = listed(&mut client, EventFilter::default(), 3).await;
    assert!(all.len() >= 8, "{all:#?}");
    assert_one_chain(&all);
    assert_eq!(second.state(), GrantState::Active);
}

/// Asserts that these are a whole chain from its beginning, as the wire tells it.
fn assert_one_chain(all: &[Event]) {
    let mut verifier = Verifier::new(0, Some(Link::BEGINNING.hash), &[]);
    for event in all {
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!(body["kind"], event.kind);
        let line = format!(
            "{{\"body\":{},\"hash\":\"{}\",\"position\":{},\"previous_hash\":\"{}\"}}",
            event.body, event.hash, event.position, event.previous_hash
        );
        verifier.take(&LogRecord::from_line(&line).unwrap());
    }
    assert_eq!(verifier.finish().unwrap().count, all.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_narrows_truly() {
    let service = service().await;
    let mut grants = Vec::new();
    for user in ["anna.berg", "bilal.khan"] {
        let triple = service.user_on(user, "Amazon Redshift");
        grants.push(service.assign(triple.assign()).await.id);
    }
    service.revoke(revoke_of(&grants[0])).await;
    let all = until("the end of the first grant in the log", || async {
        let mut client = events_of(&service, "tester").await;
        let all = listed(&mut client, EventFilter::default(), 0).await;
        let is_over = all
            .iter()
            .any(|event| event.kind == "ended_assignment_gone");
        is_over.then_some(all).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    let mut client = events_of(&service, "tester").await;
    let filter = |change: fn(&mut EventFilter)| {
        let mut filter = EventFilter::default();
        change(&mut filter);
        filter
    };
    let loads = filter(|it| it.kinds = vec!["policy_loaded".to_owned()]);
    assert_eq!(listed(&mut client, loads, 0).await.len(), 1);
    let by_nobody = filter(|it| it.caller = "somebody.else".to_owned());
    assert_eq!(listed(&mut client, by_nobody, 0).await, []);
    let by_tester = filter(|it| it.subject = "tester".to_owned());
    let by_tester = listed(&mut client, by_tester, 2).await;
    let kinds: Vec<&str> = by_tester.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["grant_requested", "grant_requested", "revoke_requested"]
    );
    let from = EventFilter {
        start_time: by_tester[1].time,
        ..EventFilter::default()
    };
    let until_then = EventFilter {
        end_time: by_tester[1].time,
        ..EventFilter::default()
    };
    let (later, earlier) = (
        listed(&mut client, from, 2).await,
        listed(&mut client, until_then, 2).await,
    );
    assert!(later.iter().any(|event| event.grant_id == grants[1]));
    assert!(earlier.iter().all(|event| event.grant_id != grants[1]));
    assert!(later.len() + earlier.len() >= all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_signed_by_the_key_that_is_told() {
    let service = service().await;
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    service.assign(triple.assign()).await;
    let (head, key) = until("a head behind the grant", || async {
        let mut client = events_of(&service, "tester").await;
        let answer = client.get_log_head(in_time(GetLogHeadRequest::default()));
        let answer = answer.await.expect("a head").into_inner();
        let known = answer.head.filter(|head| head.position >= 4);
        known
            .map(|head| (head, answer.public_key))
            .ok_or_else(|| "none yet".to_owned())
    })
    .await;
    // As anybody would check it, from the line alone.
    let mut line: serde_json::Value = serde_json::from_str(&head.line).unwrap();
    let signature = line.as_object_mut().unwrap().remove("signature").unwrap();
    assert_eq!(signature, head.signature);
    assert_eq!(line["hash"], head.hash);
    let text = serde_json_canonicalizer::to_string(&line).unwrap();
    let key = from_hex(&key).unwrap();
    let signature = from_hex(&head.signature).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(text.as_bytes(), &signature).unwrap();
    let events = listed(
        &mut events_of(&service, "tester").await,
        EventFilter::default(),
        0,
    )
    .await;
    let there = events.iter().find(|event| event.position == head.position);
    assert_eq!(there.unwrap().hash, head.hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_mean_nothing_are_refused_by_name() {
    let service = service().await;
    let mut client = events_of(&service, "tester").await;
    let filter = EventFilter {
        grant_id: "x".to_owned(),
        kinds: vec!["grant_activated".to_owned(), "grant_activeted".to_owned()],
        start_time: Some(prost_types::Timestamp {
            seconds: 9,
            nanos: -1,
        }),
        end_time: Some(prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        }),
        ..EventFilter::default()
    };
    let list = ListEventsRequest {
        filter: Some(filter.clone()),
        page_size: -1,
        ..ListEventsRequest::default()
    };
    let watch = WatchEventsRequest {
        filter: Some(filter),
        after_position: Some(-1),
        ..WatchEventsRequest::default()
    };
    let refused = [
        client.list_events(in_time(list)).await.map(drop),
        client.watch_events(watch).await.map(drop),
    ];
    for (refused, last) in refused.into_iter().zip(["page_size", "after_position"]) {
        let refused = refused.expect_err("fields are wrong");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = tonic_types::StatusExt::get_error_details(&refused);
        let fields = &details.error_info().unwrap().metadata["fields"];
        for field in [
            "filter.grant_id",
            "filter.kinds[1]",
            "filter.start_time",
            "filter.end_time",
            last,
        ] {
            assert!(fields.contains(field), "{field} in {fields}");
        }
    }
    let behind = WatchEventsRequest {
        after_position: Some(1_000_000),
        ..WatchEventsRequest::default()
    };
    let refused = client.watch_events(behind).await.expect_err("not so far");
    assert_eq!(reason(&refused), "FIELD_INVALID");
}
