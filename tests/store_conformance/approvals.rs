//! Decisions about grants: a word with what it makes of the grant, or neither; each word once; one
//! decision where two are made of the same grant.

use jiff::Timestamp;
use usher::domain::{
    Actor, Event, EventKind, Extension, Grant, GrantId, GrantState, Justification, Review,
    ReviewDecision, Ticket, Transition,
};
use usher::store::{GrantDecision, GrantFilter, GrantScope, RequestOutcome, Store, StoreError};

use crate::common::{
    Shelf, at, caller, end_request, grant, grant_id, instance, key, record, request_use,
};

/// A recorded grant that waits for people and is looked at in that second.
async fn pending(store: &dyn Store, number: u32, look_at: i64) -> Grant {
    let grant = Grant {
        state: GrantState::PendingApproval,
        policies: Vec::new(),
        lapses_at: Some(at(9000)),
        look_at: Some(at(look_at)),
        ..grant(number, &key(1, number.into()))
    };
    record(store, grant).await
}

fn word(grant: &Grant, who: &str, decision: ReviewDecision, second: i64) -> Review {
    Review {
        reviewer: caller(who),
        caller: caller("service:portal"),
        decision,
        subject_proven: false,
        service: Some("portal".to_owned()),
        vouched_by: Some("tickets".to_owned()),
        round: grant.extension.as_ref().map_or(0, |wish| wish.round),
        digest: grant.digest(),
        reason: Justification::parse("looked at it").unwrap(),
        at: at(second),
    }
}

pub(crate) fn decided(
    grant: &Grant,
    step: Transition,
    review: Option<Review>,
    now: Timestamp,
) -> GrantDecision {
    let next = grant.apply(step, now).unwrap();
    let key = grant.assignment_key();
    let event = Event::new(
        EventKind::Approved,
        now,
        Actor::Usher,
        key,
        Some(grant.id.clone()),
    );
    GrantDecision {
        grant: next,
        review,
        events: vec![event],
        now,
    }
}

fn agreed(grant: &Grant, who: &str, second: i64) -> GrantDecision {
    let review = word(grant, who, ReviewDecision::Approved, second);
    decided(grant, Transition::Review, Some(review), at(second))
}

fn opened(grant: &Grant, second: i64) -> GrantDecision {
    let open = Transition::Open {
        policies: vec!["two-leads".to_owned()],
        policy_version: "2".to_owned(),
    };
    decided(grant, open, None, at(second))
}

fn denied(grant: &Grant, who: &str, second: i64) -> GrantDecision {
    let review = word(grant, who, ReviewDecision::Denied, second);
    let deny = Transition::Deny {
        by: Some(caller(who)),
        reason: review.reason.clone(),
    };
    decided(grant, deny, Some(review), at(second))
}

pub(crate) fn recorded(outcome: Result<RequestOutcome<Grant>, StoreError>) -> Grant {
    match outcome.unwrap() {
        RequestOutcome::Recorded(grant) => grant,
        other => panic!("{other:?}"),
    }
}

async fn words(store: &dyn Store, id: &GrantId) -> Vec<Review> {
    let found = store.reviews(std::slice::from_ref(id)).await.unwrap();
    assert!(found.iter().all(|(of, _)| of == id));
    found.into_iter().map(|(_, review)| review).collect()
}

async fn events(store: &dyn Store, id: &GrantId) -> usize {
    store.grant_events(id, 100).await.unwrap().len()
}

pub(crate) async fn a_word_is_written_with_what_it_makes_of_the_grant(mut shelf: Shelf) {
    let store = shelf.store.clone();
    let first = pending(&*store, 1, 100).await;
    let decision = agreed(&first, "user:carla", 10);
    let second = recorded(store.decide_grant(decision.clone(), None).await);
    assert_eq!((second.version, second.state), (2, first.state));
    assert_eq!(words(&*store, &first.id).await, [decision.review.unwrap()]);
    let third = recorded(store.decide_grant(opened(&second, 20), None).await);
    assert_eq!(third.state, GrantState::Provisioning);
    assert_eq!(third.policies, ["two-leads"]);
    assert_eq!((third.lapses_at, third.look_at), (first.lapses_at, None));
    assert_eq!(
        events(&*store, &first.id).await,
        3,
        "asked for, agreed to, opened"
    );
    drop(store);
    shelf.restart().await;
    let again = shelf.store.grant(&first.id).await.unwrap();
    assert_eq!(again, Some(third));
    assert_eq!(words(&*shelf.store, &first.id).await.len(), 1);
}

