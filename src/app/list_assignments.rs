//! ListAssignments: what a principal or a target has, and why each stands.
//!
//! The rows come from AWS (or from facts as old as the caller allows); the reasons come from the
//! store. Without a principal or a target there is nothing bounded to read.

use std::time::Duration;

use jiff::Timestamp;

use super::assign::group_reference;
use super::page_token::PageRequest;
use super::principals::Asked;
use super::reasons::{Reasons, scope};
use super::view::{NamedPrincipal, NamedTarget, status_of};
use super::{App, AppError, CallContext};
use crate::audit::StoreFacts;
use crate::directory::{ApplicationQuery, PrincipalQuery};
use crate::domain::report::Provenance;
use crate::domain::{
    ApplicationArn, AssignmentKey, DirectAssignment, ErrorKind, Grant, GrantId, Instance,
    PrincipalKind, PrincipalRef, PrincipalStatus, Target,
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

/// A fact with the group it came through, if it did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Fact {
    application: ApplicationArn,
    assigned: PrincipalRef,
    through_group: bool,
}

/// What the names and statuses of rows come from.
struct RowNames<'a> {
    instance: &'a Instance,
    asked: Option<&'a Asked>,
    /// How old a status may be.
    max_age: Duration,
    /// The time of the oldest fact shown so far.
    as_of: Timestamp,
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
        let instance = &*self.instance(&request.instance)?;
        let after = self.page_tokens.open(&context.caller, &request.page)?;
        let call = self.call(context);
        let max_age = request.max_age.unwrap_or_else(|| self.default_max_age());
        let (asked, target) = self.find_for_list(instance, request, max_age, call).await?;
        let principal = asked.as_ref().map(|asked| asked.reference.clone());
        let scope = scope(
            principal.as_ref().filter(|_| !request.include_group_paths),
            target.clone().map(Target::Application).as_ref(),
        );
        // Read before AWS and after it: a grant that ends in between still explains its row.
        let before = self.reasons_facts(instance, &scope).await?;
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
        let after_facts = self.reasons_facts(instance, &scope).await?;
        let reasons = Reasons::new(StoreFacts::joined(before, after_facts));
        let mut names = RowNames {
            instance,
            asked: asked.as_ref(),
            max_age: facts_age,
            as_of: facts.observed_at,
        };
        let after = after.as_deref();
        let (rows, next_page_token) = self
            .rows_after(context, request, &mut names, &reasons, &facts.value, after)
            .await?;
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
                target: Target::Application(fact.application.clone()),
            });
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
            page.push(self.assignment_row(names, fact, provenance, &grants).await);
            last_place = Some(fact.place());
        }
        Ok((page, next_page_token))
    }

    /// Who and what the question names.
    async fn find_for_list(
        &self,
        instance: &Instance,
        request: &ListAssignments,
        max_age: Duration,
        call: Call,
    ) -> Result<(Option<Asked>, Option<ApplicationArn>), AppError> {
        let directory = &self.parts.directory;
        let mut named = (None, None);
        if let Some(query) = &request.principal {
            let asked = self.principal_for_reading(instance, query, max_age, call);
            named.0 = Some(asked.await?);
        }
        if let Some(query) = &request.target {
            let found = directory.find_application(instance, query, max_age, call);
            named.1 = Some(found.await?.value.arn);
        }
        Ok(named)
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
            target: self
                .named_target(&Target::Application(fact.application.clone()))
                .await,
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

    /// What the store says of the assignments in a scope.
    async fn reasons_facts(
        &self,
        instance: &Instance,
        scope: &GrantScope,
    ) -> Result<StoreFacts, AppError> {
        let store = &self.parts.store;
        Ok(StoreFacts {
            grants: store.open_grants(&instance.arn, scope).await?,
            records: store.assignment_records(&instance.arn, scope).await?,
        })
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
                .assignments_of_target(&Target::Application(application.clone()), max_age, call)
                .await
                .map_err(|failure| self.read_refusal(instance, None, Some(application), failure))?;
            observed_at = observed_at.min(read.observed_at);
            rows.extend(read.value.iter().cloned());
        } else {
            for asked in principal.into_iter().chain(&groups) {
                let read = self
                    .parts
                    .directory
                    .assignments_of_principal(instance, asked, max_age, call)
                    .await;
                let read = match read {
                    // Of what AWS no longer has it may not list anything.
                    Err(failure) if failure.kind == ErrorKind::NotFound => continue,
                    read => read?,
                };
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
                application: match row.target {
                    Target::Application(arn) => arn,
                    Target::AccountAccess(_) => unimplemented!(),
                },
                assigned: row.principal,
            })
            .collect();
        facts.sort_by_key(Fact::place);
        facts.dedup();
        // Where nothing could be listed, the answer is of now.
        let observed_at = observed_at.min(self.parts.clock.now());
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
            .await;
        let memberships = match memberships {
            // A user that is gone is in no group.
            Err(failure) if failure.kind == ErrorKind::NotFound => {
                return Ok(Dated {
                    value: Vec::new(),
                    observed_at: self.parts.clock.now(),
                });
            }
            memberships => memberships?,
        };
        let groups = memberships.value.iter();
        Ok(Dated {
            value: groups
                .map(|membership| group_reference(&membership.group_id))
                .collect(),
            observed_at: memberships.observed_at,
        })
    }
}
