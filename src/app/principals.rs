//! Principals that questions name, those that AWS no longer has included; and what AWS turned out
//! not to have any more.

use std::time::Duration;

use super::{App, AppError};
use crate::directory::PrincipalQuery;
use crate::domain::{
    ErrorKind, Failure, Instance, Operation, Principal, PrincipalId, PrincipalKind, PrincipalRef,
    Target,
};
use crate::identity_center::{Call, Dated};
use crate::store::GrantFilter;

/// Reads that AWS refuses as not found when the principal is gone.
const PRINCIPAL_READS: [Operation; 6] = [
    Operation::DescribeUser,
    Operation::DescribeGroup,
    Operation::ListGroupMemberships,
    Operation::ListGroupMembershipsForMember,
    Operation::ListApplicationAssignmentsForPrincipal,
    Operation::ListAccountAssignmentsForPrincipal,
];

/// A principal that a question names.
pub(super) struct Asked {
    /// Type and id.
    pub(super) reference: PrincipalRef,
    /// Its record; none for an id that the identity store does not have.
    pub(super) record: Dated<Option<Principal>>,
}

impl App {
    /// The principal that a query means. An id that AWS does not have is accepted while an
    /// assignment or a grant names it: what is deleted leaves both behind. A mistyped id, or one
    /// of the other type, names nothing.
    pub(super) async fn principal_for_reading(
        &self,
        instance: &Instance,
        query: &PrincipalQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<Asked, AppError> {
        let directory = &self.parts.directory;
        let (kind, text) = match query {
            PrincipalQuery::User(text) => (PrincipalKind::User, text),
            PrincipalQuery::Group(text) => (PrincipalKind::Group, text),
        };
        let Ok(id) = PrincipalId::parse(text) else {
            let found = directory.find_principal(instance, query, max_age, call);
            let found = found.await?;
            return Ok(Asked {
                reference: found.value.reference(),
                record: Dated {
                    value: Some(found.value),
                    observed_at: found.observed_at,
                },
            });
        };
        let reference = PrincipalRef { kind, id };
        let record = directory.principal(instance, &reference, max_age, call);
        let record = record.await?;
        if record.value.is_none()
            && !self
                .has_left_something(instance, &reference, max_age, call)
                .await?
        {
            return Err(AppError::PrincipalNotFound {
                query: text.clone(),
            });
        }
        Ok(Asked { reference, record })
    }

    /// Whether an assignment or a grant names the principal.
    async fn has_left_something(
        &self,
        instance: &Instance,
        reference: &PrincipalRef,
        max_age: Duration,
        call: Call,
    ) -> Result<bool, AppError> {
        let filter = GrantFilter {
            instance: Some(instance.arn.clone()),
            principal: Some(reference.clone()),
            ..GrantFilter::default()
        };
        if !self.parts.store.grants(&filter, None, 1).await?.is_empty() {
            return Ok(true);
        }
        let directory = &self.parts.directory;
        let rows = directory.assignments_of_principal(instance, reference, max_age, call);
        match rows.await {
            Ok(rows) => Ok(rows.value.iter().any(|row| row.principal == *reference)),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The refusal for a read that failed: where AWS does not have the principal or the target any
    /// more, that one is not found, and what was cached of it is forgotten. Of an account with a
    /// permission set it is the set: accounts do not vanish, they are suspended first.
    pub(super) fn read_refusal(
        &self,
        instance: &Instance,
        principal: Option<&PrincipalRef>,
        target: Option<&Target>,
        failure: Failure,
    ) -> AppError {
        if failure.kind != ErrorKind::NotFound {
            return failure.into();
        }
        let is_about_principal = PRINCIPAL_READS
            .iter()
            .any(|read| read.name() == failure.operation);
        match (principal, target) {
            (Some(principal), _) if is_about_principal => {
                self.parts.directory.forget_principal(instance, principal);
                let query = principal.id.to_string();
                AppError::PrincipalNotFound { query }
            }
            (_, Some(target)) if !is_about_principal => {
                self.parts.directory.forget_target(instance, target);
                match target {
                    Target::Application(arn) => AppError::ApplicationNotFound {
                        query: arn.to_string(),
                    },
                    Target::AccountAccess(access) => AppError::PermissionSetNotFound {
                        query: access.permission_set.to_string(),
                    },
                }
            }
            _ => failure.into(),
        }
    }
}
