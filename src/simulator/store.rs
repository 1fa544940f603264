//! The world, keyed for fast calls: every list is walked in order of ids and every id and name is
//! found without a scan, so that worlds of real size are served at AWS's pace. Keeps its indices in
//! step with its rows and knows nothing of calls, quotas or errors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::account_store::AccountStore;
use super::names::{NameKind, Names};
use super::store_ranges::{links_after, rows_after};
use super::world::{
    Application, ApplicationProvider, Assignment, Caller, Group, Instance, Membership,
    PrincipalType, User, World,
};
use super::world_organization::{AccessKey, Account, Organization, Role};

/// Store id and row id.
pub(super) type Key = (String, String);

/// The rows of a world and their indices.
#[derive(Default)]
pub(super) struct Store {
    pub(super) caller: Caller,
    /// By access key id.
    pub(super) callers: BTreeMap<String, AccessKey>,
    pub(super) organization: Option<Organization>,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) providers: BTreeMap<String, ApplicationProvider>,
    pub(super) applications: BTreeMap<String, Application>,
    users: BTreeMap<Key, User>,
    groups: BTreeMap<Key, Group>,
    memberships: BTreeMap<Key, Membership>,
    /// Group, member, membership.
    by_group: BTreeSet<(String, String, String)>,
    /// Member, group, membership.
    by_member: BTreeSet<(String, String, String)>,
    names: Names,
    assignments: BTreeSet<Assignment>,
    /// Principal, type, application.
    by_principal: BTreeSet<(String, PrincipalType, String)>,
    pub(super) account_side: AccountStore,
}

impl From<World> for Store {
    /// Of rows with the same id the last one stays; `World::check` refuses such worlds earlier.
    fn from(world: World) -> Store {
        let mut store = Store {
            caller: world.caller,
            organization: world.organization,
            callers: keyed(world.callers, |row| &row.access_key_id),
            accounts: keyed(world.accounts, |row| &row.account_id),
            roles: keyed(world.roles, |row| &row.role_arn),
            account_side: AccountStore::new(
                world.permission_sets,
                world.account_assignments,
                world.provisioned,
            ),
            ..Store::default()
        };
        for row in world.instances {
            store.instances.insert(row.instance_arn.clone(), row);
        }
        for row in world.application_providers {
            store
                .providers
                .insert(row.application_provider_arn.clone(), row);
        }
        for row in world.applications {
            store.applications.insert(row.application_arn.clone(), row);
        }
        world.users.into_iter().for_each(|row| store.add_user(row));
        world
            .groups
            .into_iter()
            .for_each(|row| store.add_group(row));
        world
            .memberships
            .into_iter()
            .for_each(|row| store.add_membership(row));
        for row in world.assignments {
            store.add_assignment(row);
        }
        store
    }
}

impl Store {
    /// The world as it is now, rows in order of ids.
    pub(super) fn to_world(&self) -> World {
        World {
            caller: self.caller.clone(),
            instances: self.instances.values().cloned().collect(),
            application_providers: self.providers.values().cloned().collect(),
            applications: self.applications.values().cloned().collect(),
            users: self.users.values().cloned().collect(),
            groups: self.groups.values().cloned().collect(),
            memberships: self.memberships.values().cloned().collect(),
            assignments: self.assignments.iter().cloned().collect(),
            organization: self.organization.clone(),
            accounts: self.accounts.values().cloned().collect(),
            roles: self.roles.values().cloned().collect(),
            callers: self.callers.values().cloned().collect(),
            permission_sets: self
                .account_side
                .permission_sets
                .values()
                .cloned()
                .collect(),
            account_assignments: self.account_side.assignments().cloned().collect(),
            provisioned: self.account_side.told().collect(),
        }
    }

    /// The instance that an identity store belongs to.
    pub(super) fn instance_of_store(&self, identity_store_id: &str) -> Option<&Instance> {
        self.instances
            .values()
            .find(|row| row.identity_store_id == identity_store_id)
    }

    pub(super) fn user(&self, store: &str, id: &str) -> Option<&User> {
        self.users.get(&key(store, id))
    }

