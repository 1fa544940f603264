//! What was read of AWS before, in the place of AWS: after an interruption, and as far as a report may tell
//! facts of some age. What is asked is counted in the simulator's own log.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::sync::mpsc;
use usher::audit::{AuditConfig, Part, ReportRequest, Reuse, RunError, Scope};
use usher::budget::BudgetConfig;
use usher::clock::Clock;
use usher::domain::report::{Format, Row, View};
use usher::domain::{Operation, Transition, plan};
use usher::identity_center::IdentityCenter;
use usher::simulator::{CallRecord, Fault, FaultAction, Settings, World, WorldSizes};
use usher::store::{
    ClaimLimit, FactStore as _, GrantRequest, Holder, OfEachKind, ReadBy, ReadingStore as _,
    SqliteOptions, SqliteStore, Store, WantedReadings,
};

use super::bench::{Bench, Report, receive, receive_at, sizes};
use super::company::{Organization, plenty};
use super::grants::grant_on_first_assignment;
use super::oracle::{self, Bent};
use super::{assert_equal, missing, unsaid};

/// A report is told how far it is twice a second: so many operations after the first word it is in the middle.
const IN_THE_MIDDLE: u64 = 60;

/// A world, a store and a clock.
struct Stage {
    bench: Bench,
    store: Arc<SqliteStore>,
    directory: TempDir,
    clock: Clock,
}

/// What AWS was asked, whatever the page.
fn asked(call: &CallRecord) -> String {
    let mut about = call.input.clone();
    let names = about.as_object_mut().expect("an input");
    names.retain(|name, _| name != "NextToken" && name != "MaxResults");
    format!("{} {about}", call.operation)
}

/// Orphan candidates are settled anew each time.
fn is_describe(call: &CallRecord) -> bool {
    ["DescribeUser", "DescribeGroup"].contains(&call.operation.as_str())
}

async fn open(directory: &Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(directory, SqliteOptions::default()).await;
    Arc::new(store.expect("a store"))
}

impl Stage {
    /// As fast as the machine goes.
    async fn quick(seed: u64, sizes: &WorldSizes) -> Self {
        let settings = Settings {
            odd_page_rate: 0.0,
            ..Settings::unlimited()
        };
        Self::new(Bench::new(World::generate(seed, sizes), settings, plenty()).await).await
    }

    /// At AWS's own pace: six seconds for a report.
    async fn at_awss_pace(seed: u64) -> Self {
        let settings = Settings {
            odd_page_rate: 0.0,
            ..Settings::default()
        };
        let world = World::generate(seed, &sizes());
        Self::new(Bench::new(world, settings, BudgetConfig::default()).await).await
    }

