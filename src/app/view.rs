//! Grants, principals and targets as answers show them: ids, with the names that are known beside.
//! Names never cost an AWS operation here.

use std::time::Duration;

use crate::domain::waiting::{Waiting, WaitingKind, waiting_for};
use crate::domain::{
    AssignmentRecord, FailedAttempt, Freezes, Grant, GrantState, InstanceArn, Principal,
    PrincipalKind, PrincipalRef, PrincipalStatus, Standing, Target,
};
use crate::identity_center::Dated;
use crate::store::{GrantScope, NameKind, StoredEvent};

use super::{App, AppError, WishView};

/// A principal with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPrincipal {
    /// Type and id.
    pub reference: PrincipalRef,
    /// The name; empty when unknown.
    pub name: String,
    /// The status; unknown when it has not been read lately.
    pub status: PrincipalStatus,
}

/// A target with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTarget {
    /// The target.
    pub target: Target,
    /// The application's or the permission set's name; empty when unknown.
    pub name: String,
    /// The account's name, for account access; empty when unknown.
    pub account_name: String,
}

/// A grant with everything an answer shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantView {
    /// The grant.
    pub grant: Grant,
    /// Who gets the access.
    pub principal: NamedPrincipal,
    /// What it gives access to.
    pub target: NamedTarget,
    /// Whose the assignment is.
    pub standing: Standing,
    /// What the grant waits for.
    pub waiting: Option<Waiting>,
    /// What reviewers said, and who can still agree.
    pub wish: WishView,
    /// Why the last attempt failed.
    pub last_error: Option<FailedAttempt>,
    /// What happened, oldest first; empty in lists.
    pub timeline: Vec<StoredEvent>,
}

impl App {
    /// A grant as an answer shows it, with its timeline.
    pub(super) async fn grant_view(&self, grant: Grant) -> Result<GrantView, AppError> {
        let limit = self.parts.config.timeline_events_max;
        let timeline = self.parts.store.grant_events(&grant.id, limit).await?;
        let mut view = self.grant_view_without_timeline(grant).await?;
        view.timeline = timeline;
        if let Some(waiting) = view.waiting.as_mut()
            && waiting.kind == WaitingKind::Budget
        {
            let next = waiting.next_attempt_at;
            waiting.expected_at = self.expected_at(&view.grant, next).await;
        }
        Ok(view)
    }

    /// A grant as a list shows it.
    pub(super) async fn grant_view_without_timeline(
        &self,
        grant: Grant,
    ) -> Result<GrantView, AppError> {
        let record = self.record_of(&grant).await?;
        let freezes = match grant.state {
            GrantState::Provisioning | GrantState::Revoking => {
                self.parts.store.freezes(&grant.instance_arn).await?
            }
            // These wait for nothing.
            _ => Freezes::default(),
        };
        Ok(GrantView {
            principal: self
                .named_principal(&grant.instance_arn, &grant.principal)
                .await,
            target: self.named_target(&grant.target).await,
            standing: record.standing,
            waiting: waiting_for(&grant, &record, &freezes),
            last_error: match grant.state {
                // What fails on the assignment now keeps these waiting; an active grant has what
                // it is about, and the failure is another's.
                GrantState::Provisioning | GrantState::Revoking => record.last_failure.clone(),
                GrantState::Revoked | GrantState::Expired | GrantState::Failed => {
                    grant.failure.clone()
                }
                _ => None,
            },
            timeline: Vec::new(),
            wish: self.wish_view(&grant, None).await,
            grant,
        })
    }

    async fn record_of(&self, grant: &Grant) -> Result<AssignmentRecord, AppError> {
        let key = grant.assignment_key();
        let scope = GrantScope::Assignment(key.principal.clone(), key.target.clone());
        let records = self
            .parts
            .store
            .assignment_records(&key.instance_arn, &scope)
            .await?;
        Ok(records
            .into_iter()
            .next()
            .unwrap_or_else(|| AssignmentRecord::new(key)))
    }

    /// A principal with the name and status that are known without asking AWS; the status only
    /// from a record that is young enough to show.
    pub(super) async fn named_principal(
        &self,
        instance: &InstanceArn,
        reference: &PrincipalRef,
    ) -> NamedPrincipal {
        let status = self.recent_status(instance, reference, self.default_max_age());
        NamedPrincipal {
            reference: reference.clone(),
            name: self.known_name(reference).await,
            status: status.map_or(PrincipalStatus::Unknown, |status| status.value),
        }
    }

    /// A principal's status as it was read at most `max_age` ago: deleted, if it was read not to
    /// be in the store.
    pub(super) fn recent_status(
        &self,
        instance: &InstanceArn,
        reference: &PrincipalRef,
        max_age: Duration,
    ) -> Option<Dated<PrincipalStatus>> {
        let instance = self.parts.instances.get(instance)?;
        let found = self
            .parts
            .directory
            .recent_principal(&instance, reference, max_age)?;
        Some(Dated {
            value: status_of(found.value.as_ref()),
            observed_at: found.observed_at,
        })
    }

    /// A principal's name as it is known, however old; empty when it is not.
    pub(super) async fn known_name(&self, reference: &PrincipalRef) -> String {
        if let Some(principal) = self.parts.directory.known_principal(reference) {
            return principal.name().to_owned();
        }
        let kind = match reference.kind {
            PrincipalKind::User => NameKind::User,
            PrincipalKind::Group => NameKind::Group,
        };
        self.parts
            .directory
            .name_of(kind, reference.id.as_str())
            .await
            .unwrap_or_default()
    }

    /// A target with the name that is known without asking AWS.
    pub(super) async fn named_target(&self, target: &Target) -> NamedTarget {
        let directory = &self.parts.directory;
        let (name, account_name) = match target {
            Target::Application(arn) => {
                let name = directory.name_of(NameKind::Application, arn.as_str()).await;
                (name, None)
            }
            Target::AccountAccess(access) => {
                let set = access.permission_set.as_str();
                let account = access.account.as_str();
                (
                    directory.name_of(NameKind::PermissionSet, set).await,
                    directory.name_of(NameKind::Account, account).await,
                )
            }
        };
        NamedTarget {
            target: target.clone(),
            name: name.unwrap_or_default(),
            account_name: account_name.unwrap_or_default(),
        }
    }
}

/// The status of a record; of no record, that of what is not in the store.
pub(super) fn status_of(record: Option<&Principal>) -> PrincipalStatus {
    record.map_or(PrincipalStatus::Deleted, Principal::status)
}
