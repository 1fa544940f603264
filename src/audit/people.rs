//! One person in several identity stores: users that share an email address or the id that another
//! system has for them. Pure; nothing here is guessed from names.
//!
//! Sharing chains: if A and B share an address, and B and C an external id, the three are one
//! person. Users without address and without external id are never matched.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::collection::Collection;
use crate::domain::report::{DuplicateUserRow, Finding, FindingRow, MatchKind};
use crate::domain::{Instance, PrincipalKind, User, UserId};

/// The users of the instances read so far.
#[derive(Debug, Default)]
pub(super) struct People {
    instances: Vec<Instance>,
    users: Vec<(usize, User)>,
}

/// What two users can share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shared {
    kind: MatchKind,
    issuer: String,
    value: String,
}

impl People {
    /// Adds the users of an instance, whether or not something names them.
    pub(super) fn add(&mut self, collection: &Collection) {
        self.add_users(&collection.instance, Self::of(collection));
    }

    /// The users of an instance that exist.
    pub(super) fn of(collection: &Collection) -> impl Iterator<Item = &User> {
        let named = collection.users.iter().filter(|facts| facts.exists);
        let named = named.map(|facts| &facts.user);
        named.chain(&collection.beside.users)
    }

    /// Adds these users of an instance.
    pub(super) fn add_users<'a>(
        &mut self,
        instance: &Instance,
        users: impl Iterator<Item = &'a User>,
    ) {
        let place = self.instances.len();
        self.instances.push(instance.clone());
        self.users.extend(users.map(|user| (place, user.clone())));
    }

    /// Who of the instance that was added first is in several stores, and in how many, in words; each once.
    pub(super) fn of_first_instance(&self) -> BTreeMap<UserId, String> {
        let (mut persons, _) = self.persons();
        let stores = self.stores(&mut persons);
        let ours = (0..).zip(&self.users).filter(|(_, (place, _))| *place == 0);
        let several = ours.filter_map(|(place, (_, user))| {
            let count = stores.get(&persons.of(place)).map_or(0, BTreeSet::len);
            (count > 1).then(|| (user.id.clone(), in_stores(count)))
        });
        several.collect()
    }

    /// What somebody should look at: everybody who is in several stores, once, with the store of each user.
    pub(super) fn findings(&self) -> Vec<FindingRow> {
        let mut users: BTreeMap<(String, String), FindingRow> = BTreeMap::new();
        for row in self.rows() {
            let finding = Finding::DuplicateUser;
            let key = (row.instance_arn.clone(), row.user_id.clone());
            users.entry(key).or_insert_with(|| FindingRow {
                severity: finding.severity().as_str().to_owned(),
                finding: finding.as_str().to_owned(),
                instance_arn: row.instance_arn,
                identity_store_id: row.identity_store_id,
                owner_account_id: row.owner_account_id,
                principal_type: PrincipalKind::User.as_str().to_owned(),
                principal_id: row.user_id,
                principal_name: row.user_name,
                detail: in_stores(&row.store_count),
                what_to_do: finding.advice().to_owned(),
                ..FindingRow::default()
            });
        }
        users.into_values().collect()
    }

    /// The rows of everybody who is in more than one identity store, sorted by person, by what is
    /// shared, and by user.
    pub(super) fn rows(&self) -> Vec<DuplicateUserRow> {
        let (mut persons, holders) = self.persons();
        let stores = self.stores(&mut persons);
        let mut rows = Vec::new();
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        let mut matches: BTreeMap<usize, Vec<(&Shared, &[usize])>> = BTreeMap::new();
        for (shared, users) in &holders {
            let Some(first) = users.first() else { continue };
            matches
                .entry(persons.of(*first))
                .or_default()
                .push((shared, users));
        }
        for (person, matches) in matches {
            let store_count = stores.get(&person).map_or(0, BTreeSet::len);
            if store_count < 2 {
                continue;
            }
            let next = numbers.len() + 1;
            let number = *numbers.entry(person).or_insert(next);
            for (shared, users) in matches {
                rows.extend(
                    (users.iter()).filter_map(|user| self.row(*user, number, store_count, shared)),
                );
            }
        }
        rows
    }

    /// Who is one person, by what they share.
    fn persons(&self) -> (Persons, BTreeMap<Shared, Vec<usize>>) {
        let holders = self.holders();
        let mut persons = Persons::new(self.users.len());
        for users in holders.values() {
            for pair in users.windows(2) {
                if let [left, right] = pair {
                    persons.join(*left, *right);
                }
            }
        }
        (persons, holders)
    }

    /// Who has each thing that at least two users share; users in the order in which they were
    /// added, which is that of instances and ids.
    fn holders(&self) -> BTreeMap<Shared, Vec<usize>> {
        let mut holders: HashMap<Shared, Vec<usize>> = HashMap::new();
        for (place, (_, user)) in self.users.iter().enumerate() {
            for shared in what_it_can_share(user) {
                holders.entry(shared).or_default().push(place);
            }
        }
        holders
            .into_iter()
            .filter(|(_, users)| users.len() > 1)
            .collect()
    }

    /// The identity stores of each person.
    fn stores(&self, persons: &mut Persons) -> HashMap<usize, BTreeSet<&str>> {
        let mut stores: HashMap<usize, BTreeSet<&str>> = HashMap::new();
        for (place, (instance, _)) in self.users.iter().enumerate() {
            if let Some(instance) = self.instances.get(*instance) {
                let store = instance.identity_store_id.as_str();
                stores.entry(persons.of(place)).or_default().insert(store);
            }
        }
        stores
    }

    fn row(
        &self,
        user: usize,
        person: usize,
        store_count: usize,
        shared: &Shared,
    ) -> Option<DuplicateUserRow> {
        let (instance, user) = self.users.get(user)?;
        let instance = self.instances.get(*instance)?;
        Some(DuplicateUserRow {
            person: person.to_string(),
            store_count: store_count.to_string(),
            match_kind: shared.kind.as_str().to_owned(),
            match_issuer: shared.issuer.clone(),
            match_value: shared.value.clone(),
            instance_arn: instance.arn.to_string(),
            identity_store_id: instance.identity_store_id.to_string(),
            owner_account_id: (instance.owner_account_id.as_ref())
                .map(ToString::to_string)
                .unwrap_or_default(),
            user_id: user.id.to_string(),
            user_name: user.user_name.clone(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            user_status: user.status.as_str().to_owned(),
        })
    }
}

