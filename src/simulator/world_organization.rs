//! The part of the world above its instances: the organization and its accounts (aws-api.md §3e,
//! §5.8). Plain data; holds no rule about calls and never repairs what it is given.

use serde::{Deserialize, Serialize};

/// The organization that the accounts are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// `o-…`.
    pub id: String,
    /// The account that owns the organization and its Identity Center instance.
    pub management_account_id: String,
}

/// One account of the organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Twelve digits.
    pub account_id: String,
    /// Not unique.
    pub name: String,
    /// Of the account's root user.
    pub email: String,
    /// ACTIVE unless said otherwise.
    #[serde(default)]
    pub status: AccountStatus,
    /// Epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_at_seconds: Option<f64>,
}

/// Where an account is in its life: the model's `State` (aws-api.md §3e).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    /// Created, not yet usable.
    PendingActivation,
    /// In use.
    #[default]
    Active,
    /// Switched off by AWS.
    Suspended,
    /// About to be closed.
    PendingClosure,
    /// Closed, and still listed for a while.
    Closed,
}
