//! Facts of the store in the place of AWS: the collection as it was, cut to what a report is about, and the
//! grants of its time. Nothing here asks AWS.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::SignedDuration;

use super::collection::{Assignee, Beside, Collection, Members, Missing};
use super::facts;
use super::gather::Gathered;
use super::plan::KnownCounts;
use super::question::{Question, Scope, TargetScope};
use super::run::STORE_IS_AWAY;
use super::seen::Seen;
use crate::domain::report::View;
use crate::domain::{
    AccountAccess, ApplicationArn, Grant, GrantState, InstanceArn, PrincipalKind, PrincipalRef,
};
use crate::store::{FinishedCollection, GrantScope, Store, StoreError};

/// How long after a collection a grant may have begun whose assignment the collection saw: AWS shows what it
/// made within seconds.
const BEING_MADE: SignedDuration = SignedDuration::from_secs(60);

/// What the store keeps of a collection, as far as the question is about it. Where it cannot be read,
/// everything is missing.
pub(super) async fn from_store(
    question: Question<'_>,
    store: &dyn Store,
    kept: &FinishedCollection,
) -> (Collection, Seen) {
    let instance = question.instance.clone();
    match facts::load(store, instance.clone(), kept.clone()).await {
        Ok((mut collection, seen)) => {
            collection.keep_only(question.scope, question.view);
            // Nothing was asked for it now, and what it counted is of its time.
            collection.operations.clear();
            collection.counts = KnownCounts::default();
            (collection, seen)
        }
        Err(error) => {
            tracing::warn!(%error, "a report lacks the facts that are kept");
            let arn = instance.arn.clone();
            let mut nothing = Gathered::default().finish(instance, None);
            let scope = "the facts that are kept of this instance";
            (nothing.missing).push(Missing::of(&arn, scope, STORE_IS_AWAY));
            (nothing, Seen::default())
        }
    }
}

/// The grants that stood while a collection was read, as they were then, whatever became of them since. One
/// that was being made then counts where it stood soon after.
pub(super) async fn of_its_time(
    store: &dyn Store,
    instance: &InstanceArn,
    scope: &GrantScope,
    kept: &FinishedCollection,
) -> Result<Vec<Grant>, StoreError> {
    let record = &kept.record;
    let until = record.ended_at.checked_add(BEING_MADE);
    let until = until.unwrap_or(record.ended_at);
    let grants = store.grants_standing(instance, scope, record.began_at, until);
    let mut grants = grants.await?;
    for grant in &mut grants {
        grant.state = GrantState::Active;
    }
    Ok(grants)
}

impl Collection {
    /// Forgets the assignments that a question is not about.
    fn keep_only(&mut self, scope: &Scope, view: View) {
        if !scope.is_whole() {
            self.beside = Beside::default();
            self.keep_assignments(scope, view);
            self.forget_what_has_none();
        }
    }

    fn keep_assignments(&mut self, scope: &Scope, view: View) {
        match &scope.target {
            None => {}
            Some(TargetScope::Application(arn)) => self.keep_application(arn),
            Some(TargetScope::KnownApplication(application)) => {
                self.keep_application(&application.value.arn);
            }
            Some(TargetScope::AccountAccess(scope)) => self.keep_access(&scope.access),
        }
        let Some(principal) = &scope.principal else {
            return;
        };
        let wanted = self.assignees_of(principal, view);
        for facts in &mut self.applications {
            facts.assignees.retain(|it| wanted.contains(it));
        }
        for facts in &mut self.account_access {
            facts.assignees.retain(|it| wanted.contains(it));
        }
        self.account_access
            .retain(|facts| !facts.assignees.is_empty());
    }

    /// Forgets the accounts and permission sets that stand in no pair any more.
    fn forget_what_has_none(&mut self) {
        let pairs = &self.account_access;
        let (accounts, account_places) =
            kept_of(&self.accounts, pairs.iter().map(|facts| facts.account));
        let (sets, set_places) = kept_of(
            &self.permission_sets,
            pairs.iter().map(|facts| facts.permission_set),
        );
        for facts in &mut self.account_access {
            facts.account = account_places
                .get(&facts.account)
                .copied()
                .unwrap_or_default();
            let place = set_places.get(&facts.permission_set);
            facts.permission_set = place.copied().unwrap_or_default();
        }
        (self.accounts, self.permission_sets) = (accounts, sets);
    }

    fn keep_application(&mut self, arn: &ApplicationArn) {
        self.account_access.clear();
        self.applications.retain(|it| it.application.arn == *arn);
    }

    fn keep_access(&mut self, access: &AccountAccess) {
        self.applications.clear();
        let (accounts, sets) = (&self.accounts, &self.permission_sets);
        self.account_access.retain(|facts| {
            let account = accounts.get(facts.account as usize);
            let set = sets.get(facts.permission_set as usize);
            account.is_some_and(|it| it.account.id == access.account)
                && set.is_some_and(|it| it.arn == access.permission_set)
        });
    }

    /// As whom a principal is assigned: a user, where groups are expanded, also as each group that it is in,
    /// as far as its members are known.
    fn assignees_of(&self, principal: &PrincipalRef, view: View) -> HashSet<Assignee> {
        let user = (self.users).binary_search_by(|it| it.user.id.cmp(&principal.id));
        let user = user.ok().and_then(|place| u32::try_from(place).ok());
        let user = user.filter(|_| principal.kind == PrincipalKind::User);
        let groups = (0..)
            .zip(&self.groups)
            .filter(|(_, facts)| match principal.kind {
                PrincipalKind::Group => facts.group.id == principal.id,
                PrincipalKind::User if !view.expands_groups() => false,
                PrincipalKind::User => match &facts.members {
                    Members::Read(members) | Members::Partly(members) => {
                        user.is_some_and(|user| members.binary_search(&user).is_ok())
                    }
                    Members::NotRead => false,
                },
            });
        let groups = groups.map(|(place, _)| Assignee::Group(place));
        user.map(Assignee::User).into_iter().chain(groups).collect()
    }
}

/// Those of a list that are at these places, in their order, and for each old place the new one.
fn kept_of<T: Clone>(all: &[T], places: impl Iterator<Item = u32>) -> (Vec<T>, BTreeMap<u32, u32>) {
    let places: BTreeSet<u32> = places.collect();
    let kept = places.iter().filter_map(|place| all.get(*place as usize));
    (
        kept.cloned().collect(),
        places.iter().copied().zip(0..).collect(),
    )
}
