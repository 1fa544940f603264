//! What a whole audit costs AWS: a company of 500 applications with ten assignments each, 2,000 groups of 50 and
//! 20,000 users, at AWS's quotas of 20 operations a second. Operations and rates are counted in the simulator's
//! own log. Then the same again where the members of the groups are young enough to be told, and what AWS's own
//! recipe costs on the same company: for each application its assignments, for each group its members, for each
//! member a description, one call after another.
//!
//! `cargo bench --bench audit_operations`; it takes about six minutes. The recipe, which would take one and a half
//! hours, is run with the quotas lifted and its time at them is worked out.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use usher::audit::{
    self, AuditConfig, InstanceToRead, KnownCounts, Part, Peers, ReportRequest, Reuse, Scope,
    Summary,
};
use usher::budget::{Budget, BudgetConfig};
use usher::clock::Clock;
use usher::domain::external::ExternalRules;
use usher::domain::report::{Format, View};
use usher::domain::{Instance, PrincipalId, PrincipalKind};
use usher::identity_center::{
    AwsConfig, Call, Class, Demand, IdentityCenter as _, PageToken, SdkIdentityCenter,
    StaticCredentials, WriteMode,
};
use usher::simulator::{
    Assignment, CallRecord, Fault, FaultAction, Membership, PrincipalType, Settings, Simulator,
    SimulatorOptions, World, WorldSizes,
};
use usher::store::{ReadBy, SqliteOptions, SqliteStore, Store, WantedReadings};

/// AWS's rate.
const PER_SECOND: f64 = 20.0;
const APPLICATIONS: usize = 500;
const GROUPS: usize = 2_000;
const MEMBERS: usize = 50;
const USERS: usize = 20_000;
/// Of the ten assignments of an application so many are of groups; every group has one.
const GROUPS_PER_APPLICATION: usize = GROUPS / APPLICATIONS;
const USERS_PER_APPLICATION: usize = 10 - GROUPS_PER_APPLICATION;
/// One application in so many has an assignment of somebody who is gone.
const ORPHAN_EVERY: usize = 25;

/// An AWS with a way to it, a store and a clock.
struct Stage {
    simulator: Simulator,
    port: Arc<SdkIdentityCenter>,
    instance: Instance,
    store: Arc<SqliteStore>,
    clock: Clock,
    _directory: tempfile::TempDir,
}

#[tokio::main]
async fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let world = company();
    at_awss_pace(&world).await;
    where_members_are_young(&world).await;
    recipe(&world).await;
}

fn figure(name: &str, value: f64, unit: &str, target: &str) {
    println!("figure {name} {value:.3} {unit} target {target}");
}

/// The company. Its assignments are written here, so that every group is assigned once.
fn company() -> World {
    let sizes = WorldSizes {
        applications: APPLICATIONS,
        groups: GROUPS,
        users: USERS,
        assignments_per_application: 0,
        members_per_group: 0,
        ..WorldSizes::default()
    };
    let mut world = World::generate(7, &sizes);
    let mut random = fastrand::Rng::with_seed(7);
    let mut number = 0_u128;
    let mut next_id = || {
        number += 1;
        uuid::Uuid::from_u128((7 << 64) + number).to_string()
    };
    for group in &world.groups {
        let mut members = HashSet::new();
        while members.len() < MEMBERS {
            members.insert(random.usize(..USERS));
        }
        world
            .memberships
            .extend(members.into_iter().map(|place| Membership {
                identity_store_id: group.identity_store_id.clone(),
                membership_id: next_id(),
                group_id: group.group_id.clone(),
                user_id: world.users[place].user_id.clone(),
                created_at_seconds: None,
            }));
    }
    world.assignments.clear();
    for (at, application) in world.applications.iter_mut().enumerate() {
        // What AWS does not say would make the report partial.
        application.assignment_configuration_supported = true;
        application.assignment_required = true;
        let groups = &world.groups[at * GROUPS_PER_APPLICATION..][..GROUPS_PER_APPLICATION];
        let groups = groups.iter().map(|group| group.group_id.clone());
        let mut users: Vec<String> = (0..USERS_PER_APPLICATION)
            .map(|place| {
                world.users[at * USERS_PER_APPLICATION + place]
                    .user_id
                    .clone()
            })
            .collect();
        if at % ORPHAN_EVERY == 0 {
            users[0] = next_id();
        }
        let groups = groups.map(|id| (PrincipalType::Group, id));
        let users = users.into_iter().map(|id| (PrincipalType::User, id));
        let rows = groups
            .chain(users)
            .map(|(principal_type, principal_id)| Assignment {
                application_arn: application.application_arn.clone(),
                principal_type,
                principal_id,
            });
        world.assignments.extend(rows);
    }
    world
}