    async fn new(bench: Bench) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path()).await;
        bench.simulator.clear_calls();
        Self {
            bench,
            store,
            directory,
            clock: Clock::system(),
        }
    }

    fn world(&self) -> World {
        self.bench.simulator.world()
    }

    /// A whole report with what these made within this time.
    async fn request(&self, by: ReadBy, age: SignedDuration) -> ReportRequest {
        let (store, instance) = (&*self.store, &self.bench.instance.arn);
        let now = self.clock.now();
        let since = now.checked_sub(age).expect("a time");
        let found = Reuse::find(store, instance, WantedReadings { since, by }, now);
        let mut request = (self.bench).request(View::Access, Format::Rows, Scope::default());
        request.instances[0].reuse = found.await.expect("what was read");
        request
    }

    /// Makes the report. Answers it with what was asked for it.
    async fn report(&self, request: ReportRequest) -> (Report, Vec<CallRecord>) {
        self.bench.simulator.clear_calls();
        let port = Arc::clone(&self.bench.port) as Arc<dyn IdentityCenter>;
        let store = Some(Arc::clone(&self.store));
        let report = receive_at(port, store, request, self.clock.clone()).await;
        let calls = self.bench.simulator.calls();
        assert_eq!(report.operations(), calls.len() as u64);
        (report, calls)
    }

    /// As `AuditReport` makes it without `max_age`.
    async fn report_of_now(&self) -> (Report, Vec<CallRecord>) {
        let age = AuditConfig::default().resume_age();
        let request = self.request(ReadBy::Interrupted, age).await;
        self.report(request).await
    }

    /// As `AuditReport` makes it with this `max_age`, where no whole collection is so young.
    async fn report_of_age(&self, age: SignedDuration) -> (Report, Vec<CallRecord>) {
        let request = self.request(ReadBy::Anybody, age).await;
        self.report(request).await
    }

    /// Begins a report whose client hangs up in the middle. Answers what was asked, and at what second it ended.
    async fn interrupted(&self) -> (Vec<CallRecord>, f64) {
        let request = self
            .request(ReadBy::Interrupted, SignedDuration::ZERO)
            .await;
        let (sink, mut parts) = mpsc::channel(8);
        let (port, store) = (Arc::clone(&self.bench.port), Arc::clone(&self.store));
        let clock = self.clock.clone();
        let running = tokio::spawn(async move {
            let store = Some(&*store as &dyn Store);
            let config = AuditConfig::default();
            usher::audit::run(&request, port.as_ref(), store, &clock, &config, sink).await
        });
        while let Some(part) = parts.recv().await {
            if matches!(&part, Part::Progress(told) if told.operations_done >= IN_THE_MIDDLE) {
                break;
            }
            assert!(!matches!(part, Part::Summary(_)), "too late");
        }
        drop(parts);
        let ended = running.await.expect("no panic");
        assert!(matches!(ended, Err(RunError::ReceiverGone)), "{ended:?}");
        let ended_at = Timestamp::now().as_microsecond() as f64 / 1e6;
        (self.bench.simulator.calls(), ended_at)
    }

    /// How many readings are kept.
    async fn kept(&self) -> usize {
        let wanted = WantedReadings {
            since: Timestamp::UNIX_EPOCH,
            by: ReadBy::Anybody,
        };
        let instance = &self.bench.instance.arn;
        let kept = self.store.readings(instance, wanted, None, 9_999).await;
        kept.expect("readings").len()
    }

    fn assert_is_the_world(&self, report: &Report, what: &str) {
        let world = self.world();
        let expected = oracle::unexplained(oracle::access(&world, &Bent::default()));
        assert_equal(&unexplained(&report.rows), &expected, what);
        assert_eq!(missing(&report.summary), unsaid(&world), "{what}");
    }
}

/// Without why they stand: what came between two collections is told so.
fn unexplained(rows: &[Row]) -> Vec<Row> {
    let rows = rows.iter().map(|row| Row {
        provenance: String::new(),
        findings: without_out_of_band(&row.findings),
        ..row.clone()
    });
    rows.collect()
}

