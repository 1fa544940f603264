//! ListAssignments: what a principal or a target has, and why each stands.
//!
//! The rows come from AWS (or from facts as old as the caller allows); the reasons come from the
//! store. Without a principal or a target there is nothing bounded to read.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::assign::group_reference;
use super::page_token::PageRequest;
use super::view::{NamedPrincipal, NamedTarget};
use super::{App, AppError, CallContext};
use crate::directory::{ApplicationQuery, PrincipalQuery};
use crate::domain::report::Provenance;
use crate::domain::{
    ApplicationArn, AssignmentKey, AssignmentRecord, DirectAssignment, Grant, GrantId, Instance,
    PrincipalKind, PrincipalRef, Standing, Target,
};
use crate::identity_center::{Call, Dated};
use crate::store::GrantScope;

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAssignments {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// Whose.
    pub principal: Option<PrincipalQuery>,
    /// Of what.
    pub target: Option<ApplicationQuery>,
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
    /// The live grants that hold it.
    pub grant_ids: Vec<GrantId>,
    /// When the last of them ends; none when one has no end.
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

/// A fact with the group it came through, if it did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Fact {
    application: ApplicationArn,
    assigned: PrincipalRef,
    through_group: bool,
}

impl Fact {
    /// The place of a row in its list: what a page token carries.
    fn place(&self) -> String {
        format!(
            "{}|{}|{}",
            self.application,
            self.assigned.kind.as_str(),
            self.assigned.id
        )
    }
}

impl App {
    /// One page of assignments.
    ///
    /// # Errors
    /// `FieldsInvalid` without a principal and a target, `PageTokenInvalid`, lookups, AWS errors,
    /// `StoreUnavailable`.
    pub async fn list_assignments(
        &self,
        context: &CallContext,
        request: &ListAssignments,
    ) -> Result<AssignmentPage, AppError> {
        let instance = self.instance(&request.instance)?;
        let after = self.page_tokens.open(&context.caller, &request.page)?;
        let call = self.call(context);
        let max_age = request.max_age.unwrap_or_else(|| self.default_max_age());
        let (principal, target) = self.find_for_list(instance, request, max_age, call).await?;
        // A later page goes on with the facts of the first one where they are still held.
        let facts_age = if after.is_some() {
            max_age.max(self.default_max_age())
        } else {
            max_age
        };
        let facts = self
            .facts(
                instance,
                principal.as_ref(),
                target.as_ref(),
                request.include_group_paths,
                facts_age,
                call,
            )
            .await?;
        let scope = scope(
            principal.as_ref().filter(|_| !request.include_group_paths),
            target.as_ref(),
        );
        let reasons = Reasons::read(self, instance, &scope).await?;
        let mut rows = facts.value.iter().filter(|fact| {
            after
                .as_deref()
                .is_none_or(|after| fact.place().as_str() > after)
        });
        let mut page = Vec::new();
        let mut next_page_token = String::new();
        let mut last_place: Option<String> = None;
        for fact in rows.by_ref() {
            let (provenance, grants) = reasons.of(instance, fact);
            if !request.provenance.is_empty() && !request.provenance.contains(&provenance) {
                continue;
            }
            if page.len() == request.page.size {
                let place = last_place.unwrap_or_default();
                next_page_token = self
                    .page_tokens
                    .seal(&context.caller, &request.page, &place)?;
                break;
            }
            page.push(
                self.assignment_row(instance, principal.as_ref(), fact, provenance, &grants)
                    .await,
            );
            last_place = Some(fact.place());
        }
        Ok(AssignmentPage {
            rows: page,
            next_page_token,
            as_of: facts.observed_at,
        })
    }

    /// Who and what the question names.
    async fn find_for_list(
        &self,
        instance: &Instance,
        request: &ListAssignments,
        max_age: Duration,
        call: Call,
    ) -> Result<(Option<PrincipalRef>, Option<ApplicationArn>), AppError> {
        let directory = &self.parts.directory;
        let mut named = (None, None);
        if let Some(query) = &request.principal {
            let found = directory.find_principal(instance, query, max_age, call);
            named.0 = Some(found.await?.value.reference());
        }
        if let Some(query) = &request.target {
            let found = directory.find_application(instance, query, max_age, call);
            named.1 = Some(found.await?.value.arn);
        }
        Ok(named)
    }

    async fn assignment_row(
        &self,
        instance: &Instance,
        asked: Option<&PrincipalRef>,
        fact: &Fact,
        provenance: Provenance,
        grants: &[&Grant],
    ) -> AssignmentRow {
        let (principal, via_group) = match asked {
            Some(user) if fact.through_group => (
                self.named_principal(user).await,
                Some(self.named_principal(&fact.assigned).await),
            ),
            _ => (self.named_principal(&fact.assigned).await, None),
        };
        let endless = grants.iter().any(|grant| grant.duration.is_none());
        AssignmentRow {
            instance_arn: instance.arn.to_string(),
            principal,
            target: self
                .named_target(&Target::Application(fact.application.clone()))
                .await,
            via_group,
            provenance,
            grant_ids: grants.iter().map(|grant| grant.id.clone()).collect(),
            end_at: if endless {
                None
            } else {
                grants.iter().filter_map(|grant| grant.end_at).max()
            },
        }
    }

