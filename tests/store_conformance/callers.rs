//! The writes of callers: atomic, idempotent by request id, found again after a restart.

use std::future::Future as _;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use usher::domain::{AssignmentRecord, EventKind, GrantState, Standing};
use usher::store::{GrantRequest, GrantScope, RequestOutcome, RevokeOutcome, StoreError};

use super::common::*;

pub(crate) async fn a_grant_is_recorded_with_its_event_and_is_due(shelf: Shelf) {
    let mut changes = shelf.store.signals().changes();
    let recorded = record(&*shelf.store, grant(5, &key(1, 1))).await;
    assert_eq!(recorded, grant(5, &key(1, 1)));
    assert_eq!(changes.try_recv().unwrap(), recorded.id);
    // Work was announced, too: this wait ends at once.
    shelf.store.signals().work().await;
    let stored = shelf.store.grant(&recorded.id).await.unwrap();
    assert_eq!(stored, Some(recorded.clone()));
    let events = shelf.store.grant_events(&recorded.id, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.kind, EventKind::Requested);
    assert_eq!(
        shelf
            .store
            .next_due_at(&[instance()], at(0), limit(1))
            .await
            .unwrap(),
        Some(at(5))
    );
}

pub(crate) async fn fifty_equal_requests_at_once_record_one_grant(shelf: Shelf) {
    let mut calls = JoinSet::new();
    for number in 0..50 {
        let store = shelf.store.clone();
        calls.spawn(async move {
            let request = GrantRequest {
                grant: grant(number, &key(1, 1)),
                request: Some(request_use("one", "hash")),
            };
            store.record_grant(request).await.unwrap()
        });
    }
    let mut recorded = Vec::new();
    let mut repeated = Vec::new();
    while let Some(outcome) = calls.join_next().await {
        match outcome.unwrap() {
            RequestOutcome::Recorded(grant) => recorded.push(grant),
            RequestOutcome::Repeated(grant) => repeated.push(grant),
            RequestOutcome::Reused => panic!("the content is the same"),
        }
    }
    assert_eq!((recorded.len(), repeated.len()), (1, 49));
    assert!(repeated.iter().all(|grant| *grant == recorded[0]));
    let open = shelf.store.open_grants(&instance(), &GrantScope::All).await;
    assert_eq!(open.unwrap(), recorded);
    let found = shelf.store.find_request(&request_use("one", "hash")).await;
    assert_eq!(found.unwrap(), Some(RequestOutcome::Repeated(recorded)));
}

pub(crate) async fn a_request_id_with_other_content_is_reused(shelf: Shelf) {
    let request = |number, hash| GrantRequest {
        grant: grant(number, &key(1, 1)),
        request: Some(request_use("one", hash)),
    };
    shelf.store.record_grant(request(1, "hash")).await.unwrap();
    let other = shelf.store.record_grant(request(2, "other")).await.unwrap();
    assert_eq!(other, RequestOutcome::Reused);
    assert_eq!(shelf.store.grant(&grant_id(2)).await.unwrap(), None);
    let other = request_use("one", "other");
    let found = shelf.store.find_request(&other).await.unwrap();
    assert_eq!(found, Some(RequestOutcome::Reused));
    let revoked = shelf
        .store
        .revoke_grant(&grant_id(1), Some(&other), &end_request(9))
        .await
        .unwrap();
    assert_eq!(revoked, RevokeOutcome::Reused);
    let removed = shelf
        .store
        .remove_assignment(&key(1, 1), Some(&other), &end_request(9))
        .await
        .unwrap();
    assert_eq!(removed, RevokeOutcome::Reused);
    let unchanged = shelf.store.grant(&grant_id(1)).await.unwrap().unwrap();
    assert_eq!(unchanged.state, GrantState::Provisioning);
    let free = request_use("two", "hash");
    assert_eq!(shelf.store.find_request(&free).await.unwrap(), None);
}

