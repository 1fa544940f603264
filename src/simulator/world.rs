//! The world that the simulator serves: plain data, as AWS would hold it, readable and writable as
//! JSON. Holds no rule about calls (those are in `operations`) and never repairs what it is given:
//! a world that contradicts itself is refused with the place of the contradiction.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::account_assignments::{AccountAssignment, PermissionSet, ProvisionedPermissionSet};
use super::world_organization::{AccessKey, Account, Organization, Role};

/// Everything that exists on the far side of the API. Orphaned assignments (of principals that are
/// gone) are part of a lawful world: aws-api.md §5.6.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Who AWS takes a client for whose access key nobody lists.
    #[serde(default)]
    pub caller: Caller,
    /// Instances of all accounts and Regions.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// The catalogue of application providers.
    #[serde(default)]
    pub application_providers: Vec<ApplicationProvider>,
    /// Applications of all instances.
    #[serde(default)]
    pub applications: Vec<Application>,
    /// Users of all identity stores.
    #[serde(default)]
    pub users: Vec<User>,
    /// Groups of all identity stores.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Which user is in which group.
    #[serde(default)]
    pub memberships: Vec<Membership>,
    /// Application assignments, orphaned ones among them.
    #[serde(default)]
    pub assignments: Vec<Assignment>,
    /// What the accounts are in. Absent: every caller sees and manages every instance.
    #[serde(default)]
    pub organization: Option<Organization>,
    /// Accounts of the organization.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Roles that AssumeRole can give.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Access keys of others than `caller`.
    #[serde(default)]
    pub callers: Vec<AccessKey>,
    /// Permission sets of all instances.
    #[serde(default)]
    pub permission_sets: Vec<PermissionSet>,
    /// Account assignments, orphaned ones among them.
    #[serde(default)]
    pub account_assignments: Vec<AccountAssignment>,
    /// Where a permission set is provisioned otherwise than its assignments tell.
    #[serde(default)]
    pub provisioned: Vec<ProvisionedPermissionSet>,
}

/// The identity that `sts GetCallerIdentity` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Twelve digits.
    pub account_id: String,
    /// The session's ARN, as AWS writes it in "is not authorized" messages.
    pub arn: String,
    /// `UserId` of GetCallerIdentity.
    pub user_id: String,
    /// Whether the account manages the organization instance for its owner; lifts the rule that a
    /// member account must filter by its own account (aws-api.md §3a).
    #[serde(default)]
    pub delegated_administrator: bool,
}

impl Default for Caller {
    fn default() -> Self {
        Caller {
            account_id: "111122223333".to_owned(),
            arn: "arn:aws:sts::111122223333:assumed-role/usher/simulated".to_owned(),
            user_id: "AROAEXAMPLEEXAMPLE000:simulated".to_owned(),
            delegated_administrator: false,
        }
    }
}

/// One IAM Identity Center instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// `arn:aws:sso:::instance/ssoins-…`.
    pub instance_arn: String,
    /// `d-…` or a UUID.
    pub identity_store_id: String,
    /// The account in which the instance was created.
    pub owner_account_id: String,
    /// Absent when it was never named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// ACTIVE unless said otherwise.
    #[serde(default)]
    pub status: InstanceStatus,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_seconds: Option<f64>,
    /// The Region in which the instance was enabled; it is not to be found from another. Absent: it
    /// is found from each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_region: Option<String>,
    /// Whether ids made in its store begin with the store's ten digits, as in older stores
    /// (aws-api.md §2).
    #[serde(default)]
    pub prefixed_ids: bool,
}

impl Instance {
    /// The store's ARN, which names the owner's account.
    pub fn identity_store_arn(&self) -> String {
        let (account, store) = (&self.owner_account_id, &self.identity_store_id);
        format!("arn:aws:identitystore::{account}:identitystore/{store}")
    }
}

/// Instance states of the model (aws-api.md §3a).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    /// Only DescribeInstance works.
    CreateInProgress,
    /// Creation failed.
    CreateFailed,
    /// Being deleted.
    DeleteInProgress,
    /// In use.
    #[default]
    Active,
}

/// An entry of ListApplicationProviders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationProvider {
    /// `arn:aws:sso::aws:applicationProvider/…`.
    pub application_provider_arn: String,
    /// What the console shows.
    pub display_name: String,
    /// `SAML` or `OAUTH`.
    pub federation_protocol: String,
}

