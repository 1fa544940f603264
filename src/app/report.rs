//! AuditReport: names are found first, so that a wrong one is refused before anything streams;
//! then `audit` collects and writes, as fast as the caller takes the parts.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::asker::{Asker, Purpose, the_gravest};
use super::permission::instance_resource;
use super::{App, AppError, CallContext};
use crate::audit::{
    AccessScope, InstanceToRead, Missing, Part, Peers, Period, ReportRequest, Reuse, Scope,
    TargetScope,
};
use crate::directory::{AccountQuery, PermissionSetQuery, PrincipalQuery, TargetQuery};
use crate::domain::report::{Format, View};
use crate::domain::{Instance, Target};
use crate::identity_center::{Call, Class, Demand};
use crate::policy::Action;
use crate::store::{FinishedCollection, ReadBy, WantedReadings};

/// Parts that may wait for a slow caller. A part of text has about 32 KiB.
const PARTS_WAITING_MAX: usize = 4;

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Instance ARN or alias; empty for all of them, or the one that the target's ARN names.
    pub instance: String,
    /// The question.
    pub view: View,
    /// The form.
    pub format: Format,
    /// Only rows of this principal.
    pub principal: Option<PrincipalQuery>,
    /// Only rows of this target.
    pub target: Option<TargetQuery>,
    /// How old kept facts may be that answer, as a whole or one by one; none to read AWS.
    pub max_age: Option<Duration>,
    /// The state of which time; none for now.
    pub as_of: Option<Timestamp>,
    /// What changed since which time, in the place of the state.
    pub compare_to: Option<Timestamp>,
    /// Plan only.
    pub validate_only: bool,
}

impl App {
    /// Starts a report. Its parts come through the channel: a header first, a summary last; a
    /// channel that closes without a summary was cut.
    ///
    /// # Errors
    /// Where no instance of it may be audited: `PolicyDenied`, `InstanceNotFound` for one that may not
    /// even be looked at, or what AWS fails with; lookups of the principal or the target;
    /// `FactsNotCollected` for a time before the first collection of all of its instances.
    ///
    /// # Cancellation
    /// Dropping the receiver stops the collection, and so does the deadline of the call.
    pub async fn audit_report(
        &self,
        context: &CallContext,
        request: &AuditReport,
    ) -> Result<mpsc::Receiver<Part>, AppError> {
        let instances = self.instances_for_report(request)?;
        let count = instances.len();
        let (instances, mut missing) = self.audited(context, request, instances).await?;
        let is_whole = instances.len() + missing.len() == count;
        let audits_all = instances.len() == self.parts.instances.all().len();
        let scope = match instances.as_slice() {
            [instance] => self.report_scope(context, instance, request).await?,
            _ => Scope::default(),
        };
        let compared = self.compared(request)?;
        let kept = self.with_kept(request, instances, &mut missing).await?;
        let covers_all = request.instance.is_empty() && scope.is_whole() && is_whole;
        let reads_everything = request.view.expands_groups() && scope.is_whole();
        let mut to_read = Vec::with_capacity(kept.len());
        for (instance, kept) in kept {
            let reuse = match &kept {
                None if reads_everything => self.reuse(&instance, request.max_age).await,
                _ => Reuse::default(),
            };
            to_read.push(self.to_read(&instance, kept, reuse));
        }
        let mut peers = self.peers();
        peers.may_be_told = request.view == View::Findings
            && !request.validate_only
            && (audits_all || self.may_audit_all(context).await);
        let report = ReportRequest {
            instances: to_read,
            peers,
            unreachable: if covers_all {
                self.parts.instances.unreachable()
            } else {
                Vec::new()
            },
            missing,
            view: request.view,
            format: request.format,
            scope,
            compared,
            // Callers take turns, not whom they say to act for.
            demand: Demand::of(Class::Audit, context.caller.as_str()),
            external: self.parts.external.clone(),
            validate_only: request.validate_only,
        };
        let (sender, receiver) = mpsc::channel(PARTS_WAITING_MAX);
        tokio::spawn(self.clone().run_report(report, sender, context.deadline));
        Ok(receiver)
    }

    /// An instance as a report reads it: from AWS, or from what is kept.
    pub(super) fn to_read(
        &self,
        instance: &Instance,
        kept: Option<FinishedCollection>,
        reuse: Reuse,
    ) -> InstanceToRead {
        InstanceToRead {
            instance: instance.clone(),
            known: self.known_counts(&instance.arn),
            kept,
            reuse,
        }
    }

