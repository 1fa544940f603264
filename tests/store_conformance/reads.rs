//! What the store answers about what it holds.

use std::collections::BTreeSet;

use tokio::task::JoinSet;
use usher::domain::{
    Actor, EndingKind, ErrorKind, Event, EventKind, FailedAttempt, Failure, GrantState,
    Justification, Operation, PrincipalKind, Removal, Standing, Target, Ticket, Transition,
};
use usher::store::{GrantCounts, GrantFilter, GrantScope, NameEntry, NameKind, StoreError};

use super::common::*;

pub(crate) async fn grants_page_newest_first_within_a_filter(shelf: Shelf) {
    for number in 1..=9_u32 {
        let mut new = grant(
            number,
            &key(u64::from(number % 2) + 1, u64::from(number % 3) + 1),
        );
        if number == 4 {
            new.ticket = Ticket::parse("INC-4").unwrap();
            new.requester.caller = caller("tickets");
        }
        record(&*shelf.store, new).await;
    }
    shelf
        .store
        .revoke_grant(&grant_id(7), None, &end_request(20))
        .await
        .unwrap();
    let all = GrantFilter::default();
    let mut numbers = Vec::new();
    let mut after = None;
    loop {
        let page = shelf.store.grants(&all, after.as_ref(), 4).await.unwrap();
        numbers.extend(
            page.iter()
                .map(|grant| grant.created_at.as_second() - 1_800_000_000),
        );
        match page.last() {
            Some(last) => after = Some(last.id.clone()),
            None => break,
        }
    }
    assert_eq!(numbers, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let find = async |filter: GrantFilter| -> Vec<i64> {
        let found = shelf.store.grants(&filter, None, 100).await.unwrap();
        let seconds = found.iter().map(|grant| grant.created_at.as_second());
        seconds.map(|second| second - 1_800_000_000).collect()
    };
    let filter = || GrantFilter {
        instance: Some(instance()),
        ..GrantFilter::default()
    };
    let target = Some(Target::Application(application(1)));
    let user = Some(principal(PrincipalKind::User, 1));
    let with_target = GrantFilter { target, ..filter() };
    assert_eq!(find(with_target.clone()).await, [8, 6, 4, 2]);
    let with_both = GrantFilter {
        principal: user,
        ..with_target
    };
    assert_eq!(find(with_both).await, [6]);
    let group = Some(principal(PrincipalKind::Group, 1));
    let of_group = GrantFilter {
        principal: group,
        ..filter()
    };
    assert!(find(of_group).await.is_empty());
    let ticket = Some("INC-4".to_owned());
    assert_eq!(find(GrantFilter { ticket, ..filter() }).await, [4]);
    let requested_by = Some("tickets".to_owned());
    assert_eq!(
        find(GrantFilter {
            requested_by,
            ..filter()
        })
        .await,
        [4]
    );
    let states = vec![GrantState::Revoking, GrantState::Active];
    assert_eq!(find(GrantFilter { states, ..filter() }).await, [7]);
}

pub(crate) async fn open_grants_and_records_keep_to_their_scope(shelf: Shelf) {
    let mut group = key(1, 1);
    group.principal = principal(PrincipalKind::Group, 1);
    let keys = [group, key(1, 2), key(2, 2), key(2, 1)];
    for (number, key) in (1..).zip(&keys) {
        record(&*shelf.store, grant(number, key)).await;
    }
    // Over: it is in no scope any more.
    let mut over = claim_one(&*shelf.store, "a", 1).await;
    let mut changes = rest(&over, None);
    let end = Transition::Revoke {
        by: caller("bob"),
        reason: Justification::default(),
    };
    let ending = over.grants.remove(0).apply(end, at(2)).unwrap();
    changes.grants = vec![ending.clone()];
    let mut over = shelf.store.commit_step(&over, changes).await.unwrap();
    let mut changes = rest(&over, None);
    changes.grants = vec![
        over.grants
            .remove(0)
            .apply(Transition::Finish, at(3))
            .unwrap(),
    ];
    shelf
        .store
        .commit_and_release(&over, changes)
        .await
        .unwrap();
    let scopes = [
        (GrantScope::All, 4),
        (GrantScope::Target(target(1)), 2),
        (GrantScope::Principal(principal(PrincipalKind::User, 2)), 2),
        (GrantScope::Principal(principal(PrincipalKind::User, 1)), 1),
        (GrantScope::Principal(principal(PrincipalKind::Group, 1)), 1),
        (
            GrantScope::Assignment(principal(PrincipalKind::User, 2), target(2)),
            1,
        ),
        (GrantScope::Target(target(9)), 0),
    ];
    for (scope, count) in scopes {
        let records = shelf
            .store
            .assignment_records(&instance(), &scope)
            .await
            .unwrap();
        assert_eq!(records.len(), count, "{scope:?}");
        assert!(records.is_sorted_by_key(|record| record.key.clone()));
        let open = shelf.store.open_grants(&instance(), &scope).await.unwrap();
        assert!(open.is_sorted_by_key(|grant| (grant.assignment_key(), grant.id.clone())));
        let expected: BTreeSet<_> = records
            .into_iter()
            .map(|record| record.key)
            .filter(|key| *key != keys[0])
            .collect();
        let found: BTreeSet<_> = open.iter().map(|grant| grant.assignment_key()).collect();
        assert_eq!(found, expected, "{scope:?}");
        assert!(
            found
                .iter()
                .all(|key| scope.holds(&key.principal, &key.target))
        );
    }
}

pub(crate) async fn events_are_read_as_written_newest_kept(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let claim = claim_one(&*shelf.store, "a", 1).await;
    let mut changes = rest(&claim, None);
    let event = |kind, grant_id, error_kind| Event {
        error_kind,
        digest: Some("00ff".to_owned()),
        policies: vec!["engineers".to_owned(), "usher-activate".to_owned()],
        ..Event::new(kind, at(7), Actor::Usher, key(1, 1), grant_id)
    };
    let written = [
        event(EventKind::CreateIntended, Some(grant_id(1)), None),
        event(
            EventKind::AttemptFailed,
            Some(grant_id(1)),
            Some(ErrorKind::Throttled),
        ),
    ];
    changes.events = written.to_vec();
    changes
        .events
        .insert(1, event(EventKind::LateEffectFound, None, None));
    shelf.store.commit_step(&claim, changes).await.unwrap();
    let stored = shelf.store.grant_events(&grant_id(1), 10).await.unwrap();
    assert!(stored.is_sorted_by_key(|stored| stored.sequence));
    let events: Vec<_> = stored.iter().map(|stored| stored.event.clone()).collect();
    assert_eq!(events[1..], written);
    let actor = Actor::Caller {
        caller: caller("portal"),
        subject: caller("alice"),
    };
    assert_eq!((events.len(), &events[0].actor), (3, &actor));
    let newest = shelf.store.grant_events(&grant_id(1), 2).await.unwrap();
    assert_eq!(newest, stored[1..]);
}

pub(crate) async fn grants_are_counted_by_state_with_what_is_overdue(shelf: Shelf) {
    let store = &*shelf.store;
    assert_eq!(
        store.count_grants(at(0)).await.unwrap(),
        GrantCounts::default()
    );
    record(store, grant(1, &key(1, 1))).await;
    record(store, grant(2, &key(2, 1))).await;
    let claims = store
        .claim_due(&holder("a"), &[instance()], at(5), at(65), limit(2))
        .await
        .unwrap();
    // The first is active until 3605; the second is ended at 10.
    let changes = activation(&claims[0], 5);
    store.commit_step(&claims[0], changes).await.unwrap();
    store
        .revoke_grant(&grant_id(2), None, &end_request(10))
        .await
        .unwrap();
    for (number, second) in [(3, 30), (4, 20)] {
        let mut pending = grant(number, &key(number.into(), 1));
        pending.state = GrantState::PendingApproval;
        pending.created_at = at(second);
        pending.look_at = Some(at(100));
        record(store, pending).await;
    }
    let mut scheduled = grant(5, &key(5, 1));
    scheduled.state = GrantState::Scheduled;
    scheduled.look_at = Some(at(100));
    record(store, scheduled).await;
    record(store, grant(6, &key(6, 1))).await;
    let mut over = grant(7, &key(7, 1));
    over.state = GrantState::Denied;
    record(store, over).await;
    let expected = GrantCounts {
        pending_approval: 2,
        scheduled: 1,
        provisioning: 1,
        active: 1,
        revoking: 1,
        open_wishes: 2,
        oldest_pending_since: Some(at(20)),
        overdue_ends: 0,
        oldest_overdue_since: None,
    };
    assert_eq!(store.count_grants(at(10)).await.unwrap(), expected);
    for (second, overdue_ends) in [(11, 1), (3605, 1), (3606, 2)] {
        let overdue = GrantCounts {
            overdue_ends,
            oldest_overdue_since: Some(at(10)),
            ..expected.clone()
        };
        let counted = store.count_grants(at(second)).await.unwrap();
        assert_eq!(counted, overdue, "at {second}");
    }
}

pub(crate) async fn names_keep_the_latest_reading(shelf: Shelf) {
    let entry = |name: &str, second| NameEntry {
        kind: NameKind::User,
        id: "user 1".to_owned(),
        name: name.to_owned(),
        seen_at: at(second),
    };
    shelf
        .store
        .remember_names(&[entry("old", 1), entry("new", 3)])
        .await
        .unwrap();
    shelf
        .store
        .remember_names(&[entry("late reading", 2)])
        .await
        .unwrap();
    let name = shelf.store.name(NameKind::User, "user 1").await.unwrap();
    assert_eq!(name.as_deref(), Some("new"));
    let other = shelf.store.name(NameKind::Group, "user 1").await.unwrap();
    assert_eq!(other, None);
}

pub(crate) async fn a_secret_is_made_once(shelf: Shelf) {
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let store = shelf.store.clone();
        calls.spawn(async move { store.secret("pages").await.unwrap() });
    }
    let mut secrets = BTreeSet::new();
    while let Some(secret) = calls.join_next().await {
        secrets.insert(secret.unwrap());
    }
    assert_eq!(secrets.len(), 1);
    assert!(secrets.iter().all(|secret| secret.len() == 32));
    assert!(!secrets.contains(&shelf.store.secret("tokens").await.unwrap()));
}

