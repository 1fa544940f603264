//! The world that the simulator serves: plain data, as AWS would hold it, readable and writable as
//! JSON. Holds no rule about calls (those are in `operations`) and never repairs what it is given:
//! a world that contradicts itself is refused with the place of the contradiction.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::patterns::{self, Shape};

/// Everything that exists on the far side of the API. Orphaned assignments (of principals that are
/// gone) are part of a lawful world: aws-api.md §5.6.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Who AWS takes the client for. One identity for all clients of a simulator.
    #[serde(default)]
    pub caller: Caller,
    /// Instances that the caller can see.
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
    /// The Region in which the instance was enabled. The simulator is one Region.
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

/// Why a world cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Not JSON, or not of the world's form; the text has line and column.
    #[error("the world is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Readable, but contradicting itself.
    #[error("the world contradicts itself at {place}: {problem}")]
    Contradiction {
        /// As `users[3].user_id`.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

impl World {
    /// Reads and checks a world, in the form that `GET /_control/world` writes.
    pub fn from_json(text: &str) -> Result<World, WorldError> {
        let world: World = serde_json::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// Refuses ids out of pattern, ids given twice and references to nothing. Does not refuse
    /// orphaned assignments, nor names that collide only in another case: real stores hold both.
    pub fn check(&self) -> Result<(), WorldError> {
        let mut seen = BTreeSet::new();
        let mut unique = |place: String, id: &str, shape: &Shape| {
            check_shape(&place, id, shape)?;
            if !seen.insert(id.to_owned()) {
                return contradiction(place, format!("{id} is there twice"));
            }
            Ok(())
        };
        for (at, row) in self.instances.iter().enumerate() {
            let place = format!("instances[{at}].instance_arn");
            unique(place, &row.instance_arn, &patterns::INSTANCE_ARN)?;
            let place = format!("instances[{at}].identity_store_id");
            unique(
                place,
                &row.identity_store_id,
                &patterns::BARE_IDENTITY_STORE_ID,
            )?;
        }
        for (at, row) in self.applications.iter().enumerate() {
            let place = format!("applications[{at}].application_arn");
            unique(place, &row.application_arn, &patterns::APPLICATION_ARN)?;
        }
        for (at, row) in self.users.iter().enumerate() {
            unique(
                format!("users[{at}].user_id"),
                &row.user_id,
                &patterns::PRINCIPAL_ID,
            )?;
        }
        for (at, row) in self.groups.iter().enumerate() {
            unique(
                format!("groups[{at}].group_id"),
                &row.group_id,
                &patterns::PRINCIPAL_ID,
            )?;
        }
        for (at, row) in self.memberships.iter().enumerate() {
            let place = format!("memberships[{at}].membership_id");
            unique(place, &row.membership_id, &patterns::PRINCIPAL_ID)?;
        }
        self.check_references()
    }

    fn check_references(&self) -> Result<(), WorldError> {
        let instances: BTreeSet<&str> = self
            .instances
            .iter()
            .map(|row| row.instance_arn.as_str())
            .collect();
        let stores: BTreeSet<&str> = self
            .instances
            .iter()
            .map(|row| row.identity_store_id.as_str())
            .collect();
        let applications: BTreeSet<&str> = self
            .applications
            .iter()
            .map(|row| row.application_arn.as_str())
            .collect();
        let users: BTreeSet<(&str, &str)> = (self.users.iter())
            .map(|row| (row.identity_store_id.as_str(), row.user_id.as_str()))
            .collect();
        let groups: BTreeSet<(&str, &str)> = (self.groups.iter())
            .map(|row| (row.identity_store_id.as_str(), row.group_id.as_str()))
            .collect();
        for (at, row) in self.applications.iter().enumerate() {
            let place = || format!("applications[{at}].instance_arn");
            check_known(&instances, &row.instance_arn.as_str(), place)?;
        }
        for (at, row) in self.users.iter().enumerate() {
            let place = || format!("users[{at}].identity_store_id");
            check_known(&stores, &row.identity_store_id.as_str(), place)?;
        }
        for (at, row) in self.groups.iter().enumerate() {
            let place = || format!("groups[{at}].identity_store_id");
            check_known(&stores, &row.identity_store_id.as_str(), place)?;
        }
        for (at, row) in self.memberships.iter().enumerate() {
            let store = row.identity_store_id.as_str();
            let place = || format!("memberships[{at}].user_id");
            check_known(&users, &(store, row.user_id.as_str()), place)?;
            let place = || format!("memberships[{at}].group_id");
            check_known(&groups, &(store, row.group_id.as_str()), place)?;
        }
        let mut assignments = BTreeSet::new();
        for (at, row) in self.assignments.iter().enumerate() {
            let place = || format!("assignments[{at}].application_arn");
            check_known(&applications, &row.application_arn.as_str(), place)?;
            let place = format!("assignments[{at}].principal_id");
            check_shape(&place, &row.principal_id, &patterns::PRINCIPAL_ID)?;
            if !assignments.insert(row) {
                return contradiction(format!("assignments[{at}]"), "it is there twice".to_owned());
            }
        }
        Ok(())
    }

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

fn check_shape(place: &str, value: &str, shape: &Shape) -> Result<(), WorldError> {
    match shape.violation(value) {
        None => Ok(()),
        Some(constraint) => contradiction(place.to_owned(), format!("{value:?}: {constraint}")),
    }
}

fn check_known<T: Ord + std::fmt::Debug>(
    known: &BTreeSet<T>,
    value: &T,
    place: impl Fn() -> String,
) -> Result<(), WorldError> {
    if known.contains(value) {
        return Ok(());
    }
    contradiction(place(), format!("{value:?} is not in the world"))
}

fn contradiction<T>(place: String, problem: String) -> Result<T, WorldError> {
    Err(WorldError::Contradiction { place, problem })
}