fn without_out_of_band(findings: &str) -> String {
    let words = findings.split(';').filter(|word| *word != "out_of_band");
    Vec::from_iter(words).join(";")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_was_interrupted_is_gone_on_with_also_after_a_restart() {
    for (seed, restarts) in [(21, false), (22, true)] {
        let mut stage = Stage::at_awss_pace(seed).await;
        let (first, ended_at) = stage.interrupted().await;
        let kept = stage.kept().await;
        if restarts {
            stage.store.close().await;
            stage.store = open(stage.directory.path()).await;
        }
        let request = stage
            .request(ReadBy::Interrupted, SignedDuration::from_hours(1))
            .await;
        let (report, second) = stage.report(request).await;
        stage.assert_is_the_world(&report, "together");
        let asked_first: BTreeSet<String> = first.iter().map(asked).collect();
        assert!(first.len() >= 60 && kept > 40, "{} {kept}", first.len());
        // What was not read to its end, or came within the last moment, is asked for again; nothing else.
        let again: BTreeSet<String> = (second.iter().filter(|call| !is_describe(call)))
            .map(asked)
            .filter(|it| asked_first.contains(it))
            .collect();
        let settled = first
            .iter()
            .filter(|call| ended_at - call.time_seconds > 1.0);
        let twice: Vec<String> = settled.map(asked).filter(|it| again.contains(it)).collect();
        assert!(twice.is_empty(), "seed {seed}: {twice:#?}");
        // It says how old the oldest fact is that it tells.
        let oldest = report.summary.observed_from.expect("a time");
        assert!(oldest.as_microsecond() as f64 / 1e6 < ended_at);
        // Kept as a collection, with that time.
        let now = stage.clock.now();
        let collection = stage.store.collection_at(&stage.bench.instance.arn, now);
        let record = collection
            .await
            .expect("facts")
            .expect("a collection")
            .record;
        assert_eq!(record.observed.map(|(from, _)| from), Some(oldest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_finished_report_one_that_names_no_age_reads_everything_anew() {
    let stage = Stage::quick(23, &sizes()).await;
    let (_, first) = stage.report_of_now().await;
    assert!(stage.kept().await > 100);
    let (report, second) = stage.report_of_now().await;
    stage.assert_is_the_world(&report, "anew");
    let sorted = |calls: &[CallRecord]| {
        let mut calls: Vec<String> = calls.iter().map(asked).collect();
        calls.sort_unstable();
        calls
    };
    assert_eq!(sorted(&first), sorted(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_that_are_young_enough_are_not_read_again() {
    // Most of what a company costs are the members of its groups (aws-api.md §9).
    let many_groups = WorldSizes {
        groups: 200,
        assignments_per_application: 30,
        ..sizes()
    };
    let stage = Stage::quick(24, &many_groups).await;
    // Everything but the members of groups two hours ago; those now.
    let fault = Fault::new("ListGroupMemberships", FaultAction::AccessDenied);
    stage.bench.simulator.add_fault(fault);
    stage.report_of_now().await;
    stage.bench.simulator.clear_faults();
    stage.clock.advance(SignedDuration::from_hours(2));
    let (report, calls) = stage.report_of_age(SignedDuration::from_hours(3)).await;
    stage.assert_is_the_world(&report, "all but members of two hours ago");
    let mut others = calls.iter().filter(|call| !is_describe(call));
    assert!(others.all(|call| call.operation == "ListGroupMemberships"));
    let members = calls.len();

    // Of an hour are the members alone.
    let request = stage
        .request(ReadBy::Anybody, SignedDuration::from_hours(1))
        .await;
    let (report, calls) = stage.report(request).await;
    stage.assert_is_the_world(&report, "members of a moment ago");
    assert!(
        !calls
            .iter()
            .any(|call| call.operation == "ListGroupMemberships")
    );
    let (all, _) = stage.report_of_now().await;
    let share = calls.len() as f64 / all.operations() as f64;
    assert!(share <= 0.4, "{} of {}", calls.len(), all.operations());
    assert!(members > calls.len() / 2);
    let header = report.header();
    let spared = " operations are spared: what they read before is young enough.";
    assert!(header.plan.note.contains(spared), "{}", header.plan.note);
    let planned_members = (header.plan.operations.iter())
        .find(|(operation, _)| *operation == Operation::ListGroupMemberships);
    assert_eq!(planned_members, None);
    assert!(header.plan.total() <= report.operations());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_no_age_sees_what_has_changed_and_one_of_some_age_says_how_old_it_is() {
    let stage = Stage::quick(25, &sizes()).await;
    let (before, _) = stage.report_of_now().await;
    stage.bench.simulator.edit_world(|world| {
        let gone = world.assignments.remove(0);
        world
            .memberships
            .retain(|row| row.group_id != gone.principal_id);
    });
    let (old, calls) = stage.report_of_age(SignedDuration::from_hours(1)).await;
    assert!(calls.iter().all(is_describe), "{calls:?}");
    assert_eq!(old.rows, before.rows);
    assert_eq!(old.summary.observed_from, before.summary.observed_from);
    let (new, _) = stage.report_of_age(SignedDuration::ZERO).await;
    stage.assert_is_the_world(&new, "changed");
    assert_ne!(new.rows, before.rows);
    assert!(new.summary.observed_from > before.summary.observed_until);
}

#[tokio::test(flavor = "multi_thread")]
async fn assignments_on_what_usher_has_changed_since_are_read_again() {
    let stage = Stage::quick(26, &sizes()).await;
    let grant = grant_on_first_assignment(&stage.bench);
    let hour = SignedDuration::from_hours(1);
    stage.report_of_now().await;
    stage.clock.advance(SignedDuration::from_mins(10));
    let now = stage.clock.now();
    let request = GrantRequest {
        grant: grant.clone(),
        request: None,
    };
    let store = &stage.store;
    store.record_grant(request).await.expect("a grant");
    let limit = ClaimLimit {
        claims_max: OfEachKind::all(1),
        outstanding_max: 1,
        kept_for_ends: 0,
    };
    let instances = [stage.bench.instance.arn.clone()];
    let until = now + hour;
    let holder = Holder("test".to_owned());
    let claims = store.claim_due(&holder, &instances, now, until, limit);
    let claim = claims.await.expect("claims").remove(0);
    let active = claim.grants[0].apply(Transition::Activate, now);
    let changes = plan::Changes {
        record: claim.record.clone(),
        grants: vec![active.expect("an active grant")],
        events: Vec::new(),
    };
    store
        .commit_and_release(&claim, changes)
        .await
        .expect("a step");
    let (report, calls) = stage.report_of_age(hour).await;
    let again: Vec<String> = (calls.iter().filter(|call| !is_describe(call)))
        .map(asked)
        .collect();
    assert_eq!(again.len(), 1, "{again:?}");
    let arn = grant.target.key();
    let is_of_its_target =
        again[0].starts_with("ListApplicationAssignments ") && again[0].contains(&*arn);
    assert!(is_of_its_target, "{again:?}");
    let explained = report.rows.iter().filter(|row| !row.grant_id.is_empty());
    assert!(explained.count() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_keeps_nothing_costs_a_report_no_row() {
    let stage = Stage::quick(28, &sizes()).await;
    let (whole, _) = stage.report_of_now().await;
    let request = stage
        .request(ReadBy::Anybody, SignedDuration::from_hours(1))
        .await;
    stage.store.close().await;
    // Nothing of what was read before can be had, and nothing that is read now is kept.
    let (report, _) = stage.report(request).await;
    assert_eq!(report.rows.len(), whole.rows.len());
    assert_eq!(report.operations(), whole.operations());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_of_an_organization_answers_for_its_accounts_too() {
    let bench = Organization::quick(27).await;
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path()).await;
    let (router, request) = bench.request(View::Access).await;
    let first = receive(router, Some(Arc::clone(&store)), request).await;
    let (router, mut request) = bench.request(View::Access).await;
    let now = Timestamp::now();
    let wanted = WantedReadings {
        since: now - SignedDuration::from_hours(1),
        by: ReadBy::Anybody,
    };
    for read in &mut request.instances {
        let found = Reuse::find(&*store, &read.instance.arn, wanted, now).await;
        read.reuse = found.expect("what was read");
    }
    let second = receive(router, Some(store), request).await;
    let expected = oracle::access(&bench.world, &Bent::default());
    let expected = oracle::unexplained(expected);
    assert_equal(&unexplained(&second.rows), &expected, "an organization");
    assert_eq!(missing(&second.summary), unsaid(&bench.world));
    assert_eq!(second.summary.observed_from, first.summary.observed_from);
    let calls = bench.simulator.calls();
    assert!(calls.iter().all(is_describe), "{calls:#?}");
    assert_eq!(second.operations(), calls.len() as u64);
    assert_eq!(second.header().plan.total(), 0);
}
