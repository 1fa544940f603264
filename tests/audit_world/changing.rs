//! A world that changes: between two collections every change is told, as the world's own two states differ; and
//! while a report reads it, what did not change is told as it is, and what did as it was or as it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use usher::audit::{Period, Scope};
use usher::domain::report::{ChangeRow, Format, ReportRow as _, View};
use usher::identity_center::IdentityCenter;
use usher::simulator::{
    AccountAssignment, Assignment, EnabledStatus, Fault, FaultAction, Membership, PrincipalType,
    World,
};
use usher::store::{FactStore as _, SqliteOptions, SqliteStore, Store as _};

use super::bench::{Bench, Report, receive};
use super::differences::{Told, differences, facts, known};
use super::oracle::{self, Bent, Expected};
use super::{cells, each_seed, missing, unsaid};

const SEEDS: u64 = 20;
/// Changes between two collections.
const EDITS: usize = 60;

fn one_of<'a, T>(random: &mut fastrand::Rng, all: &'a [T]) -> Option<&'a T> {
    (!all.is_empty()).then(|| &all[random.usize(..all.len())])
}

fn take_one<T>(random: &mut fastrand::Rng, all: &mut Vec<T>) {
    if !all.is_empty() {
        all.swap_remove(random.usize(..all.len()));
    }
}

fn some_principal(random: &mut fastrand::Rng, world: &World) -> (PrincipalType, String) {
    if random.bool() {
        let user = one_of(random, &world.users).expect("users");
        (PrincipalType::User, user.user_id.clone())
    } else {
        let group = one_of(random, &world.groups).expect("groups");
        (PrincipalType::Group, group.group_id.clone())
    }
}

/// Puts somebody into a group.
fn join(random: &mut fastrand::Rng, world: &mut World, number: usize) {
    let group = one_of(random, &world.groups).expect("groups");
    let user = one_of(random, &world.users).expect("users");
    if world
        .members_of(&group.group_id)
        .contains(user.user_id.as_str())
    {
        return;
    }
    let membership = Membership {
        identity_store_id: group.identity_store_id.clone(),
        membership_id: format!("f{number:07}-0000-4000-8000-00000000000f"),
        group_id: group.group_id.clone(),
        user_id: user.user_id.clone(),
        created_at_seconds: None,
    };
    world.memberships.push(membership);
}

fn assign(random: &mut fastrand::Rng, world: &mut World) {
    let (principal_type, principal_id) = some_principal(random, world);
    let application = one_of(random, &world.applications).expect("applications");
    let application_arn = application.application_arn.clone();
    if !world.is_assigned(&application_arn, principal_type, &principal_id) {
        world.assignments.push(Assignment {
            application_arn,
            principal_type,
            principal_id,
        });
    }
}

fn assign_account(random: &mut fastrand::Rng, world: &mut World) {
    let (principal_type, principal_id) = some_principal(random, world);
    let Some(like) = one_of(random, &world.account_assignments).cloned() else {
        return;
    };
    let new = AccountAssignment {
        principal_type,
        principal_id,
        ..like
    };
    if !world.account_assignments.contains(&new) {
        world.account_assignments.push(new);
    }
}

/// One change of the world.
fn edit(random: &mut fastrand::Rng, world: &mut World, number: usize) {
    let user = random.usize(..world.users.len());
    let application = random.usize(..world.applications.len());
    match random.u8(..13) {
        0 => world.users[user].user_name = format!("renamed{number}"),
        1 => world.users[user].user_status = Some(EnabledStatus::Disabled),
        2 => {
            let gone = world.users.swap_remove(user).user_id;
            world.memberships.retain(|row| row.user_id != gone);
        }
        3 => {
            let mut new = world.users[user].clone();
            new.user_id = format!("e{number:07}-0000-4000-8000-00000000000e");
            new.user_name = format!("new{number}");
            new.email = None;
            new.external_ids.clear();
            world.users.push(new);
        }
        4 => {
            let group = random.usize(..world.groups.len());
            let gone = world.groups.swap_remove(group).group_id;
            world.memberships.retain(|row| row.group_id != gone);
        }
        5 | 6 => join(random, world, number),
        7 => take_one(random, &mut world.memberships),
        8 => assign(random, world),
        9 => take_one(random, &mut world.assignments),
        10 => assign_account(random, world),
        11 => take_one(random, &mut world.account_assignments),
        _ => world.applications[application].name = format!("app {number}"),
    }
}

fn told(row: &ChangeRow) -> Told {
    let ids = [
        &row.what,
        &row.principal_type,
        &row.principal_id,
        &row.group_id,
        &row.application_arn,
        &row.account_id,
        &row.permission_set_arn,
    ];
    format!("{} {}", row.change, ids.map(String::as_str).join(" "))
}

async fn changes(bench: &Bench, store: &Arc<SqliteStore>, from: Timestamp) -> Report {
    let mut request = bench.request(View::Changes, Format::Rows, Scope::default());
    let until = Timestamp::now();
    let last = store.collection_at(&bench.instance.arn, until).await;
    request.instances[0].kept = last.expect("a store");
    request.compared = Some(Period { from, until });
    let port: Arc<dyn IdentityCenter> = Arc::clone(&bench.port) as Arc<dyn IdentityCenter>;
    receive(port, Some(Arc::clone(store)), request).await
}

