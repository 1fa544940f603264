//! The account side of worlds from a seed. Drawn after everything else, so that a seed gives the same
//! applications and people whether accounts are asked for or not.

use std::collections::{BTreeMap, BTreeSet};

use super::account_assignments::{
    AccountAssignment, PermissionSet, ProvisionedPermissionSet, ProvisioningStatus,
};
use super::world::PrincipalType;
use super::world_generate::{Generator, hexadecimal};
use super::world_sizes::WorldSizes;

/// AWS lets 100 groups have one permission set in one account; one place is kept for an orphan.
const GROUPS_PER_PLACE_AT_MOST: usize = 99;

impl Generator {
    /// Adds permission sets and who has them where.
    pub(super) fn add_account_side(&mut self, sizes: &WorldSizes) {
        for at in 0..sizes.permission_sets {
            self.add_permission_set(at);
        }
        if sizes.permission_sets == 0 {
            return;
        }
        for (at, account_id) in self.account_ids(sizes.accounts).into_iter().enumerate() {
            self.assign_in_account(&account_id, at, sizes.assignments_per_account);
        }
    }

    /// The accounts of the organization, or as many made ones.
    fn account_ids(&mut self, count: usize) -> Vec<String> {
        if !self.world.accounts.is_empty() {
            let rows = self.world.accounts.iter().take(count);
            return rows.map(|row| row.account_id.clone()).collect();
        }
        let mut ids = BTreeSet::new();
        while ids.len() < count {
            let number = self.random.u64(100_000_000_000..1_000_000_000_000);
            ids.insert(number.to_string());
        }
        ids.into_iter().collect()
    }

    fn add_permission_set(&mut self, at: usize) {
        let (_, instance_id) = (self.instance.instance_arn)
            .split_once('/')
            .unwrap_or_default();
        let id = hexadecimal(&mut self.random, 16);
        let name = match at {
            0 => "AdministratorAccess".to_owned(),
            1 => "ReadOnlyAccess".to_owned(),
            // Lawful, and a formula to a spreadsheet.
            _ if at % 6 == 3 => format!("=Set+{at}@x"),
            _ => format!("Permission.Set-{at}"),
        };
        let row = PermissionSet {
            permission_set_arn: format!("arn:aws:sso:::permissionSet/{instance_id}/ps-{id}"),
            instance_arn: self.instance.instance_arn.clone(),
            name,
            description: (at % 4 != 2).then(|| format!("What set {at} is for, \"quoted\"")),
            session_duration: (at % 3 != 1).then(|| format!("PT{}H", at % 12 + 1)),
            relay_state: (at % 5 == 4).then(|| "https://example.com/console?a=b".to_owned()),
            created_date_seconds: self.moment(),
        };
        self.world.permission_sets.push(row);
    }

    fn assign_in_account(&mut self, account_id: &str, at: usize, assignments: usize) {
        let mut rows = BTreeSet::new();
        let mut groups_of = BTreeMap::new();
        for _ in 0..self.random.usize(0..=assignments * 2) {
            let groups = &self.world.groups;
            let users = &self.world.users;
            let set = self.random.usize(..self.world.permission_sets.len());
            let group = self.random.usize(..5) < 3;
            let places = if group { groups.len() } else { users.len() };
            if places == 0 {
                continue;
            }
            let place = self.random.usize(..places);
            if group {
                let count: &mut usize = groups_of.entry(set).or_default();
                if *count >= GROUPS_PER_PLACE_AT_MOST {
                    continue;
                }
                *count += 1;
            }
            let (kind, id) = if group {
                (PrincipalType::Group, groups[place].group_id.clone())
            } else {
                (PrincipalType::User, users[place].user_id.clone())
            };
            rows.insert(self.account_assignment(account_id, set, kind, id));
        }
        let orphan = match at % 4 {
            0 => Some(PrincipalType::User),
            2 => Some(PrincipalType::Group),
            _ => None,
        };
        if let Some(kind) = orphan {
            let id = self.id();
            let set = at % self.world.permission_sets.len();
            rows.insert(self.account_assignment(account_id, set, kind, id));
        }
        if at % 5 == 1
            && let Some(row) = rows.first()
        {
            self.world.provisioned.push(ProvisionedPermissionSet {
                account_id: account_id.to_owned(),
                permission_set_arn: row.permission_set_arn.clone(),
                status: ProvisioningStatus::NotLatest,
            });
        }
        self.world.account_assignments.extend(rows);
    }

    fn account_assignment(
        &self,
        account_id: &str,
        permission_set: usize,
        principal_type: PrincipalType,
        principal_id: String,
    ) -> AccountAssignment {
        let set = &self.world.permission_sets[permission_set];
        AccountAssignment {
            account_id: account_id.to_owned(),
            permission_set_arn: set.permission_set_arn.clone(),
            principal_type,
            principal_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use super::*;

    #[test]
    fn account_sides_are_lawful_and_follow_their_seed_without_touching_the_rest() {
        let sizes = WorldSizes {
            permission_sets: 12,
            accounts: 15,
            assignments_per_account: 20,
            ..WorldSizes::default()
        };
        for seed in 0..10 {
            let world = World::generate(seed, &sizes);
            world.check().expect("a lawful world");
            assert_eq!(world, World::generate(seed, &sizes));
            let text = serde_json::to_string(&world).expect("a world is JSON");
            assert_eq!(World::from_json(&text).expect("its own form"), world);
            let plain = World::generate(seed, &WorldSizes::default());
            assert_eq!(world.assignments, plain.assignments);
            assert!(plain.permission_sets.is_empty());
        }
        let world = World::generate(1, &sizes);
        let users: BTreeSet<&str> = world.users.iter().map(|row| row.user_id.as_str()).collect();
        let rows = &world.account_assignments;
        let of_kind = |kind| rows.iter().filter(move |row| row.principal_type == kind);
        assert!(of_kind(PrincipalType::Group).count() > 50);
        assert!(of_kind(PrincipalType::User).count() > 50);
        let orphaned = |row: &&AccountAssignment| !users.contains(row.principal_id.as_str());
        assert!(of_kind(PrincipalType::User).any(|row| orphaned(&row)));
        assert_eq!(world.provisioned.len(), 3);
        let accounts: BTreeSet<&str> = rows.iter().map(|row| row.account_id.as_str()).collect();
        assert!(accounts.len() > 10, "{accounts:?}");
    }
}
