//! ListAssignments: what a principal or a target has, and why each stands.
//!
//! The rows come from AWS (or from facts as old as the caller allows); the reasons come from the
//! store. Without a principal and a target facts that were collected answer: `list_from_facts`.

use std::time::Duration;

use jiff::Timestamp;

use super::asker::{Asker, Purpose};
use super::assignment_facts::Wanted;
use super::assignment_rows::RowNames;
use super::page_token::PageRequest;
use super::principals::Asked;
use super::reasons::{Reasons, scope};
use super::view::{NamedPrincipal, NamedTarget};
use super::{App, AppError, CallContext};
use crate::audit::StoreFacts;
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::report::Provenance;
use crate::domain::{
    GrantId, Instance, InstanceKind, Operation, PrincipalId, PrincipalKind, PrincipalRef, Target,
};
use crate::identity_center::{Call, Dated};
use crate::policy::Action;

/// The kinds of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// Applications.
    Application,
    /// Accounts, each with a permission set.
    AccountAccess,
}

impl TargetKind {
    /// The kind of a target.
    pub(super) fn of(target: &Target) -> Self {
        match target {
            Target::Application(_) => Self::Application,
            Target::AccountAccess(_) => Self::AccountAccess,
        }
    }

    /// The kind of a target that somebody names.
    pub(super) fn of_query(query: &TargetQuery) -> Self {
        match query {
            TargetQuery::Application(_) => Self::Application,
            TargetQuery::AccountAccess { .. } => Self::AccountAccess,
        }
    }
}

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAssignments {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// Whose.
    pub principal: Option<PrincipalQuery>,
    /// Of what.
    pub target: Option<TargetQuery>,
    /// Only targets of this kind.
    pub kind: Option<TargetKind>,
    /// For a user: also through groups.
    pub include_group_paths: bool,
    /// Only these reasons; empty means all.
    pub provenance: Vec<Provenance>,
    /// How old facts may be; none for the default.
    pub max_age: Option<Duration>,
    /// Which page.
    pub page: PageRequest,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentRow {
    /// The instance.
    pub instance_arn: String,
    /// Who is assigned: the asked user on rows through a group.
    pub principal: NamedPrincipal,
    /// What it is of.
    pub target: NamedTarget,
    /// The group through which the asked user has it.
    pub via_group: Option<NamedPrincipal>,
    /// Why it stands.
    pub provenance: Provenance,
    /// Who keeps it outside of Usher; empty where its provenance is another.
    pub external_owner: String,
    /// The live grants that hold it; where it stands only until grants on their way out are over,
    /// those.
    pub grant_ids: Vec<GrantId>,
    /// When the last of them ends; none when one has no end or has not begun.
    pub end_at: Option<Timestamp>,
}

/// One page of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentPage {
    /// The rows, sorted by target and principal.
    pub rows: Vec<AssignmentRow>,
    /// The next page's token; empty on the last page.
    pub next_page_token: String,
    /// When the oldest fact was read.
    pub as_of: Timestamp,
}

impl App {
    /// One page of assignments.
    ///
    /// # Errors
    /// `AssignmentNotFound` for one that may not be seen; `FactsNotCollected` where it is about everything, `PageTokenInvalid`, lookups,
    /// `NotListableByPrincipal`, `RoleLacksPermission` where nobody knows whether it is, AWS errors, `StoreUnavailable`.
    pub async fn list_assignments(
        &self,
        context: &CallContext,
        request: &ListAssignments,
    ) -> Result<AssignmentPage, AppError> {
        let instance = &*self.instance_for(&request.instance, request.target.as_ref())?;
        let asker = self.asker(context, Some(instance), Purpose::Read).await?;
        let page = self.page_of_assignments(context, request, instance, &asker);
        match page.await {
            Err(refusal) if self.is_veiled(&asker, instance, &refusal) => {
                self.nothing_to_see(request)
            }
            page => page,
        }
    }

    /// What who may not see the directory is told of what is not there, and of what it may see
    /// nothing of.
    pub(super) fn nothing_to_see(
        &self,
        request: &ListAssignments,
    ) -> Result<AssignmentPage, AppError> {
        if request.principal.is_some() && request.target.is_some() {
            return Err(not_there(request));
        }
        Ok(AssignmentPage {
            rows: Vec::new(),
            next_page_token: String::new(),
            as_of: self.parts.clock.now(),
        })
    }

