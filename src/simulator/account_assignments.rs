//! The account side of a world: permission sets, which principal has which in which account, and
//! where a set is provisioned. Plain data; knows no rule about calls.

use serde::{Deserialize, Serialize};

use super::world::{PrincipalType, World};

/// A permission set of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionSet {
    /// `arn:aws:sso:::permissionSet/ssoins-…/ps-…`.
    pub permission_set_arn: String,
    /// The instance it belongs to.
    pub instance_arn: String,
    /// Unique in its instance.
    pub name: String,
    /// Absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// ISO 8601, as `PT8H`; absent when it was never set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_duration: Option<String>,
    /// Where the console opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_state: Option<String>,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_seconds: Option<f64>,
}

/// The fact that a principal has a permission set in an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountAssignment {
    /// Twelve digits.
    pub account_id: String,
    /// The permission set, which names the instance too.
    pub permission_set_arn: String,
    /// User or group.
    pub principal_type: PrincipalType,
    /// May name a principal that is gone.
    pub principal_id: String,
}

/// What is to be said about a permission set in an account beyond its assignments: an older version
/// of it is provisioned there, or it is provisioned without any assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionedPermissionSet {
    /// Twelve digits.
    pub account_id: String,
    /// The permission set.
    pub permission_set_arn: String,
    /// Whether the account has its latest version.
    pub status: ProvisioningStatus,
}

/// Whether an account has a permission set as it is now (aws-api.md §3c).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProvisioningStatus {
    /// It does.
    #[serde(rename = "LATEST_PERMISSION_SET_PROVISIONED")]
    Latest,
    /// The set was changed since.
    #[serde(rename = "LATEST_PERMISSION_SET_NOT_PROVISIONED")]
    NotLatest,
}

impl World {
    /// The permission set of this name, if exactly one has it.
    pub fn permission_set_named(&self, name: &str) -> Option<&PermissionSet> {
        let mut rows = self.permission_sets.iter().filter(|row| row.name == name);
        let first = rows.next()?;
        rows.next().is_none().then_some(first)
    }

    /// Who has a permission set in an account.
    pub fn account_assignments_of(
        &self,
        account_id: &str,
        permission_set_arn: &str,
    ) -> Vec<&AccountAssignment> {
        (self.account_assignments.iter())
            .filter(|row| {
                row.account_id == account_id && row.permission_set_arn == permission_set_arn
            })
            .collect()
    }

    /// Whether the assignment stands.
    pub fn is_account_assigned(&self, assignment: &AccountAssignment) -> bool {
        self.account_assignments.contains(assignment)
    }
}
