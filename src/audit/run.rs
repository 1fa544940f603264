//! One report from the question to the summary: instances are read side by side, and their rows are
//! written in the order of the instances, as soon as it is their turn.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::accounts::Accounts;
use super::answer::{Part, RunError};
use super::changes;
use super::collection::Collection;
use super::config::AuditConfig;
use super::header::Plans;
use super::holdings::Holdings;
use super::html::{About, Records};
use super::meter::{self, Meter};
use super::plan::KnownCounts;
use super::question::{Question, ReportRequest};
use super::readings::Runs;
use super::since_last::SinceLast;
use super::write::{Writer, send};
use crate::clock::Clock;
use crate::domain::InstanceArn;
use crate::domain::facts::Found;
use crate::domain::report::View;
use crate::identity_center::IdentityCenter;
use crate::store::Store;

/// Why something of the store is missing.
pub(super) const STORE_IS_AWAY: &str = "Usher's store does not answer";

/// What was read of one instance. The place among those read at once is given back when its rows are written and
/// it is kept, so that no more of them are in memory either.
pub(super) struct Read {
    pub(super) collection: Arc<Collection>,
    pub(super) holdings: Holdings,
    pub(super) found: Vec<Found>,
    pub(super) since_last: Option<SinceLast>,
    pub(super) _place: Arc<Option<OwnedSemaphorePermit>>,
}

/// What a run reads with.
pub(super) struct Reader<'a> {
    pub(super) request: &'a ReportRequest,
    pub(super) port: &'a dyn IdentityCenter,
    pub(super) store: Option<&'a dyn Store>,
    pub(super) clock: &'a Clock,
    pub(super) config: &'a AuditConfig,
    pub(super) accounts: &'a Accounts<'a>,
    /// Holds what reads, where all of it is finished together.
    pub(super) runs: Option<&'a Runs>,
}

/// Makes a report and sends it to `sink`, part by part, as fast as parts are taken. Without a store
/// no assignment is explained. Answers what a later report may plan with, by instance.
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
) -> Result<Vec<(InstanceArn, KnownCounts)>, RunError> {
    let plans = Plans::of(request);
    send(&sink, Part::Header(plans.header(request, port, config))).await?;
    if request.validate_only {
        send(&sink, Part::Summary(Box::default())).await?;
        return Ok(Vec::new());
    }
    let records = store.map_or(Records::Absent, |_| Records::Kept);
    let about = About::of(request, clock.now(), records);
    if let (Some(period), Some(store)) = (request.compared, store) {
        changes::write(request, period, store, &sink, &about).await?;
        return Ok(Vec::new());
    }
    let organization = Meter::new(&plans.organization);
    let meters: Vec<Meter> = plans.instances.iter().map(Meter::new).collect();
    let giving = request.first_giving_access();
    let accounts = Accounts::new(port, giving, request.demand, clock, config, &organization);
    let runs = Runs::new();
    let reader = Reader {
        request,
        port,
        store,
        clock,
        config,
        accounts: &accounts,
        runs: Some(&runs),
    };
    let all_meters: Vec<&Meter> = std::iter::once(&organization).chain(&meters).collect();
    let reading = async {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            meters.iter().map(|_| oneshot::channel::<Read>()).unzip();
        let reading = async {
            reader.read_all(&meters, senders).await;
            organization.finish();
            send(&sink, Part::Progress(meter::sum(&all_meters))).await
        };
        let writing = write_all(Writer::new(request, &accounts, &sink, &about)?, receivers);
        let ((), written) = tokio::try_join!(reading, writing)?;
        Ok::<_, RunError>(written)
    };
    let (writer, learnt) = with_progress(reading, &sink, config, &all_meters).await?;
    let summary = writer.finish(meter::operations(&all_meters)).await?;
    // Whoever has the summary has all of it: the next report reads everything anew.
    if let Some(store) = store {
        runs.finish(store).await;
    }
    send(&sink, Part::Summary(Box::new(summary))).await?;
    Ok(learnt)
}

