//! What a store answers, in words, so that two stores can be compared; and that a copy answers as the original.

use std::collections::BTreeMap;
use std::fmt::Debug;

use usher::domain::facts::{CollectionId, FactKey, FactKind};
use usher::domain::{InstanceArn, PrincipalKind};
use usher::store::{
    FactRange, GrantFilter, GrantScope, LogRange, LogStore as _, PostgresStore, ReadBy, Store,
    StoreError, WantedReadings, WorkKind, copy_to_postgres,
};

use crate::common::*;
use crate::fill::{self, REQUESTS, SECRETS, claim, filled, names, open, reading_key};
use crate::postgresql::Database;

type Answers = BTreeMap<String, String>;

fn say<T: Debug>(answers: &mut Answers, question: &str, answer: Result<T, StoreError>) {
    let answer = format!("{:#?}", answer.unwrap());
    let before = answers.insert(question.to_owned(), answer);
    assert!(before.is_none(), "{question} was asked twice");
}

/// What a store answers to every question.
async fn answers(store: &dyn Store) -> Answers {
    let mut answers = Answers::new();
    of_grants(store, &mut answers).await;
    of_work(store, &mut answers).await;
    of_the_rest(store, &mut answers).await;
    of_facts(store, &mut answers).await;
    of_readings(store, &mut answers).await;
    of_the_log(store, &mut answers).await;
    answers
}

async fn of_grants(store: &dyn Store, all: &mut Answers) {
    let grants = store.grants(&GrantFilter::default(), None, 100).await;
    let ids: Vec<_> = grants
        .as_ref()
        .unwrap()
        .iter()
        .map(|it| it.id.clone())
        .collect();
    assert_eq!(ids.len(), 9);
    say(all, "grants", grants);
    for id in &ids {
        say(
            all,
            &format!("events of {id}"),
            store.grant_events(id, 99).await,
        );
    }
    say(all, "reviews", store.reviews(&ids).await);
    say(all, "grants of ids", store.grants_of_ids(&ids).await);
    let (instance, scope) = (instance(), GrantScope::All);
    say(all, "open", store.open_grants(&instance, &scope).await);
    say(
        all,
        "waiting",
        store.waiting_grants(&instance, &scope).await,
    );
    say(
        all,
        "records",
        store.assignment_records(&instance, &scope).await,
    );
    say(
        all,
        "look",
        store.grants_to_look_at(&instance, at(500), 9).await,
    );
    say(
        all,
        "standing",
        store
            .grants_standing(&instance, &scope, at(0), at(900))
            .await,
    );
    let ids = store.grant_ids_standing(&instance, at(0), at(900)).await;
    say(all, "ids standing", ids);
    for (id, content) in REQUESTS.into_iter().zip(["content", "other content"]) {
        let used = request_use(id, content);
        say(
            all,
            &format!("request {id}"),
            store.find_request(&used).await,
        );
    }
    let used = request_use(REQUESTS[1], "other content");
    say(all, "revocation", store.find_revocation(&used).await);
}

async fn of_work(store: &dyn Store, all: &mut Answers) {
    let instances = [instance()];
    say(
        all,
        "next due",
        store.next_due_at(&instances, at(500), limit(9)).await,
    );
    say(all, "pending", store.pending_requests(&instance()).await);
    say(all, "counts", store.count_grants(at(5000)).await);
    say(all, "elsewhere", store.count_open_elsewhere(&[]).await);
    let count = store.count_due(&instance(), &WorkKind::ALL, at(500)).await;
    say(all, "due", count);
    let freezes = [
        usher::domain::Frozen::Grants,
        usher::domain::Frozen::Revocations,
    ];
    let under_way = store.count_under_way(&instance(), &freezes, at(100)).await;
    say(all, "under way", under_way);
}

async fn of_the_rest(store: &dyn Store, all: &mut Answers) {
    say(all, "policy load", store.last_policy_load().await);
    for name in names() {
        say(
            all,
            &format!("name of {}", name.id),
            store.name(name.kind, &name.id).await,
        );
    }
    for name in SECRETS {
        say(all, &format!("secret {name}"), store.secret(name).await);
    }
    say(all, "freezes", store.freezes(&instance()).await);
    say(all, "brake", store.brake(&instance()).await);
    say(
        all,
        "beneficiaries",
        store.active_beneficiaries(&instance()).await,
    );
}

