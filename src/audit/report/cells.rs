//! What the rows of one target have in common: its cells and the findings about it.

use super::super::collection::{
    AccessFacts, AccountFacts, ApplicationFacts, Assignee, Collection, Listing,
};
use super::super::holdings::Holding;
use crate::domain::report::{Finding, Row};
use crate::domain::{
    AccountAccess, AccountStatus, ApplicationStatus, AssignmentRequired, Instance, PermissionSet,
    Target,
};

/// A target with what stands on it.
#[derive(Clone, Copy)]
pub(in crate::audit) enum TargetFacts<'a> {
    Application(&'a ApplicationFacts),
    Access {
        account: &'a AccountFacts,
        permission_set: &'a PermissionSet,
        assignees: &'a [Assignee],
    },
}

impl<'a> TargetFacts<'a> {
    /// The target at this place: accounts first, as their kind sorts before that of applications.
    pub(in crate::audit) fn at(collection: &'a Collection, place: usize) -> Option<Self> {
        let of_accounts = &collection.account_access;
        if let Some(facts) = of_accounts.get(place) {
            return Self::of_access(collection, facts);
        }
        let place = place.checked_sub(of_accounts.len())?;
        (collection.applications.get(place)).map(Self::Application)
    }

    fn of_access(collection: &'a Collection, facts: &'a AccessFacts) -> Option<Self> {
        Some(Self::Access {
            account: collection.accounts.get(facts.account as usize)?,
            permission_set: (collection.permission_sets).get(facts.permission_set as usize)?,
            assignees: &facts.assignees,
        })
    }

    pub(in crate::audit) fn assignees(self) -> &'a [Assignee] {
        match self {
            Self::Application(facts) => &facts.assignees,
            Self::Access { assignees, .. } => assignees,
        }
    }

    /// Whether everybody in the identity store may enter. Nobody enters an account unassigned.
    pub(in crate::audit) fn is_open(self) -> bool {
        match self {
            Self::Application(facts) => facts.required == AssignmentRequired::No,
            Self::Access { .. } => false,
        }
    }

    pub(in crate::audit) fn target(self) -> Target {
        match self {
            Self::Application(facts) => Target::Application(facts.application.arn.clone()),
            Self::Access {
                account,
                permission_set,
                ..
            } => Target::AccountAccess(AccountAccess {
                account: account.account.id.clone(),
                permission_set: permission_set.arn.clone(),
            }),
        }
    }

    /// The name of the application or of the permission set.
    pub(in crate::audit) fn name(self) -> &'a str {
        match self {
            Self::Application(facts) => &facts.application.name,
            Self::Access { permission_set, .. } => &permission_set.name,
        }
    }

    /// The name of the account, for account access.
    pub(in crate::audit) fn account_name(self) -> &'a str {
        match self {
            Self::Application(_) => "",
            Self::Access { account, .. } => &account.account.name,
        }
    }

    /// The cells that every row of it has.
    pub(in crate::audit) fn cells(self, instance: &Instance) -> Row {
        let row = Row {
            instance_arn: instance.arn.to_string(),
            identity_store_id: instance.identity_store_id.to_string(),
            owner_account_id: (instance.owner_account_id.as_ref())
                .map(ToString::to_string)
                .unwrap_or_default(),
            target_kind: self.target().kind().to_owned(),
            ..Row::default()
        };
        match self {
            Self::Application(facts) => Row {
                application_arn: facts.application.arn.to_string(),
                application_name: facts.application.name.clone(),
                application_status: facts.application.status.as_str().to_owned(),
                assignment_required: facts.required.as_str().to_owned(),
                ..row
            },
            Self::Access {
                account,
                permission_set,
                ..
            } => Row {
                account_id: account.account.id.to_string(),
                account_name: account.account.name.clone(),
                permission_set_arn: permission_set.arn.to_string(),
                permission_set_name: permission_set.name.clone(),
                ..row
            },
        }
    }

    /// What is said of it on each of its rows, in the order of `Finding`.
    pub(in crate::audit) fn findings(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self {
            Self::Application(facts) => {
                match facts.required {
                    AssignmentRequired::Yes => {}
                    AssignmentRequired::No => findings.push(Finding::OpenApplication),
                    AssignmentRequired::Unknown => {
                        findings.push(Finding::AssignmentConfigurationUnknown);
                    }
                }
                if facts.application.status == ApplicationStatus::Disabled {
                    findings.push(Finding::ApplicationDisabled);
                }
            }
            Self::Access { account, .. } => {
                if account.account.status == AccountStatus::Inactive {
                    findings.push(Finding::AccountInactive);
                }
                if account.listing == Listing::NotListed {
                    findings.push(Finding::AccountNotInOrganization);
                }
            }
        }
        findings
    }
}

/// Why an assignment stands, as cells.
pub(super) fn holding_cells(row: &mut Row, holding: &Holding) {
    row.provenance = holding
        .provenance
        .map(|provenance| provenance.as_str().to_owned())
        .unwrap_or_default();
    row.grant_id.clone_from(&holding.grant_id);
    row.requested_by.clone_from(&holding.requested_by);
    row.approved_by.clone_from(&holding.approved_by);
    row.approved_at.clone_from(&holding.approved_at);
    row.justification.clone_from(&holding.justification);
    row.ticket.clone_from(&holding.ticket);
    row.granted_at.clone_from(&holding.granted_at);
    row.expires_at.clone_from(&holding.expires_at);
}
