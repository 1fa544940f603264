//! How a decision about a grant is recorded, once: what an earlier call with its request id decided
//! answers a repeat, and a decision that others overtook is made anew. What is decided is not known here.

use std::sync::Arc;

use crate::app::asker::{Asker, Purpose};
use crate::app::{App, AppError, CallContext};
use crate::domain::{Actor, Event, EventKind, Grant, GrantId, Instance, Transition};
use crate::store::{GrantDecision, RequestOutcome, RequestUse, StoreError};

/// How often a decision is made anew because others decided meanwhile: many more than can agree to
/// one grant.
const TRIES_MAX: usize = 200;

/// Why a decision was not recorded.
pub(super) enum Tried {
    /// Somebody else decided meanwhile.
    Overtaken,
    /// It is refused.
    Refused(AppError),
}

impl From<AppError> for Tried {
    fn from(error: AppError) -> Self {
        Self::Refused(error)
    }
}

/// Makes a decision, anew for as long as others decide meanwhile.
///
/// # Errors
/// What it is refused with; `StoreUnavailable` where others always decide first.
pub(super) async fn until_recorded<T, F>(make: impl Fn() -> F) -> Result<T, AppError>
where
    F: Future<Output = Result<T, Tried>>,
{
    for _ in 0..TRIES_MAX {
        match make().await {
            Err(Tried::Overtaken) => tokio::task::yield_now().await,
            Err(Tried::Refused(error)) => return Err(error),
            Ok(made) => return Ok(made),
        }
    }
    Err(AppError::StoreUnavailable)
}

impl App {
    /// What an earlier call with this request id decided, for who still has to do with it.
    pub(super) async fn answered_before(
        &self,
        context: &CallContext,
        usage: Option<&RequestUse>,
    ) -> Result<Option<Grant>, AppError> {
        let Some(usage) = usage else {
            return Ok(None);
        };
        let earlier = self.earlier_decision(usage).await?;
        if let Some(grant) = &earlier {
            self.check_repeated_word(context, grant).await?;
        }
        Ok(earlier)
    }

    /// A decision that was made, or where it is refused, that of a twin.
    pub(super) async fn once(
        &self,
        usage: Option<&RequestUse>,
        made: impl Future<Output = Result<Grant, AppError>> + Send,
    ) -> Result<Grant, AppError> {
        match made.await {
            Ok(grant) => Ok(grant),
            Err(refusal) => self.twin_or(usage, refusal).await,
        }
    }

    /// What a twin of this call decided meanwhile: it may be the very reason of the refusal, and its
    /// outcome is then the answer.
    pub(super) async fn twin_or(
        &self,
        usage: Option<&RequestUse>,
        refusal: AppError,
    ) -> Result<Grant, AppError> {
        let twin = match usage {
            Some(usage) => self.earlier_decision(usage).await,
            None => Ok(None),
        };
        twin.ok().flatten().ok_or(refusal)
    }

    /// What an earlier call with this request id decided.
    async fn earlier_decision(&self, usage: &RequestUse) -> Result<Option<Grant>, AppError> {
        match self.parts.store.find_request(usage).await? {
            None => Ok(None),
            Some(RequestOutcome::Reused) => Err(AppError::RequestIdReused),
            Some(RequestOutcome::Recorded(grants) | RequestOutcome::Repeated(grants)) => {
                Ok(grants.into_iter().next())
            }
        }
    }

    /// A grant, its instance and who asks to change it.
    ///
    /// # Errors
    /// `GrantNotFound`, also where its instance is not served; what finding the caller fails with.
    pub(super) async fn grant_to_change(
        &self,
        context: &CallContext,
        id: &GrantId,
    ) -> Result<(Grant, Arc<Instance>, Asker), AppError> {
        let not_there = || AppError::GrantNotFound { id: id.to_string() };
        let grant = self.parts.store.grant(id).await?.ok_or_else(not_there)?;
        let instance = self.parts.instances.get(&grant.instance_arn);
        let instance = instance.ok_or_else(not_there)?;
        let asker = self.asker(context, Some(&instance), Purpose::Change);
        let asker = asker.await.map_err(|error| error.hides(not_there))?;
        Ok((grant, instance, asker))
    }

    /// Writes a decision down, unless the grant has changed since it was read.
    pub(super) async fn record_decision(
        &self,
        decision: GrantDecision,
        usage: Option<&RequestUse>,
    ) -> Result<Grant, Tried> {
        match self.parts.store.decide_grant(decision, usage).await {
            Ok(RequestOutcome::Recorded(grant) | RequestOutcome::Repeated(grant)) => Ok(grant),
            Ok(RequestOutcome::Reused) => Err(AppError::RequestIdReused.into()),
            Err(StoreError::Stale) => Err(Tried::Overtaken),
            Err(error) => Err(AppError::from(error).into()),
        }
    }
}

/// A grant that moved on, with an event of each kind about what is open on it, or about itself.
pub(super) fn moved(
    grant: &Grant,
    transition: Transition,
    kinds: &[EventKind],
    actor: &Actor,
    policies: &[String],
    now: jiff::Timestamp,
) -> Result<GrantDecision, AppError> {
    let state = grant.state;
    let digest = grant
        .open_wish()
        .map_or_else(|| grant.digest(), |(_, digest)| digest);
    let next = grant.apply(transition, now);
    let next = next.map_err(|_| AppError::StateForbids { state })?;
    Ok(GrantDecision {
        events: events(&next, kinds, actor, &digest, policies, now),
        grant: next,
        review: None,
        now,
    })
}

/// Events of these kinds about a grant; the last is the one that policies decided.
pub(super) fn events(
    grant: &Grant,
    kinds: &[EventKind],
    actor: &Actor,
    digest: &str,
    policies: &[String],
    now: jiff::Timestamp,
) -> Vec<Event> {
    let event = |(number, kind): (usize, &EventKind)| Event {
        digest: Some(digest.to_owned()),
        policies: if number + 1 == kinds.len() {
            policies.to_vec()
        } else {
            Vec::new()
        },
        ..Event::new(
            *kind,
            now,
            actor.clone(),
            grant.assignment_key(),
            Some(grant.id.clone()),
        )
    };
    kinds.iter().enumerate().map(event).collect()
}
