//! People in several identity stores, as findings of each instance that has them.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::super::collection::Collection;
use super::super::people::People;
use super::{Findings, about_principal};
use crate::domain::facts::{FactKind, Found, UserValue, from_text};
use crate::domain::report::{Finding, FindingRow};
use crate::domain::{Instance, InstanceArn, PrincipalId, PrincipalKind, PrincipalRef, User};
use crate::store::{FactRange, FactStore, KeptFact, StoreError};

use super::super::seen::every_fact;

/// The users of other instances, as their last collections found them.
pub(in crate::audit) type Elsewhere = Vec<(Instance, Vec<User>)>;

/// Since when people are known to be in several stores, by instance and user.
pub(in crate::audit) type SinceWhen = HashMap<(InstanceArn, PrincipalId), Timestamp>;

/// The users of the other instances among these, each of one identity store.
///
/// # Errors
/// As for `FactStore::facts`.
pub(in crate::audit) async fn elsewhere(
    store: &dyn FactStore,
    here: &Instance,
    served: &[Instance],
    now: Timestamp,
) -> Result<Elsewhere, StoreError> {
    let mut stores = HashSet::from([&here.identity_store_id]);
    let mut found = Vec::new();
    for instance in served {
        if !stores.insert(&instance.identity_store_id) {
            continue;
        }
        let Some(last) = store.collection_at(&instance.arn, now).await? else {
            continue;
        };
        let mut users = Vec::new();
        let mut take = |kept: &KeptFact| users.extend(existing(kept));
        let range = FactRange::Kinds(vec![FactKind::User]);
        every_fact(store, last.id, &range, &mut take).await?;
        found.push((instance.clone(), users));
    }
    Ok(found)
}

/// The user, where it existed and this version can read it.
fn existing(kept: &KeptFact) -> Option<User> {
    let value: UserValue = from_text(&kept.fact.value).ok()?;
    let id = PrincipalId::parse(&kept.fact.key.key).ok()?;
    let (user, exists) = value.into_user(id).ok()?;
    exists.then_some(user)
}

/// Looks for users of the collection whom other stores have too.
pub(super) fn look_at(findings: &mut Findings, collection: &Collection, elsewhere: &Elsewhere) {
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

/// Takes those findings out of what was found in an instance: of instances that are read together the people are
/// found together.
pub(in crate::audit) fn taken_out(
    found: Vec<Found>,
    instance: &InstanceArn,
    since: &mut SinceWhen,
) -> Vec<Found> {
    let (people, others): (Vec<Found>, Vec<Found>) =
        (found.into_iter()).partition(|it| it.finding == Finding::DuplicateUser);
    for found in people {
        if let (Some(user), Some(at)) = (found.principal, found.since) {
            since.insert((instance.clone(), user.id), at);
        }
    }
    others
}

/// Says since when each of these has been known.
pub(in crate::audit) fn dated(rows: &mut [FindingRow], since: &SinceWhen) {
    for row in rows {
        let instance = InstanceArn::parse(&row.instance_arn).ok();
        let key = instance.zip(PrincipalId::parse(&row.principal_id).ok());
        let known = key.and_then(|key| since.get(&key));
        row.since = known.map(ToString::to_string).unwrap_or_default();
    }
}
