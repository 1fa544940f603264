//! Places in a collection: what refers to a user by its place follows it when users are sorted, and accounts get
//! theirs by their ids.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::accounts::AccountList;
use super::collection::{AccountFacts, Joined, Members, UserFacts, UserIndex};
use crate::domain::{AccountAccess, AccountId, Instance, PrincipalRef};

/// The same, sorted by the new places of users.
pub(super) fn moved_joined(
    mut joined: Vec<Joined>,
    moved_to: impl Fn(UserIndex) -> UserIndex,
) -> Vec<Joined> {
    for it in &mut joined {
        it.user = moved_to(it.user);
    }
    joined.sort_by_key(|it| it.user);
    joined
}

impl Members {
    /// The same, with the new places of users.
    pub(super) fn moved(self, moved_to: impl Fn(UserIndex) -> UserIndex) -> Self {
        let moved = |members: Vec<UserIndex>| {
            let mut members: Vec<UserIndex> = members.into_iter().map(&moved_to).collect();
            members.sort_unstable();
            members
        };
        match self {
            Self::Read(members) => Self::Read(moved(members)),
            Self::Partly(members) => Self::Partly(moved(members)),
            Self::NotRead => Self::NotRead,
        }
    }
}

/// The users by id, and for each old place the new one.
pub(super) fn sorted_users(users: Vec<UserFacts>) -> (Vec<UserFacts>, Vec<UserIndex>) {
    let mut sorted: Vec<(UserIndex, UserFacts)> = (0..).zip(users).collect();
    sorted.sort_unstable_by(|(_, left), (_, right)| left.user.id.cmp(&right.user.id));
    let mut moved = vec![0; sorted.len()];
    for ((old, _), new) in sorted.iter().zip(0..) {
        if let Some(place) = moved.get_mut(*old as usize) {
            *place = new;
        }
    }
    (sorted.into_iter().map(|(_, facts)| facts).collect(), moved)
}

/// The accounts that have a permission set, by id, and the place of each.
pub(super) fn account_facts(
    instance: &Instance,
    account_access: &BTreeMap<AccountAccess, BTreeSet<PrincipalRef>>,
    accounts: Option<&AccountList>,
) -> (Vec<AccountFacts>, HashMap<AccountId, u32>) {
    let ids = account_ids(account_access);
    let facts = (ids.iter())
        .map(|id| AccountList::facts(accounts, instance, id))
        .collect();
    (facts, ids.into_iter().cloned().zip(0..).collect())
}

/// The accounts that have a permission set.
pub(super) fn account_ids(
    account_access: &BTreeMap<AccountAccess, BTreeSet<PrincipalRef>>,
) -> BTreeSet<&AccountId> {
    (account_access.keys())
        .map(|access| &access.account)
        .collect()
}