    pub(super) fn group(&self, store: &str, id: &str) -> Option<&Group> {
        self.groups.get(&key(store, id))
    }

    pub(super) fn membership(&self, store: &str, id: &str) -> Option<&Membership> {
        self.memberships.get(&key(store, id))
    }

    /// Users of a store with ids after the given one.
    pub(super) fn users_after(&self, store: &str, id: Option<&str>) -> impl Iterator<Item = &User> {
        rows_after(&self.users, store, id)
    }

    /// Groups of a store with ids after the given one.
    pub(super) fn groups_after(
        &self,
        store: &str,
        id: Option<&str>,
    ) -> impl Iterator<Item = &Group> {
        rows_after(&self.groups, store, id)
    }

    /// Memberships of a group, by member, after the given member.
    pub(super) fn members_after(
        &self,
        store: &str,
        group_id: &str,
        user_id: Option<&str>,
    ) -> impl Iterator<Item = &Membership> {
        links_after(&self.by_group, group_id, user_id)
            .filter_map(move |(_, _, id)| self.membership(store, id))
    }

    /// Memberships of a user, by group, after the given group.
    pub(super) fn groups_of_after(
        &self,
        store: &str,
        user_id: &str,
        group_id: Option<&str>,
    ) -> impl Iterator<Item = &Membership> {
        links_after(&self.by_member, user_id, group_id)
            .filter_map(move |(_, _, id)| self.membership(store, id))
    }

    /// The membership of a user in a group.
    pub(super) fn membership_between(
        &self,
        store: &str,
        group_id: &str,
        user_id: &str,
    ) -> Option<&Membership> {
        let first = (group_id.to_owned(), user_id.to_owned(), String::new());
        let (group, user, id) = self.by_group.range(first..).next()?;
        (group == group_id && user == user_id)
            .then(|| self.membership(store, id))
            .flatten()
    }

    /// The id that a name names: in exactly this case, else in any case if that counts as equal.
    pub(super) fn id_named(
        &self,
        kind: NameKind,
        store: &str,
        name: &str,
        ignore_case: bool,
    ) -> Option<&str> {
        let ids = self.names.ids(kind, store, name)?;
        let exact = ids
            .iter()
            .find(|id| self.name_of(kind, store, id) == Some(name));
        exact
            .or_else(|| ids.first().filter(|_| ignore_case))
            .map(String::as_str)
    }

    fn name_of(&self, kind: NameKind, store: &str, id: &str) -> Option<&str> {
        match kind {
            NameKind::UserName => self.user(store, id).map(|row| row.user_name.as_str()),
            NameKind::Email => self.user(store, id)?.email.as_deref(),
            NameKind::GroupName => self.group(store, id).map(|row| row.display_name.as_str()),
        }
    }

    pub(super) fn add_user(&mut self, row: User) {
        let (store, id) = (&row.identity_store_id, &row.user_id);
        self.names
            .add(NameKind::UserName, store, &row.user_name, id);
        if let Some(email) = &row.email {
            self.names.add(NameKind::Email, store, email, id);
        }
        self.users.insert(key(store, id), row);
    }

    pub(super) fn add_group(&mut self, row: Group) {
        let (store, id) = (&row.identity_store_id, &row.group_id);
        self.names
            .add(NameKind::GroupName, store, &row.display_name, id);
        self.groups.insert(key(store, id), row);
    }

    pub(super) fn add_membership(&mut self, row: Membership) {
        let (group, user, id) = (&row.group_id, &row.user_id, &row.membership_id);
        self.by_group
            .insert((group.clone(), user.clone(), id.clone()));
        self.by_member
            .insert((user.clone(), group.clone(), id.clone()));
        self.memberships
            .insert(key(&row.identity_store_id, id), row);
    }

    /// Takes a user and its memberships away; its assignments stay as orphans (aws-api.md §5.6).
    pub(super) fn remove_user(&mut self, store: &str, id: &str) {
        let memberships: Vec<String> = self
            .groups_of_after(store, id, None)
            .map(|row| row.membership_id.clone())
            .collect();
        for membership in memberships {
            self.remove_membership(store, &membership);
        }
        if let Some(row) = self.users.remove(&key(store, id)) {
            self.names
                .remove(NameKind::UserName, store, &row.user_name, id);
            if let Some(email) = &row.email {
                self.names.remove(NameKind::Email, store, email, id);
            }
        }
    }