fn in_stores(count: impl std::fmt::Display) -> String {
    format!("in {count} identity stores")
}

pub(super) fn what_it_can_share(user: &User) -> BTreeSet<Shared> {
    let email = user.email.trim().to_lowercase();
    let email = (!email.is_empty()).then(|| Shared {
        kind: MatchKind::Email,
        issuer: String::new(),
        value: email,
    });
    // Without its issuer an id names nobody: two systems may give the same one to two people.
    let external = (user.external_ids.iter())
        .filter(|external| !external.issuer.is_empty() && !external.id.is_empty())
        .map(|external| Shared {
            kind: MatchKind::ExternalId,
            issuer: external.issuer.clone(),
            value: external.id.clone(),
        });
    email.into_iter().chain(external).collect()
}

/// Disjoint sets of users; each set is named by its first user.
struct Persons(Vec<usize>);

impl Persons {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// The first user of the set that this one is in.
    fn of(&mut self, user: usize) -> usize {
        let mut first = user;
        while let Some(above) = self.0.get(first).copied().filter(|above| *above != first) {
            first = above;
        }
        // Shorter ways for the next question.
        let mut place = user;
        while let Some(above) = self.0.get_mut(place) {
            let next = std::mem::replace(above, first);
            if next == place || place == first {
                break;
            }
            place = next;
        }
        first
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.of(left), self.of(right));
        if let Some(above) = self.0.get_mut(left.max(right)) {
            *above = left.min(right);
        }
    }
}

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