fn lifted() -> BudgetConfig {
    BudgetConfig {
        sso_admin_per_second: 1000,
        identity_store_per_second: 1000,
        burst: 1000,
        ..BudgetConfig::default()
    }
}

impl Stage {
    async fn new(world: &World, settings: Settings, budget: BudgetConfig) -> Self {
        let options = SimulatorOptions {
            settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(world.clone(), options).await;
        let simulator = simulator.expect("a simulator");
        let config = AwsConfig {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(simulator.endpoint_url()),
            ..AwsConfig::default()
        };
        let port = SdkIdentityCenter::connect_with_credentials(
            &config,
            &StaticCredentials::simulated(),
            Budget::new(budget).expect("a budget"),
            WriteMode::Never,
        );
        let port = Arc::new(port.expect("an adapter"));
        let mut instances = port.instances(call()).await.expect("its instances");
        let instance = instances.remove(0).instance;
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(directory.path(), SqliteOptions::default()).await;
        simulator.clear_calls();
        Self {
            simulator,
            port,
            instance,
            store: Arc::new(store.expect("a store")),
            clock: Clock::system(),
            _directory: directory,
        }
    }

    /// A whole report with what was read since then. Answers its summary, how long it took, and what it asked.
    async fn report(&self, since: Option<Timestamp>) -> (Summary, Duration, Vec<CallRecord>) {
        let now = self.clock.now();
        let wanted = WantedReadings {
            since: since.unwrap_or(now),
            by: ReadBy::Anybody,
        };
        let reuse = Reuse::find(&*self.store, &self.instance.arn, wanted, now).await;
        let request = ReportRequest {
            instances: vec![InstanceToRead {
                instance: self.instance.clone(),
                known: KnownCounts::default(),
                kept: None,
                reuse: reuse.expect("what was read"),
            }],
            peers: Peers::default(),
            unreachable: Vec::new(),
            missing: Vec::new(),
            view: View::Access,
            format: Format::Csv,
            scope: Scope::default(),
            demand: Demand::usher(Class::Audit),
            compared: None,
            external: ExternalRules::default(),
            validate_only: false,
        };
        self.simulator.clear_calls();
        let (sink, mut parts) = mpsc::channel(8);
        let (port, store, clock) = (
            Arc::clone(&self.port),
            Arc::clone(&self.store),
            self.clock.clone(),
        );
        let began = Instant::now();
        let running = tokio::spawn(async move {
            let store = Some(&*store as &dyn Store);
            let config = AuditConfig::default();
            audit::run(&request, port.as_ref(), store, &clock, &config, sink).await
        });
        let mut summary = None;
        while let Some(part) = parts.recv().await {
            if let Part::Summary(told) = part {
                summary = Some(*told);
            }
        }
        running.await.expect("no panic").expect("a report");
        let calls = self.simulator.calls();
        (summary.expect("a summary"), began.elapsed(), calls)
    }
}

fn call() -> Call {
    Call {
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
        demand: Demand::usher(Class::Audit),
    }
}

/// How many calls each operation has.
fn counts(calls: &[CallRecord]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.operation.as_str()).or_default() += 1;
    }
    counts
}

/// The share of its rate that the busiest bucket has while it is asked, and how many calls it has.
fn busiest(calls: &[CallRecord]) -> (f64, usize) {
    let mut buckets: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for call in calls {
        // sso-admin has one quota, identitystore one for each operation.
        let bucket = match call.service.as_str() {
            "sso-admin" => "sso-admin",
            _ => call.operation.as_str(),
        };
        buckets.entry(bucket).or_default().push(call.time_seconds);
    }
    let busiest = buckets.into_values().max_by_key(Vec::len);
    let times = busiest.expect("a call");
    let first = times.iter().copied().fold(f64::MAX, f64::min);
    let last = times.iter().copied().fold(0.0, f64::max);
    let count = times.len();
    let rate = (count - 1) as f64 / (last - first);
    (rate * 100.0 / PER_SECOND, count)
}

