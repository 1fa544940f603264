//! Taking assignments over: what is going, or held, is refused where it is recorded.

use usher::domain::{Adoption, EventKind, Grant, GrantState, Standing, Transition};
use usher::store::{GrantRequest, RequestOutcome, StoreError};

use crate::approvals::{decided, recorded};
use crate::common::{Shelf, at, end_request, grant, grant_id, key, record, request_use};

pub(crate) async fn what_is_going_or_held_is_not_taken_over(shelf: Shelf) {
    let store = &*shelf.store;
    let adopting = |number| Grant {
        adoption: Some(Adoption {
            standing_before: Standing::Unknown,
            owner: None,
        }),
        ..grant(number, &key(1, 1))
    };
    let adopt = |number, second| {
        let pending = Grant {
            state: GrantState::PendingApproval,
            ..adopting(number)
        };
        let step = Transition::Adopt {
            policies: vec!["wiki".to_owned()],
            policy_version: "1".to_owned(),
        };
        Grant {
            version: 1,
            ..pending.apply(step, at(second)).unwrap()
        }
    };
    let refused = |outcome: Result<RequestOutcome<Grant>, StoreError>| {
        assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
    };
    let request = |grant, used| GrantRequest {
        grant,
        request: used,
    };
    // It is there, and one adoption holds it: nobody takes it over again, at once or agreed to.
    let waiting = Grant {
        state: GrantState::PendingApproval,
        ..adopting(1)
    };
    let waiting = record(store, waiting).await;
    recorded(store.record_grant(request(adopt(2, 10), None)).await);
    let usage = request_use("adopt", "content");
    refused(
        store
            .record_grant(request(adopt(3, 11), Some(usage.clone())))
            .await,
    );
    assert_eq!(store.grant(&grant_id(3)).await.unwrap(), None);
    assert!(
        store.find_request(&usage).await.unwrap().is_none(),
        "the id is free"
    );
    let step = Transition::Adopt {
        policies: vec!["wiki".to_owned()],
        policy_version: "1".to_owned(),
    };
    let mut late = decided(&waiting, step, None, at(12));
    late.events[0].kind = EventKind::Adopted;
    refused(store.decide_grant(late, None).await);
    // Nor are people asked for it while others are.
    let twice = Grant {
        state: GrantState::PendingApproval,
        ..adopting(5)
    };
    refused(store.record_grant(request(twice, None)).await);
    // Somebody has it removed: what goes is not taken over either.
    let end = end_request(20);
    store
        .remove_assignment(&key(1, 1), None, &end)
        .await
        .unwrap();
    refused(store.record_grant(request(adopt(4, 21), None)).await);
}
