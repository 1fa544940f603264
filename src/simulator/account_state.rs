//! What the organization says about an account and an instance, as far as account assignments ask:
//! the only place that decides it. Says nothing about who calls.

use super::store::Store;
use super::world::{Caller, Instance};
use super::world_organization::AccountStatus;

/// Whether an account can have assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountState {
    /// The world lists no accounts: every account is taken for one in use.
    Unlisted,
    /// In use.
    Active,
    /// Suspended, closed, or on the way there or from there.
    Suspended,
    /// Not in the organization.
    Missing,
}

impl Store {
    /// What the world knows about an account.
    pub(super) fn account_state(&self, account_id: &str) -> AccountState {
        if self.accounts.is_empty() {
            return AccountState::Unlisted;
        }
        match self.accounts.get(account_id).map(|row| row.status) {
            Some(AccountStatus::Active) => AccountState::Active,
            Some(_) => AccountState::Suspended,
            None => AccountState::Missing,
        }
    }

    /// Whether the instance is one account's own, without permission sets (aws-api.md §5.8).
    pub(super) fn is_account_instance(&self, instance: &Instance) -> bool {
        (self.organization.as_ref())
            .is_some_and(|row| row.management_account_id != instance.owner_account_id)
    }

    /// Whether the caller is the account whose instance it is, which alone may ask for all account
    /// assignments of a principal (aws-api.md §3c).
    pub(super) fn is_callers_instance(&self, caller: &Caller, instance: &Instance) -> bool {
        caller.account_id == instance.owner_account_id
    }
}
