//! What is at hand without an AWS operation, and forgetting what turned out to be gone.

use std::time::Duration;

use super::Directory;
use super::accounts::organization_of;
use crate::domain::{
    ApplicationArn, AssignmentRequired, Instance, Principal, PrincipalKind, PrincipalRef, Target,
};
use crate::identity_center::Dated;

impl Directory {
    /// A principal's record as it was read at most `max_age` ago; none inside means that it was
    /// not in the store. Never an AWS operation.
    #[must_use]
    pub fn recent_principal(
        &self,
        instance: &Instance,
        reference: &PrincipalRef,
        max_age: Duration,
    ) -> Option<Dated<Option<Principal>>> {
        let key = (instance.identity_store_id.clone(), reference.clone());
        self.inner.principals.fresh(&key, max_age)
    }

    /// Whether only assigned principals may enter, as it was read at most `max_age` ago. Never an
    /// AWS operation.
    #[must_use]
    pub fn recent_assignment_required(
        &self,
        arn: &ApplicationArn,
        max_age: Duration,
    ) -> Option<AssignmentRequired> {
        let facts = &self.inner.assignment_required;
        facts.fresh(arn, max_age).map(|fact| fact.value)
    }

    /// Forgets a principal that AWS was found not to have any more.
    pub fn forget_principal(&self, instance: &Instance, reference: &PrincipalRef) {
        let key = (instance.identity_store_id.clone(), reference.clone());
        self.inner.principals.forget(&key);
        self.inner.known.invalidate(reference);
        let key = (instance.identity_store_id.clone(), reference.id.clone());
        match reference.kind {
            PrincipalKind::User => self.inner.memberships.forget(&key),
            PrincipalKind::Group => self.inner.members.forget(&key),
        }
    }

    /// Forgets a target that AWS was found not to have any more.
    pub fn forget_target(&self, instance: &Instance, target: &Target) {
        match target {
            Target::Application(arn) => self.forget_application(instance, arn),
            Target::AccountAccess(access) => {
                let organization = organization_of(Some(instance));
                self.inner.accounts.forget(&organization);
                self.inner.set_listings.forget(&instance.arn);
                self.inner.sets.forget(&access.permission_set);
                self.inner.by_target.forget(target);
            }
        }
    }

    /// Forgets an application that AWS was found not to have any more.
    fn forget_application(&self, instance: &Instance, arn: &ApplicationArn) {
        self.inner.listings.forget(&instance.arn);
        self.inner.applications.forget(arn);
        self.inner.assignment_required.forget(arn);
        self.inner
            .by_target
            .forget(&Target::Application(arn.clone()));
    }
}
