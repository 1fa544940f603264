//! The audit over the real AWS adapter and HTTP, against the simulator at AWS's own quotas: a
//! report equals the world exactly, within the operations it may use and without a throttle; and
//! with faults it says truly what it lacks.

#![expect(clippy::expect_used, reason = "a panic is how a test says no")]

mod bench;
mod changing;
mod company;
mod differences;
mod every_view;
mod grants;
mod oracle;
mod organization;
mod people;
mod readings;

use std::collections::BTreeSet;

use tokio::task::JoinSet;
use usher::audit::{Completeness, RunError, Scope, Summary, TargetScope};
use usher::budget::BudgetConfig;
use usher::domain::report::{COLUMNS, Format, ReportRow as _, Row, View};
use usher::domain::{ApplicationArn, PrincipalId, PrincipalKind, PrincipalRef};
use usher::simulator::{Fault, FaultAction, Settings, World};

use bench::{Bench, sizes};
use oracle::{Bent, Expected};

fn cells(expected: &Expected) -> Vec<String> {
    let cells = COLUMNS.iter();
    cells
        .map(|column| expected.get(column).cloned().unwrap_or_default())
        .collect()
}

/// Nothing missing, nothing invented, nothing twice, in order.
fn assert_equal(rows: &[Row], expected: &[Expected], what: &str) {
    let found: BTreeSet<Vec<String>> = rows
        .iter()
        .map(|row| row.cells().into_iter().map(str::to_owned).collect())
        .collect();
    let wanted: BTreeSet<Vec<String>> = expected.iter().map(cells).collect();
    let missing: Vec<_> = wanted.difference(&found).take(3).collect();
    let invented: Vec<_> = found.difference(&wanted).take(3).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "{what}: missing {missing:#?} invented {invented:#?}"
    );
    assert!(!rows.is_empty(), "{what}: nothing to compare");
    assert_eq!(rows.len(), expected.len(), "{what}: a row is there twice");
    let is_sorted = rows.is_sorted_by(|left, right| left.sort_key() < right.sort_key());
    assert!(is_sorted, "{what}: not in order");
}

/// The applications of which AWS does not say whether they are open, which makes a report partial.
fn unsaid(world: &World) -> BTreeSet<String> {
    let rows = world.applications.iter();
    rows.filter(|row| !row.assignment_configuration_supported)
        .map(|row| {
            format!(
                "application {}: whether it is open to everybody",
                row.application_arn
            )
        })
        .collect()
}

/// So many worlds, some at a time: a small machine has to answer each in time.
async fn each_seed<F>(seeds: u64, one: fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = JoinSet::new();
    for seed in 1..=seeds {
        running.spawn(one(seed));
        if running.len() >= 4 {
            let ended = running.join_next().await.expect("a seed");
            ended.expect("a seed that holds");
        }
    }
    running.join_all().await;
}