    /// Takes a group and its memberships away; its assignments stay as orphans (aws-api.md §5.6).
    pub(super) fn remove_group(&mut self, store: &str, id: &str) {
        let memberships: Vec<String> = self
            .members_after(store, id, None)
            .map(|row| row.membership_id.clone())
            .collect();
        for membership in memberships {
            self.remove_membership(store, &membership);
        }
        if let Some(row) = self.groups.remove(&key(store, id)) {
            self.names
                .remove(NameKind::GroupName, store, &row.display_name, id);
        }
    }

    pub(super) fn remove_membership(&mut self, store: &str, id: &str) {
        if let Some(row) = self.memberships.remove(&key(store, id)) {
            let (group, user, id) = (row.group_id, row.user_id, row.membership_id);
            self.by_group
                .remove(&(group.clone(), user.clone(), id.clone()));
            self.by_member.remove(&(user, group, id));
        }
    }

    pub(super) fn is_assigned(&self, assignment: &Assignment) -> bool {
        self.assignments.contains(assignment)
    }

    pub(super) fn add_assignment(&mut self, row: Assignment) {
        let Assignment {
            application_arn,
            principal_type,
            principal_id,
        } = row.clone();
        self.by_principal
            .insert((principal_id, principal_type, application_arn));
        self.assignments.insert(row);
    }

    pub(super) fn remove_assignment(&mut self, row: &Assignment) {
        let Assignment {
            application_arn,
            principal_type,
            principal_id,
        } = row.clone();
        self.by_principal
            .remove(&(principal_id, principal_type, application_arn));
        self.assignments.remove(row);
    }

    /// Takes an application and its assignments away; `false` when there is none.
    pub(super) fn remove_application(&mut self, application_arn: &str) -> bool {
        let rows: Vec<Assignment> = self
            .assignments_after(application_arn, None)
            .cloned()
            .collect();
        for row in &rows {
            self.remove_assignment(row);
        }
        self.applications.remove(application_arn).is_some()
    }

    /// Assignments of an application after the given one.
    pub(super) fn assignments_after(
        &self,
        application_arn: &str,
        after: Option<&Assignment>,
    ) -> impl Iterator<Item = &Assignment> {
        let first = Assignment {
            application_arn: application_arn.to_owned(),
            principal_type: PrincipalType::Group,
            principal_id: String::new(),
        };
        let from = after.map_or(Bound::Included(first), |row| Bound::Excluded(row.clone()));
        let application_arn = application_arn.to_owned();
        self.assignments
            .range((from, Bound::Unbounded))
            .take_while(move |row| row.application_arn == application_arn)
    }

    /// Assignments of a principal, over all applications.
    pub(super) fn assignments_of_principal(
        &self,
        principal_type: PrincipalType,
        principal_id: &str,
    ) -> impl Iterator<Item = Assignment> {
        let first = (principal_id.to_owned(), principal_type, String::new());
        let principal = principal_id.to_owned();
        self.by_principal
            .range(first..)
            .take_while(move |(id, kind, _)| *id == principal && *kind == principal_type)
            .map(
                |(principal_id, principal_type, application_arn)| Assignment {
                    application_arn: application_arn.clone(),
                    principal_type: *principal_type,
                    principal_id: principal_id.clone(),
                },
            )
    }

    /// Changes a user's status; `false` when there is no such user in any store.
    pub(super) fn change_user(&mut self, user_id: &str, change: impl FnOnce(&mut User)) -> bool {
        let found = self.users.iter_mut().find(|((_, id), _)| id == user_id);
        found.map(|(_, row)| change(row)).is_some()
    }
}

fn keyed<T>(rows: Vec<T>, key: impl Fn(&T) -> &String) -> BTreeMap<String, T> {
    rows.into_iter()
        .map(|row| (key(&row).clone(), row))
        .collect()
}

pub(super) fn key(store: &str, id: &str) -> Key {
    (store.to_owned(), id.to_owned())
}
