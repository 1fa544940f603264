//! The store's part of the brake: the transactions that operators and the watch over beneficiaries
//! need, and the one in which every intent of a write meets what is frozen.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Claim, StoreError};
use crate::domain::log::Link;
use crate::domain::plan::{Changes, Write};
use crate::domain::{
    Brake, Freezes, Frozen, Gone, Grant, GrantId, InstanceArn, MassChange, MassChangeId,
    MassChangeState, Order, PrincipalRef,
};

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// It is recorded: the write may be sent under this claim.
    Recorded(Box<Claim>),
    /// The write is frozen: nothing may be sent, and the claim has been let go.
    Frozen,
}

/// What is disabled or deleted at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MassChangeFound {
    /// The id, should it be a new one.
    pub id: MassChangeId,
    /// The instance.
    pub instance_arn: InstanceArn,
    /// Who is gone.
    pub gone: Vec<PrincipalRef>,
    /// How many beneficiaries were seen.
    pub watched_count: u64,
    /// When.
    pub now: Timestamp,
}

/// A beneficiary whose grants are to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneBeneficiary {
    /// The instance.
    pub instance_arn: InstanceArn,
    /// Who.
    pub principal: PrincipalRef,
    /// Why.
    pub gone: Gone,
    /// The confirmed mass change that lets it go; none where there is no mass change.
    pub confirmed_by: Option<MassChangeId>,
    /// When.
    pub now: Timestamp,
}

/// The transactions of the brake; each as atomic and durable as those of `Store`.
#[async_trait]
pub trait BrakeStore: Send + Sync + 'static {
    /// Like `Store::commit_step`, for the intent of a write that is sent next. Where the write is
    /// frozen on the instance, `parked` is written in its place and the claim is let go, in the
    /// same transaction: what a freeze that was answered before this call stops is never sent.
    ///
    /// # Errors
    /// As for `Store::commit_step`.
    async fn commit_intent(
        &self,
        claim: &Claim,
        write: Write,
        changes: Changes,
        parked: Changes,
    ) -> Result<Intent, StoreError>;

    /// Freezes these, each with an event; what is frozen already stays as it is. Answers the brake.
    ///
    /// # Errors
    /// `Unavailable`: the caller cannot know; a repeat finds out and does no harm.
    async fn freeze(
        &self,
        instance: &InstanceArn,
        what: &[Frozen],
        order: &Order,
    ) -> Result<Brake, StoreError>;

    /// Lets these go on, each with an event, makes due what waited for it, and wakes the
    /// reconciler; what is not frozen stays so. Answers the brake.
    ///
    /// # Errors
    /// As for `freeze`.
    async fn unfreeze(
        &self,
        instance: &InstanceArn,
        what: &[Frozen],
        order: &Order,
    ) -> Result<Brake, StoreError>;

    /// Freezes everything on every instance, known or not, until it is unfrozen there; what was let go after
    /// an earlier restore is frozen again. Writes the event, and answers where the log ended. For a store that
    /// was restored from a backup and that no service has.
    ///
    /// # Errors
    /// As for `freeze`.
    async fn mark_restored(&self, now: Timestamp) -> Result<Link, StoreError>;

    /// What is frozen on an instance.
    async fn freezes(&self, instance: &InstanceArn) -> Result<Freezes, StoreError>;

    /// The brake of an instance.
    async fn brake(&self, instance: &InstanceArn) -> Result<Brake, StoreError>;

    /// How many writes of these kinds may be on their way to AWS: their intent is recorded, their
    /// outcome is not, and the lease under which they are sent lasts.
    async fn count_under_way(
        &self,
        instance: &InstanceArn,
        what: &[Frozen],
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Makes a waiting grant's assignment due by `domain::intent::retry_now`, and wakes the
    /// reconciler. Answers the grant, whatever its state; none when there is no such id.
    ///
    /// # Errors
    /// As for `freeze`.
    async fn retry_now(&self, id: &GrantId, order: &Order) -> Result<Option<Grant>, StoreError>;

    /// Who has active grants on an instance, each once, sorted. It reads the index entries of every
    /// active grant of the instance.
    async fn active_beneficiaries(
        &self,
        instance: &InstanceArn,
    ) -> Result<Vec<PrincipalRef>, StoreError>;

    /// Ends the active grants of a beneficiary by `domain::intent::end_for_beneficiary`. Answers
    /// those that it ended: none where a mass change is held on the instance, or where the named
    /// one is not confirmed or does not name this beneficiary.
    ///
    /// # Errors
    /// `Unavailable`: nothing was ended, or a repeat finds it done.
    async fn end_for_beneficiary(&self, gone: &GoneBeneficiary) -> Result<Vec<Grant>, StoreError>;

    /// Records a mass change with its event, or what the held one of the instance has become.
    /// Answers it, and whether it is a new one.
    ///
    /// # Errors
    /// As for `end_for_beneficiary`.
    async fn hold_mass_change(
        &self,
        found: &MassChangeFound,
    ) -> Result<(MassChange, bool), StoreError>;

    /// Confirms a mass change with an event, if it is held. Answers it as it is then; none when the
    /// instance has none of this id.
    ///
    /// # Errors
    /// As for `freeze`.
    async fn confirm_mass_change(
        &self,
        instance: &InstanceArn,
        id: &MassChangeId,
        order: &Order,
    ) -> Result<Option<MassChange>, StoreError>;

    /// Moves a mass change from one state to a last one, with an event; one that is in another
    /// state stays there.
    ///
    /// # Errors
    /// As for `end_for_beneficiary`.
    async fn close_mass_change(
        &self,
        id: &MassChangeId,
        from: MassChangeState,
        to: MassChangeState,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}
