//! Collections that nobody asks for: by the schedule, and once where there is none yet. The history that
//! reports of a past time are made of; it is cut at its age here, and so are single readings. Other work of the
//! audit class takes turns with it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{App, AppError};
use crate::audit::{ReportRequest, Scope};
use crate::domain::report::{Format, View};
use crate::domain::{Instance, InstanceArn};
use crate::identity_center::{Class, Demand};
use crate::store::Duty;

/// After so many looks in a row at which something was due, each doubling the pause, it stays: two hours.
const IN_VAIN_MAX: u32 = 7;
/// Nobody need ask again sooner.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(2);
/// How long after a look the next one comes: the minute is what a schedule counts in.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl App {
    /// Collects what is due, and forgets what is too old, until dropped.
    pub async fn keep_facts(&self) {
        self.wait_or_wanted(self.parts.audit.first_look()).await;
        let mut in_vain: u32 = 0;
        loop {
            // Where nothing could be kept it is due again at once, and costs thousands of operations.
            let collected = self.duties.run(Duty::Collections, self.collect_due());
            // Where another replica collects, nothing is due here.
            in_vain = match collected.await.unwrap_or(Ok(false)) {
                Ok(true) => in_vain.saturating_add(1).min(IN_VAIN_MAX),
                Ok(false) => 0,
                Err(error) => {
                    tracing::warn!(%error, "what is too old of the history could not be forgotten");
                    in_vain
                }
            };
            if let Err(error) = self.forget_readings().await {
                tracing::warn!(%error, "what was read long ago could not be forgotten");
            }
            self.wait_or_wanted(LOOK_EVERY * (1 << in_vain)).await;
        }
    }

    /// Waits so long, or until somebody wants facts that are not there.
    async fn wait_or_wanted(&self, pause: Duration) {
        let wanted = tokio::time::timeout(pause, self.collect_now.notified());
        // Either way it is time to look.
        let _ = wanted.await;
    }

    /// Has an instance collected of which there is nothing; how long that takes within the budget as it is now.
    pub(super) async fn collect_soon(&self, instance: &Instance) -> Option<Duration> {
        self.collect_now.notify_one();
        let served = self.parts.instances.get(&instance.arn)?;
        let request = self.whole_report(std::slice::from_ref(&served)).await;
        let header = crate::audit::header(&request, self.parts.port.as_ref(), &self.parts.audit);
        Some(header.estimated_duration.max(RETRY_AFTER_MIN))
    }

    /// Collects the instances whose time has come. Answers whether there were any.
    async fn collect_due(&self) -> Result<bool, AppError> {
        let now = self.parts.clock.now();
        let mut due = Vec::new();
        for instance in self.parts.instances.all() {
            match self.is_due(&instance, now).await {
                Ok(true) => due.push(instance),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, instance.arn = %instance.arn, "whether a collection is due is not known");
                }
            }
        }
        if due.is_empty() {
            return Ok(false);
        }
        let parts = &self.parts;
        let request = self.whole_report(&due).await;
        let (port, store) = (parts.port.as_ref(), parts.store.as_ref());
        let learnt = crate::audit::collect(&request, port, store, &parts.clock, &parts.audit).await;
        for (instance, counts) in &learnt {
            self.remember_counts(instance, *counts);
        }
        tracing::info!(instances = learnt.len(), "collected by schedule");
        for (instance, _) in &learnt {
            self.forget_history(instance, now).await?;
        }
        Ok(true)
    }

    /// Whether a time of the schedule has come since the last collection; where there is none, now.
    async fn is_due(&self, instance: &Instance, now: Timestamp) -> Result<bool, AppError> {
        let last = self.parts.store.collection_at(&instance.arn, now).await?;
        let Some(last) = last else {
            return Ok(true);
        };
        let next = self.parts.audit.schedule.next_after(last.record.began_at);
        Ok(next.is_some_and(|next| next <= now))
    }

    async fn forget_history(&self, instance: &InstanceArn, now: Timestamp) -> Result<(), AppError> {
        let before = now.checked_sub(self.parts.audit.history());
        let before = before.unwrap_or(Timestamp::MIN);
        let mut after = None;
        loop {
            let forgotten = self
                .parts
                .store
                .forget_facts(instance, before, after.as_ref());
            after = forgotten.await?.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn forget_readings(&self) -> Result<(), AppError> {
        let before = self
            .parts
            .clock
            .now()
            .checked_sub(self.parts.audit.readings_kept());
        let before = before.unwrap_or(Timestamp::MIN);
        while !self.parts.store.forget_readings(before).await? {}
        Ok(())
    }

    /// Everything of these instances, asked by Usher itself.
    async fn whole_report(&self, instances: &[Arc<Instance>]) -> ReportRequest {
        let mut to_read = Vec::with_capacity(instances.len());
        for instance in instances {
            let reuse = self.reuse(instance, None).await;
            to_read.push(self.to_read(instance, None, reuse));
        }
        ReportRequest {
            instances: to_read,
            peers: self.peers(),
            unreachable: Vec::new(),
            missing: Vec::new(),
            view: View::Access,
            format: Format::Rows,
            scope: Scope::default(),
            demand: Demand::usher(Class::Audit),
            compared: None,
            external: self.parts.external.clone(),
            validate_only: false,
        }
    }
}