/// One report as AWS lets it, and another one of an age that takes in all of the groups' members.
async fn at_awss_pace(world: &World) {
    let settings = Settings {
        odd_page_rate: 0.0,
        ..Settings::default()
    };
    let stage = Stage::new(world, settings, BudgetConfig::default()).await;
    let (summary, took, calls) = stage.report(None).await;
    assert!(summary.missing.is_empty(), "{:?}", summary.missing);
    let orphans = APPLICATIONS.div_ceil(ORPHAN_EVERY);
    let counted = counts(&calls);
    println!("operations {counted:?}; {} rows", summary.row_count);
    let target = format!("<={}", 3_250 + orphans);
    figure("operations", calls.len() as f64, "operations", &target);
    let describes = ["DescribeUser", "DescribeGroup"];
    let describes: usize = (describes.iter().filter_map(|name| counted.get(name))).sum();
    let of_members = describes as f64 - orphans as f64;
    figure("describes_of_members", of_members, "operations", "0");
    let (share, count) = busiest(&calls);
    figure("rate_of_the_busiest_bucket", share, "%", ">=98");
    let throttled = calls.iter().filter(|call| call.throttled).count();
    figure("throttled", throttled as f64, "operations", "0");
    figure("report", took.as_secs_f64(), "s", "none");
    println!("the busiest bucket has {count} of the calls");

    let members = calls
        .iter()
        .filter(|call| call.operation == "ListGroupMemberships");
    let first = members
        .map(|call| call.time_seconds)
        .fold(f64::MAX, f64::min);
    let since = SignedDuration::from_secs_f64(first);
    let since = Timestamp::from_duration(since).expect("a time");
    let (again, took, calls_again) = stage.report(Some(since)).await;
    assert_eq!(again.row_count, summary.row_count);
    println!("operations {:?}", counts(&calls_again));
    let share = calls_again.len() as f64 * 100.0 / calls.len() as f64;
    figure("again_as_old_as_the_first_members", share, "%", "<=40");
    figure("report_again", took.as_secs_f64(), "s", "none");
    assert!(again.observed_from.is_some_and(|oldest| oldest >= since));
}

/// The members of the groups young and all else old: the least that a `max_age` that covers the groups spares.
async fn where_members_are_young(world: &World) {
    let stage = Stage::new(world, Settings::unlimited(), lifted()).await;
    let fault = Fault::new("ListGroupMemberships", FaultAction::AccessDenied);
    stage.simulator.add_fault(fault);
    stage.report(None).await;
    stage.simulator.clear_faults();
    stage.clock.advance(SignedDuration::from_hours(2));
    let ago = |hours| stage.clock.now() - SignedDuration::from_hours(hours);
    let (whole, ..) = stage.report(Some(ago(3))).await;
    assert!(whole.missing.is_empty(), "{:?}", whole.missing);
    let (again, _, calls) = stage.report(Some(ago(1))).await;
    println!("operations {:?}", counts(&calls));
    assert_eq!(again.row_count, whole.row_count);
    let (_, _, all) = stage.report(None).await;
    let share = calls.len() as f64 * 100.0 / all.len() as f64;
    figure("again_with_young_members_alone", share, "%", "<=40");
}

/// AWS's own recipe.
async fn recipe(world: &World) {
    let stage = Stage::new(world, Settings::unlimited(), lifted()).await;
    let (port, instance) = (&stage.port, &stage.instance);
    let mut applications = Vec::new();
    let mut token: Option<PageToken> = None;
    loop {
        let page = port.applications(instance, token.as_ref(), call()).await;
        let page = page.expect("applications");
        applications.extend(page.items);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    let mut people = 0_u64;
    for application in applications {
        let assigned = port.application_assignments(&application.arn, None, call());
        for assignment in assigned.await.expect("assignments").items {
            let principal = assignment.principal;
            let ids: Vec<PrincipalId> = match principal.kind {
                PrincipalKind::User => vec![principal.id],
                PrincipalKind::Group => {
                    let members = port.group_members(instance, &principal.id, None, call());
                    let members = members.await.expect("members").items;
                    members.into_iter().map(|member| member.user_id).collect()
                }
            };
            for id in ids {
                let user = port.user(instance, &id, call()).await.expect("an answer");
                people += u64::from(user.is_some());
            }
        }
    }
    let calls = stage.simulator.calls();
    println!("operations {:?}; {people} descriptions", counts(&calls));
    figure(
        "recipe_operations",
        calls.len() as f64,
        "operations",
        "none",
    );
    let seconds = calls.len() as f64 / PER_SECOND;
    figure("recipe_at_20_a_second", seconds, "s", "none");
}
