//! Whether a wish may be carried out now: its requester still may ask, a path is paid by people who
//! still count, and no floor of policy shuts it. Asked at every agreement and when a start has come.

use std::sync::Arc;

use super::approvers::Interested;
use super::path::activation;
use super::wish::Wish;
use crate::app::asker::Asker;
use crate::app::subject::Reading;
use crate::app::{App, AppError};
use crate::domain::approval::is_paid;
use crate::domain::{
    ApprovalStep, ErrorKind, Grant, Instance, Path, PrincipalKind, PrincipalStatus, Requester,
    Review,
};
use crate::policy::{Action, GrantQuestion, PolicySet, Scene};

/// What comes of looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Opening {
    /// It may be carried out.
    Opens {
        /// The path that is paid, then the policies that let it open.
        policies: Vec<String>,
        /// The set that decided.
        policy_version: String,
    },
    /// Not now, and why.
    Shut(&'static str),
}

impl Opening {
    /// What keeps a wish shut that is no missing agreement.
    pub(super) fn shut_beside_price(&self) -> Option<&'static str> {
        match self {
            Self::Shut(why) if *why != NOT_PAID => Some(why),
            Self::Shut(_) | Self::Opens { .. } => None,
        }
    }
}

const REQUESTER_GONE: &str = "who asked for it is no longer in the identity store";
const BENEFICIARY_GONE: &str = "who is to get the access is gone or disabled";
const NO_PATH_LEFT: &str = "policy no longer allows it to who asked";
const NOT_PAID: &str = "not everybody who must has agreed, or some who did no longer count";
const NOTHING_TO_ADOPT: &str =
    "the assignment that it was to take over is gone, going, or held by a grant";
const FROZEN: &str = "an operator has frozen new access";
const FLOOR: &str = "a policy forbids that it opens";

impl App {
    /// Whether the wish may be carried out with these reviews.
    ///
    /// # Errors
    /// What AWS fails with: nothing is known then.
    pub(in crate::app) async fn opening(
        &self,
        policy: &Arc<PolicySet>,
        instance: &Instance,
        wish: &Wish<'_>,
        (reviews, interested): (&[Review], &Interested),
        reading: Reading,
    ) -> Result<Opening, AppError> {
        let requester = self.requester(policy, instance, wish.requester, reading);
        let Some(asker) = requester.await? else {
            return Ok(Opening::Shut(REQUESTER_GONE));
        };
        if !self.beneficiary_stands(instance, wish, reading).await? {
            return Ok(Opening::Shut(BENEFICIARY_GONE));
        }
        let question = self.question_of(&asker, instance, wish, reading).await?;
        let decision = policy.request(&asker.scene, &question);
        let standing: Vec<(&Path, &Path)> = (wish.paths.iter())
            .filter_map(|stored| {
                let now = decision
                    .paths
                    .iter()
                    .find(|it| it.policy == stored.policy)?;
                Some((stored, now))
            })
            .collect();
        if standing.is_empty() {
            return Ok(Opening::Shut(NO_PATH_LEFT));
        }
        let of = (reviews, interested);
        let asked = with_present(wish.paths, &decision.paths);
        let asked = wish.with_paths(&asked);
        let agreed = self.agreed(policy, instance, &asked, of, reading).await?;
        let mut shut = NOT_PAID;
        for (stored, now) in standing {
            // The dearer of the two prices counts: what pays both pays that.
            if !is_paid(&stored.steps, &agreed) || !is_paid(&now.steps, &agreed) {
                continue;
            }
            let steps: Vec<ApprovalStep> =
                (stored.steps.iter().chain(&now.steps)).cloned().collect();
            let activation = activation(&question, &stored.policy, &steps, &agreed);
            let opening = policy.activate(&asker.scene, &activation);
            if opening.is_allowed {
                if let Some(why) = self
                    .what_holds_back(&asker, instance, wish, reading)
                    .await?
                {
                    return Ok(Opening::Shut(why));
                }
                let mut policies = vec![stored.policy.clone()];
                policies.extend(opening.policies);
                return Ok(Opening::Opens {
                    policies,
                    policy_version: opening.policy_version,
                });
            }
            shut = FLOOR;
        }
        Ok(Opening::Shut(shut))
    }

