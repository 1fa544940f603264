//! What AWS says there is: instances, applications, accounts, permission sets,
//! users, groups, memberships, assignments.
//!
//! Plain facts as read, with unknowns kept as unknowns. No rule lives here.

use jiff::Timestamp;

use super::ids::{
    AccountId, ApplicationArn, GroupId, IdentityStoreId, InstanceArn, PrincipalKind, PrincipalRef,
    UserId,
};
use super::target::{PermissionSetArn, Target};

/// One IAM Identity Center instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its ARN.
    pub arn: InstanceArn,
    /// The alias from the configuration.
    pub alias: Option<String>,
    /// The identity store that belongs to it.
    pub identity_store_id: IdentityStoreId,
    /// The account that owns it; AWS may leave it out.
    pub owner_account_id: Option<AccountId>,
    /// Its name in AWS; empty without one.
    pub name: String,
    /// The region in which Usher calls it.
    pub region: String,
    /// What kind of instance it is.
    pub kind: InstanceKind,
    /// The organization's management account, where it is known.
    pub management_account_id: Option<AccountId>,
    /// The account of the credentials with which Usher calls it, where it is known.
    pub called_from: Option<AccountId>,
}

/// What kind of instance it is (aws-api.md §5.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceKind {
    /// The one instance of the organization: applications and access to accounts.
    Organization,
    /// An instance of one account: applications only, no access to accounts.
    Account,
    /// Not known, because Usher may not ask who manages the organization.
    Unknown,
}

impl InstanceKind {
    /// The word of reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "ORGANIZATION",
            Self::Account => "ACCOUNT",
            Self::Unknown => "unknown",
        }
    }
}

impl Instance {
    /// Whether access to accounts can be given through it, as far as is known.
    #[must_use]
    pub fn gives_account_access(&self) -> bool {
        self.kind != InstanceKind::Account
    }

    /// Whether AWS lets Usher ask for the account assignments of one principal: from the
    /// organization's management account only (aws-api.md §3c).
    #[must_use]
    pub fn lists_account_access_by_principal(&self) -> bool {
        self.gives_account_access()
            && self.called_from.is_some()
            && self.called_from == self.management_account_id
    }

    /// Whether AWS keeps this account out of Usher's reach: a delegated administrator cannot change
    /// access to the management account (aws-api.md §5.10).
    #[must_use]
    pub fn is_out_of_reach(&self, account: &AccountId) -> bool {
        self.management_account_id.as_ref() == Some(account)
            && self.called_from.is_some()
            && self.called_from != self.management_account_id
    }
}

/// The organization that accounts belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id, for example `o-1234567890`.
    pub id: String,
    /// The account that manages it.
    pub management_account_id: AccountId,
}

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Suspended, closing, closed or not yet activated: nobody can enter it.
    Inactive,
    /// AWS did not say, or said a word this version does not know.
    Unknown,
}

impl AccountStatus {
    /// The word of answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Unknown => "unknown",
        }
    }
}

/// An account of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name; not unique, empty when AWS left it out.
    pub name: String,
    /// Its email address; empty when AWS left it out.
    pub email: String,
    /// Whether it can be used.
    pub status: AccountStatus,
}

/// A permission set of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionSet {
    /// Its ARN.
    pub arn: PermissionSetArn,
    /// Its name; unique in its instance.
    pub name: String,
    /// Its description; empty without one.
    pub description: String,
    /// How long a session lasts, as AWS writes it (ISO 8601, for example `PT8H`); empty when AWS
    /// left it out.
    pub session_duration: String,
}

/// Whether an application is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationStatus {
    /// Switched on.
    Enabled,
    /// Switched off; independent of assignments (aws-api.md §5).
    Disabled,
    /// AWS did not say, or said a word this version does not know.
    Unknown,
}

impl ApplicationStatus {
    /// The word of reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::Unknown => "unknown",
        }
    }
}

/// An application of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its ARN.
    pub arn: ApplicationArn,
    /// Its name; not unique.
    pub name: String,
    /// Switched on or off.
    pub status: ApplicationStatus,
    /// The account in which it lives.
    pub account_id: Option<AccountId>,
    /// The ARN of its provider; empty when AWS left it out.
    pub provider_arn: String,
    /// Its description; empty without one.
    pub description: String,
}

/// Whether only assigned principals may enter an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignmentRequired {
    /// Only assigned principals.
    Yes,
    /// Everybody in the identity store.
    No,
    /// AWS refused to say, or its answer lacked the member. Never reported as open.
    Unknown,
}

impl AssignmentRequired {
    /// The word of reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// What the identity store says about a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalStatus {
    /// May sign in; for a group: exists.
    Enabled,
    /// Cannot sign in.
    Disabled,
    /// AWS did not say.
    Unknown,
    /// The id is no longer in the store.
    Deleted,
}

impl PrincipalStatus {
    /// The word of reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::Unknown => "unknown",
            Self::Deleted => "DELETED",
        }
    }
}

/// A user of an identity store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its user name; unique in the store, empty when AWS left it out.
    pub user_name: String,
    /// Its display name; empty without one.
    pub display_name: String,
    /// Its email address; empty without one.
    pub email: String,
    /// Enabled, disabled, or not told.
    pub status: PrincipalStatus,
    /// What other systems call it; empty when AWS left them out.
    pub external_ids: Vec<ExternalId>,
}

/// What another system, an identity provider for example, calls a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId {
    /// The system.
    pub issuer: String,
    /// The id in it.
    pub id: String,
}

/// A group of an identity store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its display name; unique in the store, empty when AWS left it out.
    pub display_name: String,
    /// Its description; empty without one.
    pub description: String,
}

/// A user or a group, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A user.
    User(User),
    /// A group.
    Group(Group),
}

impl Principal {
    /// The principal by its id.
    #[must_use]
    pub fn reference(&self) -> PrincipalRef {
        match self {
            Self::User(user) => PrincipalRef {
                kind: PrincipalKind::User,
                id: user.id.clone(),
            },
            Self::Group(group) => PrincipalRef {
                kind: PrincipalKind::Group,
                id: group.id.clone(),
            },
        }
    }

    /// The user name or the display name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.user_name,
            Self::Group(group) => &group.display_name,
        }
    }

    /// The status; a group that exists counts as enabled.
    #[must_use]
    pub fn status(&self) -> PrincipalStatus {
        match self {
            Self::User(user) => user.status,
            Self::Group(_) => PrincipalStatus::Enabled,
        }
    }
}

/// That a user is in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group_id: GroupId,
    /// The user; groups hold users only (aws-api.md §5).
    pub user_id: UserId,
    /// Since when, as AWS tells; it may not.
    pub created_at: Option<Timestamp>,
    /// By whom, as AWS writes it; empty when it does not tell.
    pub created_by: String,
}

/// That a principal is assigned to a target, directly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectAssignment {
    /// What it is of.
    pub target: Target,
    /// The user or group.
    pub principal: PrincipalRef,
}