pub(crate) async fn unknown_things_are_none(shelf: Shelf) {
    assert_eq!(shelf.store.grant(&grant_id(1)).await.unwrap(), None);
    assert_eq!(
        shelf.store.grant_events(&grant_id(1), 10).await.unwrap(),
        []
    );
    let claimed = shelf
        .store
        .claim_due(&holder("a"), &[instance()], at(0), at(60), limit(10))
        .await;
    assert_eq!(claimed.unwrap(), []);
}

pub(crate) async fn a_closed_store_is_unavailable(shelf: Shelf) {
    shelf.store.close().await;
    shelf.store.close().await;
    let read = shelf.store.grant(&grant_id(1)).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let written = shelf.store.forget_requests(at(0)).await;
    assert!(
        matches!(written, Err(StoreError::Unavailable(_))),
        "{written:?}"
    );
}

pub(crate) async fn every_field_comes_back(shelf: Shelf) {
    let mut new = grant(1, &key(1, 1));
    new.people_count = 12;
    new.justification = Justification::parse("two\nlines; 'quoted' \"twice\" жук").unwrap();
    new.ticket = Ticket::parse("=1+1").unwrap();
    new.policies = vec!["a, b".to_owned(), "[\"c\"]".to_owned()];
    new.duration = None;
    assert_eq!(record(&*shelf.store, new.clone()).await, new);
    let claim = claim_one(&*shelf.store, "a", 1).await;
    let failure = FailedAttempt {
        failure: Failure {
            aws_request_id: "request".to_owned(),
            retry_after_milliseconds: Some(7),
            ..Failure::new(
                ErrorKind::AccessDenied,
                Operation::CreateApplicationAssignment,
            )
        },
        at: at(4),
    };
    let mut changes = rest(&claim, Some(at(9)));
    let record = &mut changes.record;
    record.standing = Standing::Yes;
    record.standing_seen_at = Some(at(1));
    record.last_create_at = Some(at(2));
    record.create_acknowledged = true;
    record.create_seen = true;
    record.last_delete_at = Some(at(3));
    record.removal = Some(Removal {
        by: caller("bob"),
        reason: Justification::parse("why").unwrap(),
        at: at(5),
    });
    record.removed_at = Some(at(6));
    record.gone_at = Some(at(7));
    record.recheck_at = Some(at(7));
    record.failed_attempts = 3;
    record.refusing_since = Some(at(8));
    record.last_failure = Some(failure.clone());
    let mut ended = claim.grants[0]
        .apply(Transition::Fail(failure), at(9))
        .unwrap();
    ended.ending = Some(usher::domain::Ending {
        kind: EndingKind::Expired,
        by: Some(caller("bob")),
        reason: Justification::parse("over").unwrap(),
        at: at(10),
    });
    changes.grants = vec![ended.clone()];
    let mut expected = changes.record.clone();
    let next = shelf.store.commit_step(&claim, changes).await.unwrap();
    expected.version = next.record.version;
    assert_eq!(next.record, expected);
    assert_eq!(next.grants, [], "it is over");
    assert_eq!(shelf.store.grant(&ended.id).await.unwrap(), Some(ended));
    let records = shelf
        .store
        .assignment_records(&instance(), &GrantScope::All)
        .await;
    assert_eq!(records.unwrap(), [expected]);
}
