//! What facts cost: a year of daily collections with 1 % daily change over 100,000 assignments, read as of
//! an old day and compared; and pages of assignments out of a million, while nothing else goes on.
//! Run with `cargo bench --bench facts`. The year takes some twenty minutes to write: a day is 220,000 facts.
//! `USHER_BENCH_FACT_DAYS` makes it shorter, and `TMPDIR` in memory spares the commits their disk.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinSet;
use usher::domain::facts::{CollectionId, CollectionRecord, Fact, FactKey, FactKind, Gaps};
use usher::domain::{InstanceArn, ServiceEvent, ServiceFact};
use usher::store::{
    FACTS_PER_BATCH_MAX, FactRange, FactStore, Finishing, LogStore as _, SqliteOptions,
    SqliteStore, Store,
};

const DAYS: u32 = 365;
/// The world of the year: what issue 7 plans with, a tenth as many users as memberships and assignments.
const USERS: u32 = 20_000;
const GROUPS: u32 = 2_000;
const MEMBERSHIPS: u32 = 100_000;
const APPLICATIONS: u32 = 500;
const ASSIGNMENTS: u32 = 100_000;
/// One in so many changes a day.
const CHANGES_ONE_IN: u32 = 100;
const TARGET_SECONDS: f64 = 2.0;
/// The world of the pages.
const MANY_ASSIGNMENTS: u32 = 1_000_000;
const MANY_APPLICATIONS: u32 = 5_000;
const PAGE: usize = 100;
const CALLS_PER_SECOND: u32 = 500;
const PACED_SECONDS: u32 = 10;
const TARGET_MILLISECONDS: f64 = 10.0;
/// Facts that one question reads: as the audit does.
const FACTS_PER_PAGE: usize = 2_000;

type World = BTreeMap<FactKey, String>;

fn instance() -> InstanceArn {
    InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").expect("an ARN")
}

fn user(number: u32) -> String {
    format!("a{number:07}-0000-4000-8000-000000000000")
}

fn group(number: u32) -> String {
    format!("b{number:07}-0000-4000-8000-000000000000")
}

fn application(number: u32) -> String {
    format!("arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-{number:016}")
}

fn key(kind: FactKind, key: String, second: String) -> FactKey {
    FactKey { kind, key, second }
}

fn add_user(world: &mut World, number: u32, name: u32) {
    let value = format!(
        r#"{{"exists":true,"status":"ENABLED","user_name":"user{name}","display_name":"User {name}","email":"user{name}@example.com"}}"#
    );
    world.insert(key(FactKind::User, user(number), String::new()), value);
}

fn add_assignment(world: &mut World, random: &mut fastrand::Rng, applications: u32) -> bool {
    let principal = if random.bool() {
        format!("USER/{}", user(random.u32(..USERS)))
    } else {
        format!("GROUP/{}", group(random.u32(..GROUPS)))
    };
    let target = application(random.u32(..applications));
    let key = key(FactKind::Assignment, target, principal);
    world.insert(key, "{}".to_owned()).is_none()
}

fn add_membership(world: &mut World, random: &mut fastrand::Rng) -> bool {
    let since = Timestamp::from_second(1_700_000_000 + i64::from(random.u32(..10_000_000)));
    let value = format!(
        r#"{{"since":"{}","by":"SCIM"}}"#,
        since.expect("a time of this century")
    );
    let (group, user) = (group(random.u32(..GROUPS)), user(random.u32(..USERS)));
    let key = key(FactKind::Membership, group, user);
    world.insert(key, value).is_none()
}

fn fill(count: u32, mut add: impl FnMut() -> bool) {
    let mut left = count;
    while left > 0 {
        left -= u32::from(add());
    }
}

fn world(random: &mut fastrand::Rng, applications: u32, assignments: u32) -> World {
    let mut world = World::new();
    for number in 0..USERS {
        add_user(&mut world, number, number);
    }
    for number in 0..GROUPS {
        let value = format!(r#"{{"status":"ENABLED","display_name":"group {number}"}}"#);
        world.insert(key(FactKind::Group, group(number), String::new()), value);
    }
    for number in 0..applications {
        let value = format!(r#"{{"status":"ENABLED","required":"yes","name":"app {number}"}}"#);
        let key = key(FactKind::Application, application(number), String::new());
        world.insert(key, value);
    }
    fill(MEMBERSHIPS, || add_membership(&mut world, random));
    fill(assignments, || {
        add_assignment(&mut world, random, applications)
    });
    world
}

/// A day later: one in a hundred assignments and memberships is another one, one in a hundred users has
/// another name.
fn pass_a_day(world: &mut World, random: &mut fastrand::Rng) {
    world.retain(|key, _| {
        let may_go = matches!(key.kind, FactKind::Assignment | FactKind::Membership);
        !may_go || random.u32(..CHANGES_ONE_IN) > 0
    });
    fill(ASSIGNMENTS / CHANGES_ONE_IN, || {
        add_assignment(world, random, APPLICATIONS)
    });
    fill(MEMBERSHIPS / CHANGES_ONE_IN, || {
        add_membership(world, random)
    });
    for _ in 0..USERS / CHANGES_ONE_IN {
        add_user(world, random.u32(..USERS), random.u32(..));
    }
}

fn noon(day: u32) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 86_400 * i64::from(day)).expect("a day")
}

