//! People in several identity stores, as findings of each instance that has them.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::super::collection::Collection;
use super::super::people::{People, Shared, what_it_can_share};
use super::super::question::ReportRequest;
use super::{Findings, Known, about_principal, rows};
use crate::domain::facts::{FactKey, FactKind, Found};
use crate::domain::report::{Finding, FindingRow};
use crate::domain::{Instance, PrincipalKind, PrincipalRef, User};
use crate::store::{FactRange, FactStore, KeptFact, StoreError};

use super::super::seen::every_fact;

/// Users of other instances, as their last collections found them, who may be people of the collection.
pub(in crate::audit) type UsersElsewhere = Vec<(Instance, Vec<User>)>;

/// The users of the other instances among these, each of one identity store, who share something with users of the
/// collection, or with somebody who does. Stores are large and such people few: nobody else is held.
///
/// # Errors
/// As for `FactStore::facts`.
pub(in crate::audit) async fn elsewhere(
    store: &dyn FactStore,
    collection: &Collection,
    served: &[Instance],
    now: Timestamp,
) -> Result<UsersElsewhere, StoreError> {
    let mut stores = HashSet::from([&collection.instance.identity_store_id]);
    let others = (served.iter()).filter(|it| stores.insert(&it.identity_store_id));
    let mut others_read = Vec::new();
    for instance in others {
        if let Some(last) = store.collection_at(&instance.arn, now).await? {
            others_read.push((instance, last.id));
        }
    }
    let mut shared: HashSet<Shared> = (People::of(collection))
        .flat_map(what_it_can_share)
        .collect();
    if shared.is_empty() {
        return Ok(Vec::new());
    }
    loop {
        let mut found = Vec::new();
        for (instance, last) in &others_read {
            let mut users = Vec::new();
            let mut take = |kept: &KeptFact| users.extend(sharing(kept, &shared));
            let range = FactRange::Kinds(vec![FactKind::User]);
            every_fact(store, *last, &range, &mut take).await?;
            found.push(((*instance).clone(), users));
        }
        let known = shared.len();
        let users = found.iter().flat_map(|(_, users)| users);
        shared.extend(users.flat_map(what_it_can_share));
        if shared.len() == known {
            return Ok(found);
        }
    }
}

/// The user, where it existed, this version can read it, and it shares one of these.
fn sharing(kept: &KeptFact, shared: &HashSet<Shared>) -> Option<User> {
    let user = (kept.fact.user().ok()).and_then(|(user, exists)| exists.then_some(user))?;
    let is_wanted = what_it_can_share(&user)
        .iter()
        .any(|it| shared.contains(it));
    is_wanted.then_some(user)
}

/// Looks for users of the collection whom other stores have too.
pub(super) fn look_at(
    findings: &mut Findings,
    collection: &Collection,
    elsewhere: &UsersElsewhere,
) {
    if elsewhere.is_empty() {
        return;
    }
    let mut people = People::default();
    people.add(collection);
    for (instance, users) in elsewhere {
        people.add_users(instance, users.iter());
    }
    for (id, detail) in people.of_first_instance() {
        let kind = PrincipalKind::User;
        let user = PrincipalRef { kind, id };
        findings.add(about_principal(Finding::DuplicateUser, user, detail));
    }
}

/// What was known of people stays where not everybody was looked at.
pub(in crate::audit) fn keep_people(found: &mut Vec<Found>, known: &Known) {
    let now: HashSet<FactKey> = found.iter().map(Found::key).collect();
    let kept = known.of_people().filter(|it| !now.contains(&it.key()));
    found.extend(kept.cloned());
    found.sort_by_cached_key(Found::key);
}

/// The people of several instances that one report is about: they are found together.
#[derive(Default)]
pub(in crate::audit) struct Together {
    people: People,
    /// What was found with each instance, by instance and user.
    known: BTreeMap<(String, String), FindingRow>,
    /// Whether the users of some were not all listed.
    lacks_some: bool,
}

impl Together {
    /// Adds the people of an instance, and takes what was found of them out of its findings.
    pub(in crate::audit) fn add(
        &mut self,
        collection: &Collection,
        found: Vec<Found>,
    ) -> Vec<Found> {
        self.people.add(collection);
        self.lacks_some |= collection.counts.users.is_none();
        let (people, others) = parted(found);
        for row in rows(collection, people) {
            let key = (row.instance_arn.clone(), row.principal_id.clone());
            self.known.insert(key, row);
        }
        others
    }

    /// Who is in several stores, since when that is known; with what is known from stores that the report is not about,
    /// or that were not listed, where that may be told.
    pub(in crate::audit) fn rows(mut self, request: &ReportRequest) -> Vec<FindingRow> {
        let mut rows = self.people.findings();
        for row in &mut rows {
            let key = (row.instance_arn.clone(), row.principal_id.clone());
            row.since = self.known.remove(&key).unwrap_or_default().since;
        }
        let lacks_some = self.lacks_some || request.instances.len() < request.peers.served.len();
        if lacks_some && request.peers.may_be_told {
            rows.extend(self.known.into_values());
        }
        rows
    }
}

/// Those about people in several stores, and the others.
pub(in crate::audit) fn parted(found: Vec<Found>) -> (Vec<Found>, Vec<Found>) {
    let found = found.into_iter();
    found.partition(|it| it.finding == Finding::DuplicateUser)
}