    async fn page_of_assignments(
        &self,
        context: &CallContext,
        request: &ListAssignments,
        instance: &Instance,
        asker: &Asker,
    ) -> Result<AssignmentPage, AppError> {
        if request.principal.is_none() && request.target.is_none() {
            let page = self.page_of_all_assignments(context, request, instance, asker);
            return page.await;
        }
        refuse_what_aws_does_not_list(instance, request)?;
        let after = self.page_tokens.open(context, &request.page)?;
        let call = self.call(context);
        let max_age = self.or_default(request.max_age);
        let (asked, target) = self.find_for_list(instance, request, max_age, call).await?;
        let principal = asked.as_ref().map(|asked| asked.reference.clone());
        let scope = scope(
            principal.as_ref().filter(|_| !request.include_group_paths),
            target.as_ref(),
        );
        // Read before AWS and after it: a grant that ends in between still explains its row.
        let before = self.reasons_facts(instance, &scope).await?;
        // A later page goes on with the facts of the first one where they are still held.
        let facts_age = if after.is_some() {
            max_age.max(self.default_max_age())
        } else {
            max_age
        };
        let wanted = Wanted {
            principal: principal.as_ref(),
            target: target.as_ref(),
            kind: request.kind,
            with_groups: request.include_group_paths,
        };
        let facts = self
            .assignment_facts(instance, &wanted, facts_age, call)
            .await?;
        let after_facts = self.reasons_facts(instance, &scope).await?;
        let seen = self.first_seen(instance, &wanted, &facts.value).await?;
        let store = StoreFacts::joined(before, after_facts).looked_at(facts.observed_at);
        let reasons = Reasons::new(store, seen);
        let mut names = RowNames {
            asker,
            instance,
            asked: asked.as_ref(),
            max_age: facts_age,
            as_of: facts.observed_at,
        };
        let after = after.as_deref();
        let (rows, next_page_token) = self
            .rows_after(context, request, &mut names, &reasons, &facts.value, after)
            .await?;
        if let (true, Some(principal), Some(target)) = (rows.is_empty(), &principal, &target) {
            self.check_assignment_may_be_seen(asker, request, (instance, principal, target))
                .await?;
        } else if rows.is_empty() && next_page_token.is_empty() {
            // The age of the facts would tell that there are some.
            let is_own = principal.is_some_and(|principal| asker.is(&principal));
            if !is_own && !self.may_see_directory(asker, instance) {
                return self.nothing_to_see(request);
            }
        }
        Ok(AssignmentPage {
            rows,
            next_page_token,
            as_of: names.as_of,
        })
    }

    /// Refuses one assignment that may not be seen as one that is not there, whether it is or not.
    pub(super) async fn check_assignment_may_be_seen(
        &self,
        asker: &Asker,
        request: &ListAssignments,
        (instance, principal, target): (&Instance, &PrincipalRef, &Target),
    ) -> Result<(), AppError> {
        let who = self.named_principal(&instance.arn, principal).await;
        let what = self.named_target(target).await;
        let resource = self.assignment_resource(asker, &instance.arn, &who, &what);
        if self.may_see_alone(asker, Action::ReadAssignments, &resource) {
            return Ok(());
        }
        Err(not_there(request))
    }

    /// Who and what the question names.
    pub(super) async fn find_for_list(
        &self,
        instance: &Instance,
        request: &ListAssignments,
        max_age: Duration,
        call: Call,
    ) -> Result<(Option<Asked>, Option<Target>), AppError> {
        let asked = match &request.principal {
            Some(query) => {
                let asked = self.principal_for_reading(instance, query, max_age, call);
                asked.await.map(Some)
            }
            None => Ok(None),
        };
        let (asked, missing) = match asked {
            Ok(asked) => (asked, None),
            Err(error @ AppError::PrincipalNotFound { .. }) => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let target = match &request.target {
            Some(query) => match self
                .target_for_reading(instance, query, max_age, call)
                .await
            {
                Ok(target) => Some(target),
                // Who is not there is told before what is not there.
                Err(error) => return Err(missing.unwrap_or(error)),
            },
            None => None,
        };
        let Some(missing) = missing else {
            return Ok((asked, target));
        };
        let asked = match (&request.principal, &target) {
            (Some(query), Some(target)) => {
                self.deleted_but_assigned(query, target, max_age, call)
                    .await
            }
            _ => None,
        };
        Ok((Some(asked.ok_or(missing)?), target))
    }

    /// A principal that AWS does not have any more and that the target's assignments still name.
    /// `principal_for_reading` cannot find it where AWS does not list accounts by principal.
    async fn deleted_but_assigned(
        &self,
        query: &PrincipalQuery,
        target: &Target,
        max_age: Duration,
        call: Call,
    ) -> Option<Asked> {
        let (kind, text) = match query {
            PrincipalQuery::User(text) => (PrincipalKind::User, text),
            PrincipalQuery::Group(text) => (PrincipalKind::Group, text),
        };
        let reference = PrincipalRef {
            kind,
            id: PrincipalId::parse(text).ok()?,
        };
        let directory = &self.parts.directory;
        let rows = directory.assignments_of_target(target, max_age, call);
        let rows = rows.await.ok()?;
        let is_named = rows.value.iter().any(|row| row.principal == reference);
        is_named.then_some(Asked {
            reference,
            record: Dated {
                value: None,
                observed_at: rows.observed_at,
            },
        })
    }
}

/// The refusal of one assignment, in the caller's words.
pub(super) fn not_there(request: &ListAssignments) -> AppError {
    let (principal, target) = (request.principal.as_ref(), request.target.as_ref());
    AppError::AssignmentNotFound {
        principal: principal.map(ToString::to_string).unwrap_or_default(),
        target: target.map(ToString::to_string).unwrap_or_default(),
    }
}

/// Refuses a question of which AWS would answer only a part.
fn refuse_what_aws_does_not_list(
    instance: &Instance,
    request: &ListAssignments,
) -> Result<(), AppError> {
    let is_answered = request.target.is_some()
        || request.kind == Some(TargetKind::Application)
        || !instance.gives_account_access()
        || instance.lists_account_access_by_principal();
    if is_answered {
        return Ok(());
    }
    // Whether AWS lists it depends on the organization, which Usher could not ask for.
    if instance.kind == InstanceKind::Unknown && instance.management_account_id.is_none() {
        return Err(AppError::RoleLacksPermission {
            action: Operation::DescribeOrganization.iam_action(),
        });
    }
    Err(AppError::NotListableByPrincipal {
        instance_arn: instance.arn.to_string(),
    })
}
