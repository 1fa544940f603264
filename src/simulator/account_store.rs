//! The account side of the store, keyed for fast calls. Keeps its indices in step with its rows and
//! knows nothing of calls, quotas or errors. Where a permission set is provisioned follows from
//! its assignments: AWS provisions it with the first one in an account, and takes it away with the
//! last one.

use std::collections::{BTreeMap, BTreeSet};

use super::account_assignments::{
    AccountAssignment, PermissionSet, ProvisionedPermissionSet, ProvisioningStatus,
};
use super::world::PrincipalType;

/// Account and permission set.
pub(super) type Place = (String, String);

/// The rows of the account side and their indices.
#[derive(Default)]
pub(super) struct AccountStore {
    pub(super) permission_sets: BTreeMap<String, PermissionSet>,
    assignments: BTreeSet<AccountAssignment>,
    /// Permission set and account, with the number of assignments there.
    by_permission_set: BTreeMap<(String, String), usize>,
    /// Principal, type, account, permission set.
    by_principal: BTreeSet<(String, PrincipalType, String, String)>,
    /// What was said about places beside their assignments.
    told: BTreeMap<Place, ProvisioningStatus>,
}

impl AccountStore {
    /// Of rows with the same id the last one stays.
    pub(super) fn new(
        permission_sets: Vec<PermissionSet>,
        assignments: Vec<AccountAssignment>,
        provisioned: Vec<ProvisionedPermissionSet>,
    ) -> AccountStore {
        let mut store = AccountStore::default();
        for row in permission_sets {
            store
                .permission_sets
                .insert(row.permission_set_arn.clone(), row);
        }
        for row in assignments {
            store.add(row);
        }
        for row in provisioned {
            let place = (row.account_id, row.permission_set_arn);
            store.told.insert(place, row.status);
        }
        store
    }

    /// All assignments, in order of account and permission set.
    pub(super) fn assignments(&self) -> impl Iterator<Item = &AccountAssignment> {
        self.assignments.iter()
    }

    /// What was said about places beside their assignments.
    pub(super) fn told(&self) -> impl Iterator<Item = ProvisionedPermissionSet> {
        (self.told.iter()).map(|((account_id, permission_set_arn), status)| {
            ProvisionedPermissionSet {
                account_id: account_id.clone(),
                permission_set_arn: permission_set_arn.clone(),
                status: *status,
            }
        })
    }

    pub(super) fn is_assigned(&self, row: &AccountAssignment) -> bool {
        self.assignments.contains(row)
    }

    /// Whether it was absent before.
    pub(super) fn add(&mut self, row: AccountAssignment) -> bool {
        if self.assignments.contains(&row) {
            return false;
        }
        *self.by_permission_set.entry(by_set(&row)).or_default() += 1;
        self.by_principal.insert(by_principal(&row));
        self.assignments.insert(row)
    }

