//! What a Revoke is about: the assignment that is meant, and whether there is anything to remove.

use std::time::Duration;

use super::revoked::scope_of;
use super::targets::refuse_out_of_reach;
use super::{App, AppError, CallContext};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::{
    AssignmentKey, DirectAssignment, ErrorKind, Failure, Instance, PrincipalId, PrincipalKind,
    PrincipalRef, Target,
};
use crate::identity_center::Call;

/// Why there may be nothing to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nothing {
    /// There is something to remove.
    ToSay,
    /// Usher removed it before.
    AlreadyRemoved,
}

impl App {
    /// Refuses to remove what is not there, and says how the access comes about instead.
    pub(super) async fn check_something_to_remove(
        &self,
        context: &CallContext,
        key: &AssignmentKey,
    ) -> Result<Nothing, AppError> {
        let (store, scope) = (&self.parts.store, scope_of(key));
        let open = store.open_grants(&key.instance_arn, &scope).await?;
        let waiting = store.waiting_grants(&key.instance_arn, &scope).await?;
        let record = self.record(key).await?;
        if !open.is_empty() || !waiting.is_empty() || record.removal.is_some() {
            return Ok(Nothing::ToSay);
        }
        let call = self.call(context);
        let assignment = DirectAssignment {
            target: key.target.clone(),
            principal: key.principal.clone(),
        };
        if let Target::AccountAccess(access) = &key.target {
            let instance = self.instance(key.instance_arn.as_str())?;
            refuse_out_of_reach(&instance, &access.account)?;
        }
        if self.is_present(&assignment, call).await? {
            return Ok(Nothing::ToSay);
        }
        let groups = self.groups_behind(context, key).await?;
        if !groups.is_empty() {
            return Err(AppError::AccessViaGroup { groups });
        }
        if record.removed_at.is_some() {
            return Ok(Nothing::AlreadyRemoved);
        }
        Err(AppError::AssignmentNotFound {
            principal: key.principal.id.to_string(),
            target: key.target.key().into_owned(),
        })
    }

    /// Whether the assignment is in AWS; nothing is assigned to what AWS no longer has.
    async fn is_present(&self, assignment: &DirectAssignment, call: Call) -> Result<bool, Failure> {
        let port = &self.parts.port;
        match port.assignment_is_present(assignment, call).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(false),
            answer => answer,
        }
    }

    /// The groups, id and name, through which a principal has what it is not assigned itself. What
    /// AWS does not answer is an error, never an absence.
    async fn groups_behind(
        &self,
        context: &CallContext,
        key: &AssignmentKey,
    ) -> Result<Vec<(String, String)>, AppError> {
        if key.principal.kind != PrincipalKind::User {
            return Ok(Vec::new());
        }
        let instance = &self.instance(key.instance_arn.as_str())?;
        let (call, user) = (self.call(context), &key.principal.id);
        let groups = self.groups_with_access(instance, user, &key.target, Duration::ZERO, call);
        let groups = match groups.await {
            // A user that is gone is in no group, and nobody has a target that is gone.
            Err(failure) if failure.kind == ErrorKind::NotFound => Vec::new(),
            groups => groups?,
        };
        let mut named = Vec::with_capacity(groups.len());
        for group in groups {
            let name = self.group_with_name(instance, &group, call).await.name;
            named.push((group.id.to_string(), name));
        }
        Ok(named)
    }

    /// The assignment that a caller wants removed.
    pub(super) async fn key_for_ending(
        &self,
        instance: &Instance,
        principal: &PrincipalQuery,
        target: &TargetQuery,
        context: &CallContext,
    ) -> Result<AssignmentKey, AppError> {
        Ok(AssignmentKey {
            instance_arn: instance.arn.clone(),
            principal: self
                .principal_for_ending(instance, principal, context)
                .await?,
            target: self.target_for_ending(instance, target, context).await?,
        })
    }

    /// The principal that a query means; an id is taken as given, since what is deleted in AWS can
    /// still have assignments and grants that must end.
    pub(super) async fn principal_for_ending(
        &self,
        instance: &Instance,
        query: &PrincipalQuery,
        context: &CallContext,
    ) -> Result<PrincipalRef, AppError> {
        let (kind, text) = match query {
            PrincipalQuery::User(text) => (PrincipalKind::User, text),
            PrincipalQuery::Group(text) => (PrincipalKind::Group, text),
        };
        if let Ok(id) = PrincipalId::parse(text) {
            return Ok(PrincipalRef { kind, id });
        }
        let call = self.call(context);
        let found = self
            .parts
            .directory
            .find_principal(instance, query, self.default_max_age(), call)
            .await?;
        Ok(found.value.reference())
    }
}
