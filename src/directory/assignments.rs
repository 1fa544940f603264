//! Who is assigned to what, of both kinds of targets.

use std::sync::Arc;
use std::time::Duration;

use super::{Directory, List};
use crate::domain::{
    DirectAssignment, ErrorKind, Failure, Instance, Operation, PrincipalRef, Target,
};
use crate::identity_center::{Call, Dated, collect_pages};

impl Directory {
    /// The direct assignments of a target, sorted.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn assignments_of_target(
        &self,
        target: &Target,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<DirectAssignment>>>, Failure> {
        let operation = match target {
            Target::Application(_) => Operation::ListApplicationAssignments,
            Target::AccountAccess(_) => Operation::ListAccountAssignments,
        };
        let read = || {
            let (inner, target) = (Arc::clone(&self.inner), target.clone());
            async move {
                let rows = collect_pages(operation, async |page| {
                    let (port, page) = (&inner.port, page.as_ref());
                    match &target {
                        Target::Application(arn) => {
                            port.application_assignments(arn, page, call).await
                        }
                        Target::AccountAccess(access) => {
                            port.account_assignments(access, page, call).await
                        }
                    }
                });
                Ok(sorted(rows.await?))
            }
        };
        let facts = &self.inner.by_target;
        facts.get(target, max_age, call, operation, read).await
    }

    /// The assignments of a principal to applications, sorted; rows are as AWS gives them, so that
    /// for a user some may name a group (aws-api.md §3b, UNVERIFIED).
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn application_assignments_of_principal(
        &self,
        instance: &Instance,
        principal: &PrincipalRef,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<DirectAssignment>>>, Failure> {
        let operation = Operation::ListApplicationAssignmentsForPrincipal;
        let read = || {
            let inner = Arc::clone(&self.inner);
            let (instance, principal) = (instance.arn.clone(), principal.clone());
            async move {
                let rows = collect_pages(operation, async |page| {
                    let (port, page) = (&inner.port, page.as_ref());
                    port.assignments_for_principal(&instance, &principal, page, call)
                        .await
                });
                Ok(sorted(rows.await?))
            }
        };
        let key = (instance.arn.instance_id().to_owned(), principal.clone());
        let facts = &self.inner.by_principal;
        facts.get(&key, max_age, call, operation, read).await
    }

    /// The assignments of a principal to accounts, as those to applications. Ask only where
    /// `Instance::lists_account_access_by_principal`.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn account_assignments_of_principal(
        &self,
        instance: &Instance,
        principal: &PrincipalRef,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<DirectAssignment>>>, Failure> {
        let operation = Operation::ListAccountAssignmentsForPrincipal;
        let read = || {
            let inner = Arc::clone(&self.inner);
            let (instance, principal) = (instance.arn.clone(), principal.clone());
            async move {
                let rows = collect_pages(operation, async |page| {
                    let (port, page) = (&inner.port, page.as_ref());
                    port.account_assignments_for_principal(&instance, &principal, page, call)
                        .await
                });
                Ok(sorted(rows.await?))
            }
        };
        let key = (instance.arn.instance_id().to_owned(), principal.clone());
        let facts = &self.inner.accounts_by_principal;
        facts.get(&key, max_age, call, operation, read).await
    }

    /// The assignments of a principal to targets of both kinds; to accounts only where AWS answers
    /// that (`Instance::lists_account_access_by_principal`): whoever needs all of them asks first.
    /// AWS may not know a deleted principal for one kind and still list its rows of the other.
    ///
    /// # Errors
    /// What AWS fails with, never one kind without the other; `NotFound` only for both.
    pub async fn assignments_of_principal(
        &self,
        instance: &Instance,
        principal: &PrincipalRef,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<DirectAssignment>>>, Failure> {
        let applications =
            self.application_assignments_of_principal(instance, principal, max_age, call);
        if !instance.lists_account_access_by_principal() {
            return applications.await;
        }
        let accounts = self.account_assignments_of_principal(instance, principal, max_age, call);
        match futures_util::join!(applications, accounts) {
            (Ok(applications), Ok(accounts)) => {
                let rows = applications.value.iter().chain(accounts.value.iter());
                Ok(Dated {
                    value: sorted(rows.cloned().collect()),
                    observed_at: applications.observed_at.min(accounts.observed_at),
                })
            }
            (Ok(rows), Err(failure)) | (Err(failure), Ok(rows))
                if failure.kind == ErrorKind::NotFound =>
            {
                Ok(rows)
            }
            // That AWS does not know it is said only where it says so of both kinds.
            (Err(failure), Err(other)) if failure.kind == ErrorKind::NotFound => Err(other),
            (Err(failure), _) | (_, Err(failure)) => Err(failure),
        }
    }
}

/// Sorted, and each row once: a list that changes while its pages are read can show a row twice.
fn sorted(mut rows: Vec<DirectAssignment>) -> List<DirectAssignment> {
    rows.sort();
    rows.dedup();
    Arc::new(rows)
}
