//! Assign: a grant is recorded, and the caller waits while the reconciler makes it true.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::approvals::{ChosenPath, WhoMayAgree, denied_without_a_word, forbids};
use super::asker::{Asker, Purpose, age_of_target};
use super::cost::operations_of_making;
use super::targets::FoundTarget;
use super::view::GrantView;
use super::warnings::Warning;
use super::{App, AppError, CallContext, TargetKind};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::{
    Adoption, DirectAssignment, Grant, GrantState, Instance, Justification, Operation, Path,
    Principal, PrincipalRef, PrincipalStatus, RequestId, Ticket,
};
use crate::identity_center::Class;
use crate::store::{GrantRequest, RequestKey, RequestOutcome, RequestUse};

/// How old the status and the members of who gets access may be (DESIGN.md §7), however old facts
/// are configured to be elsewhere.
const FRESH: Duration = Duration::from_secs(60);

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assign {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// Who gets the access.
    pub principal: PrincipalQuery,
    /// What it gives access to.
    pub target: TargetQuery,
    /// When it is to start; none for as soon as possible.
    pub start_at: Option<Timestamp>,
    /// How long; none means no end.
    pub duration: Option<SignedDuration>,
    /// To take it at once and be looked at afterwards.
    pub break_glass: bool,
    /// To take over an assignment that is there.
    pub adoption: Option<Adoption>,
    /// Why.
    pub justification: Justification,
    /// The ticket.
    pub ticket: Ticket,
    /// What makes the call safe to repeat.
    pub request_id: Option<RequestId>,
    /// A hash, in hex, of the method and of everything asked but the request id.
    pub content_hash: String,
    /// Only tell what would happen.
    pub validate_only: bool,
}

/// What a caller hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignOutcome {
    /// The grant in its present state.
    Granted {
        /// The grant.
        grant: Box<GrantView>,
        /// What the caller may not expect.
        warnings: Vec<Warning>,
    },
    /// What would happen.
    Previewed {
        /// The preview.
        preview: Preview,
        /// What the caller may not expect.
        warnings: Vec<Warning>,
    },
}

/// What a write would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// People affected, after group expansion.
    pub people_count: u64,
    /// Operations it costs at most, in order; of polls what they usually are.
    pub operations: Vec<(Operation, u64)>,
    /// How long these take within the budget as it is now.
    pub estimated_duration: Duration,
    /// The policies that allow it.
    pub policies: Vec<String>,
    /// The ways to pay for it, cheapest first; none where nothing is to be paid for.
    pub paths: Vec<Path>,
    /// Who can agree, where somebody must; not all of very many.
    pub who_may_agree: Vec<WhoMayAgree>,
    /// Whether Usher may change AWS here.
    pub may_write: bool,
}

/// What a grant is about, found in the directory.
pub(super) struct Found {
    pub(super) instance: Arc<Instance>,
    pub(super) principal: Principal,
    pub(super) target: FoundTarget,
    pub(super) people_count: u64,
}

impl App {
    /// Gives access, or tells what giving it would mean.
    ///
    /// # Errors
    /// Before the commit only: what policy refuses (`path_to`), lookups, `PrincipalDisabled`, what `target_for_assign` refuses,
    /// `ReadOnly`, `Frozen`, `RequestIdReused`, `BudgetExhausted`, `AwsUnavailable`, `StoreUnavailable`, `DeadlineExceeded`. After it, the
    /// answer is the grant.
    ///
    /// # Cancellation
    /// A caller that hangs up after the commit loses nothing: the reconciler goes on.
    pub async fn assign(
        &self,
        context: &CallContext,
        request: &Assign,
    ) -> Result<AssignOutcome, AppError> {
        if request.validate_only {
            return self.preview_assign(context, request).await;
        }
        let context = &context.for_a_change();
        let usage = request
            .request_id
            .as_ref()
            .map(|id| self.request_use(context, id, &request.content_hash));
        if let Some(usage) = &usage
            && let Some(repeated) = self.repeated_grant(context, usage).await?
        {
            return Ok(repeated);
        }
        match self.first_assign(context, request, usage.clone()).await {
            Ok(outcome) => Ok(outcome),
            Err(refusal) => {
                // A twin of this call may have committed since: then its outcome is the answer.
                let twin = match &usage {
                    Some(usage) => self.repeated_grant(context, usage).await,
                    None => Ok(None),
                };
                twin.ok().flatten().ok_or(refusal)
            }
        }
    }

