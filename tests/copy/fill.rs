//! A SQLite store with something of everything that a store keeps, and with texts that a copy could spoil.

use std::path::Path;

use tempfile::TempDir;
use usher::domain::facts::Fact;
use usher::domain::log_head::{HeadKind, LogHead, LogSigner};
use usher::domain::plan::Write;
use usher::domain::{
    AccountAccess, AccountId, Actor, AssignmentKey, AssignmentRequestId, Event, EventKind, Frozen,
    Grant, GrantState, Justification, LoadedBy, MassChangeId, Operation, Order, PendingChange,
    PermissionSetArn, PolicyLoad, PolicyRefusal, PolicyTexts, PrincipalKind, Review,
    ReviewDecision, Standing, Target, Ticket, Transition,
};
use usher::store::{
    Claim, GrantDecision, GrantRequest, LogLease, MassChangeFound, NameEntry, NameKind, ReadPage,
    ReadingKey, SqliteOptions, SqliteStore, Store,
};

use crate::common::*;
use crate::fact_rows::{assigned, begin, commit, group, member, take_all, user, with_value};

/// Every letter that COPY writes otherwise, and what looks like nothing, like an end, or like bytes.
const NASTY: &str = "two\nlines\twith a tab \\ a backslash \\N \\. 'quoted' \"twice\" жук 🐞";

/// A directory with a store in it that nobody serves.
pub(crate) async fn filled() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    fill(&store).await;
    store.close().await;
    directory
}

pub(crate) async fn open(directory: &Path) -> SqliteStore {
    let opened = SqliteStore::open(directory, SqliteOptions::default());
    opened.await.unwrap()
}

/// Something of everything, by the store's methods alone.
pub(crate) async fn fill(store: &dyn Store) {
    policies(store).await;
    assignments(store).await;
    approvals(store).await;
    around(store).await;
    facts(store).await;
    readings(store).await;
    log(store).await;
    left_under_way(store).await;
}

pub(crate) fn load(text: &str, second: i64) -> PolicyLoad {
    PolicyLoad {
        version: format!("version of {text}"),
        texts: PolicyTexts([("all.cedar".to_owned(), text.to_owned())].into()),
        loaded_by: LoadedBy::Start,
        loaded_at: at(second),
        directory: Some(format!("/policies/{second}")).filter(|_| second != 2),
    }
}

async fn policies(store: &dyn Store) {
    for (text, second) in [("permit\n(a);", 1), (NASTY, 2)] {
        store.record_policy_load(load(text, second)).await.unwrap();
    }
    let refusal = PolicyRefusal {
        content_hash: "c".repeat(64),
        problem_count: 2,
        refused_at: at(3),
    };
    assert!(store.record_policy_refusal(refusal).await.unwrap());
}

/// The request ids that were used.
pub(crate) const REQUESTS: [&str; 2] = ["request-1", "request-2"];

async fn assignments(store: &dyn Store) {
    let nasty = Grant {
        justification: Justification::parse(NASTY).unwrap(),
        ticket: Ticket::parse("=1+1\\N").unwrap(),
        policies: vec!["a, b".to_owned(), "[\"c\"]\\".to_owned()],
        duration: None,
        people_count: 12,
        ..grant(1, &key(1, 1))
    };
    let request = GrantRequest {
        grant: nasty,
        request: Some(request_use(REQUESTS[0], "content")),
    };
    store.record_grant(request).await.unwrap();
    for number in 2..=6 {
        record(store, grant(number, &key(number.into(), number.into()))).await;
    }
    for claim in claim(store, "a", 10).await {
        let mut changes = activation(&claim, 20);
        changes.record.standing = Standing::Yes;
        changes.record.standing_seen_at = Some(at(1));
        changes.record.create_seen = true;
        changes.record.gone_at = Some(at(7));
        store.commit_and_release(&claim, changes).await.unwrap();
    }
    let (id, end) = (grant_id(2), end_request(30));
    store.revoke_grant(&id, None, &end).await.unwrap();
    let (key, end) = (key(3, 3), end_request(31));
    let used = request_use(REQUESTS[1], "other content");
    let removed = store.remove_assignment(&key, Some(&used), &end);
    removed.await.unwrap();
}

