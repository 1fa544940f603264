//! What the lists of a whole instance show beside what a report needs: pages that are paid for anyway say who and
//! what else there is.

use std::collections::BTreeMap;

use super::accounts::AccountList;
use super::collection::Beside;
use super::gather::Gathered;
use crate::domain::{Group, GroupId, Instance, User, UserId};

/// What lists showed so far; repeated over pages, perhaps.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Users that nothing had named when they were shown.
    pub(super) users: Vec<User>,
    /// Every group.
    pub(super) groups: Vec<Group>,
}

impl Shown {
    /// What of it nothing names, each once.
    pub(super) fn beside(
        self,
        gathered: &Gathered,
        instance: &Instance,
        accounts: Option<&AccountList>,
    ) -> Beside {
        let users = self.users.into_iter();
        let users: BTreeMap<UserId, User> = users
            .filter(|user| !gathered.names_user(&user.id))
            .map(|user| (user.id.clone(), user))
            .collect();
        let groups = self.groups.into_iter();
        let groups: BTreeMap<GroupId, Group> = groups
            .filter(|group| !gathered.names_group(&group.id))
            .map(|group| (group.id.clone(), group))
            .collect();
        let accounts = accounts.filter(|_| instance.gives_account_access());
        let accounts = accounts.map(|list| list.all_of(instance));
        let accounts = accounts.into_iter().flatten();
        let named = gathered.accounts_named();
        Beside {
            users: users.into_values().collect(),
            groups: groups.into_values().collect(),
            accounts: accounts
                .filter(|account| !named.contains(&account.id))
                .cloned()
                .collect(),
        }
    }
}