async fn commit(store: &dyn FactStore, world: &World, day: u32) -> CollectionId {
    let record = CollectionRecord {
        began_at: noon(day),
        ended_at: noon(day),
        observed: Some((noon(day), noon(day))),
        missing: Vec::new(),
        unread: Vec::new(),
        operations: Vec::new(),
        counts: Vec::new(),
    };
    let instance = instance();
    let begun = store.begin_collection(&instance, &record, Arc::new(Gaps::default()));
    let taking = begun.await.expect("a store").expect("nothing unfinished");
    let mut facts = world.iter().map(|(key, value)| Fact {
        key: key.clone(),
        value: value.clone(),
    });
    let mut batch: Vec<Fact> = Vec::new();
    loop {
        batch.extend(facts.by_ref().take(FACTS_PER_BATCH_MAX - batch.len()));
        if batch.is_empty() {
            break;
        }
        let taken = store
            .take_facts(&taking, batch.clone())
            .await
            .expect("facts");
        batch.drain(..taken);
    }
    while store.finish_collection(&taking, &[]).await.expect("an end") == Finishing::GoesOn {}
    taking.id
}

async fn open(directory: &Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(directory, SqliteOptions::default()).await;
    Arc::new(store.expect("a store"))
}

/// The size of everything in the directory, once the store is closed.
fn megabytes(directory: &Path) -> f64 {
    let files = std::fs::read_dir(directory).expect("a directory");
    let sizes = files.map(|file| file.expect("a file").metadata().expect("a size").len());
    sizes.map(|bytes| bytes as f64).sum::<f64>() / 1_000_000.0
}

fn percentile(took: &mut [f64], percent: usize) -> f64 {
    took.sort_by(f64::total_cmp);
    took[(took.len() - 1) * percent / 100]
}

async fn read_all(store: &dyn FactStore, id: CollectionId) -> usize {
    let range = FactRange::Kinds(FactKind::ALL.to_vec());
    let (mut count, mut after) = (0, None);
    loop {
        let page = store.facts(id, &range, after.as_ref(), FACTS_PER_PAGE);
        let page = page.await.expect("facts");
        count += page.len();
        match page.last() {
            Some(last) if page.len() == FACTS_PER_PAGE => after = Some(last.fact.key.clone()),
            _ => return count,
        }
    }
}

async fn compare_all(store: &dyn FactStore, earlier: CollectionId, later: CollectionId) -> usize {
    let (mut count, mut after) = (0, None);
    loop {
        let page = store.fact_changes(
            earlier,
            later,
            &FactKind::ALL,
            after.as_ref(),
            FACTS_PER_PAGE,
        );
        let page = page.await.expect("changes");
        count += page.len();
        match page.last() {
            Some(last) if page.len() == FACTS_PER_PAGE => after = Some(last.key.clone()),
            _ => return count,
        }
    }
}

async fn year(days: u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let random = &mut fastrand::Rng::with_seed(7);
    let mut world = world(random, APPLICATIONS, ASSIGNMENTS);
    let facts = world.len();
    let store = open(directory.path()).await;
    let begun = Instant::now();
    let mut ids = vec![commit(store.as_ref(), &world, 0).await];
    let first = begun.elapsed().as_secs_f64();
    println!("figure first_collection_of_{facts}_facts_seconds {first:.2} s target -");
    store.close().await;
    let whole = megabytes(directory.path());
    println!("figure one_whole_collection_megabytes {whole:.1} MB target -");

    let store = open(directory.path()).await;
    let mut took = Vec::new();
    for day in 1..days {
        pass_a_day(&mut world, random);
        let begun = Instant::now();
        ids.push(commit(store.as_ref(), &world, day).await);
        took.push(begun.elapsed().as_secs_f64());
    }
    let middle = percentile(&mut took, 50);
    println!("figure daily_collection_seconds {middle:.2} s target -");
    store.close().await;
    let grown = megabytes(directory.path()) - whole;
    println!("figure history_of_{days}_days_megabytes {grown:.1} MB target -");
    let changes = 2 * (ASSIGNMENTS + MEMBERSHIPS) + USERS;
    let a_change = grown * 1_000_000.0 / f64::from((days - 1) * (changes / CHANGES_ONE_IN));
    println!("figure a_change_bytes {a_change:.0} B target -");

    let store = open(directory.path()).await;
    let (oldest, old, newest) = (ids[0], ids[ids.len() / 3], ids[ids.len() - 1]);
    for (name, id) in [
        ("oldest_day", oldest),
        ("old_day", old),
        ("newest_day", newest),
    ] {
        let begun = Instant::now();
        let count = read_all(store.as_ref(), id).await;
        let seconds = begun.elapsed().as_secs_f64();
        println!("figure as_of_{name}_of_{count}_seconds {seconds:.2} s target {TARGET_SECONDS}");
    }
    let yesterday = ids[ids.len() - 2];
    for (name, earlier, later) in [
        ("first_and_last_day", oldest, newest),
        ("old_day_and_last", old, newest),
        ("yesterday_and_today", yesterday, newest),
    ] {
        let begun = Instant::now();
        let count = compare_all(store.as_ref(), earlier, later).await;
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "figure compare_{name}_{count}_changes_seconds {seconds:.2} s target {TARGET_SECONDS}"
        );
    }
    store.close().await;
}