    async fn first_assign(
        &self,
        context: &CallContext,
        request: &Assign,
        usage: Option<RequestUse>,
    ) -> Result<AssignOutcome, AppError> {
        if !self.may_write() {
            return Err(AppError::ReadOnly);
        }
        let _entry = self.refuse_early(context, request, usage.as_ref()).await?;
        let (found, asker, path) = self.way_for(context, request).await?;
        self.check_not_frozen(&found.instance).await?;
        let grant = self.new_grant(context, request, &found, &asker, &path)?;
        self.who_can_agree(context, &found, &grant).await?;
        // Break-glass always commits and waits (DESIGN.md §5); what waits for people or for its start
        // wants nothing of AWS yet.
        if grant.state == GrantState::Provisioning && !grant.break_glass {
            let kind = TargetKind::of(&grant.target);
            self.refuse_if_late(context, &found.instance, kind).await?;
        }
        if grant.break_glass {
            tracing::warn!(grant.id = grant.id.as_str(), subject = %grant.requester.subject, target.key = %grant.target.key(), "break-glass access is taken; somebody must look at it afterwards");
        }
        let mut waiter = self.waiter(context);
        let outcome = self
            .parts
            .store
            .record_grant(GrantRequest {
                grant,
                request: usage,
            })
            .await?;
        let grant = match outcome {
            RequestOutcome::Recorded(grant) | RequestOutcome::Repeated(grant) => grant,
            RequestOutcome::Reused => return Err(AppError::RequestIdReused),
        };
        self.await_grant(&mut waiter, grant).await
    }

    pub(super) fn request_use(
        &self,
        context: &CallContext,
        id: &RequestId,
        content_hash: &str,
    ) -> RequestUse {
        RequestUse {
            key: RequestKey {
                caller: context.caller.clone(),
                subject: context.subject.clone(),
                request_id: id.clone(),
            },
            content_hash: content_hash.to_owned(),
            at: self.parts.clock.now(),
        }
    }

    /// The answer to a request id that was used before, also while the first call is in flight.
    async fn repeated_grant(
        &self,
        context: &CallContext,
        usage: &RequestUse,
    ) -> Result<Option<AssignOutcome>, AppError> {
        let mut waiter = self.waiter(context);
        match self.parts.store.find_request(usage).await? {
            None => Ok(None),
            Some(RequestOutcome::Reused) => Err(AppError::RequestIdReused),
            Some(RequestOutcome::Recorded(grants) | RequestOutcome::Repeated(grants)) => {
                let grant = grants.into_iter().next();
                let grant = grant.ok_or_else(|| {
                    AppError::Internal("a remembered Assign has no grant".to_owned())
                })?;
                self.check_repeat(context, &grant).await?;
                self.await_grant(&mut waiter, grant).await.map(Some)
            }
        }
    }

    /// Waits until the grant is no longer being made, or the time is up, and answers it.
    async fn await_grant(
        &self,
        waiter: &mut super::wait::Waiter,
        recorded: Grant,
    ) -> Result<AssignOutcome, AppError> {
        let id = recorded.id.clone();
        let settled = waiter
            .until_some(std::slice::from_ref(&id), || async {
                // After the commit no error reaches the caller: a store that does not answer now
                // only means that the state is not known better than before.
                let grant = self.parts.store.grant(&id).await.ok().flatten();
                grant.filter(|grant| grant.state != GrantState::Provisioning)
            })
            .await;
        let grant = match settled {
            Some(grant) => grant,
            None => self
                .parts
                .store
                .grant(&id)
                .await
                .ok()
                .flatten()
                .unwrap_or(recorded),
        };
        self.forget_cached(&grant);
        let view = self.grant_view_after_commit(grant).await;
        let warnings = self.known_warnings(&view);
        Ok(AssignOutcome::Granted {
            grant: Box::new(view),
            warnings,
        })
    }

    /// What Usher itself changed is not answered from a cache.
    pub(super) fn forget_cached(&self, grant: &Grant) {
        self.parts.directory.forget_assignments(&DirectAssignment {
            target: grant.target.clone(),
            principal: grant.principal.clone(),
        });
    }