async fn approvals(store: &dyn Store) {
    let waiting = Grant {
        state: GrantState::PendingApproval,
        policies: Vec::new(),
        lapses_at: Some(at(9000)),
        look_at: Some(at(100)),
        ..grant(7, &key(7, 7))
    };
    let waiting = record(store, waiting).await;
    let review = Review {
        reviewer: caller("user:carla"),
        caller: caller("service:portal"),
        decision: ReviewDecision::Approved,
        subject_proven: false,
        service: Some("portal".to_owned()),
        vouched_by: Some("tickets".to_owned()),
        round: 0,
        digest: waiting.digest(),
        reason: Justification::parse(NASTY).unwrap(),
        at: at(40),
    };
    let event = Event::new(
        EventKind::Approved,
        at(40),
        Actor::Usher,
        waiting.assignment_key(),
        Some(waiting.id.clone()),
    );
    let decision = GrantDecision {
        grant: waiting.apply(Transition::Review, at(40)).unwrap(),
        review: Some(review),
        events: vec![event],
        now: at(40),
    };
    store.decide_grant(decision, None).await.unwrap();
}

/// The secrets that there are.
pub(crate) const SECRETS: [&str; 2] = ["page tokens", "log key"];

/// The names that are remembered.
pub(crate) fn names() -> [NameEntry; 2] {
    [
        (NameKind::User, "user-00000001", NASTY),
        (NameKind::Account, "123456789012", ""),
    ]
    .map(|(kind, id, name)| NameEntry {
        kind,
        id: id.to_owned(),
        name: name.to_owned(),
        seen_at: at(5),
    })
}

fn order(second: i64) -> Order {
    Order {
        caller: caller("portal"),
        subject: caller("alice"),
        reason: Justification::parse(NASTY).unwrap(),
        now: at(second),
    }
}

async fn around(store: &dyn Store) {
    store.remember_names(&names()).await.unwrap();
    for name in SECRETS {
        store.secret(name).await.unwrap();
    }
    let found = MassChangeFound {
        id: MassChangeId::from_uuid(uuid::Uuid::from_u128(1)),
        instance_arn: instance(),
        gone: vec![
            principal(PrincipalKind::User, 4),
            principal(PrincipalKind::Group, 5),
        ],
        watched_count: 3,
        now: at(50),
    };
    store.hold_mass_change(&found).await.unwrap();
    let (instance, order) = (instance(), order(51));
    let frozen = store.freeze(&instance, &[Frozen::Revocations], &order);
    frozen.await.unwrap();
}

/// Of a user of whom a list can tell.
fn assignment() -> Fact {
    let mut fact = assigned(1, 1);
    fact.key.second = format!("USER/{}", principal(PrincipalKind::User, 1).id);
    fact
}