    /// What was read of an instance before and answers in the place of AWS: what is so old at most, or
    /// where nothing is said of an age, what a collection has read that was interrupted a moment ago.
    /// Where the store does not tell, AWS is asked for all of it.
    pub(super) async fn reuse(&self, instance: &Instance, max_age: Option<Duration>) -> Reuse {
        let now = self.parts.clock.now();
        let (age, by) = match max_age {
            Some(max_age) => (SignedDuration::try_from(max_age), ReadBy::Anybody),
            None => (Ok(self.parts.audit.resume_age()), ReadBy::Interrupted),
        };
        let since = age.ok().and_then(|age| now.checked_sub(age).ok());
        let since = since.unwrap_or(Timestamp::MIN);
        let store = self.parts.store.as_ref();
        let found = Reuse::find(store, &instance.arn, WantedReadings { since, by }, now);
        found.await.unwrap_or_else(|error| {
            tracing::warn!(%error, instance.arn = %instance.arn, "everything is read anew");
            Reuse::default()
        })
    }

    /// Leaves those instances that can answer for the time that is asked for, each with the collection in the
    /// store that answers in the place of AWS, if one may; the others are missing.
    async fn with_kept(
        &self,
        request: &AuditReport,
        instances: Vec<Arc<Instance>>,
        missing: &mut Vec<Missing>,
    ) -> Result<Vec<(Arc<Instance>, Option<FinishedCollection>)>, AppError> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        if request.as_of.is_some_and(|at| at > now) {
            return Err(AppError::field("as_of", "is in the future; leave it out"));
        }
        let mut kept = Vec::with_capacity(instances.len());
        let mut refusal = None;
        for instance in instances {
            if let Some(at) = request.as_of.or(request.compare_to.map(|_| now)) {
                match store.collection_at(&instance.arn, at).await? {
                    Some(found) => kept.push((instance, Some(found))),
                    // The log knows what happened before, and a comparison says what it lacks.
                    None if request.view == View::Changes => kept.push((instance, None)),
                    None => {
                        refusal = Some(self.not_collected(&instance, None).await?);
                        missing.push(not_collected_then(&instance));
                    }
                }
                continue;
            }
            let young = match request.max_age {
                Some(max_age) => {
                    let last = store.collection_at(&instance.arn, now).await?;
                    last.filter(|last| last.record.is_whole() && is_young(last, max_age, now))
                }
                None => None,
            };
            kept.push((instance, young));
        }
        match refusal {
            Some(refusal) if kept.is_empty() => Err(refusal),
            _ => Ok(kept),
        }
    }

    /// The period that is compared.
    fn compared(&self, request: &AuditReport) -> Result<Option<Period>, AppError> {
        let Some(from) = request.compare_to else {
            return Ok(None);
        };
        let until = request.as_of.unwrap_or_else(|| self.parts.clock.now());
        if from >= until {
            let problem = "must be before `as_of`, or before now without it";
            return Err(AppError::field("compare_to", problem));
        }
        Ok(Some(Period { from, until }))
    }

    /// That there are no facts of the time or age that is asked for; when there may be some, if a repeat helps.
    pub(super) async fn not_collected(
        &self,
        instance: &Instance,
        retry_after: Option<Duration>,
    ) -> Result<AppError, AppError> {
        let (store, arn) = (&self.parts.store, &instance.arn);
        let first = store.collections(arn, Timestamp::MIN, Timestamp::MAX, 1);
        let first = first.await?.into_iter().next();
        Ok(AppError::FactsNotCollected {
            instance_arn: arn.to_string(),
            first_at: first.map(|first| first.record.ended_at),
            retry_after,
        })
    }

    /// The instances that the report is about. Unlike other calls a report may cover all of them;
    /// about one principal or one target only where one instance is meant.
    fn instances_for_report(&self, request: &AuditReport) -> Result<Vec<Arc<Instance>>, AppError> {
        if !request.instance.is_empty() {
            return Ok(vec![self.instance(&request.instance)?]);
        }
        if request.principal.is_none() && request.target.is_none() {
            return Ok(self.parts.instances.all());
        }
        Ok(vec![self.instance_for("", request.target.as_ref())?])
    }

    /// Those of the instances that the subject may audit, and as missing those of which nobody could
    /// decide it.
    async fn audited(
        &self,
        context: &CallContext,
        request: &AuditReport,
        instances: Vec<Arc<Instance>>,
    ) -> Result<(Vec<Arc<Instance>>, Vec<Missing>), AppError> {
        let (mut audited, mut missing) = (Vec::new(), Vec::new());
        let (mut refusals, mut errors) = (Vec::new(), Vec::new());
        for (instance, asker) in self.askers(context, instances, Purpose::Read).await {
            let asker = match asker {
                Ok(asker) => asker,
                Err(error) => {
                    if !error.is_about_the_subject() {
                        missing.push(undecided(&instance));
                    }
                    errors.push(error);
                    continue;
                }
            };
            // What happened is also in the log, which not everybody who may audit may read.
            let actions: &[Action] = match request.view {
                View::Changes => &[Action::ReadAudit, Action::ReadEvents],
                _ => &[Action::ReadAudit],
            };
            let refusal = actions.iter().find_map(|action| {
                let checked = self.check_reading(&asker, *action, &request.instance, &instance);
                checked.err()
            });
            match refusal {
                None => audited.push(instance),
                Some(refusal) => refusals.push(refusal),
            }
        }
        let reason = the_gravest(errors).or_else(|| refusals.into_iter().next());
        match reason {
            Some(reason) if audited.is_empty() => Err(reason),
            _ => Ok((audited, missing)),
        }
    }

    /// Whether whoever asks may audit every instance that is served. Nothing is denied that nobody asked for.
    async fn may_audit_all(&self, context: &CallContext) -> bool {
        let all = self.parts.instances.all();
        let askers = self.askers(context, all, Purpose::Read).await;
        askers.iter().all(|(instance, asker)| {
            let resource = instance_resource(instance);
            let may = |asker: &Asker| self.may_see(asker, Action::ReadAudit, &resource);
            asker.as_ref().is_ok_and(may)
        })
    }

    /// Where people are looked for.
    pub(super) fn peers(&self) -> Peers {
        let instances = &self.parts.instances;
        Peers {
            served: (instances.all().iter())
                .map(|it| it.as_ref().clone())
                .collect(),
            may_be_told: false,
        }
    }

    async fn report_scope(
        &self,
        context: &CallContext,
        instance: &Instance,
        request: &AuditReport,
    ) -> Result<Scope, AppError> {
        let (max_age, call) = (self.default_max_age(), self.call(context));
        let principal = match &request.principal {
            Some(query) => {
                let asked = self.principal_for_reading(instance, query, max_age, call);
                Some(asked.await?.reference)
            }
            None => None,
        };
        let target = match &request.target {
            Some(query) => Some(self.target_scope(instance, query, max_age, call).await?),
            None => None,
        };
        Ok(Scope { principal, target })
    }

    /// The target with the facts that finding it has read.
    async fn target_scope(
        &self,
        instance: &Instance,
        query: &TargetQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<TargetScope, AppError> {
        let directory = &self.parts.directory;
        if let TargetQuery::Application(query) = query {
            let found = directory.find_application(instance, query, max_age, call);
            return Ok(TargetScope::KnownApplication(Box::new(found.await?)));
        }
        let target = self.target_for_reading(instance, query, max_age, call);
        match target.await? {
            Target::Application(arn) => Ok(TargetScope::Application(arn)),
            Target::AccountAccess(access) => {
                let account = AccountQuery::Id(access.account.clone());
                let set = PermissionSetQuery::Arn(access.permission_set.clone());
                // Found a moment ago; where Usher may not list accounts, the report says so.
                let account = directory.find_account(Some(instance), &account, max_age, call);
                let set = directory.find_permission_set(instance, &set, max_age, call);
                Ok(TargetScope::AccountAccess(Box::new(AccessScope {
                    access,
                    account: account.await.ok(),
                    permission_set: set.await.ok(),
                })))
            }
        }
    }

    /// Collects and writes until the deadline, also where nobody reads any more: a caller that
    /// holds the stream open without reading must not hold a collection in memory.
    async fn run_report(
        self,
        report: ReportRequest,
        sender: mpsc::Sender<Part>,
        deadline: Instant,
    ) {
        let parts = &self.parts;
        let run = crate::audit::run(
            &report,
            parts.port.as_ref(),
            Some(parts.store.as_ref()),
            &parts.clock,
            &parts.audit,
            sender,
        );
        match tokio::time::timeout_at(deadline, run).await {
            Ok(Ok(learnt)) if report.scope.is_whole() => {
                for (instance, counts) in learnt {
                    self.remember_counts(&instance, counts);
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::info!(error = %error, "a report ended without its summary"),
            Err(_) => tracing::info!("a report was cut at its deadline"),
        }
    }
}

/// Whether the oldest fact of a collection is so young.
pub(super) fn is_young(collection: &FinishedCollection, max_age: Duration, now: Timestamp) -> bool {
    let age = now.duration_since(collection.record.read_from());
    SignedDuration::try_from(max_age).is_ok_and(|max_age| age <= max_age)
}

/// An instance that had not been collected at the time that is asked for.
fn not_collected_then(instance: &Instance) -> Missing {
    let reason = "no facts of it had been collected at that time";
    Missing::of(&instance.arn, "everything", reason)
}

/// An instance of which AWS did not tell who asks.
fn undecided(instance: &Instance) -> Missing {
    let reason = "AWS did not tell who you are there, so that nobody could decide whether you may audit it; try again";
    Missing::of(&instance.arn, "everything", reason)
}
