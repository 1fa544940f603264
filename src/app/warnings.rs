//! What is true of a grant and the caller may not expect: told beside the answer, never an error.

use super::assign::Found;
use super::targets::FoundTarget;
use super::view::GrantView;
use super::{App, AppError, CallContext};
use crate::domain::{
    Application, ApplicationStatus, AssignmentRequired, Principal, PrincipalStatus, Standing,
    Target,
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
    /// Warnings that what is cached and recorded can tell: no operation is spent on them.
    pub(super) fn known_warnings(&self, view: &GrantView) -> Vec<Warning> {
        let grant = &view.grant;
        let directory = &self.parts.directory;
        let (application, required) = match &grant.target {
            Target::Application(arn) => (
                directory.known_application(&grant.instance_arn, arn),
                directory.recent_assignment_required(arn, self.default_max_age()),
            ),
            Target::AccountAccess(_) => (None, None),
        };
        let principal = directory.known_principal(&grant.principal);
        let is_open = required == Some(AssignmentRequired::No);
        application
            .iter()
            .filter_map(disabled_application_warning)
            .chain(
                principal
                    .iter()
                    .filter_map(|principal| principal_warning(principal, grant.people_count)),
            )
            .chain(is_open.then(open_application_warning))
            // What stood before Usher: a cache may show what this very grant has made.
            .chain((view.standing == Standing::Yes).then(already_assigned_warning))
            .collect()
    }

    /// Every warning, read from AWS where it is not known.
    pub(super) async fn all_warnings(
        &self,
        context: &CallContext,
        found: &Found,
    ) -> Result<Vec<Warning>, AppError> {
        let (call, max_age) = (self.call(context), self.default_max_age());
        let reference = found.principal.reference();
        let refusal = |failure| {
            let target = found.target.target();
            self.read_refusal(&found.instance, Some(&reference), Some(&target), failure)
        };
        let target = found.target.target();
        let directory = &self.parts.directory;
        let mut warnings = Vec::new();
        if let FoundTarget::Application(application) = &found.target {
            warnings.extend(disabled_application_warning(application));
        }
        warnings.extend(principal_warning(&found.principal, found.people_count));
        if let FoundTarget::Application(application) = &found.target {
            let required = directory
                .assignment_required(&application.arn, max_age, call)
                .await
                .map_err(refusal)?;
            if required.value == AssignmentRequired::No {
                warnings.push(open_application_warning());
            }
        }
        let assigned = directory
            .assignments_of_target(&target, max_age, call)
            .await
            .map_err(refusal)?
            .value;
        if assigned.iter().any(|row| row.principal == reference) {
            warnings.push(already_assigned_warning());
        }
        if let Principal::User(user) = &found.principal {
            let groups = self
                .groups_with_access(&found.instance, &user.id, &target, max_age, call)
                .await
                .map_err(refusal)?;
            for group in groups {
                let named = self.group_with_name(&found.instance, &group, call).await;
                let name = named.name;
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

fn open_application_warning() -> Warning {
    Warning {
        kind: WarningKind::ApplicationOpen,
        message: "the application is open to every user of the identity store: the assignment changes nothing today".to_owned(),
    }
}

fn already_assigned_warning() -> Warning {
    Warning {
        kind: WarningKind::AlreadyAssigned,
        message: "the principal already has this assignment; if it was there before Usher, it outlives the grant".to_owned(),
    }
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
