//! The rows of a ListAssignments: which of them the caller may see, and with what they are shown. They
//! never cost an AWS operation: facts, reasons and names are at hand.

use std::time::Duration;

use jiff::Timestamp;

use super::asker::Asker;
use super::assignment_facts::Fact;
use super::list_assignments::{AssignmentRow, ListAssignments};
use super::permission::{LOOKED_AT_MAX, LOOKED_AT_ONCE};
use super::principals::Asked;
use super::reasons::Reasons;
use super::reasons::last_end;
use super::view::{NamedPrincipal, status_of};
use super::{App, AppError, CallContext};
use crate::domain::report::Provenance;
use crate::domain::{
    AssignmentKey, Grant, Instance, InstanceArn, PrincipalRef, PrincipalStatus, Target,
};
use crate::identity_center::Dated;
use crate::policy::Action;

/// What the names and statuses of rows come from.
pub(super) struct RowNames<'a> {
    /// Who is to see them.
    pub(super) asker: &'a Asker,
    pub(super) instance: &'a Instance,
    pub(super) asked: Option<&'a Asked>,
    /// How old a status may be.
    pub(super) max_age: Duration,
    /// The time of the oldest fact shown so far.
    pub(super) as_of: Timestamp,
}

impl App {
    /// The rows of one page, from the place `after` on, and the next page's token.
    pub(super) async fn rows_after(
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
        let mut looked_at = 0;
        let mut last_place: Option<String> = None;
        for fact in rows.by_ref() {
            let (provenance, grants) = reasons.of(&AssignmentKey {
                instance_arn: names.instance.arn.clone(),
                principal: fact.assigned.clone(),
                target: fact.target.clone(),
            });
            let owner = match provenance {
                Provenance::Grant => None,
                _ => (self.external_owner(names.instance, &fact.assigned, &fact.target)).await,
            };
            let provenance = provenance.or_external(owner.is_some());
            let is_wanted =
                request.provenance.is_empty() || request.provenance.contains(&provenance);
            // Rules are compared with names, which may have to be fetched: such rows count too.
            if !is_wanted && self.parts.external.is_empty() {
                continue;
            }
            if page.len() == request.page.size || looked_at == LOOKED_AT_MAX {
                let place = last_place.unwrap_or_default();
                next_page_token = self.page_tokens.seal(context, &request.page, &place)?;
                break;
            }
            looked_at += 1;
            last_place = Some(fact.place());
            if looked_at % LOOKED_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
            if is_wanted && self.fact_may_be_seen(names, fact).await {
                let row = self.assignment_row(names, fact, provenance, &grants);
                page.push(AssignmentRow {
                    external_owner: owner.unwrap_or_default(),
                    ..row.await
                });
            }
        }
        Ok((page, next_page_token))
    }

    /// Whether a row may be seen. What a user has through a group is the user's and the group's: a
    /// permit for either shows it, and a forbid or an error for either hides it.
    async fn fact_may_be_seen(&self, names: &RowNames<'_>, fact: &Fact) -> bool {
        let user = names.asked.filter(|_| fact.through_group);
        let whose = std::iter::once(&fact.assigned).chain(user.map(|user| &user.reference));
        self.way_may_be_seen(names.asker, &names.instance.arn, &fact.target, whose)
            .await
    }

    /// Whether a way to a target may be seen by who has it: a permit for any of them shows it, and a forbid or an
    /// error for any hides it.
    pub(super) async fn way_may_be_seen(
        &self,
        asker: &Asker,
        instance: &InstanceArn,
        target: &Target,
        whose: impl Iterator<Item = &PrincipalRef> + Send,
    ) -> bool {
        let target = self.named_target(target).await;
        let mut is_permitted = false;
        for reference in whose {
            let principal = self.named_principal(instance, reference).await;
            let resource = self.assignment_resource(asker, instance, &principal, &target);
            let (policy, action) = (&asker.policy, Action::ReadAssignments);
            let decision = policy.decide(&asker.scene, action, &resource);
            let is_stopped = !decision.is_allowed && !decision.policies.is_empty();
            if is_stopped || !decision.errors.is_empty() {
                return false;
            }
            is_permitted |= decision.is_allowed;
        }
        is_permitted
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
        AssignmentRow {
            instance_arn: names.instance.arn.to_string(),
            principal,
            target: self.named_target(&fact.target).await,
            via_group,
            provenance,
            external_owner: String::new(),
            grant_ids: grants.iter().map(|grant| grant.id.clone()).collect(),
            end_at: last_end(grants),
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
