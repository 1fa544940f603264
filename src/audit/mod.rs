//! The audit: who has access to what, which way, and why it stands.
//!
//! `plan` says beforehand what it will ask; `collect` asks it through the AWS port and builds a
//! `collection`; `report` turns that and the store's `holdings` into sorted rows; `format` turns
//! rows into pieces. `run` does all of it for one report.
//!
//! It only reads. It never leaves a failed scope unsaid, never calls an application open because
//! nobody could say, and stops when nobody listens any more.

mod collect;
mod collection;
mod config;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fixtures;
mod format;
mod gather;
mod holdings;
mod meter;
mod plan;
mod report;

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

pub use collection::{
    ApplicationFacts, Assignee, Collection, GroupFacts, Members, Missing, UserFacts,
};
pub use config::AuditConfig;
pub use format::{Encoder, FormatError, Piece};
pub use holdings::{Holdings, StoreFacts};
pub use meter::Progress;
pub use plan::{KnownCounts, Lookup, Plan, PlanScope};
pub use report::{Rows, Tally};

use crate::clock::Clock;
use crate::domain::report::{COLUMNS, Finding, Format, Row, View};
use crate::domain::{
    Application, ApplicationArn, Instance, InstanceArn, Operation, PrincipalRef, Target,
};
use crate::identity_center::{Dated, IdentityCenter};
use crate::store::{GrantScope, Store};
use collect::Collector;
use meter::Meter;

/// A question for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// The instance, as ListInstances or the configuration has it.
    pub instance: Instance,
    /// The question.
    pub view: View,
    /// The form of the answer.
    pub format: Format,
    /// The part of the instance it is about.
    pub scope: Scope,
    /// What an earlier report counted, if there was one: the better the plan.
    pub known: KnownCounts,
    /// Plan only: nothing is read, the answer is the header and an empty summary.
    pub validate_only: bool,
}

/// The part of an instance that a report is about; by default all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Only rows of this user, or of this group.
    pub principal: Option<PrincipalRef>,
    /// Only rows of this application; no other is read.
    pub application: Option<ApplicationScope>,
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationScope {
    /// Its ARN; one Describe reads the rest.
    Arn(ApplicationArn),
    /// Facts that are fresh enough for the asker.
    Known(Box<Dated<Application>>),
}

/// A part of the answer. Order: one `Header`, any number of the others, one `Summary` last. An
/// answer without its `Summary` was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// What will be read.
    Header(Header),
    /// How far the collection is.
    Progress(Progress),
    /// Sorted rows, with the format ROWS.
    Rows(Vec<Row>),
    /// Text, with the others; pieces join without separators.
    Text(String),
    /// What the report holds and what it lacks.
    Summary(Box<Summary>),
}

/// The plan of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The question.
    pub view: View,
    /// The form.
    pub format: Format,
    /// The instance it covers.
    pub instance_arn: InstanceArn,
    /// The columns, in order.
    pub columns: &'static [&'static str],
    /// What it will ask of AWS, and what it cannot know before.
    pub plan: Plan,
    /// How long that takes within the budget as it is now.
    pub estimated_duration: std::time::Duration,
}

/// Whether a report holds everything it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing is missing.
    Complete,
    /// Something is missing; the summary says what and why.
    Partial,
}

/// What a report holds and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Rows.
    pub row_count: u64,
    /// Different users that can enter something; see `Tally::user_count`.
    pub user_count: u64,
    /// Applications covered, those without any assignment too.
    pub application_count: u64,
    /// Assignments read that the scope wants.
    pub assignment_count: u64,
    /// What the report asked for, sorted: retries are not counted, what the budget refused is.
    pub operations_used: Vec<(Operation, u64)>,
    /// Whether something is missing; none when nothing was to be read.
    pub completeness: Option<Completeness>,
    /// What is missing and why, sorted.
    pub missing: Vec<Missing>,
    /// When the oldest fact was read.
    pub observed_from: Option<Timestamp>,
    /// When the newest fact was read.
    pub observed_until: Option<Timestamp>,
    /// sha256 in hex of the text; for ROWS, of the same rows as JSON Lines. Empty with
    /// `validate_only`.
    pub sha256: String,
    /// How many rows carry each finding.
    pub findings: BTreeMap<Finding, u64>,
}

/// Why a report ended without its summary.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody takes the parts any more. Nothing is left running.
    #[error("nobody listens to the report any more")]
    ReceiverGone,
    /// A fault of ours.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl Scope {
    /// Whether it is the whole instance.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.principal.is_none() && self.application.is_none()
    }

    fn application_arn(&self) -> Option<&ApplicationArn> {
        self.application.as_ref().map(|scope| match scope {
            ApplicationScope::Arn(arn) => arn,
            ApplicationScope::Known(application) => &application.value.arn,
        })
    }

    fn for_plan(&self) -> PlanScope {
        PlanScope {
            principal: self.principal.clone(),
            application: self.application_arn().cloned(),
            application_is_known: matches!(self.application, Some(ApplicationScope::Known(_))),
        }
    }

    /// The grants that can explain its rows. A user's rows also show grants to its groups.
    fn for_grants(&self) -> GrantScope {
        match self.application_arn() {
            Some(arn) => GrantScope::Target(Target::Application(arn.clone())),
            None => GrantScope::All,
        }
    }
}