    /// What keeps a paid wish back that the reconciler does not see, since nothing changes in AWS by it:
    /// more time and adoption wait out a freeze, and there must be something to take over.
    async fn what_holds_back(
        &self,
        asker: &Asker,
        instance: &Instance,
        wish: &Wish<'_>,
        reading: Reading,
    ) -> Result<Option<&'static str>, AppError> {
        if self.is_kept_by_freeze(instance, wish).await? {
            return Ok(Some(FROZEN));
        }
        if wish.grant.adoption.is_none() || wish.round > 0 {
            return Ok(None);
        }
        let key = wish.grant.assignment_key();
        let resource = self.resource_to_take_over(asker, &key).await;
        if !self.may_see(asker, Action::Revoke, &resource) {
            return Ok(Some(NO_PATH_LEFT));
        }
        let is_free = self.held_as(&key).await?.is_none();
        let is_there = is_free && self.is_there(&key, reading.call).await?;
        Ok((!is_there).then_some(NOTHING_TO_ADOPT))
    }

    /// Whether a freeze keeps a wish back that changes nothing in AWS: more time, or an adoption.
    pub(super) async fn is_kept_by_freeze(
        &self,
        instance: &Instance,
        wish: &Wish<'_>,
    ) -> Result<bool, AppError> {
        if wish.grant.adoption.is_none() && wish.round == 0 {
            return Ok(false);
        }
        match self.check_not_frozen(instance).await {
            Ok(()) => Ok(false),
            Err(AppError::Frozen(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The ways to pay as people are asked for them now: as they were when it was asked for, and, of
    /// those that policy has changed since, as they are by now. Both prices are to be paid, so that
    /// whoever helps with one of them is asked.
    ///
    /// # Errors
    /// What AWS fails with.
    pub(in crate::app) async fn paths_asked(
        &self,
        policy: &Arc<PolicySet>,
        instance: &Instance,
        wish: &Wish<'_>,
        reading: Reading,
    ) -> Result<Vec<Path>, AppError> {
        let requester = self.requester(policy, instance, wish.requester, reading);
        let Some(asker) = requester.await? else {
            return Ok(wish.paths.to_vec());
        };
        let question = self.question_of(&asker, instance, wish, reading).await?;
        let decision = policy.request(&asker.scene, &question);
        Ok(with_present(wish.paths, &decision.paths))
    }

    /// Whether who is to get the access is there and enabled: the requester may be somebody else.
    async fn beneficiary_stands(
        &self,
        instance: &Instance,
        wish: &Wish<'_>,
        reading: Reading,
    ) -> Result<bool, AppError> {
        let Reading { max_age, call } = reading;
        let (directory, principal) = (&self.parts.directory, &wish.grant.principal);
        let found = directory.principal(instance, principal, max_age, call);
        let found = found.await?.value;
        Ok(found.is_some_and(|found| found.status() != PrincipalStatus::Disabled))
    }

    /// Who asked, by facts of now; none where the user is gone.
    pub(in crate::app) async fn requester(
        &self,
        policy: &Arc<PolicySet>,
        instance: &Instance,
        requester: &Requester,
        reading: Reading,
    ) -> Result<Option<Asker>, AppError> {
        let name = requester.subject.as_str();
        let known_as = requester.known_as.as_deref().unwrap_or(name);
        let subject = self.subject_called(policy, instance, name, known_as, reading);
        Ok(subject.await?.map(|subject| Asker {
            policy: Arc::clone(policy),
            scene: Scene {
                subject,
                service: requester.service.clone(),
                subject_proven: requester.subject_proven,
                now: self.parts.clock.now(),
            },
            caller: requester.caller.clone(),
            subject: requester.subject.clone(),
        }))
    }

    /// What policy is asked about a recorded wish. A group is as large as it is now, if that is more
    /// than when it was asked for.
    async fn question_of(
        &self,
        asker: &Asker,
        instance: &Instance,
        wish: &Wish<'_>,
        reading: Reading,
    ) -> Result<GrantQuestion, AppError> {
        let grant = wish.grant;
        let mut question = self.question_of_grant(asker, grant).await;
        question.duration = wish.duration;
        question.justification = wish.justification.as_str().to_owned();
        question.ticket = wish.ticket.as_str().to_owned();
        question.people_count = self.people_now(instance, grant, reading).await?;
        Ok(question)
    }

    /// How many people a grant is for: those of now, if they are more than when it was asked for.
    pub(super) async fn people_now(
        &self,
        instance: &Instance,
        grant: &Grant,
        Reading { max_age, call }: Reading,
    ) -> Result<u64, AppError> {
        if grant.principal.kind != PrincipalKind::Group {
            return Ok(grant.people_count);
        }
        let (directory, id) = (&self.parts.directory, &grant.principal.id);
        let members = directory.members_of_group(instance, id, max_age, call);
        match members.await {
            Ok(members) => Ok(grant.people_count.max(members.value.len() as u64)),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(grant.people_count),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Paths as they were, then those of them that cost something else by now.
fn with_present(stored: &[Path], now: &[Path]) -> Vec<Path> {
    let is_changed = |now: &&Path| {
        let mut same = stored.iter().filter(|it| it.policy == now.policy);
        same.any(|it| it.steps != now.steps)
    };
    let changed = now.iter().filter(is_changed);
    stored.iter().chain(changed).cloned().collect()
}
