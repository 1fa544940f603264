//! The brake: Freeze, Unfreeze, RetryNow, ConfirmMassChange. Each asks policy for Operate on the
//! instance, and changes what the store holds; what follows in AWS is the reconciler's, or the
//! watch's.

use super::asker::{Asker, Purpose};
use super::permission::instance_resource;
use super::view::GrantView;
use super::{App, AppError, CallContext};
use crate::domain::{
    Brake, Frozen, GrantId, Instance, Justification, MassChange, MassChangeId, Order,
};
use crate::policy::Action;

/// What is to stop, or to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFreeze {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// What.
    pub what: Vec<Frozen>,
    /// Why.
    pub reason: Justification,
}

/// Which grant is to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryNow {
    /// Instance ARN or alias; empty for the grant's own.
    pub instance: String,
    /// The grant.
    pub grant_id: GrantId,
    /// Why.
    pub reason: Justification,
}

/// Which mass change may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmMassChange {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// The mass change.
    pub id: MassChangeId,
    /// Why.
    pub reason: Justification,
}

/// A brake as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrakeView {
    /// The brake.
    pub brake: Brake,
    /// Writes that were recorded before a Freeze that stops their kind, and may still be sent.
    pub under_way: u64,
}

impl App {
    /// Stops new access, ends of access, or both. Answers when nothing of it is on its way any
    /// more, or shortly before the deadline.
    ///
    /// # Errors
    /// `InstanceNotFound`, `PolicyDenied`, who the caller acts for, `StoreUnavailable`.
    ///
    /// # Cancellation
    /// A caller that hangs up after the commit has frozen it all the same.
    pub async fn freeze(
        &self,
        context: &CallContext,
        request: &ChangeFreeze,
    ) -> Result<BrakeView, AppError> {
        let instance = self.instance(&request.instance)?;
        // An AWS that does not answer keeps nobody from stopping.
        let asker = self.operator(context, &instance, Purpose::End).await?;
        let order = self.order(&asker, &request.reason);
        let (store, arn, what) = (&self.parts.store, &instance.arn, request.what.as_slice());
        let frozen = store.freeze(arn, what, &order).await?;
        tracing::warn!(
            instance.arn = %arn,
            scope = ?what,
            by = %order.subject,
            "changes of AWS are frozen"
        );
        let mut waiter = self.waiter(context);
        let none_left = waiter.until_some(&[], || async {
            let now = self.parts.clock.now();
            let left = store.count_under_way(arn, what, now).await;
            left.ok().filter(|left| *left == 0)
        });
        let under_way = match none_left.await {
            Some(left) => left,
            None => {
                let now = self.parts.clock.now();
                store.count_under_way(arn, what, now).await?
            }
        };
        let brake = store.brake(arn).await.unwrap_or(frozen);
        Ok(BrakeView { brake, under_way })
    }

    /// Lets go on what a freeze stopped.
    ///
    /// # Errors
    /// As for `freeze`, and what AWS fails with.
    pub async fn unfreeze(
        &self,
        context: &CallContext,
        request: &ChangeFreeze,
    ) -> Result<BrakeView, AppError> {
        let instance = self.instance(&request.instance)?;
        let asker = self.operator(context, &instance, Purpose::Change).await?;
        let order = self.order(&asker, &request.reason);
        let store = &self.parts.store;
        let brake = store.unfreeze(&instance.arn, &request.what, &order).await?;
        tracing::warn!(
            instance.arn = %instance.arn,
            scope = ?request.what,
            by = %order.subject,
            "changes of AWS are no longer frozen"
        );
        Ok(BrakeView {
            brake,
            under_way: 0,
        })
    }

    /// Makes the next attempt for a grant due at once.
    ///
    /// # Errors
    /// As for `freeze`; `GrantNotFound`.
    pub async fn retry_now(
        &self,
        context: &CallContext,
        request: &RetryNow,
    ) -> Result<GrantView, AppError> {
        let id = &request.grant_id;
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let found = self.parts.store.grant(id).await?;
        let is_named = !request.instance.is_empty() || self.parts.instances.all().len() == 1;
        let instance = if is_named {
            self.instance(&request.instance)?
        } else {
            let arn = found.as_ref().map(|grant| &grant.instance_arn);
            let served = arn.and_then(|arn| self.parts.instances.get(arn));
            served.ok_or_else(not_there)?
        };
        let asker = self.operator(context, &instance, Purpose::End).await;
        let asker = match asker {
            Ok(asker) => asker,
            // Where the grant alone tells the instance, a denial would tell that there is one.
            Err(error) if !is_named => return Err(error.hides(not_there)),
            Err(error) => return Err(error),
        };
        let grant = found.filter(|grant| grant.instance_arn == instance.arn);
        grant.ok_or_else(not_there)?;
        let order = self.order(&asker, &request.reason);
        let grant = self.parts.store.retry_now(id, &order).await?;
        Ok(self
            .grant_view_after_commit(grant.ok_or_else(not_there)?)
            .await)
    }

    /// Lets those lose their access whom a mass change names.
    ///
    /// # Errors
    /// As for `unfreeze`; `MassChangeNotFound`.
    pub async fn confirm_mass_change(
        &self,
        context: &CallContext,
        request: &ConfirmMassChange,
    ) -> Result<MassChange, AppError> {
        let instance = self.instance(&request.instance)?;
        let asker = self.operator(context, &instance, Purpose::Change).await?;
        let order = self.order(&asker, &request.reason);
        let store = &self.parts.store;
        let change = store
            .confirm_mass_change(&instance.arn, &request.id, &order)
            .await?;
        self.look_at_beneficiaries.notify_one();
        change.ok_or_else(|| AppError::MassChangeNotFound {
            id: request.id.to_string(),
        })
    }

    /// For whom the call is made, if it may operate the instance.
    async fn operator(
        &self,
        context: &CallContext,
        instance: &Instance,
        purpose: Purpose,
    ) -> Result<Asker, AppError> {
        let asker = self.asker(context, Some(instance), purpose).await?;
        let resource = instance_resource(instance);
        let decision = asker
            .policy
            .decide(&asker.scene, Action::Operate, &resource);
        self.permitted(&asker, Action::Operate, &resource, decision)?;
        Ok(asker)
    }

    fn order(&self, asker: &Asker, reason: &Justification) -> Order {
        Order {
            caller: asker.caller.clone(),
            subject: asker.subject.clone(),
            reason: reason.clone(),
            now: self.parts.clock.now(),
        }
    }
}