async fn of_facts(store: &dyn Store, all: &mut Answers) {
    let of_instance = instance();
    let collections = store.collections(&of_instance, at(0), at(999), 9).await;
    assert_eq!(collections.as_ref().unwrap().len(), 2);
    say(all, "collections", collections);
    say(all, "at", store.collection_at(&of_instance, at(170)).await);
    say(
        all,
        "whole",
        store.first_whole_collection(&of_instance).await,
    );
    let kinds = FactRange::Kinds(FactKind::ALL.to_vec());
    let (first, second) = (CollectionId(1), CollectionId(2));
    for id in [first, second] {
        say(
            all,
            &format!("facts {id:?}"),
            store.facts(id, &kinds, None, 99).await,
        );
        let listed = store.listed_assignments(id, None, 99).await;
        say(all, &format!("assignments {id:?}"), listed);
    }
    let changes = store.fact_changes(first, second, &FactKind::ALL, None, 99);
    say(all, "changes", changes.await);
    say(
        all,
        "intervals",
        store.fact_intervals(first, second, None, 99).await,
    );
    let key = FactKey {
        kind: FactKind::User,
        key: "user-00000002".to_owned(),
        second: String::new(),
    };
    say(all, "facts of", store.facts_of(first, &[key]).await);
    let spans = store.fact_spans(&of_instance, FactKind::Membership, "user-00000001");
    say(all, "spans", spans.await);
}

async fn of_readings(store: &dyn Store, all: &mut Answers) {
    for by in [ReadBy::Anybody, ReadBy::Interrupted] {
        let wanted = WantedReadings { since: at(0), by };
        let found = store.readings(&instance(), wanted, None, 9).await;
        assert!(!found.as_ref().unwrap().is_empty(), "{by:?}");
        say(all, &format!("readings {by:?}"), found);
    }
    for about in ["whole", "interrupted", "part"] {
        let read = store.reading(&instance(), &reading_key(about), at(1)).await;
        say(all, &format!("reading {about}"), read);
    }
}

async fn of_the_log(store: &dyn Store, all: &mut Answers) {
    let state = store.log_state().await;
    let end = state.as_ref().unwrap().end.position;
    assert_eq!(end, 11);
    say(all, "log", state);
    for (name, range) in [
        ("everything", LogRange::default()),
        (
            "of a grant",
            LogRange {
                grant_id: Some(grant_id(1)),
                ..LogRange::default()
            },
        ),
        (
            "from a time",
            LogRange {
                from: Some(at(4)),
                ..LogRange::default()
            },
        ),
    ] {
        say(
            all,
            &format!("log, {name}"),
            store.log_records(&range, 99).await,
        );
    }
    say(all, "log before", store.log_before(at(4), 99).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_store_answers_as_the_original() {
    let (directory, database) = (filled().await, Database::new().await);
    let copied = copy_to_postgres(directory.path(), &database.options);
    let copied = copied.await.unwrap();
    // The original is opened after the copy: whoever held something in it is dead, in both.
    let original = open(directory.path()).await;
    let copy = PostgresStore::open(&database.options).await.unwrap();
    let (expected, found) = (answers(&original).await, answers(&copy).await);
    for (question, answer) in &expected {
        assert_eq!(found[question], *answer, "{question}");
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(copied.log_end, copy.log_state().await.unwrap().end);
    let counts: BTreeMap<_, _> = copied.tables.iter().copied().collect();
    assert!(counts.values().all(|count| *count > 0) || counts["lifted_freezes"] == 0);
    assert_eq!((counts["grants"], counts["log_chain"]), (9, 1));
    work_goes_on_alike(&original, &copy).await;
    original.close().await;
    copy.close().await;
}

/// What is due is claimed in the same order, and new things get numbers that nothing has.
async fn work_goes_on_alike(original: &dyn Store, copy: &dyn Store) {
    let other = InstanceArn::parse("arn:aws:sso:::instance/ssoins-fedcba0987654321").unwrap();
    let mut claimed = Vec::new();
    for store in [original, copy] {
        let claims = claim(store, "b", 6000).await;
        assert!(claims.len() > 4, "{}", claims.len());
        let collection = crate::fact_rows::commit(store, 700, &[fill_user()], &[]).await;
        let run = store.begin_readings(&other, at(3)).await.unwrap().id();
        let again = fill::load("a third", 9);
        store.record_policy_load(again).await.unwrap();
        let load = store.last_policy_load().await.unwrap();
        claimed.push(format!("{claims:#?} {collection:?} {run} {load:?}"));
    }
    assert_eq!(claimed[0], claimed[1]);
    let next = grant(20, &key(20, 20));
    assert_eq!(record(copy, next.clone()).await, next);
    let gone = principal(PrincipalKind::User, 20);
    assert!(
        !copy
            .active_beneficiaries(&instance())
            .await
            .unwrap()
            .contains(&gone)
    );
}

fn fill_user() -> usher::domain::facts::Fact {
    crate::fact_rows::user(5)
}
