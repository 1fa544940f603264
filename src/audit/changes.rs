//! What changed in a period: everything that happened, and what is otherwise than it was, from the facts and
//! the log that the store keeps. Nothing here asks AWS.
//!
//! A fact changed between two collections; which of Usher's steps explains it stands in the log. What no
//! step explains came from beside. Rows come instance by instance: events, grants, then facts by key.

mod cells;
mod events;
mod facts;
mod grants;
mod names;
mod times;
mod turns;

use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::answer::{Part, RunError, Summary};
use super::collection::Missing;
use super::format::Encoder;
use super::html::About;
use super::question::{InstanceToRead, ReportRequest};
use super::run::STORE_IS_AWAY;
use super::write::{finish, send};
use crate::domain::report::{ChangeRow, View};
use crate::domain::{Instance, PrincipalKind};
use crate::store::{FinishedCollection, Store, StoreError};
use events::Explanations;
use names::Names;

/// The time that a comparison is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// Which changes a view is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Everything that happened.
    All,
    /// What differs between the two ends.
    Difference,
}

/// Writes one comparison.
struct Comparison<'a> {
    request: &'a ReportRequest,
    store: &'a dyn Store,
    period: Period,
    sink: &'a mpsc::Sender<Part>,
    encoder: Encoder<ChangeRow>,
    summary: Summary,
    missing: BTreeSet<Missing>,
}

/// One instance in a comparison.
struct Compared<'a> {
    instance: &'a Instance,
    earlier: Option<FinishedCollection>,
    later: Option<&'a FinishedCollection>,
    names: Names,
    explanations: Explanations,
}

/// Why a comparison of an instance stopped.
enum Stopped {
    /// The store did not answer: said as missing.
    Store(StoreError),
    /// Nobody listens, or a fault of ours.
    Run(RunError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RunError> for Stopped {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl View {
    fn depth(self) -> Depth {
        match self {
            Self::Changes => Depth::All,
            _ => Depth::Difference,
        }
    }
}

/// Compares, and sends the rows and the summary.
///
/// # Errors
/// As for `run`.
pub(super) async fn write(
    request: &ReportRequest,
    period: Period,
    store: &dyn Store,
    sink: &mpsc::Sender<Part>,
    about: &About,
) -> Result<(), RunError> {
    let mut comparison = Comparison {
        request,
        store,
        period,
        sink,
        encoder: Encoder::new(request.format, about)?,
        summary: Summary::default(),
        missing: request.missing.iter().cloned().collect(),
    };
    for instance in &request.instances {
        match comparison.one(instance).await {
            Ok(()) => {}
            Err(Stopped::Run(error)) => return Err(error),
            Err(Stopped::Store(error)) => {
                tracing::warn!(%error, "a comparison lacks an instance");
                comparison.miss(&instance.instance, "what changed", STORE_IS_AWAY);
            }
        }
    }
    comparison.finish().await
}

impl Comparison<'_> {
    async fn one(&mut self, read: &InstanceToRead) -> Result<(), Stopped> {
        let instance = &read.instance;
        let earlier = self.earlier(read).await?;
        let later = read.kept.as_ref();
        for collection in earlier.iter().chain(later) {
            let (from, until) = collection.record.observed.unzip();
            self.summary.observe(from, until);
            self.name_missing(instance, collection);
        }
        let mut compared = Compared {
            instance,
            names: Names::read(self.store, earlier.as_ref(), later).await?,
            explanations: Explanations::default(),
            earlier,
            later,
        };
        self.write_events(&mut compared).await?;
        if self.request.view.depth() == Depth::All {
            self.write_grants(&compared).await?;
        }
        self.write_facts(&compared).await
    }

    /// The collection that the facts are compared with: the last one before the period, or, where there was
    /// none yet, the first one in it.
    async fn earlier(
        &mut self,
        read: &InstanceToRead,
    ) -> Result<Option<FinishedCollection>, StoreError> {
        let (arn, period) = (&read.instance.arn, self.period);
        let before = self.store.collection_at(arn, period.from).await?;
        if before.is_some() {
            return Ok(before);
        }
        let first = self.store.collections(arn, period.from, period.until, 1);
        let first = first.await?.into_iter().next();
        let until = first.as_ref().map_or(period.until, |it| it.record.ended_at);
        let reason = format!("no facts of it had been collected before {until}");
        self.miss(
            &read.instance,
            "changes of facts at the start of the period",
            &reason,
        );
        Ok(first)
    }

    fn miss(&mut self, instance: &Instance, scope: &str, reason: &str) {
        self.missing
            .insert(Missing::of(&instance.arn, scope, reason));
    }

    /// What a collection could not read may have changed unseen.
    fn name_missing(&mut self, instance: &Instance, collection: &FinishedCollection) {
        for miss in &collection.record.missing {
            self.miss(instance, &miss.scope, &miss.reason);
        }
    }

    /// Whether a row is of the part that is asked for.
    fn wants(&self, row: &ChangeRow) -> bool {
        let scope = &self.request.scope;
        let of_principal = scope.principal.as_ref().is_none_or(|principal| {
            row.principal_id == principal.id.as_str()
                || (principal.kind == PrincipalKind::Group && row.group_id == principal.id.as_str())
        });
        let of_target = scope.wanted_target().is_none_or(|target| {
            let mut wanted = ChangeRow::default();
            cells::write_target(&mut wanted, &target, &Names::default());
            row.application_arn == wanted.application_arn
                && row.account_id == wanted.account_id
                && row.permission_set_arn == wanted.permission_set_arn
        });
        of_principal && of_target
    }

    async fn push(&mut self, row: ChangeRow) -> Result<(), RunError> {
        if !self.wants(&row) {
            return Ok(());
        }
        self.summary.row_count += 1;
        if let Some(piece) = self.encoder.push(row)? {
            send(self.sink, piece.into()).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), RunError> {
        self.summary.lack(self.missing);
        let mut summary = self.summary;
        summary.sha256 = finish(self.encoder, &summary, self.sink).await?;
        send(self.sink, Part::Summary(Box::new(summary))).await
    }
}