pub(crate) async fn a_decision_on_an_older_grant_changes_nothing(shelf: Shelf) {
    let store = &*shelf.store;
    let first = pending(store, 1, 100).await;
    let second = recorded(
        store
            .decide_grant(agreed(&first, "user:carla", 10), None)
            .await,
    );
    for late in [
        agreed(&first, "user:dmitri", 11),
        denied(&first, "user:emi", 11),
        opened(&first, 11),
    ] {
        let request = request_use("late", "hash");
        let outcome = store.decide_grant(late, Some(&request)).await;
        assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
        // Nor does it take the request id with it.
        assert_eq!(store.find_request(&request).await.unwrap(), None);
    }
    assert_eq!(store.grant(&first.id).await.unwrap(), Some(second.clone()));
    assert_eq!(
        words(store, &first.id).await.len(),
        1,
        "no word without its grant"
    );
    assert_eq!(events(store, &first.id).await, 2);
    // What is over is not decided again, by whatever version.
    store
        .revoke_grant(&first.id, None, &end_request(12))
        .await
        .unwrap();
    let outcome = store.decide_grant(opened(&second, 13), None).await;
    assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
    let over = store.grant(&first.id).await.unwrap().unwrap();
    assert_eq!(over.state, GrantState::Cancelled);
}

pub(crate) async fn a_second_word_counts_only_as_an_objection(shelf: Shelf) {
    let store = &*shelf.store;
    let first = pending(store, 1, 100).await;
    let second = recorded(
        store
            .decide_grant(agreed(&first, "user:carla", 10), None)
            .await,
    );
    let outcome = store
        .decide_grant(agreed(&second, "user:carla", 11), None)
        .await;
    assert!(matches!(outcome, Err(StoreError::Stale)), "{outcome:?}");
    assert_eq!(words(store, &first.id).await[0].at, at(10));
    let third = recorded(
        store
            .decide_grant(denied(&second, "user:carla", 12), None)
            .await,
    );
    assert_eq!((third.version, third.state), (3, GrantState::Denied));
    let said = words(store, &first.id).await;
    assert_eq!(said.len(), 1, "a person counts once");
    assert_eq!(
        (said[0].decision, said[0].at),
        (ReviewDecision::Denied, at(12))
    );
}

pub(crate) async fn a_repeated_decision_is_the_first_one(shelf: Shelf) {
    let store = &*shelf.store;
    let first = pending(store, 1, 100).await;
    let request = request_use("said", "hash");
    let decision = agreed(&first, "user:carla", 10);
    let second = recorded(store.decide_grant(decision.clone(), Some(&request)).await);
    // In its present state, whatever the call made of it.
    let third = recorded(store.decide_grant(opened(&second, 20), None).await);
    for again in [decision, agreed(&second, "user:carla", 30)] {
        let outcome = store
            .decide_grant(again.clone(), Some(&request))
            .await
            .unwrap();
        assert_eq!(outcome, RequestOutcome::Repeated(third.clone()));
        let other = request_use("said", "other");
        let outcome = store.decide_grant(again, Some(&other)).await.unwrap();
        assert_eq!(outcome, RequestOutcome::Reused);
    }
    assert_eq!(words(store, &first.id).await.len(), 1);
}

pub(crate) async fn a_persons_own_word_and_one_for_that_person_are_two(shelf: Shelf) {
    let store = &*shelf.store;
    let asked = pending(store, 1, 100).await;
    let vouched = agreed(&asked, "user:carla", 10);
    let one = recorded(store.decide_grant(vouched.clone(), None).await);
    let own = |grant: &Grant, is_proven, second| {
        let mut own = agreed(grant, "user:carla", second);
        if let Some(word) = &mut own.review {
            (word.vouched_by, word.subject_proven) = (None, is_proven);
        }
        own
    };
    let two = recorded(store.decide_grant(own(&one, false, 20), None).await);
    // Her own token proves what a service had said for her; less proof after more does not count.
    let proven = own(&two, true, 30);
    let three = recorded(store.decide_grant(proven.clone(), None).await);
    let said = [vouched.review.unwrap(), proven.review.unwrap()];
    assert_eq!(words(store, &asked.id).await, said);
    for less in [own(&three, false, 40), agreed(&three, "user:carla", 40)] {
        let less = store.decide_grant(less, None).await;
        assert!(matches!(less, Err(StoreError::Stale)), "{less:?}");
    }
    assert_eq!(events(store, &asked.id).await, 4, "each is in the log");
}

pub(crate) async fn of_many_decisions_at_once_one_is_made(shelf: Shelf) {
    let store = &*shelf.store;
    for round in 1..=20 {
        let first = pending(store, round, 100).await;
        let cancel = end_request(10);
        let (approved, refused, ended) = tokio::join!(
            store.decide_grant(opened(&first, 10), None),
            store.decide_grant(denied(&first, "user:emi", 10), None),
            store.revoke_grant(&first.id, None, &cancel),
        );
        ended.unwrap();
        let made = [&approved, &refused]
            .into_iter()
            .filter(|it| it.is_ok())
            .count();
        for lost in [&approved, &refused]
            .into_iter()
            .filter_map(|it| it.as_ref().err())
        {
            assert!(matches!(lost, StoreError::Stale), "{lost:?}");
        }
        assert!(made <= 1, "{round}");
        let after = store.grant(&first.id).await.unwrap().unwrap();
        let said = words(store, &first.id).await.len();
        assert_eq!(said, usize::from(refused.is_ok()), "{round}");
        match (&approved, &refused) {
            (Ok(_), _) => assert_eq!(after.state, GrantState::Revoking, "{round}"),
            (_, Ok(_)) => assert_eq!(after.state, GrantState::Denied, "{round}"),
            _ => assert_eq!(after.state, GrantState::Cancelled, "{round}"),
        }
    }
}