async fn facts(store: &dyn Store) {
    let first = [
        user(1),
        with_value(user(2), r#"{"name":"a\\b\nc"}"#),
        group(1),
        member(1, 1),
        assignment(),
    ];
    commit(store, 100, &first, &[]).await;
    let second = [with_value(user(1), r#"{"name":"new"}"#), user(3), group(1)];
    commit(store, 200, &second, &[]).await;
    // One that goes on: its number is given, and stays given when it is undone.
    let taking = begin(store, 300, &[]).await;
    take_all(store, &taking, &[user(1)]).await;
    while !store.undo_collection(&instance()).await.unwrap() {}
    let taking = begin(store, 400, &[]).await;
    take_all(store, &taking, &[user(1), user(9)]).await;
}

/// What was read, whole, and of what an interrupted run read a part.
pub(crate) fn reading_key(about: &str) -> ReadingKey {
    ReadingKey {
        operation: Operation::ListGroupMemberships,
        about: about.to_owned(),
    }
}

async fn readings(store: &dyn Store) {
    let page = |about, number, is_last| ReadPage {
        key: reading_key(about),
        number,
        began_at: at(1),
        read_at: at(2),
        is_last,
        content: format!("[{number}, \"{NASTY}\"]"),
    };
    let whole = store.begin_readings(&instance(), at(1)).await.unwrap();
    let pages = vec![page("whole", 0, false), page("whole", 1, true)];
    store.keep_readings(&whole, pages).await.unwrap();
    store.finish_readings(&whole).await.unwrap();
    let interrupted = store.begin_readings(&instance(), at(2)).await.unwrap();
    let pages = vec![page("interrupted", 0, true), page("part", 0, false)];
    store.keep_readings(&interrupted, pages).await.unwrap();
}

/// Whatever is due by this second, for a minute.
pub(crate) async fn claim(store: &dyn Store, name: &str, second: i64) -> Vec<Claim> {
    let (holder, instances) = (holder(name), [instance()]);
    let claims = store.claim_due(&holder, &instances, at(second), at(second + 60), limit(9));
    claims.await.unwrap()
}

pub(crate) async fn lease(store: &dyn Store, name: &str, second: i64) -> LogLease {
    let holder = holder(name);
    let leased = store.lease_log(&holder, at(second), at(second + 10));
    leased.await.unwrap().unwrap()
}

pub(crate) fn sign(kind: HeadKind, link: usher::domain::log::Link) -> LogHead {
    let signer = LogSigner::from_seed(&[3; 32]).unwrap();
    signer.sign(kind, link, at(0)).unwrap()
}

/// A log that begins behind a checkpoint, has heads, and is behind what happened.
async fn log(store: &dyn Store) {
    let lease = lease(store, "sequencer", 0).await;
    let begun = store.chain_events(&lease, 3).await.unwrap();
    let checkpoint = sign(HeadKind::Checkpoint, begun.end);
    assert_eq!(store.forget_log(&lease, &checkpoint).await.unwrap(), 3);
    for _ in 0..2 {
        let chained = store.chain_events(&lease, 4).await.unwrap();
        let head = sign(HeadKind::Head, chained.end);
        store.keep_log_head(&lease, &head, 10).await.unwrap();
    }
    assert!(store.log_state().await.unwrap().is_behind);
}

fn account_key(account: u64) -> AssignmentKey {
    let set = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";
    AssignmentKey {
        target: Target::AccountAccess(AccountAccess {
            account: AccountId::parse(&format!("{account:012}")).unwrap(),
            permission_set: PermissionSetArn::parse(set).unwrap(),
        }),
        ..key(1, account)
    }
}

/// Claims of a process that is dead: one with a change that AWS may be at, and one without, each with a slot.
async fn left_under_way(store: &dyn Store) {
    for account in [11, 12] {
        let number = u32::try_from(account).unwrap();
        record(store, grant(number, &account_key(account))).await;
    }
    let claims = claim(store, "dead", 60).await;
    let on_accounts = |it: &&Claim| matches!(it.record.key.target, Target::AccountAccess(_));
    let of_accounts: Vec<_> = claims.iter().filter(on_accounts).collect();
    assert_eq!(of_accounts.len(), 2);
    let mut changes = rest(of_accounts[0], Some(at(70)));
    changes.record.pending = Some(PendingChange {
        write: Write::Create,
        request_id: Some(
            AssignmentRequestId::parse("00000000-0000-4000-8000-000000000001").unwrap(),
        ),
        since: at(61),
        own_before: false,
    });
    store.commit_step(of_accounts[0], changes).await.unwrap();
    let changes = || rest(of_accounts[1], Some(at(71)));
    let intent = store.commit_intent(of_accounts[1], Write::Create, changes(), changes());
    intent.await.unwrap();
}