/// The plan of a report, and the time it takes within the budget as it is now.
#[must_use]
pub fn header(request: &ReportRequest, port: &dyn IdentityCenter) -> Header {
    let plan = Plan::new(request.view, &request.scope.for_plan(), &request.known);
    let estimated_duration = port.estimate(&request.instance.arn, &plan.operations);
    Header {
        view: request.view,
        format: request.format,
        instance_arn: request.instance.arn.clone(),
        columns: &COLUMNS,
        plan,
        estimated_duration,
    }
}

/// Makes a report and sends it to `sink`, part by part, as fast as parts are taken. Without a store
/// no assignment is explained. Answers what a later report may plan with.
///
/// # Errors
/// `ReceiverGone` as soon as the receiver is dropped, also in the middle of the collection.
///
/// # Cancellation
/// May be dropped at any point: it only reads.
pub async fn run(
    request: &ReportRequest,
    port: &dyn IdentityCenter,
    store: Option<&dyn Store>,
    clock: &Clock,
    config: &AuditConfig,
    sink: mpsc::Sender<Part>,
) -> Result<KnownCounts, RunError> {
    let header = header(request, port);
    let meter = Meter::new(&header.plan);
    send(&sink, Part::Header(header)).await?;
    if request.validate_only {
        send(&sink, Part::Summary(Box::default())).await?;
        return Ok(request.known);
    }
    let before = read_store(request, store).await;
    let collector = Collector::new(port, request, clock, config, &meter);
    let mut collection = collect_with_progress(collector, &meter, config, &sink).await?;
    let after = read_store(request, store).await;
    let holdings = match (store, before, after) {
        (None, ..) => Holdings::without_store(),
        (Some(_), Some(before), Some(after)) => Holdings::new(StoreFacts::joined(before, after)),
        (Some(_), ..) => {
            collection.missing.push(Missing {
                scope: "grants and standing marks of the store".to_owned(),
                reason: "Usher's store does not answer".to_owned(),
            });
            collection.missing.sort_unstable();
            Holdings::unreadable()
        }
    };
    let counts = collection.counts;
    let summary = write(request, &collection, &holdings, &sink).await?;
    send(&sink, Part::Summary(Box::new(summary))).await?;
    Ok(counts)
}

/// What the store says now; none without a store, or when it does not answer.
async fn read_store(request: &ReportRequest, store: Option<&dyn Store>) -> Option<StoreFacts> {
    let store = store?;
    let (instance, scope) = (&request.instance.arn, request.scope.for_grants());
    let read = async {
        Ok::<_, crate::store::StoreError>(StoreFacts {
            grants: store.open_grants(instance, &scope).await?,
            records: store.assignment_records(instance, &scope).await?,
        })
    };
    match read.await {
        Ok(facts) => Some(facts),
        Err(error) => {
            tracing::warn!(%error, "a report lacks grants and standing marks");
            None
        }
    }
}

/// Collects, tells how far it is while it does, and stops when nobody listens any more.
async fn collect_with_progress(
    collector: Collector<'_>,
    meter: &Meter,
    config: &AuditConfig,
    sink: &mpsc::Sender<Part>,
) -> Result<Collection, RunError> {
    let collecting = collector.collect();
    tokio::pin!(collecting);
    let mut ticks = tokio::time::interval(config.progress_interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        tokio::select! {
            biased;
            () = sink.closed() => return Err(RunError::ReceiverGone),
            collection = &mut collecting => {
                send(sink, Part::Progress(meter.progress())).await?;
                return Ok(collection);
            }
            _ = ticks.tick() => {
                let progress = meter.progress();
                if told.as_ref() != Some(&progress) {
                    // A reader that is behind misses a number, never a part of the report.
                    let _ = sink.try_send(Part::Progress(progress.clone()));
                    told = Some(progress);
                }
            }
        }
    }
}

async fn write(
    request: &ReportRequest,
    collection: &Collection,
    holdings: &Holdings,
    sink: &mpsc::Sender<Part>,
) -> Result<Summary, RunError> {
    let principal = request.scope.principal.as_ref();
    let mut rows = Rows::new(collection, holdings, request.view, principal);
    let mut encoder = Encoder::new(request.format)?;
    for row in &mut rows {
        if let Some(piece) = encoder.push(row)? {
            send(sink, piece.into()).await?;
        }
    }
    let (last, sha256) = encoder.finish()?;
    if let Some(piece) = last {
        send(sink, piece.into()).await?;
    }
    let tally = rows.into_tally();
    let completeness = if collection.missing.is_empty() {
        Completeness::Complete
    } else {
        Completeness::Partial
    };
    Ok(Summary {
        row_count: tally.rows,
        user_count: tally.user_count(),
        application_count: collection.applications.len() as u64,
        assignment_count: collection.assignment_count(),
        operations_used: collection.operations.clone(),
        completeness: Some(completeness),
        missing: collection.missing.clone(),
        observed_from: collection.observed_from,
        observed_until: collection.observed_until,
        sha256,
        findings: tally.findings,
    })
}

async fn send(sink: &mpsc::Sender<Part>, part: Part) -> Result<(), RunError> {
    (sink.send(part).await).map_err(|_| RunError::ReceiverGone)
}

impl From<Piece> for Part {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Rows(rows) => Self::Rows(rows),
            Piece::Text(text) => Self::Text(text),
        }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
