//! ListAssignments: what a principal or a target has, and why each stands.
//!
//! The rows come from AWS (or from facts as old as the caller allows); the reasons come from the
//! store. Without a principal or a target there is nothing bounded to read.

use std::time::Duration;

use jiff::Timestamp;

use super::asker::{Asker, Purpose};
use super::assignment_facts::{Fact, Wanted};
use super::page_token::PageRequest;
use super::principals::Asked;
use super::reasons::{Reasons, scope};
use super::view::{NamedPrincipal, NamedTarget, status_of};
use super::{App, AppError, CallContext};
use crate::audit::StoreFacts;
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::report::Provenance;
use crate::domain::{
    AssignmentKey, Grant, GrantId, Instance, InstanceKind, Operation, PrincipalId, PrincipalKind,
    PrincipalRef, PrincipalStatus, Target,
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

/// What the names and statuses of rows come from.
struct RowNames<'a> {
    /// Who is to see them.
    asker: Asker,
    instance: &'a Instance,
    asked: Option<&'a Asked>,
    /// How old a status may be.
    max_age: Duration,
    /// The time of the oldest fact shown so far.
    as_of: Timestamp,
}

impl App {
    /// One page of assignments.
    ///
    /// # Errors
    /// `AssignmentNotFound` for one that may not be seen; `FieldsInvalid` without a principal and a target, `PageTokenInvalid`, lookups,
    /// `NotListableByPrincipal`, `RoleLacksPermission` where nobody knows whether it is, AWS errors, `StoreUnavailable`.
    pub async fn list_assignments(
        &self,
        context: &CallContext,
        request: &ListAssignments,
    ) -> Result<AssignmentPage, AppError> {
        let instance = &*self.instance_for(&request.instance, request.target.as_ref())?;
        refuse_what_aws_does_not_list(instance, request)?;
        let asker = self.asker(context, Some(instance), Purpose::Read).await?;
        let after = self.page_tokens.open(context, &request.page)?;
        let call = self.call(context);
        let max_age = request.max_age.unwrap_or_else(|| self.default_max_age());
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
        let reasons = Reasons::new(StoreFacts::joined(before, after_facts));
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
            self.check_assignment_may_be_seen(&names.asker, request, (instance, principal, target))
                .await?;
        }
        Ok(AssignmentPage {
            rows,
            next_page_token,
            as_of: names.as_of,
        })
    }

    /// The rows of one page, from the place `after` on, and the next page's token.
    async fn rows_after(
        &self,
        context: &CallContext,
        request: &ListAssignments,
        names: &mut RowNames<'_>,
        reasons: &Reasons,
        facts: &[Fact],
        after: Option<&str>,
    ) -> Result<(Vec<AssignmentRow>, String), AppError> {
        let mut rows = facts
            .iter()
            .filter(|fact| after.is_none_or(|after| fact.place().as_str() > after));
        let mut page = Vec::new();
        let mut next_page_token = String::new();
        let mut last_place: Option<String> = None;
        for fact in rows.by_ref() {
            let (provenance, grants) = reasons.of(&AssignmentKey {
                instance_arn: names.instance.arn.clone(),
                principal: fact.assigned.clone(),
                target: fact.target.clone(),
            });
            if !request.provenance.is_empty() && !request.provenance.contains(&provenance) {
                continue;
            }
            if page.len() == request.page.size {
                let place = last_place.unwrap_or_default();
                next_page_token = self.page_tokens.seal(context, &request.page, &place)?;
                break;
            }
            let row = self.assignment_row(names, fact, provenance, &grants).await;
            let (instance, asker) = (&names.instance.arn, &names.asker);
            let resource = self.assignment_resource(asker, instance, &row.principal, &row.target);
            if !self.may_see(asker, Action::ReadAssignments, &resource) {
                continue;
            }
            page.push(row);
            last_place = Some(fact.place());
        }
        Ok((page, next_page_token))
    }

    /// Refuses one assignment that may not be seen as one that is not there, whether it is or not.
    async fn check_assignment_may_be_seen(
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
        let (principal, target) = (request.principal.as_ref(), request.target.as_ref());
        Err(AppError::AssignmentNotFound {
            principal: principal.map(ToString::to_string).unwrap_or_default(),
            target: target.map(ToString::to_string).unwrap_or_default(),
        })
    }

    /// Who and what the question names.
    async fn find_for_list(
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

    async fn assignment_row(
        &self,
        names: &mut RowNames<'_>,
        fact: &Fact,
        provenance: Provenance,
        grants: &[&Grant],
    ) -> AssignmentRow {
        let assigned = self.row_principal(names, &fact.assigned).await;
        let (principal, via_group) = match names.asked {
            Some(user) if fact.through_group => (
                self.row_principal(names, &user.reference).await,
                Some(assigned),
            ),
            _ => (assigned, None),
        };
        // A grant that has not begun yet will end later than all that have: no end is told.
        let ends: Option<Vec<Timestamp>> = grants.iter().map(|grant| grant.end_at).collect();
        AssignmentRow {
            instance_arn: names.instance.arn.to_string(),
            principal,
            target: self.named_target(&fact.target).await,
            via_group,
            provenance,
            grant_ids: grants.iter().map(|grant| grant.id.clone()).collect(),
            end_at: ends.and_then(|ends| ends.into_iter().max()),
        }
    }

    /// A principal as a row shows it; the age of its status counts for the answer's.
    async fn row_principal(
        &self,
        names: &mut RowNames<'_>,
        reference: &PrincipalRef,
    ) -> NamedPrincipal {
        let status = match names.asked {
            Some(asked) if asked.reference == *reference => Some(Dated {
                value: status_of(asked.record.value.as_ref()),
                observed_at: asked.record.observed_at,
            }),
            _ => self.recent_status(&names.instance.arn, reference, names.max_age),
        };
        if let Some(status) = &status {
            names.as_of = names.as_of.min(status.observed_at);
        }
        NamedPrincipal {
            reference: reference.clone(),
            name: self.known_name(reference).await,
            status: status.map_or(PrincipalStatus::Unknown, |status| status.value),
        }
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