    /// The assignments as AWS has them, sorted by place.
    async fn facts(
        &self,
        instance: &Instance,
        principal: Option<&PrincipalRef>,
        target: Option<&ApplicationArn>,
        include_group_paths: bool,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Vec<Fact>>, AppError> {
        let (groups, mut observed_at) = match principal {
            Some(user) if include_group_paths && user.kind == PrincipalKind::User => {
                let groups = self.groups_of(instance, user, max_age, call).await?;
                (groups.value, groups.observed_at)
            }
            _ => (Vec::new(), Timestamp::MAX),
        };
        let mut rows: Vec<DirectAssignment> = Vec::new();
        if let Some(application) = target {
            let read = self
                .parts
                .directory
                .assignments_of_application(application, max_age, call)
                .await?;
            observed_at = observed_at.min(read.observed_at);
            rows.extend(read.value.iter().cloned());
        } else {
            for asked in principal.into_iter().chain(&groups) {
                let read = self
                    .parts
                    .directory
                    .assignments_of_principal(instance, asked, max_age, call)
                    .await?;
                observed_at = observed_at.min(read.observed_at);
                // For a user AWS may add rows that name a group (aws-api.md §3b, UNVERIFIED): each
                // row counts for the principal that it names, and only once.
                rows.extend(
                    read.value
                        .iter()
                        .filter(|row| &row.principal == asked)
                        .cloned(),
                );
            }
        }
        let mut facts: Vec<Fact> = rows
            .into_iter()
            .filter(|row| {
                principal
                    .is_none_or(|asked| &row.principal == asked || groups.contains(&row.principal))
            })
            .map(|row| Fact {
                through_group: principal.is_some_and(|asked| &row.principal != asked),
                application: row.application,
                assigned: row.principal,
            })
            .collect();
        facts.sort_by_key(Fact::place);
        facts.dedup();
        Ok(Dated {
            value: facts,
            observed_at,
        })
    }

    /// The groups that a user is in.
    async fn groups_of(
        &self,
        instance: &Instance,
        user: &PrincipalRef,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Vec<PrincipalRef>>, AppError> {
        let memberships = self
            .parts
            .directory
            .groups_of_user(instance, &user.id, max_age, call)
            .await?;
        let groups = memberships.value.iter();
        Ok(Dated {
            value: groups
                .map(|membership| group_reference(&membership.group_id))
                .collect(),
            observed_at: memberships.observed_at,
        })
    }
}

/// Why assignments stand, from the store.
struct Reasons {
    grants: BTreeMap<AssignmentKey, Vec<Grant>>,
    records: BTreeMap<AssignmentKey, AssignmentRecord>,
}

impl Reasons {
    async fn read(app: &App, instance: &Instance, scope: &GrantScope) -> Result<Self, AppError> {
        let store = &app.parts.store;
        let mut grants: BTreeMap<AssignmentKey, Vec<Grant>> = BTreeMap::new();
        for grant in store.open_grants(&instance.arn, scope).await? {
            grants
                .entry(grant.assignment_key())
                .or_default()
                .push(grant);
        }
        let records = store.assignment_records(&instance.arn, scope).await?;
        let records = records
            .into_iter()
            .map(|record| (record.key.clone(), record))
            .collect();
        Ok(Self { grants, records })
    }

    fn of(&self, instance: &Instance, fact: &Fact) -> (Provenance, Vec<&Grant>) {
        let key = AssignmentKey {
            instance_arn: instance.arn.clone(),
            principal: fact.assigned.clone(),
            target: Target::Application(fact.application.clone()),
        };
        let grants: Vec<&Grant> = self.grants.get(&key).into_iter().flatten().collect();
        let provenance = if !grants.is_empty() {
            Provenance::Grant
        } else if self
            .records
            .get(&key)
            .is_some_and(|record| record.standing == Standing::Yes)
        {
            Provenance::Standing
        } else {
            Provenance::Unrecorded
        };
        (provenance, grants)
    }
}

fn scope(principal: Option<&PrincipalRef>, target: Option<&ApplicationArn>) -> GrantScope {
    match (principal, target) {
        (Some(principal), Some(target)) => {
            GrantScope::Assignment(principal.clone(), target.clone())
        }
        (Some(principal), None) => GrantScope::Principal(principal.clone()),
        (None, Some(target)) => GrantScope::Application(target.clone()),
        (None, None) => GrantScope::All,
    }
}