/// One application of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// `arn:aws:sso::<account>:application/ssoins-…/apl-…`.
    pub application_arn: String,
    /// The instance it belongs to.
    pub instance_arn: String,
    /// The provider it was made from.
    pub application_provider_arn: String,
    /// Not unique.
    pub name: String,
    /// The account that owns the application.
    pub application_account: String,
    /// Independent of assignments (aws-api.md §5.3).
    pub status: EnabledStatus,
    /// `false`: open to every user of the store (aws-api.md §5.1).
    pub assignment_required: bool,
    /// `false`: Get/PutApplicationAssignmentConfiguration answer "not supported for this action"
    /// (aws-api.md §5.2; whether Get does is a switch).
    #[serde(default = "yes")]
    pub assignment_configuration_supported: bool,
    /// Absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_seconds: Option<f64>,
    /// Region in which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_from: Option<String>,
    /// Whether the access portal shows its tile.
    #[serde(default)]
    pub portal_visibility: EnabledStatus,
}

fn yes() -> bool {
    true
}

/// `ENABLED` or `DISABLED`, of applications, of users and of portal tiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EnabledStatus {
    /// In use.
    #[default]
    Enabled,
    /// Switched off.
    Disabled,
}

/// A user of an identity store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The store's id, not its ARN.
    pub identity_store_id: String,
    /// UUID, in older stores with the store's ten digits before it (aws-api.md §2).
    pub user_id: String,
    /// Unique in its store.
    pub user_name: String,
    /// Absent possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The members of `Name`, by the model's names (`GivenName`, …).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub name: Map<String, Value>,
    /// The only email address, if any; unique in its store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Absent in the reply when absent here (aws-api.md §3d).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_status: Option<EnabledStatus>,
    /// Ids at other identity providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<ExternalId>,
    /// Every other attribute as CreateUser took it, by the model's names (`Title`, …).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub other_attributes: Map<String, Value>,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at_seconds: Option<f64>,
}

/// A group of an identity store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The store's id, not its ARN.
    pub identity_store_id: String,
    /// As a user's id.
    pub group_id: String,
    /// Unique in its store.
    pub display_name: String,
    /// Absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Ids at other identity providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<ExternalId>,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at_seconds: Option<f64>,
}

/// An id that another identity provider gave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalId {
    /// Who gave it.
    pub issuer: String,
    /// The id.
    pub id: String,
}

/// A user's place in a group. Members are always users: aws-api.md §5.4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The store's id, not its ARN.
    pub identity_store_id: String,
    /// As a user's id.
    pub membership_id: String,
    /// The group.
    pub group_id: String,
    /// The member.
    pub user_id: String,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at_seconds: Option<f64>,
}

/// Kind of a principal, in the order in which the simulator lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PrincipalType {
    /// A group.
    Group,
    /// A user.
    User,
}

impl PrincipalType {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            PrincipalType::Group => "GROUP",
            PrincipalType::User => "USER",
        }
    }
}

/// The fact that a principal has an application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The application.
    pub application_arn: String,
    /// User or group.
    pub principal_type: PrincipalType,
    /// May name a principal that is gone.
    pub principal_id: String,
}

impl World {
    /// The application of this name, if exactly one has it.
    pub fn application_named(&self, name: &str) -> Option<&Application> {
        only(self.applications.iter().filter(|row| row.name == name))
    }

    /// The user of this name, in exactly this case, if exactly one has it.
    pub fn user_named(&self, user_name: &str) -> Option<&User> {
        only(self.users.iter().filter(|row| row.user_name == user_name))
    }

    /// The group of this display name, if exactly one has it.
    pub fn group_named(&self, display_name: &str) -> Option<&Group> {
        only(
            self.groups
                .iter()
                .filter(|row| row.display_name == display_name),
        )
    }

    /// Ids of a group's members.
    pub fn members_of(&self, group_id: &str) -> BTreeSet<&str> {
        (self
            .memberships
            .iter()
            .filter(|row| row.group_id == group_id))
        .map(|row| row.user_id.as_str())
        .collect()
    }

    /// Assignments of an application.
    pub fn assignments_of(&self, application_arn: &str) -> Vec<&Assignment> {
        self.assignments
            .iter()
            .filter(|row| row.application_arn == application_arn)
            .collect()
    }

    /// Whether the assignment stands.
    pub fn is_assigned(
        &self,
        application_arn: &str,
        principal_type: PrincipalType,
        principal_id: &str,
    ) -> bool {
        self.assignments.iter().any(|row| {
            row.application_arn == application_arn
                && row.principal_type == principal_type
                && row.principal_id == principal_id
        })
    }
}

fn only<T>(mut rows: impl Iterator<Item = T>) -> Option<T> {
    let first = rows.next()?;
    rows.next().is_none().then_some(first)
}
