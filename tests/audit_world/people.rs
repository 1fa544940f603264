//! Who is in several identity stores, worked out from the world by comparing everybody with
//! everybody whom they share something with.

use std::collections::{BTreeMap, BTreeSet};

use usher::simulator::{User, World};

/// What two users can share: the kind, the issuer, the value.
type Shared = (&'static str, String, String);
/// What one user shares, in how many stores its person is.
pub(crate) type Expected = BTreeSet<(Shared, String, usize)>;

fn shares(user: &User) -> Vec<Shared> {
    let email = user.email.as_deref().unwrap_or_default();
    let email = email.trim().to_lowercase();
    let mut shares = Vec::new();
    if !email.is_empty() {
        shares.push(("EMAIL", String::new(), email));
    }
    shares.extend(
        (user.external_ids.iter())
            .map(|external| ("EXTERNAL_ID", external.issuer.clone(), external.id.clone())),
    );
    shares
}

/// The persons who are in several stores, each as the set of their users' ids.
pub(crate) fn persons(world: &World) -> Vec<BTreeSet<String>> {
    let mut holders: BTreeMap<Shared, Vec<&User>> = BTreeMap::new();
    for user in &world.users {
        for shared in shares(user) {
            holders.entry(shared).or_default().push(user);
        }
    }
    let mut seen = BTreeSet::new();
    let mut persons = Vec::new();
    for user in &world.users {
        let mut waiting = vec![user];
        let mut person = BTreeSet::new();
        let mut stores = BTreeSet::new();
        while let Some(user) = waiting.pop() {
            if !seen.insert(user.user_id.as_str()) {
                continue;
            }
            person.insert(user.user_id.clone());
            stores.insert(user.identity_store_id.as_str());
            let all = shares(user).into_iter();
            waiting.extend(all.flat_map(|shared| holders[&shared].iter().copied()));
        }
        if stores.len() > 1 {
            persons.push(person);
        }
    }
    persons
}

/// A row for each of their users and each thing that it shares with another user.
pub(crate) fn rows(world: &World) -> Expected {
    let mut rows = Expected::new();
    for person in persons(world) {
        let users = world.users.iter();
        let users: Vec<&User> = users
            .filter(|user| person.contains(&user.user_id))
            .collect();
        let stores: BTreeSet<&str> = (users.iter())
            .map(|user| user.identity_store_id.as_str())
            .collect();
        for user in &users {
            for shared in shares(user) {
                let holders = users.iter().filter(|other| shares(other).contains(&shared));
                if holders.count() > 1 {
                    rows.insert((shared, user.user_id.clone(), stores.len()));
                }
            }
        }
    }
    rows
}