async fn one_seed(seed: u64) {
    let bench = Bench::quick_with_accounts(seed).await;
    let random = &mut fastrand::Rng::with_seed(seed);
    let place = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(place.path(), SqliteOptions::default()).await;
    let store = Arc::new(store.expect("a store"));
    let collect = || {
        let store = Some(Arc::clone(&store));
        bench.report_with(store, View::Access, Format::Rows, Scope::default())
    };
    collect().await;
    let mut before = facts(&bench.simulator.world());
    for round in 0..3 {
        let from = Timestamp::now();
        bench.simulator.edit_world(|world| {
            for number in 0..EDITS {
                edit(random, world, round * EDITS + number);
            }
        });
        let after = known(&bench.simulator.world(), &before);
        collect().await;
        let read = bench.simulator.calls().len();
        let report = changes(&bench, &store, from).await;
        assert_eq!(bench.simulator.calls().len(), read, "AWS was asked");
        let of_facts = report.changes.iter();
        let of_facts =
            of_facts.filter(|row| !matches!(row.what.as_str(), "EVENT" | "GRANT" | "FINDING"));
        let of_facts: Vec<&ChangeRow> = of_facts.collect();
        let found: BTreeSet<Told> = of_facts.iter().map(|row| told(row)).collect();
        let expected = differences(&before, &after);
        let what = format!("seed {seed} round {round}");
        let lacks: Vec<&Told> = expected.difference(&found).take(3).collect();
        let invented: Vec<&Told> = found.difference(&expected).take(3).collect();
        assert!(
            lacks.is_empty() && invented.is_empty(),
            "{what}: lacks {lacks:#?} invented {invented:#?}"
        );
        assert_eq!(of_facts.len(), expected.len(), "{what}: told twice");
        assert!(expected.len() > EDITS / 3, "{what}: {}", expected.len());
        for row in of_facts {
            let cause = match row.what.as_str() {
                "ASSIGNMENT" => "OUT_OF_BAND",
                _ => "AWS",
            };
            assert_eq!(row.cause, cause, "{what}: {row:#?}");
        }
        before = after;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_what_differs_between_two_states_of_the_world() {
    each_seed(SEEDS, one_seed).await;
}

/// The rows of access, as cells.
fn rows(expected: &[Expected]) -> BTreeSet<Vec<String>> {
    expected.iter().map(cells).collect()
}

/// Which part of the world moves while it is read: each thing at most once.
fn move_one(random: &mut fastrand::Rng, world: &mut World, (part, number): (u64, usize)) {
    match part % 3 {
        0 if random.bool() => join(random, world, number),
        0 => take_one(random, &mut world.memberships),
        1 if random.bool() => assign(random, world),
        1 => take_one(random, &mut world.assignments),
        _ if random.bool() => assign_account(random, world),
        _ => take_one(random, &mut world.account_assignments),
    }
}

/// A world of which memberships, or one kind of assignments, come and go while it is read, and whose pages are
/// throttled, reset and slow.
async fn moving_seed(seed: u64) {
    let bench = Bench::quick_with_accounts(seed).await;
    let random = &mut fastrand::Rng::with_seed(seed);
    let slow = FaultAction::DelayBeforeEffect { milliseconds: 2 };
    for (action, probability) in [
        (slow, 0.5),
        (FaultAction::Throttle, 0.03),
        (
            FaultAction::InternalError {
                after_effect: false,
            },
            0.03,
        ),
        (FaultAction::DropAfterEffect, 0.03),
    ] {
        let fault = Fault::new("*", action).probability(probability);
        bench.simulator.add_fault(fault);
    }
    let before = bench.simulator.world();
    let mut states = rows(&oracle::access(&before, &Bent::default()));
    let mut always = states.clone();
    let report = bench.access();
    let moving = async {
        for number in 0..40 {
            bench
                .simulator
                .edit_world(|world| move_one(random, world, (seed, number)));
            let now = rows(&oracle::access(&bench.simulator.world(), &Bent::default()));
            always.retain(|row| now.contains(row));
            states.extend(now);
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
    };
    let (report, ()) = tokio::join!(report, moving);
    let found: BTreeSet<Vec<String>> = (report.rows.iter())
        .map(|row| row.cells().into_iter().map(str::to_owned).collect())
        .collect();
    let lacks: Vec<_> = always.difference(&found).take(3).collect();
    let invented: Vec<_> = found.difference(&states).take(3).collect();
    let is_partial = missing(&report.summary) != unsaid(&before);
    assert!(invented.is_empty(), "seed {seed}: invented {invented:#?}");
    assert!(
        lacks.is_empty() || is_partial,
        "seed {seed}: lacks {lacks:#?}"
    );
    assert_eq!(
        found.len(),
        report.rows.len(),
        "seed {seed}: a row is there twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_that_changes_while_it_is_read_is_told_as_it_was_or_as_it_is() {
    each_seed(12, moving_seed).await;
}
