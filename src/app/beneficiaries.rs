//! The watch over those who have access: the active grants of a user who is disabled, or of a user
//! or group that is deleted, end. Taking access away asks no policy; that too many go at once does
//! ask an operator.
//!
//! ```text
//!   everybody with an active grant -> Describe, one by one -> who is gone
//!   whom a confirmed mass change names          -> ends
//!   of the others more than the limit           -> held: nobody ends, until ConfirmMassChange
//!   else, gone in a second look at all too      -> ends, and what was held dissolves
//! ```
//! A mass change that comes in the middle of a look shows it in part only, as if a few had left: so
//! nobody ends by one look, and the second, which follows at once, decides.
//! That somebody is deleted is AWS's own answer about that id, never that a list lacks it. A look
//! that AWS cut short may hold a mass change and end those whom it saw; it dissolves nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::view::status_of;
use super::{App, AppError, BeneficiariesConfig};
use crate::domain::{
    Gone, Instance, MassChange, MassChangeId, MassChangeState, PrincipalRef, PrincipalStatus,
};
use crate::identity_center::{Call, Class, Demand};
use crate::store::{Duty, GoneBeneficiary, MassChangeFound};

/// How long after a start the first look waits at most: calls and ends that are due come first.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(30);
/// How long one Describe may take with its wait for the budget.
const DESCRIBE_MAX: Duration = Duration::from_secs(30);
/// How long after its time another replica takes a look over.
const OVERDUE_AFTER: Duration = Duration::from_secs(10);
/// Failures in a row after which a look is given up: AWS does not answer now, the next look will.
const FAILURES_MAX: u32 = 5;

/// What one look found.
#[derive(Debug, Clone, Default)]
struct Look {
    gone: Vec<(PrincipalRef, Gone)>,
    /// How many AWS answered for.
    seen: u64,
    /// Whether that were all.
    is_complete: bool,
}

impl Look {
    /// Whether so many are gone that nothing is to be learned from another look.
    fn is_beyond(&self, config: &BeneficiariesConfig) -> bool {
        let gone = self.gone.len() as u64;
        config.limit().is_exceeded(gone, self.seen)
    }
}

