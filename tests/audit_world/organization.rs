//! Reports over an organization: three instances, reached through assumed roles, in three regions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use usher::audit::{Completeness, Period, ReportRequest, Scope};
use usher::budget::BudgetConfig;
use usher::domain::report::{ChangeRow, FindingRow, View};
use usher::domain::{PrincipalId, PrincipalKind, PrincipalRef};
use usher::simulator::{Fault, FaultAction, PrincipalType, Settings};
use usher::store::{FactStore as _, SqliteOptions, SqliteStore, Store as _};

use super::bench::{Report, receive};
use super::company::{Organization, plenty};
use super::oracle::{self, Bent};
use super::people;
use super::{assert_equal, missing, unsaid};

/// More at once keep a small machine from answering within an attempt's time.
const SEEDS_AT_ONCE: usize = 5;

/// Several seeds at once take the time of one, as each waits for its own quotas; comparing comes
/// afterwards, so that no report is held up by it.
#[tokio::test(flavor = "multi_thread")]
async fn access_over_an_organization_equals_the_world_at_awss_own_pace() {
    let reports = stream::iter(1..=10).map(|seed| async move {
        let settings = Settings {
            odd_page_rate: 0.0,
            ..Settings::default()
        };
        let bench = Organization::new(seed, settings, BudgetConfig::default()).await;
        let report = bench.report(View::Access).await;
        (seed, report, bench)
    });
    let reports: Vec<_> = reports.buffered(SEEDS_AT_ONCE).collect().await;
    assert_eq!(reports.len(), 10);
    for (seed, report, bench) in reports {
        let (world, what) = (&bench.world, format!("seed {seed}"));
        let expected = oracle::access(world, &Bent::default());
        assert_equal(&report.rows, &expected, &what);
        assert_eq!(missing(&report.summary), unsaid(world), "{what}");
        assert_eq!(report.header().instance_arns.len(), 3, "{what}");
        let calls = bench.simulator.calls();
        let throttled = calls.iter().filter(|call| call.throttled);
        let throttled: Vec<&str> = throttled.map(|call| call.operation.as_str()).collect();
        assert!(throttled.is_empty(), "{what}: {throttled:?}");
        // ListInstances was asked by the discovery before.
        let at_most = oracle::operations_at_most(world) - world.instances.len();
        assert!(
            calls.len() <= at_most,
            "{what}: {} > {at_most}",
            calls.len()
        );
        assert_eq!(report.operations(), calls.len() as u64, "{what}");
        let planned = report.header().plan.total();
        assert!(planned <= report.operations(), "{what}: {planned}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_role_costs_its_own_account_only_and_is_named() {
    for seed in 1..=10 {
        let bench = Organization::quick(seed).await;
        let (account, instance) = bench.lock_out();
        let report = bench.report(View::Access).await;
        let what = format!("seed {seed}");
        let bent = Bent {
            unreachable: BTreeSet::from([instance.clone()]),
            ..Bent::default()
        };
        assert_equal(&report.rows, &oracle::access(&bench.world, &bent), &what);
        assert_eq!(report.summary.completeness, Some(Completeness::Partial));
        let mut rest = bench.world.clone();
        rest.applications.retain(|row| row.instance_arn != instance);
        let lacks: BTreeSet<String> = (missing(&report.summary).into_iter())
            .filter(|scope| !scope.starts_with(&format!("account {account}")))
            .collect();
        assert_eq!(lacks, unsaid(&rest), "{what}");
        let mut named = report.summary.missing.iter();
        let named = named.find(|missing| missing.scope.contains(&account));
        let named = named.expect("the account by name");
        assert!(named.reason.contains("sts:AssumeRole"), "{}", named.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_known_counts_is_what_is_then_asked() {
    let settings = Settings {
        odd_page_rate: 0.0,
        ..Settings::unlimited()
    };
    let bench = Organization::new(3, settings, plenty()).await;
    // What AWS does not say of an application would leave the counts unlearnt.
    bench.simulator.edit_world(|world| {
        for application in &mut world.applications {
            application.assignment_configuration_supported = true;
        }
    });
    let first = bench.report(View::Access).await;
    assert_eq!(first.summary.completeness, Some(Completeness::Complete));
    let (router, mut request) = bench.request(View::Access).await;
    for (arn, known) in first.learnt {
        let mut instances = request.instances.iter_mut();
        let read = instances.find(|read| read.instance.arn == arn);
        read.expect("the same instances").known = known;
    }
    let second = receive(router, None, request).await;
    let describes: u64 = (second.summary.operations_used.iter())
        .filter(|(operation, _)| matches!(operation.name(), "DescribeUser" | "DescribeGroup"))
        .map(|(_, count)| count)
        .sum();
    let plan = &second.header().plan;
    assert_eq!(plan.total() + describes, second.operations());
    assert!(
        describes > 0 && !plan.note.contains("lower bound"),
        "{}",
        plan.note
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_without_names_are_said_once_and_all_else_is_right() {
    let bench = Organization::quick(4).await;
    let (router, request) = bench.request(View::Access).await;
    // Discovery has seen the accounts; the report may not any more.
    let fault = Fault::new("ListAccounts", FaultAction::AccessDenied);
    bench.simulator.add_fault(fault);
    let report = receive(router, None, request).await;
    let mut expected = oracle::access(&bench.world, &Bent::default());
    for row in &mut expected {
        row.remove("account_name");
        if let Some(findings) = row.remove("findings") {
            let kept: Vec<&str> = (findings.split(';'))
                .filter(|finding| *finding != "account_inactive")
                .collect();
            row.insert("findings", kept.join(";"));
        }
    }
    assert_equal(&report.rows, &expected, "without names");
    let mut lacks = unsaid(&bench.world);
    lacks.insert("accounts of the organization: names and states".to_owned());
    assert_eq!(missing(&report.summary), lacks);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_principals_accounts_are_its_part_of_the_whole_and_cost_little() {
    let bench = Organization::quick(5).await;
    let whole = oracle::access(&bench.world, &Bent::default());
    let organization = &bench.world.instances[0].instance_arn;
    let is_there = |id: &str| bench.world.users.iter().any(|user| user.user_id == id);
    let assigned = |exists: bool| {
        let mut rows = bench.world.account_assignments.iter();
        let row = rows.find(|row| {
            row.principal_type == PrincipalType::User && is_there(&row.principal_id) == exists
        });
        row.expect("such a user").principal_id.clone()
    };
    for (id, asks_by_principal) in [(assigned(true), true), (assigned(false), false)] {
        let (router, mut request) = bench.request(View::Access).await;
        (request.instances).retain(|read| read.instance.arn.as_str() == organization);
        request.scope = Scope {
            principal: Some(PrincipalRef {
                kind: PrincipalKind::User,
                id: PrincipalId::parse(&id).expect("an id"),
            }),
            target: None,
        };
        let report = receive(router, None, request).await;
        let part: Vec<_> = (whole.iter())
            .filter(|row| row.get("user_id") == Some(&id))
            .cloned()
            .collect();
        assert_equal(&report.rows, &part, &id);
        let calls = bench.simulator.calls();
        let pairs = calls
            .iter()
            .filter(|call| call.operation == "ListAccountAssignments");
        assert_eq!(pairs.count() == 0, asks_by_principal, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_and_their_sizes_are_told_and_who_is_locked_is_a_row() {
    let bench = Organization::quick(6).await;
    let (account, locked) = bench.lock_out();
    let report = bench.report(View::Instances).await;
    let world = &bench.world;
    assert_eq!(report.instances.len(), 3);
    for instance in world
        .instances
        .iter()
        .filter(|row| row.instance_arn != locked)
    {
        let mut rows = report.instances.iter();
        let row = rows.find(|row| row.instance_arn == instance.instance_arn);
        let row = row.expect("a row");
        let store = &instance.identity_store_id;
        let count = |count: usize| count.to_string();
        let of_store = world
            .users
            .iter()
            .filter(|row| &row.identity_store_id == store);
        assert_eq!(row.user_count, count(of_store.count()));
        let of_store = world
            .groups
            .iter()
            .filter(|row| &row.identity_store_id == store);
        assert_eq!(row.group_count, count(of_store.count()));
        let applications = world.applications.iter();
        let applications = applications.filter(|row| row.instance_arn == instance.instance_arn);
        assert_eq!(row.application_count, count(applications.count()));
        let is_organization = instance.owner_account_id == world.instances[0].owner_account_id;
        let (kind, sets, accounts) = match is_organization {
            true => ("ORGANIZATION", "20", "30"),
            false => ("ACCOUNT", "", ""),
        };
        assert_eq!((row.kind.as_str(), row.reach.as_str()), (kind, "REACHABLE"));
        assert_eq!(row.permission_set_count, sets);
        assert_eq!(row.account_count, accounts);
        let mut accounts = world.accounts.iter();
        let owner = accounts.find(|row| row.account_id == instance.owner_account_id);
        assert_eq!(row.owner_account_name, owner.expect("an owner").name);
    }
    let last = report.instances.last().expect("a row");
    assert_eq!(
        (last.owner_account_id.as_str(), last.reach.as_str()),
        (account.as_str(), "UNREACHABLE")
    );
    assert!(last.reason.contains("sts:AssumeRole") && last.instance_arn.is_empty());
    assert!(report.instances.is_sorted_by_key(|row| row.sort_key()));
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_users_are_those_of_the_world_and_cost_lists_of_users_only() {
    for seed in 1..=3 {
        let bench = Organization::quick(seed).await;
        let report = bench.report(View::DuplicateUsers).await;
        let found: people::Expected = (report.duplicate_users.iter())
            .map(|row| {
                let kind = if row.match_kind == "EMAIL" {
                    "EMAIL"
                } else {
                    "EXTERNAL_ID"
                };
                let shared = (kind, row.match_issuer.clone(), row.match_value.clone());
                let stores = row.store_count.parse().expect("a number");
                (shared, row.user_id.clone(), stores)
            })
            .collect();
        let expected = people::rows(&bench.world);
        assert!(!expected.is_empty());
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(report.duplicate_users.len(), expected.len());
        let mut persons: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for row in &report.duplicate_users {
            persons
                .entry(&row.person)
                .or_default()
                .insert(row.user_id.clone());
        }
        let found: BTreeSet<_> = persons.into_values().collect();
        assert_eq!(found, people::persons(&bench.world).into_iter().collect());
        let calls = bench.simulator.calls();
        assert!(calls.iter().all(|call| call.operation == "ListUsers"));
    }
}

/// Who is found to be in several stores: the user, in how many, and whether since when is told.
fn in_several(rows: &[FindingRow]) -> BTreeSet<(String, String, bool)> {
    let rows = rows.iter().filter(|row| row.finding == "duplicate_user");
    let told = rows.map(|row| {
        assert!(!row.principal_name.is_empty(), "{row:#?}");
        (
            row.principal_id.clone(),
            row.detail.clone(),
            !row.since.is_empty(),
        )
    });
    told.collect()
}

/// An organization with a store, and what a report of all findings says: read, or kept.
struct Kept {
    bench: Organization,
    store: Arc<SqliteStore>,
    _place: tempfile::TempDir,
}

impl Kept {
    async fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(place.path(), SqliteOptions::default()).await;
        Self {
            bench: Organization::quick(1).await,
            store: Arc::new(store.expect("a store")),
            _place: place,
        }
    }

    /// Who is in several stores, by the world.
    fn expected(&self) -> BTreeSet<(String, String, bool)> {
        let rows = people::rows(&self.bench.world).into_iter();
        rows.map(|(_, user, stores)| (user, format!("in {stores} identity stores"), true))
            .collect()
    }

    /// Those of one instance.
    fn expected_of(&self, arn: &str) -> BTreeSet<(String, String, bool)> {
        let world = &self.bench.world;
        let instance = world.instances.iter().find(|it| it.instance_arn == arn);
        let store = &instance.expect("the instance").identity_store_id;
        let users = world.users.iter();
        let users = users.filter(|user| user.identity_store_id == *store);
        let users: BTreeSet<&String> = users.map(|user| &user.user_id).collect();
        let mut rows = self.expected();
        rows.retain(|(id, ..)| users.contains(id));
        rows
    }

    async fn ask(&self, change: impl FnOnce(&mut ReportRequest), kept: bool) -> Report {
        let (router, mut request) = self.bench.request(View::Findings).await;
        for instance in request.instances.iter_mut().filter(|_| kept) {
            let arn = &instance.instance.arn;
            let last = self.store.collection_at(arn, Timestamp::now()).await;
            instance.kept = last.expect("a store");
        }
        change(&mut request);
        receive(router, Some(Arc::clone(&self.store)), request).await
    }

    async fn told(&self, kept: bool) -> BTreeSet<(String, String, bool)> {
        in_several(&self.ask(|_| {}, kept).await.findings)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_several_stores_is_a_finding_with_its_time_also_in_the_past() {
    let kept = Kept::new().await;
    let who = |rows: BTreeSet<(String, String, bool)>| -> BTreeSet<String> {
        rows.into_iter().map(|(id, ..)| id).collect()
    };
    let first = kept.told(false).await;
    assert!(!first.is_empty());
    assert_eq!(who(first), who(kept.expected()));
    // Held against the others' last collections: by the second one everybody is known, by the third told.
    kept.told(false).await;
    assert_eq!(kept.told(false).await, kept.expected());
    assert_eq!(kept.told(true).await, kept.expected());
    kept.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_is_known_for_from_others_is_told_to_who_may_audit_those_too() {
    let kept = Kept::new().await;
    kept.told(false).await;
    let after_first = Timestamp::now();
    kept.told(false).await;
    for may_be_told in [true, false] {
        let alone = |request: &mut ReportRequest| {
            request.instances.truncate(1);
            request.peers.may_be_told = may_be_told;
        };
        let told = in_several(&kept.ask(alone, true).await.findings);
        let arn = kept.bench.world.instances.iter().map(|it| &it.instance_arn);
        let expected = match may_be_told {
            true => kept.expected_of(arn.min().expect("an instance")),
            false => BTreeSet::new(),
        };
        assert_eq!(told, expected);
        // And what came since.
        let compared = |request: &mut ReportRequest| {
            request.peers.may_be_told = may_be_told;
            request.compared = Some(Period {
                from: after_first,
                until: Timestamp::now(),
            });
        };
        let compared = kept.ask(compared, true).await.changes;
        let is_told = |row: &ChangeRow| row.after.starts_with("duplicate_user");
        assert_eq!(compared.iter().any(is_told), may_be_told);
    }
    kept.store.close().await;
}
