//! Ways to a target that do not depend on one assignment: groups and openness.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::assign::group_reference;
use super::view::NamedPrincipal;
use super::{App, AppError};
use crate::domain::{
    AssignmentRequired, Failure, GrantId, Instance, PrincipalKind, PrincipalRef, Target, UserId,
};
use crate::identity_center::{Call, Class, Demand};

/// A way in that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemainingPath {
    /// The assignment itself stays; the live grants behind it, if any.
    Direct(Vec<GrantId>),
    /// A group of the user is assigned.
    Group(NamedPrincipal),
    /// The application is open to every user.
    OpenApplication,
}

impl App {
    /// The groups of a user that are assigned to a target.
    pub(super) async fn groups_with_access(
        &self,
        instance: &Instance,
        user: &UserId,
        target: &Target,
        max_age: Duration,
        call: Call,
    ) -> Result<Vec<PrincipalRef>, Failure> {
        let directory = &self.parts.directory;
        let (assigned, memberships) = futures_util::try_join!(
            directory.assignments_of_target(target, max_age, call),
            directory.groups_of_user(instance, user, max_age, call),
        )?;
        let groups: BTreeSet<PrincipalRef> = memberships
            .value
            .iter()
            .map(|membership| group_reference(&membership.group_id))
            .collect();
        Ok(assigned
            .value
            .iter()
            .filter(|row| {
                row.principal.kind == PrincipalKind::Group && groups.contains(&row.principal)
            })
            .map(|row| row.principal.clone())
            .collect())
    }

    /// A group with its name, read from AWS when Usher has never seen it. A read that fails costs
    /// the name only.
    pub(super) async fn group_with_name(
        &self,
        instance: &Instance,
        group: &PrincipalRef,
        call: Call,
    ) -> NamedPrincipal {
        let known = self.named_principal(&instance.arn, group).await;
        if !known.name.is_empty() {
            return known;
        }
        let (directory, max_age) = (&self.parts.directory, self.default_max_age());
        if let Err(failure) = directory.principal(instance, group, max_age, call).await {
            tracing::info!(error = %failure, group.id = %group.id, "a group's name could not be read");
        }
        self.named_principal(&instance.arn, group).await
    }

    /// The ways in that are left to a principal beside its own assignment: what could be read by
    /// `until`, and whether that is all.
    pub(super) async fn indirect_paths(
        &self,
        instance: &Instance,
        principal: &PrincipalRef,
        target: &Target,
        until: Instant,
    ) -> (Vec<RemainingPath>, bool) {
        let call = Call {
            deadline: until,
            demand: Demand::usher(Class::Grant),
        };
        let max_age = self.default_max_age();
        let mut paths = Vec::new();
        let mut complete = true;
        if principal.kind == PrincipalKind::User {
            match self
                .groups_with_access(instance, &principal.id, target, max_age, call)
                .await
            {
                Ok(groups) => {
                    for group in groups {
                        paths.push(RemainingPath::Group(
                            self.group_with_name(instance, &group, call).await,
                        ));
                    }
                }
                Err(failure) => complete &= note_unread(&failure.into()),
            }
        }
        let Target::Application(application) = target else {
            return (paths, complete);
        };
        match self
            .parts
            .directory
            .assignment_required(application, max_age, call)
            .await
        {
            Ok(required) if required.value == AssignmentRequired::No => {
                paths.push(RemainingPath::OpenApplication)
            }
            Ok(required) => complete &= required.value != AssignmentRequired::Unknown,
            Err(failure) => complete &= note_unread(&failure.into()),
        }
        (paths, complete)
    }
}

fn note_unread(error: &AppError) -> bool {
    tracing::info!(error = %error, "remaining paths could not be read in time");
    false
}