impl App {
    /// Looks again and again. Runs until dropped; nothing is lost then.
    pub async fn watch_beneficiaries(&self, config: BeneficiariesConfig) {
        if !self.may_write() {
            // Nothing can end here.
            return std::future::pending().await;
        }
        let mut pause = config.look_every().min(FIRST_LOOK_MAX);
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = self.look_at_beneficiaries.notified() => {}
            }
            let every = config.look_every();
            let look = self.look_at_instances(&config);
            // One replica looks for all, until its next look is overdue.
            pause = match self.duties.run(Duty::Beneficiaries, look).await {
                Some(()) => {
                    let until = every + OVERDUE_AFTER;
                    self.duties.keep(Duty::Beneficiaries, until).await;
                    every
                }
                None => every.min(OVERDUE_AFTER),
            };
        }
    }

    async fn look_at_instances(&self, config: &BeneficiariesConfig) {
        for instance in self.parts.instances.all() {
            if let Err(error) = self.look_at_instance(&instance, config).await {
                tracing::warn!(
                    instance.arn = %instance.arn,
                    error = %error,
                    "beneficiaries could not be looked at; the next look tries again"
                );
            }
        }
    }

    async fn look_at_instance(
        &self,
        instance: &Instance,
        config: &BeneficiariesConfig,
    ) -> Result<(), AppError> {
        let store = &self.parts.store;
        // Read before the look: only a look that began after the confirmation carries it out.
        let before = store.brake(&instance.arn).await?.mass_changes;
        let first = self.look(instance, config).await?;
        let confirmed = |change: &&MassChange| change.state == MassChangeState::Confirmed;
        // Beside those whom a confirmed mass change names, others may go whom one look does not end.
        let is_held = first.is_beyond(config) && !before.iter().any(|it| confirmed(&it));
        let is_decided = first.gone.is_empty() || is_held;
        let look = match is_decided {
            true => first.clone(),
            false => self.look(instance, config).await?,
        };
        let open = store.brake(&instance.arn).await?.mass_changes;
        let mut others = Vec::new();
        for (principal, gone) in look.gone.iter().cloned() {
            let mut confirmed = open.iter().filter(confirmed);
            match confirmed.find(|change| change.gone.contains(&principal)) {
                Some(change) => {
                    let by = Some(change.id.clone());
                    self.end_beneficiary(instance, principal, gone, by).await?;
                }
                None => others.push((principal, gone)),
            }
        }
        if look.is_complete {
            for change in before.iter().filter(confirmed) {
                self.close(change, MassChangeState::CarriedOut).await?;
            }
        }
        if config.limit().is_exceeded(others.len() as u64, look.seen) {
            let gone = others.into_iter().map(|(principal, _)| principal);
            return self.hold(instance, gone.collect(), look.seen).await;
        }
        for change in open
            .iter()
            .filter(|change| change.state == MassChangeState::Held)
        {
            if !look.is_complete {
                return Ok(());
            }
            self.close(change, MassChangeState::Dissolved).await?;
        }
        let was_gone = |it: &(PrincipalRef, Gone)| first.gone.iter().any(|(was, _)| *was == it.0);
        for (principal, gone) in others.into_iter().filter(was_gone) {
            self.end_beneficiary(instance, principal, gone, None)
                .await?;
        }
        Ok(())
    }

    /// Asks AWS about everybody, one by one and not faster than configured.
    async fn look(
        &self,
        instance: &Instance,
        config: &BeneficiariesConfig,
    ) -> Result<Look, AppError> {
        let beneficiaries = self.parts.store.active_beneficiaries(&instance.arn).await?;
        let (mut look, mut failures, mut unanswered) = (Look::default(), 0, 0_usize);
        for principal in beneficiaries {
            let next_at = Instant::now() + config.describe_every();
            let call = Call {
                deadline: Instant::now() + DESCRIBE_MAX,
                demand: Demand::of(Class::Audit, "beneficiaries"),
            };
            let directory = &self.parts.directory;
            let record = directory.principal(instance, &principal, Duration::ZERO, call);
            match record.await {
                Ok(record) => {
                    failures = 0;
                    look.seen += 1;
                    let gone = match status_of(record.value.as_ref()) {
                        PrincipalStatus::Disabled => Some(Gone::Disabled),
                        PrincipalStatus::Deleted => Some(Gone::Deleted),
                        _ => None,
                    };
                    look.gone.extend(gone.map(|gone| (principal, gone)));
                }
                Err(failure) => {
                    (failures, unanswered) = (failures + 1, unanswered + 1);
                    tracing::info!(
                        principal.id = %principal.id,
                        error.kind = failure.kind.as_str(),
                        "a beneficiary could not be looked at"
                    );
                    if failures >= FAILURES_MAX {
                        return Ok(look);
                    }
                }
            }
            tokio::time::sleep_until(next_at).await;
        }
        look.is_complete = unanswered == 0;
        Ok(look)
    }

    async fn end_beneficiary(
        &self,
        instance: &Instance,
        principal: PrincipalRef,
        gone: Gone,
        confirmed_by: Option<MassChangeId>,
    ) -> Result<(), AppError> {
        let beneficiary = GoneBeneficiary {
            instance_arn: instance.arn.clone(),
            principal,
            gone,
            confirmed_by,
            now: self.parts.clock.now(),
        };
        let ended = self.parts.store.end_for_beneficiary(&beneficiary).await?;
        if !ended.is_empty() {
            tracing::info!(
                principal.id = %beneficiary.principal.id,
                reason = gone.as_str(),
                grants = ended.len(),
                "grants end with their beneficiary"
            );
        }
        Ok(())
    }

    async fn hold(
        &self,
        instance: &Instance,
        gone: Vec<PrincipalRef>,
        watched_count: u64,
    ) -> Result<(), AppError> {
        let found = MassChangeFound {
            id: MassChangeId::from_uuid(uuid::Uuid::now_v7()),
            instance_arn: instance.arn.clone(),
            gone,
            watched_count,
            now: self.parts.clock.now(),
        };
        let (change, _) = self.parts.store.hold_mass_change(&found).await?;
        // At every look: it waits for somebody.
        tracing::error!(
            mass_change.id = %change.id,
            instance.arn = %change.instance_arn,
            gone = change.gone.len(),
            watched = change.watched_count,
            "too many beneficiaries are disabled or deleted at once; nobody loses access by it until ConfirmMassChange"
        );
        Ok(())
    }

    async fn close(&self, change: &MassChange, to: MassChangeState) -> Result<(), AppError> {
        let now = self.parts.clock.now();
        let store = &self.parts.store;
        store
            .close_mass_change(&change.id, change.state, to, now)
            .await?;
        tracing::warn!(
            mass_change.id = %change.id,
            state = to.as_str(),
            "a mass change is over"
        );
        Ok(())
    }
}
