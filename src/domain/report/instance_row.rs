//! The row of the view INSTANCES. The list below is the only list of its columns.

use super::row::columns;

/// Whether an instance or an account could be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Something could be read.
    Reachable,
    /// Nothing could.
    Unreachable,
}

impl Reach {
    /// The word of the column `reach`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reachable => "REACHABLE",
            Self::Unreachable => "UNREACHABLE",
        }
    }
}

columns! {
    /// An instance, or an account that could not be looked into: whether that has one is unknown.
    /// Every cell is text, empty where it does not apply or could not be read.
    InstanceRow[15], Instances;
    /// The instance; empty for an account that could not be looked into.
    instance_arn,
    /// Its identity store.
    identity_store_id,
    /// The account that owns it, or that could not be looked into.
    owner_account_id,
    /// That account's name.
    owner_account_name,
    /// The alias from the configuration.
    alias,
    /// Its name in AWS.
    name,
    /// ORGANIZATION, ACCOUNT or unknown.
    kind,
    /// The region in which it is called.
    region,
    /// REACHABLE or UNREACHABLE.
    reach,
    /// Why it is unreachable.
    reason,
    /// How many users its identity store has.
    user_count,
    /// How many groups its identity store has.
    group_count,
    /// How many applications it has.
    application_count,
    /// How many permission sets it has.
    permission_set_count,
    /// How many accounts its organization has; empty where it gives no access to accounts.
    account_count,
}

impl InstanceRow {
    /// What rows are sorted by, ascending by bytes: instances first, then unreachable accounts.
    #[must_use]
    pub fn sort_key(&self) -> (bool, &str, &str) {
        (
            self.instance_arn.is_empty(),
            &self.instance_arn,
            &self.owner_account_id,
        )
    }
}