pub(crate) async fn what_waits_is_found_by_its_scope_and_in_its_time(shelf: Shelf) {
    let store = &*shelf.store;
    let late = pending(store, 1, 300).await;
    let soon = pending(store, 2, 100).await;
    let live = record(store, grant(3, &key(1, 1))).await;
    let scope = |number| {
        let key = key(1, number);
        GrantScope::Assignment(key.principal, key.target)
    };
    let found = store
        .waiting_grants(&instance(), &GrantScope::All)
        .await
        .unwrap();
    assert_eq!(found, [late.clone(), soon.clone()]);
    let found = store.waiting_grants(&instance(), &scope(1)).await.unwrap();
    assert_eq!(
        found,
        std::slice::from_ref(&late),
        "and not what is live: {}",
        live.id
    );
    let found = store.waiting_grants(&instance(), &scope(9)).await.unwrap();
    assert_eq!(found, []);

    let due = async |second, limit| {
        let due = store
            .grants_to_look_at(&instance(), at(second), limit)
            .await
            .unwrap();
        due.into_iter().map(|grant| grant.id).collect::<Vec<_>>()
    };
    assert_eq!(due(99, 9).await, []);
    assert_eq!(due(100, 9).await, std::slice::from_ref(&soon.id));
    assert_eq!(
        due(300, 9).await,
        [soon.id.clone(), late.id.clone()],
        "longest waiting first"
    );
    assert_eq!(due(300, 1).await, std::slice::from_ref(&soon.id));
    let put_off = decided(&soon, Transition::LookAt(at(400)), None, at(100));
    recorded(store.decide_grant(put_off, None).await);
    assert_eq!(due(300, 9).await, std::slice::from_ref(&late.id));
    recorded(
        store
            .decide_grant(denied(&late, "user:emi", 300), None)
            .await,
    );
    assert_eq!(due(399, 9).await, [], "what is over is not looked at");
    assert_eq!(due(400, 9).await, [soon.id]);
}

/// A service has said what it vouched for, and not what it carried.
async fn check_who_said(store: &dyn Store) {
    let said_by = async |who: &str| {
        let filter = GrantFilter {
            reviewed_by: Some(who.to_owned()),
            ..GrantFilter::default()
        };
        store.grants(&filter, None, 9).await.unwrap().len()
    };
    assert_eq!(said_by("user:carla").await, 1);
    assert_eq!(said_by("service:tickets").await, 1);
    assert_eq!(
        said_by("service:portal").await + said_by("user:emi").await,
        0
    );
}

pub(crate) async fn a_wish_for_more_time_comes_back_and_has_words_of_its_own(shelf: Shelf) {
    let store = &*shelf.store;
    let first = pending(store, 1, 100).await;
    let second = recorded(
        store
            .decide_grant(agreed(&first, "user:carla", 10), None)
            .await,
    );
    recorded(store.decide_grant(opened(&second, 20), None).await);
    let claim = crate::common::claim_one(store, "one", 21).await;
    let active = crate::common::activation(&claim, 22);
    store.commit_and_release(&claim, active).await.unwrap();
    let active = store.grant(&first.id).await.unwrap().unwrap();
    let end_at = at(9999);
    let wish = Extension {
        round: 1,
        requester: active.requester.clone(),
        end_at,
        justification: Justification::parse("not done").unwrap(),
        ticket: Ticket::parse("INC-1").unwrap(),
        paths: Vec::new(),
        digest: active.extension_digest(1, end_at),
        lapses_at: at(3000),
    };
    let ask = decided(
        &active,
        Transition::AskExtension(Box::new(wish.clone()), at(3000)),
        None,
        at(30),
    );
    let asked = recorded(store.decide_grant(ask, None).await);
    assert_eq!(asked.extension, Some(wish));
    assert_eq!(asked.end_at, active.end_at, "the old end stands");
    let filter = GrantFilter {
        open_wish: true,
        ..GrantFilter::default()
    };
    let open = store.grants(&filter, None, 9).await.unwrap();
    assert_eq!(open, std::slice::from_ref(&asked));
    check_who_said(store).await;
    // The same person on another wish.
    let again = recorded(
        store
            .decide_grant(agreed(&asked, "user:carla", 40), None)
            .await,
    );
    assert_eq!(words(store, &first.id).await.len(), 2);
    let extend = Transition::Extend {
        policies: vec!["two-leads".to_owned()],
        policy_version: "2".to_owned(),
    };
    let longer = recorded(
        store
            .decide_grant(decided(&again, extend, None, at(50)), None)
            .await,
    );
    assert_eq!((longer.end_at, longer.extension), (Some(end_at), None));
    assert_eq!(store.grants(&filter, None, 9).await.unwrap(), []);
    assert_eq!(store.reviews(&[]).await.unwrap(), []);
    assert_eq!(words(store, &grant_id(77)).await, []);
}
