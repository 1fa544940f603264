//! What is true of a grant and the caller may not expect: told beside the answer, never an error.

use super::assign::Found;
use super::{App, AppError, CallContext};
use crate::domain::{
    Application, ApplicationStatus, AssignmentRequired, Grant, Principal, PrincipalStatus, Target,
};

/// The kind of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// The application is switched off.
    ApplicationDisabled,
    /// The application is open to every user.
    ApplicationOpen,
    /// The user already has access through a group.
    AccessViaGroup,
    /// The principal already has this assignment.
    AlreadyAssigned,
    /// The group has no members.
    GroupEmpty,
    /// Whether the user may sign in is not known.
    UserStatusUnknown,
}

/// Something true that the caller may not expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The kind.
    pub kind: WarningKind,
    /// The same in a sentence.
    pub message: String,
}

impl App {
    /// Warnings that what is cached can tell: no operation is spent on them.
    pub(super) fn known_warnings(&self, grant: &Grant) -> Vec<Warning> {
        let Target::Application(arn) = &grant.target;
        let application = self
            .parts
            .directory
            .known_application(&grant.instance_arn, arn);
        let principal = self.parts.directory.known_principal(&grant.principal);
        application
            .iter()
            .filter_map(disabled_application_warning)
            .chain(
                principal
                    .iter()
                    .filter_map(|principal| principal_warning(principal, grant.people_count)),
            )
            .collect()
    }

    /// Every warning, read from AWS where it is not known.
    pub(super) async fn all_warnings(
        &self,
        context: &CallContext,
        found: &Found<'_>,
    ) -> Result<Vec<Warning>, AppError> {
        let (call, max_age) = (self.call(context), self.default_max_age());
        let directory = &self.parts.directory;
        let mut warnings: Vec<Warning> = disabled_application_warning(&found.application)
            .into_iter()
            .chain(principal_warning(&found.principal, found.people_count))
            .collect();
        let required = directory
            .assignment_required(&found.application.arn, max_age, call)
            .await?;
        if required.value == AssignmentRequired::No {
            warnings.push(Warning {
                kind: WarningKind::ApplicationOpen,
                message: "the application is open to every user of the identity store: the assignment changes nothing today".to_owned(),
            });
        }
        let assigned = directory
            .assignments_of_application(&found.application.arn, max_age, call)
            .await?
            .value;
        let reference = found.principal.reference();
        if assigned.iter().any(|row| row.principal == reference) {
            warnings.push(Warning {
                kind: WarningKind::AlreadyAssigned,
                message: "the principal already has this assignment; if it was there before Usher, it outlives the grant".to_owned(),
            });
        }
        if let Principal::User(user) = &found.principal {
            let groups = self
                .groups_with_access(
                    found.instance,
                    &user.id,
                    &found.application.arn,
                    max_age,
                    call,
                )
                .await?;
            for group in groups {
                let name = self.named_principal(&group).await.name;
                warnings.push(Warning {
                    kind: WarningKind::AccessViaGroup,
                    message: format!(
                        "the user already has access through group `{name}` ({})",
                        group.id
                    ),
                });
            }
        }
        Ok(warnings)
    }
}

fn disabled_application_warning(application: &Application) -> Option<Warning> {
    (application.status == ApplicationStatus::Disabled).then(|| Warning {
        kind: WarningKind::ApplicationDisabled,
        message: "the application is switched off: nobody can enter it until it is on".to_owned(),
    })
}

fn principal_warning(principal: &Principal, people_count: u64) -> Option<Warning> {
    match principal {
        Principal::User(user) if user.status == PrincipalStatus::Unknown => Some(Warning {
            kind: WarningKind::UserStatusUnknown,
            message: "the identity store does not say whether the user may sign in".to_owned(),
        }),
        Principal::Group(_) if people_count == 0 => Some(Warning {
            kind: WarningKind::GroupEmpty,
            message: "the group has no members: nobody gets access until it has".to_owned(),
        }),
        Principal::User(_) | Principal::Group(_) => None,
    }
}