    /// Whether it was present before.
    pub(super) fn remove(&mut self, row: &AccountAssignment) -> bool {
        if !self.assignments.remove(row) {
            return false;
        }
        self.by_principal.remove(&by_principal(row));
        let key = by_set(row);
        if let Some(count) = self.by_permission_set.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.by_permission_set.remove(&key);
                self.told
                    .remove(&(row.account_id.clone(), row.permission_set_arn.clone()));
            }
        }
        true
    }

    /// Takes a permission set away with everything that names it; `false` when there is none.
    pub(super) fn remove_permission_set(&mut self, permission_set_arn: &str) -> bool {
        let rows: Vec<_> = self
            .of_permission_set(permission_set_arn)
            .cloned()
            .collect();
        for row in &rows {
            self.remove(row);
        }
        self.told.retain(|(_, arn), _| arn != permission_set_arn);
        self.permission_sets.remove(permission_set_arn).is_some()
    }

    /// Assignments of a permission set in an account.
    pub(super) fn of_place<'a>(
        &'a self,
        account_id: &str,
        permission_set_arn: &str,
    ) -> impl Iterator<Item = &'a AccountAssignment> + use<'a> {
        let (account, set) = (account_id.to_owned(), permission_set_arn.to_owned());
        self.assignments
            .range(first_of(account_id, permission_set_arn)..)
            .take_while(move |row| row.account_id == account && row.permission_set_arn == set)
    }

    /// Assignments in an account.
    pub(super) fn of_account(&self, account_id: &str) -> impl Iterator<Item = &AccountAssignment> {
        let account = account_id.to_owned();
        self.assignments
            .range(first_of(account_id, "")..)
            .take_while(move |row| row.account_id == account)
    }

    /// Assignments of a permission set in all accounts.
    pub(super) fn of_permission_set(
        &self,
        permission_set_arn: &str,
    ) -> impl Iterator<Item = &AccountAssignment> {
        let set = permission_set_arn.to_owned();
        self.by_permission_set
            .range((set.clone(), String::new())..)
            .take_while(move |((arn, _), _)| *arn == set)
            .flat_map(|((arn, account), _)| self.of_place(account, arn))
    }

    /// Assignments of a principal in all accounts.
    pub(super) fn of_principal(
        &self,
        principal_type: PrincipalType,
        principal_id: &str,
    ) -> impl Iterator<Item = AccountAssignment> {
        let principal = principal_id.to_owned();
        let first = (
            principal.clone(),
            principal_type,
            String::new(),
            String::new(),
        );
        self.by_principal
            .range(first..)
            .take_while(move |(id, kind, _, _)| *id == principal && *kind == principal_type)
            .map(|(id, kind, account, set)| AccountAssignment {
                account_id: account.clone(),
                permission_set_arn: set.clone(),
                principal_type: *kind,
                principal_id: id.clone(),
            })
    }

    /// What was said about a place; the latest version unless said otherwise.
    pub(super) fn status_of(&self, place: &Place) -> ProvisioningStatus {
        let told = self.told.get(place).copied();
        told.unwrap_or(ProvisioningStatus::Latest)
    }

    /// Places that were told and that `concerns` accepts.
    pub(super) fn told_places(&self, concerns: impl Fn(&Place) -> bool) -> BTreeSet<Place> {
        (self.told.keys())
            .filter(|place| concerns(place))
            .cloned()
            .collect()
    }

    /// Whether the set is provisioned in any account.
    pub(super) fn is_provisioned(&self, permission_set_arn: &str) -> bool {
        self.of_permission_set(permission_set_arn).next().is_some()
            || self.told.keys().any(|(_, arn)| arn == permission_set_arn)
    }
}

fn by_set(row: &AccountAssignment) -> (String, String) {
    (row.permission_set_arn.clone(), row.account_id.clone())
}

fn by_principal(row: &AccountAssignment) -> (String, PrincipalType, String, String) {
    let row = row.clone();
    (
        row.principal_id,
        row.principal_type,
        row.account_id,
        row.permission_set_arn,
    )
}

/// Before every assignment of the place.
fn first_of(account_id: &str, permission_set_arn: &str) -> AccountAssignment {
    AccountAssignment {
        account_id: account_id.to_owned(),
        permission_set_arn: permission_set_arn.to_owned(),
        principal_type: PrincipalType::Group,
        principal_id: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(account: &str, set: &str, principal: &str) -> AccountAssignment {
        AccountAssignment {
            account_id: account.to_owned(),
            permission_set_arn: set.to_owned(),
            principal_type: PrincipalType::User,
            principal_id: principal.to_owned(),
        }
    }

    #[test]
    fn the_indices_follow_the_rows() {
        let told = ProvisionedPermissionSet {
            account_id: "1".to_owned(),
            permission_set_arn: "b".to_owned(),
            status: ProvisioningStatus::NotLatest,
        };
        let rows = vec![row("1", "a", "x"), row("1", "b", "x"), row("2", "a", "y")];
        let mut store = AccountStore::new(Vec::new(), rows, vec![told]);
        assert!(!store.add(row("1", "a", "x")), "it is there already");
        assert_eq!(store.of_place("1", "a").count(), 1);
        assert_eq!(store.of_account("1").count(), 2);
        let accounts: Vec<_> = store
            .of_permission_set("a")
            .map(|row| &row.account_id)
            .collect();
        assert_eq!(accounts, ["1", "2"]);
        assert_eq!(store.of_principal(PrincipalType::User, "x").count(), 2);
        assert_eq!(store.of_principal(PrincipalType::Group, "x").count(), 0);
        let place = ("1".to_owned(), "b".to_owned());
        assert_eq!(store.status_of(&place), ProvisioningStatus::NotLatest);
        assert!(store.remove(&row("1", "b", "x")));
        assert!(!store.remove(&row("1", "b", "x")), "it is gone already");
        // With the last assignment the provisioning goes, and what was said about it.
        assert!(!store.is_provisioned("b"));
        assert!(store.told().next().is_none());
        assert!(store.is_provisioned("a"));
        assert!(!store.remove_permission_set("a"), "it has no row");
        assert!(store.assignments().next().is_none());
    }
}