    /// What is asked for, found; for whom; and the way to it. Who may not see the directory hears
    /// the same of what is not there as of what is there and not for it.
    pub(super) async fn way_for(
        &self,
        context: &CallContext,
        request: &Assign,
    ) -> Result<(Found, Asker, ChosenPath), AppError> {
        let instance = self.instance_for(&request.instance, Some(&request.target))?;
        let asking = self.asker(context, Some(&instance), Purpose::Change);
        let asker = asking.await?;
        let emergency = request.break_glass.then(|| context.in_an_emergency());
        let context = emergency.as_ref().unwrap_or(context);
        let found = self.find_for_assign(context, request, Arc::clone(&instance));
        let found = found.await.map_err(|refusal| {
            self.veiled(&asker, &instance, refusal, || denied_without_a_word(&asker))
        })?;
        let question = self.grant_question(&asker, request, &found);
        let path = if request.break_glass {
            self.break_glass_path(&asker, &question)
        } else {
            self.path_to(&asker, &question)
        };
        // A forbid speaks of what is there; who may not see that hears the same as of what is not.
        let path = path.map_err(|refusal| {
            if forbids(&refusal) && !self.may_see_directory(&asker, &instance) {
                denied_without_a_word(&asker)
            } else {
                refusal
            }
        })?;
        Ok((found, asker, path))
    }

    async fn find_for_assign(
        &self,
        context: &CallContext,
        request: &Assign,
        found_instance: Arc<Instance>,
    ) -> Result<Found, AppError> {
        let instance = found_instance.as_ref();
        let (call, max_age) = (self.call(context), self.default_max_age());
        let fresh = max_age.min(FRESH);
        let max_age = age_of_target(max_age, request.break_glass);
        let directory = &self.parts.directory;
        let (principal, target) = futures_util::try_join!(
            async {
                directory
                    .find_principal(instance, &request.principal, fresh, call)
                    .await
                    .map_err(AppError::from)
            },
            self.target_for_assign(instance, &request.target, max_age, call),
        )?;
        let principal = principal.value;
        let people_count = match &principal {
            Principal::User(user) if user.status == PrincipalStatus::Disabled => {
                return Err(AppError::PrincipalDisabled {
                    user_id: user.id.to_string(),
                });
            }
            Principal::User(_) => 1,
            Principal::Group(group) => {
                let members = directory
                    .members_of_group(instance, &group.id, fresh, call)
                    .await
                    .map_err(|failure| {
                        let group = group_reference(&group.id);
                        self.read_refusal(instance, Some(&group), None, failure)
                    })?;
                members.value.len() as u64
            }
        };
        Ok(Found {
            instance: found_instance,
            principal,
            target,
            people_count,
        })
    }

    async fn preview_assign(
        &self,
        context: &CallContext,
        request: &Assign,
    ) -> Result<AssignOutcome, AppError> {
        let (found, asker, path) = self.way_for(context, request).await?;
        let grant = self.new_grant(context, request, &found, &asker, &path)?;
        let who_may_agree = self.who_can_agree(context, &found, &grant).await?;
        let operations = operations_of_making(TargetKind::of(&found.target.target()));
        let preview = Preview {
            people_count: found.people_count,
            estimated_duration: (self.parts.port).estimate(
                &found.instance.arn,
                &operations,
                Class::Grant,
            ),
            operations,
            policies: path.policies,
            paths: path.paths,
            who_may_agree,
            may_write: self.may_write(),
        };
        let warnings = self.all_warnings(context, &found).await?;
        Ok(AssignOutcome::Previewed { preview, warnings })
    }

    /// A view that never fails: after the commit the caller gets the grant, with less beside it if
    /// the store does not answer now.
    pub(super) async fn grant_view_after_commit(&self, grant: Grant) -> GrantView {
        let bare = GrantView {
            principal: self
                .named_principal(&grant.instance_arn, &grant.principal)
                .await,
            target: self.named_target(&grant.target).await,
            standing: crate::domain::Standing::Unknown,
            waiting: None,
            wish: super::WishView::default(),
            last_error: grant.failure.clone(),
            timeline: Vec::new(),
            grant: grant.clone(),
        };
        match self.grant_view(grant).await {
            Ok(view) => view,
            Err(error) => {
                tracing::error!(error = %error, "a recorded grant is answered without its details");
                bare
            }
        }
    }
}

/// A principal as a list row names it.
pub(super) fn group_reference(id: &crate::domain::GroupId) -> PrincipalRef {
    PrincipalRef {
        kind: crate::domain::PrincipalKind::Group,
        id: id.clone(),
    }
}