pub(crate) async fn a_request_id_counts_per_caller_and_subject(shelf: Shelf) {
    for (number, name) in [(1, "alice"), (2, "bob")] {
        let mut request = request_use("one", "hash");
        request.key.subject = caller(name);
        let outcome = shelf
            .store
            .record_grant(GrantRequest {
                grant: grant(number, &key(1, 1)),
                request: Some(request),
            })
            .await
            .unwrap();
        assert!(
            matches!(outcome, RequestOutcome::Recorded(_)),
            "{outcome:?}"
        );
    }
}

pub(crate) async fn a_revocation_ends_once_and_repeats_its_answer(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let request = request_use("end", "hash");
    let mut answers = JoinSet::new();
    for _ in 0..20 {
        let (store, request) = (shelf.store.clone(), request.clone());
        answers.spawn(async move {
            store
                .revoke_grant(&grant_id(1), Some(&request), &end_request(9))
                .await
                .unwrap()
        });
    }
    let mut ended = 0;
    while let Some(answer) = answers.join_next().await {
        let (grants, record) = match answer.unwrap() {
            RevokeOutcome::Ended { grants, record } => {
                ended += 1;
                (grants, record)
            }
            RevokeOutcome::Repeated { grants, record } => (grants, record.unwrap()),
            other => panic!("{other:?}"),
        };
        assert_eq!(grants.len(), 1);
        assert_eq!(grants[0].state, GrantState::Revoking);
        assert_eq!(record.next_attempt_at, Some(at(9)));
    }
    assert_eq!(ended, 1);
    // Once more without a request id: it is ending, and that is the answer.
    let again = shelf
        .store
        .revoke_grant(&grant_id(1), None, &end_request(20))
        .await
        .unwrap();
    assert!(matches!(again, RevokeOutcome::Ended { .. }), "{again:?}");
    let events = shelf.store.grant_events(&grant_id(1), 10).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|stored| stored.event.kind).collect();
    assert_eq!(kinds, [EventKind::Requested, EventKind::RevokeRequested]);
}

pub(crate) async fn a_refused_revocation_leaves_its_request_id_free(shelf: Shelf) {
    let request = request_use("end", "hash");
    let missing = shelf
        .store
        .revoke_grant(&grant_id(1), Some(&request), &end_request(9))
        .await
        .unwrap();
    assert_eq!(missing, RevokeOutcome::NotFound);
    assert_eq!(shelf.store.find_request(&request).await.unwrap(), None);
}

pub(crate) async fn a_removal_ends_every_grant_and_repeats_its_answer(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    record(&*shelf.store, grant(2, &key(1, 1))).await;
    let elsewhere = record(&*shelf.store, grant(3, &key(1, 2))).await;
    let request = request_use("remove", "hash");
    let remove = async || {
        shelf
            .store
            .remove_assignment(&key(1, 1), Some(&request), &end_request(9))
            .await
    };
    let RevokeOutcome::Ended { grants, record } = remove().await.unwrap() else {
        panic!("the first call ends them");
    };
    let ids: Vec<_> = grants.iter().map(|grant| grant.id.clone()).collect();
    assert_eq!(ids, [grant_id(1), grant_id(2)]);
    assert!(record.removal.is_some());
    let repeated = remove().await.unwrap();
    let record = Some(record);
    assert_eq!(repeated, RevokeOutcome::Repeated { grants, record });
    let found = shelf.store.grant(&elsewhere.id).await.unwrap();
    assert_eq!(found, Some(elsewhere));
}

pub(crate) async fn a_removal_of_what_usher_never_touched_makes_a_record(shelf: Shelf) {
    let outcome = shelf
        .store
        .remove_assignment(&key(1, 1), None, &end_request(9))
        .await
        .unwrap();
    let RevokeOutcome::Ended { grants, record } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(grants, []);
    assert_eq!((record.standing, record.version), (Standing::Unknown, 1));
    let claim = claim_one(&*shelf.store, "a", 9).await;
    assert_eq!(claim.record.removal, record.removal);
}

