//! Every oddity on twenty seeds: what is read, what is kept of it and what is found equal the world, and what is kept
//! is answered without asking AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use usher::audit::Scope;
use usher::domain::report::{FindingRow, Format, View};
use usher::simulator::World;
use usher::store::{FactStore as _, SqliteOptions, SqliteStore, Store as _};

use super::bench::Bench;
use super::oracle::{self, Bent, Expected};
use super::{assert_equal, each_seed};

const SEEDS: u64 = 20;

/// What is found, in few words: the finding, whom and what it is about, and how much of it.
type Found = BTreeSet<String>;

fn told(rows: &[FindingRow]) -> Found {
    let told = rows.iter().map(|row| {
        let target = [
            &row.application_arn,
            &row.account_id,
            &row.permission_set_arn,
        ];
        let target = target.map(String::as_str).concat();
        format!(
            "{} {} {target} {}",
            row.finding, row.principal_id, row.detail
        )
    });
    told.collect()
}

fn get<'a>(row: &'a Expected, column: &str) -> &'a str {
    row.get(column).map_or("", String::as_str)
}

fn target(row: &Expected) -> String {
    ["application_arn", "account_id", "permission_set_arn"]
        .map(|column| get(row, column))
        .concat()
}

/// What should be found, from the rows of access and the world alone.
fn expected(world: &World, rows: &[Expected]) -> Found {
    let mut found = Found::new();
    let mut ways: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for row in rows {
        let target = target(row);
        let is_group = !get(row, "group_id").is_empty();
        let who = get(row, if is_group { "group_id" } else { "user_id" });
        for finding in get(row, "findings").split(';').filter(|it| !it.is_empty()) {
            match finding {
                "orphaned_assignment" | "empty_group" => {
                    found.insert(format!("{finding} {who} {target} "));
                }
                // Told once for a user, with how many ways.
                "disabled_user" => {}
                _ => {
                    found.insert(format!("{finding}  {target} "));
                }
            }
        }
        if matches!(get(row, "path"), "DIRECT" | "GROUP") {
            let of_user = ways.entry(get(row, "user_id")).or_default();
            *of_user.entry(target).or_default() += 1;
        }
    }
    for application in &world.applications {
        if !application.assignment_configuration_supported {
            let arn = &application.application_arn;
            found.insert(format!("assignment_configuration_unknown  {arn} "));
        }
    }
    let counted = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    for (user, targets) in ways {
        let several = targets.values().filter(|ways| **ways > 1).count() as u64;
        if several > 0 {
            found.insert(format!(
                "several_paths {user}  {}",
                counted(several, "target", "targets")
            ));
        }
        let is_disabled =
            |row: &&Expected| get(row, "user_id") == user && get(row, "user_status") == "DISABLED";
        if rows.iter().any(|row| is_disabled(&row)) {
            let all: u64 = targets.values().sum();
            let detail = counted(all, "way in", "ways in");
            found.insert(format!("disabled_user {user}  {detail}"));
        }
    }
    found
}

async fn one_seed(seed: u64) {
    let what = format!("seed {seed}");
    let bench = Bench::quick(seed).await;
    let world = bench.simulator.world();
    let place = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(place.path(), SqliteOptions::default()).await;
    let store = Arc::new(store.expect("a store"));
    let report = |view| {
        let store = Some(Arc::clone(&store));
        bench.report_with(store, view, Format::Rows, Scope::default())
    };
    let access = oracle::access(&world, &Bent::default());
    let expected = expected(&world, &access);
    let access = oracle::standing(access);
    assert_equal(&report(View::Access).await.rows, &access, &what);
    let fresh = report(View::Findings).await.findings;
    assert_eq!(told(&fresh), expected, "{what}");
    let read = bench.simulator.calls().len();
    let arn = &bench.instance.arn;
    let last = store.collection_at(arn, Timestamp::now()).await;
    let last = last.expect("a store").expect("a collection");
    let kept = |view| bench.kept_report(&store, &last, view);
    assert_equal(&kept(View::Access).await.rows, &access, &what);
    let assigned = oracle::standing(oracle::assignments(&world));
    assert_equal(&kept(View::Assignments).await.rows, &assigned, &what);
    assert_eq!(kept(View::Findings).await.findings, fresh, "{what}");
    assert_eq!(bench.simulator.calls().len(), read, "{what}: AWS was asked");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_equals_the_world_read_and_kept() {
    each_seed(SEEDS, one_seed).await;
}