async fn page(store: &dyn FactStore, range: FactRange, after: Option<FactKey>) -> (f64, usize) {
    let begun = Instant::now();
    let newest = store.collection_at(&instance(), noon(9)).await;
    let newest = newest.expect("a store").expect("a collection");
    let page = store.facts(newest.id, &range, after.as_ref(), PAGE).await;
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    (took, page.expect("a page").len())
}

/// Pages of assignments, one every so often, whatever the others take.
async fn pages(store: &Arc<SqliteStore>, name: &str, range: impl Fn(u32) -> FactRange) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
    let mut calls = JoinSet::new();
    for number in 0..CALLS_PER_SECOND * PACED_SECONDS {
        ticks.tick().await;
        let (store, range) = (Arc::clone(store), range(number));
        calls.spawn(async move { page(store.as_ref(), range, None).await });
    }
    let (mut took, rows): (Vec<f64>, Vec<usize>) = calls.join_all().await.into_iter().unzip();
    let rows = rows.iter().sum::<usize>() / rows.len();
    let (p50, p99) = (percentile(&mut took, 50), percentile(&mut took, 99));
    println!("figure page_{name}_of_{rows}_rows_p50_milliseconds {p50:.2} ms target -");
    println!(
        "figure page_{name}_of_{rows}_rows_p99_milliseconds {p99:.2} ms target {TARGET_MILLISECONDS}"
    );
}

/// How long a small write waits while a collection is taken beside.
async fn writes_beside(store: &Arc<SqliteStore>, world: &World) {
    let taking = {
        let (store, world) = (Arc::clone(store), world.clone());
        tokio::spawn(async move { commit(store.as_ref(), &world, 1).await })
    };
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let mut took = Vec::new();
    while !taking.is_finished() {
        ticks.tick().await;
        let event = ServiceEvent {
            at: noon(0),
            what: ServiceFact::PolicyRefused {
                content_hash: "hash".to_owned(),
                problem_count: 1,
            },
        };
        let begun = Instant::now();
        let written = store.record_service_events(vec![event]).await;
        written.expect("a write");
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    taking.await.expect("a collection");
    assert!(store.log_state().await.expect("a state").is_behind);
    let (p50, p99) = (percentile(&mut took, 50), percentile(&mut took, 99));
    println!("figure write_beside_a_collection_p50_milliseconds {p50:.2} ms target -");
    println!("figure write_beside_a_collection_p99_milliseconds {p99:.2} ms target -");
}

async fn million() {
    let directory = tempfile::tempdir().expect("a directory");
    let random = &mut fastrand::Rng::with_seed(8);
    let mut world = world(random, MANY_APPLICATIONS, MANY_ASSIGNMENTS);
    let store = open(directory.path()).await;
    let begun = Instant::now();
    commit(store.as_ref(), &world, 0).await;
    let seconds = begun.elapsed().as_secs_f64();
    let facts = world.len();
    println!("figure collection_of_{facts}_facts_seconds {seconds:.1} s target -");
    pages(&store, "by_target", |number| {
        let target = application(number.wrapping_mul(7919) % MANY_APPLICATIONS);
        FactRange::Of(FactKind::Assignment, target)
    })
    .await;
    // Half of a million over 2,000 groups: each has 250.
    pages(&store, "by_principal", |number| {
        let principal = group(number.wrapping_mul(7919) % GROUPS);
        FactRange::With(FactKind::Assignment, format!("GROUP/{principal}"))
    })
    .await;
    pass_a_day(&mut world, random);
    writes_beside(&store, &world).await;
    store.close().await;
    let size = megabytes(directory.path());
    println!("figure store_of_{facts}_facts_megabytes {size:.0} MB target -");
}

#[tokio::main]
async fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let days = std::env::var("USHER_BENCH_FACT_DAYS");
    let days = days.map_or(DAYS, |text| text.parse().expect("a number of at least 3"));
    million().await;
    year(days).await;
}