fn missing(summary: &Summary) -> BTreeSet<String> {
    let missing = summary.missing.iter();
    missing.map(|missing| missing.scope.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn access_equals_the_world_at_awss_own_pace() {
    let mut seeds = JoinSet::new();
    for seed in 1..=10 {
        seeds.spawn(async move {
            let settings = Settings {
                odd_page_rate: 0.0,
                ..Settings::default()
            };
            let world = World::generate(seed, &sizes());
            let bench = Bench::new(world.clone(), settings, BudgetConfig::default()).await;
            let report = bench.access().await;
            let what = format!("seed {seed}");
            assert_equal(
                &report.rows,
                &oracle::access(&world, &Bent::default()),
                &what,
            );
            assert_eq!(missing(&report.summary), unsaid(&world), "{what}");
            let calls = bench.simulator.calls();
            assert!(
                calls.iter().all(|call| !call.throttled),
                "{what}: throttled"
            );
            let at_most = oracle::operations_at_most(&world);
            assert!(
                calls.len() <= at_most,
                "{what}: {} > {at_most}",
                calls.len()
            );
            let used = report.operations();
            // ListInstances was asked before the report.
            assert_eq!(used + 1, calls.len() as u64, "{what}");
            assert!(report.header().plan.total() <= used, "{what}");
        });
    }
    while let Some(seed) = seeds.join_next().await {
        seed.expect("a seed that holds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_pages_and_left_out_lists_change_nothing() {
    let bench = Bench::quick(11).await;
    let world = bench.simulator.world();
    let report = bench.access().await;
    assert_equal(
        &report.rows,
        &oracle::access(&world, &Bent::default()),
        "access",
    );
    let assignments = (bench.report(View::Assignments, Format::Rows, Scope::default())).await;
    assert_equal(
        &assignments.rows,
        &oracle::assignments(&world),
        "assignments",
    );
    let json = (bench.report(View::Access, Format::JsonLines, Scope::default())).await;
    assert_eq!(json.summary.sha256, report.summary.sha256);
    assert_eq!(json.text.lines().count(), report.rows.len());
    let csv = bench
        .report(View::Access, Format::Csv, Scope::default())
        .await;
    let read = csv::Reader::from_reader(csv.text.as_bytes()).into_records();
    let read: Vec<csv::StringRecord> = read.map(|row| row.expect("a row")).collect();
    assert_eq!(read.len(), report.rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn throttles_and_lost_connections_in_the_middle_are_overcome() {
    let bench = Bench::quick(12).await;
    let world = bench.simulator.world();
    for fault in [
        Fault::new("ListUsers", FaultAction::Throttle)
            .skip(1)
            .times(2),
        Fault::new("ListGroupMemberships", FaultAction::DropAfterEffect)
            .skip(7)
            .times(3),
        Fault::new("ListApplicationAssignments", FaultAction::DropBeforeEffect)
            .skip(3)
            .times(2),
    ] {
        bench.simulator.add_fault(fault);
    }
    let report = bench.access().await;
    assert_equal(
        &report.rows,
        &oracle::access(&world, &Bent::default()),
        "access",
    );
    assert_eq!(missing(&report.summary), unsaid(&world));
    assert!(bench.simulator.faults().iter().all(|fault| fault.hit > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_application_is_named_and_the_rest_is_right() {
    let bench = Bench::quick(13).await;
    let world = bench.simulator.world();
    for denied in <[String; 2]>::from(bench.telling_applications()) {
        bench.simulator.clear_faults();
        let fault = Fault::new("ListApplicationAssignments", FaultAction::AccessDenied);
        bench
            .simulator
            .add_fault(fault.only_if("ApplicationArn", denied.clone()));
        let report = bench.access().await;
        let mut lacks = unsaid(&world);
        lacks.insert(format!("application {denied}: assignments"));
        assert_eq!(missing(&report.summary), lacks);
        assert_eq!(report.summary.completeness, Some(Completeness::Partial));
        let bent = Bent {
            unreadable_assignments: BTreeSet::from([denied]),
            ..Bent::default()
        };
        assert_equal(&report.rows, &oracle::access(&world, &bent), "access");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_assignment_required_is_never_open() {
    let bench = Bench::quick(14).await;
    let world = bench.simulator.world();
    let (_, open) = bench.telling_applications();
    let action = FaultAction::OmitReplyMembers {
        members: vec!["AssignmentRequired".to_owned()],
    };
    let fault = Fault::new("GetApplicationAssignmentConfiguration", action);
    (bench.simulator).add_fault(fault.only_if("ApplicationArn", open.clone()));
    let report = bench.access().await;
    let bent = Bent {
        unsaid_configurations: BTreeSet::from([open.clone()]),
        ..Bent::default()
    };
    assert_equal(&report.rows, &oracle::access(&world, &bent), "access");
    let lack = format!("application {open}: whether it is open to everybody");
    assert!(missing(&report.summary).contains(&lack));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_list_of_users_the_ids_remain() {
    let bench = Bench::quick(15).await;
    let world = bench.simulator.world();
    (bench.simulator).add_fault(Fault::new("ListUsers", FaultAction::AccessDenied));
    let report = bench.access().await;
    let store = &bench.instance.identity_store_id;
    assert!(missing(&report.summary).contains(&format!("users of identity store {store}")));
    let wanted = oracle::access(&world, &Bent::default());
    let ways_in = wanted
        .iter()
        .filter(|row| row["path"] != "OPEN_APPLICATION" && row.contains_key("user_id"));
    let wanted: BTreeSet<(String, String)> = ways_in
        .map(|row| (row["application_arn"].clone(), row["user_id"].clone()))
        .collect();
    let found: BTreeSet<(String, String)> = (report.rows.iter())
        .filter(|row| !row.user_id.is_empty())
        .map(|row| (row.application_arn.clone(), row.user_id.clone()))
        .collect();
    assert_eq!(found, wanted);
    assert!(report.rows.iter().all(|row| row.user_status != "ENABLED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scoped_reports_are_their_part_of_the_whole() {
    let bench = Bench::quick(16).await;
    let world = bench.simulator.world();
    let whole = oracle::access(&world, &Bent::default());
    let (closed, open) = bench.telling_applications();
    let is_assigned =
        |id: &str| (world.assignments.iter()).any(|assignment| assignment.principal_id == id);
    let member = (world.memberships.iter())
        .find(|row| is_assigned(&row.group_id))
        .expect("an assigned group with members");
    let principal = |kind, id: &str| PrincipalRef {
        kind,
        id: PrincipalId::parse(id).expect("an id"),
    };
    let arn = |arn: &str| TargetScope::Application(ApplicationArn::parse(arn).expect("an ARN"));
    type Fits<'a> = Box<dyn Fn(&Expected) -> bool + 'a>;
    let is = |column: &'static str, value: &str| -> Fits<'_> {
        let value = value.to_owned();
        Box::new(move |row| row.get(column) == Some(&value))
    };
    let user = principal(PrincipalKind::User, &member.user_id);
    let group = principal(PrincipalKind::Group, &member.group_id);
    let parts: [(Option<PrincipalRef>, Option<TargetScope>, Vec<Fits<'_>>); 5] = [
        (
            None,
            Some(arn(&closed)),
            vec![is("application_arn", &closed)],
        ),
        (None, Some(arn(&open)), vec![is("application_arn", &open)]),
        (
            Some(user.clone()),
            None,
            vec![is("user_id", &member.user_id)],
        ),
        (Some(group), None, vec![is("group_id", &member.group_id)]),
        (
            Some(user),
            Some(arn(&open)),
            vec![is("user_id", &member.user_id), is("application_arn", &open)],
        ),
    ];
    for (principal, target, fits) in parts {
        let what = format!("{principal:?} {target:?}");
        let scope = Scope { principal, target };
        let report = bench.report(View::Access, Format::Rows, scope).await;
        let part: Vec<Expected> = (whole.iter())
            .filter(|row| fits.iter().all(|fits| fits(row)))
            .cloned()
            .collect();
        assert_equal(&report.rows, &part, &what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_reader_hangs_up_nothing_further_is_asked() {
    let world = World::generate(18, &sizes());
    let bench = Bench::new(world.clone(), Settings::default(), BudgetConfig::default()).await;
    let ended = bench.hang_up().await;
    assert!(matches!(ended, Err(RunError::ReceiverGone)));
    // At 20 a second the whole would have taken seconds.
    let asked = bench.simulator.calls().len();
    assert!(asked < oracle::operations_at_most(&world) / 2, "{asked}");
}