/// Collects instances, as a report of them would, and writes nothing: what it sees is kept in the store.
/// Answers what a later report may plan with, by instance.
///
/// # Cancellation
/// May be dropped at any point; what is not kept by then is not.
pub async fn collect(
    request: &ReportRequest,
    port: &dyn IdentityCenter,
    store: &dyn Store,
    clock: &Clock,
    config: &AuditConfig,
) -> Vec<(InstanceArn, KnownCounts)> {
    let plans = Plans::of(request);
    let organization = Meter::new(&plans.organization);
    let meters: Vec<Meter> = plans.instances.iter().map(Meter::new).collect();
    let giving = request.first_giving_access();
    let reader = Reader {
        request,
        port,
        store: Some(store),
        clock,
        config,
        accounts: &Accounts::new(port, giving, request.demand, clock, config, &organization),
        runs: None,
    };
    let (senders, receivers): (Vec<_>, Vec<_>) =
        meters.iter().map(|_| oneshot::channel::<Read>()).unzip();
    let learning = async {
        let mut learnt = Vec::with_capacity(receivers.len());
        for receiver in receivers {
            if let Ok(read) = receiver.await {
                learnt.push((read.collection.instance.arn.clone(), read.collection.counts));
            }
        }
        learnt
    };
    let ((), learnt) = tokio::join!(reader.read_all(&meters, senders), learning);
    learnt
}

/// Waits for the work, tells how far it is meanwhile, and stops when nobody listens any more.
async fn with_progress<T>(
    work: impl Future<Output = Result<T, RunError>>,
    sink: &mpsc::Sender<Part>,
    config: &AuditConfig,
    meters: &[&Meter],
) -> Result<T, RunError> {
    tokio::pin!(work);
    let mut ticks = tokio::time::interval(config.progress_interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        tokio::select! {
            biased;
            () = sink.closed() => return Err(RunError::ReceiverGone),
            done = &mut work => return done,
            _ = ticks.tick() => {
                let progress = meter::sum(meters);
                if told.as_ref() != Some(&progress) {
                    // A reader that is behind misses a number, never a part of the report.
                    let _ = sink.try_send(Part::Progress(progress.clone()));
                    told = Some(progress);
                }
            }
        }
    }
}

/// Writes what was read, instance by instance in their order.
async fn write_all(
    mut writer: Writer<'_>,
    receivers: Vec<oneshot::Receiver<Read>>,
) -> Result<(Writer<'_>, Vec<(InstanceArn, KnownCounts)>), RunError> {
    let mut learnt = Vec::with_capacity(receivers.len());
    for receiver in receivers {
        // The sender is dropped unused only where nothing was to be read.
        if let Ok(read) = receiver.await {
            learnt.push((read.collection.instance.arn.clone(), read.collection.counts));
            writer.take(read).await?;
        }
    }
    Ok((writer, learnt))
}

impl Reader<'_> {
    /// Reads every instance, so many at once as the configuration says.
    async fn read_all(&self, meters: &[Meter], senders: Vec<oneshot::Sender<Read>>) {
        if self.request.view == View::DuplicateUsers && self.request.instances.len() < 2 {
            return;
        }
        let names = async {
            if self.request.view == View::Instances && !self.request.instances.is_empty() {
                self.accounts.list(None).await;
            }
        };
        tokio::join!(names, self.read_instances(meters, senders));
    }

    async fn read_instances(&self, meters: &[Meter], senders: Vec<oneshot::Sender<Read>>) {
        let places = Arc::new(Semaphore::new(self.config.instances_at_once()));
        let questions: Vec<Question<'_>> = self.request.questions().collect();
        let mut reading: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        for ((question, meter), sender) in questions.into_iter().zip(meters).zip(senders) {
            // In their order, so that the instance that is to be written next has a place.
            let place = loop {
                tokio::select! {
                    place = Arc::clone(&places).acquire_owned() => break place.ok(),
                    Some(()) = reading.next() => {}
                }
            };
            let read = self.read_instance(question, meter, place, sender);
            reading.push(read.boxed());
        }
        while reading.next().await.is_some() {}
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