pub(crate) async fn requests_are_forgotten_by_age(shelf: Shelf) {
    for (number, id) in [(1, "old"), (2, "young")] {
        let mut request = request_use(id, "hash");
        request.at = at(number.into());
        shelf
            .store
            .record_grant(GrantRequest {
                grant: grant(number, &key(1, 1)),
                request: Some(request),
            })
            .await
            .unwrap();
    }
    assert_eq!(shelf.store.forget_requests(at(2)).await.unwrap(), 1);
    let found = shelf.store.find_request(&request_use("old", "hash")).await;
    assert_eq!(found.unwrap(), None);
    let found = shelf
        .store
        .find_request(&request_use("young", "hash"))
        .await;
    assert!(found.unwrap().is_some());
}

pub(crate) async fn a_dropped_write_happens_wholly_or_not_at_all(shelf: Shelf) {
    const CALLS: u32 = 60;
    for number in 1..=CALLS {
        let store = shelf.store.clone();
        let mut call = Box::pin(async move {
            let request = GrantRequest {
                grant: grant(number, &key(number.into(), 1)),
                request: Some(request_use(&number.to_string(), "hash")),
            };
            store.record_grant(request).await
        });
        // Polled so often, then dropped: before it is queued, while it waits, or when it is done.
        for _ in 0..number % 4 {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(outcome) = call.as_mut().poll(&mut context) {
                outcome.unwrap();
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let records = settled(&shelf, CALLS as usize / 4 * 3).await;
    let mut happened = 0;
    for number in 1..=CALLS {
        let id = grant_id(number.into());
        let stored = shelf.store.grant(&id).await.unwrap().is_some();
        let request = request_use(&number.to_string(), "hash");
        let found = shelf.store.find_request(&request).await.unwrap();
        let events = shelf.store.grant_events(&id, 10).await.unwrap();
        let record = records
            .iter()
            .any(|record| record.key == key(number.into(), 1));
        assert_eq!(
            (found.is_some(), events.len(), record),
            (stored, usize::from(stored), stored),
            "call {number}"
        );
        assert!(stored || number % 4 == 0, "a queued call is carried out");
        happened += u32::from(stored);
    }
    assert_eq!(happened, CALLS / 4 * 3);
}

/// Every record, when there are so many.
async fn settled(shelf: &Shelf, count: usize) -> Vec<AssignmentRecord> {
    let settling = async {
        loop {
            let store = &shelf.store;
            let instance = instance();
            let records = store.assignment_records(&instance, &GrantScope::All).await;
            let records = records.unwrap();
            if records.len() >= count {
                return records;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settling)
        .await
        .unwrap()
}

pub(crate) async fn everything_is_found_again_after_a_restart(mut shelf: Shelf) {
    let request = request_use("one", "hash");
    let outcome = shelf
        .store
        .record_grant(GrantRequest {
            grant: grant(1, &key(1, 1)),
            request: Some(request.clone()),
        })
        .await
        .unwrap();
    let RequestOutcome::Recorded(recorded) = outcome else {
        panic!("{outcome:?}");
    };
    let secret = shelf.store.secret("pages").await.unwrap();
    let events = shelf.store.grant_events(&recorded.id, 10).await.unwrap();
    shelf.restart().await;
    let found = shelf.store.grant(&recorded.id).await.unwrap();
    assert_eq!(found, Some(recorded.clone()));
    let found = shelf.store.find_request(&request).await.unwrap();
    assert_eq!(
        found,
        Some(RequestOutcome::Repeated(vec![recorded.clone()]))
    );
    assert_eq!(shelf.store.secret("pages").await.unwrap(), secret);
    let found = shelf.store.grant_events(&recorded.id, 10).await.unwrap();
    assert_eq!(found, events);
    // The same id twice is refused, whatever it is for.
    let twice = GrantRequest {
        grant: grant(1, &key(1, 1)),
        request: None,
    };
    let refused = shelf.store.record_grant(twice).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
}
