//! Facts of the store in the place of AWS: the collection as it was, cut to what a report is about, and the
//! grants of its time. Nothing here asks AWS.

use std::collections::HashSet;

use super::collection::{Assignee, Collection, Members, Missing};
use super::facts;
use super::gather::Gathered;
use super::question::{Question, Scope, TargetScope};
use super::run::STORE_IS_AWAY;
use crate::domain::{
    AccountAccess, ApplicationArn, Grant, GrantState, PrincipalKind, PrincipalRef,
};
use crate::store::{FinishedCollection, Store};

/// What the store keeps of a collection, as far as the question is about it. Where it cannot be read,
/// everything is missing.
pub(super) async fn from_store(
    question: Question<'_>,
    store: &dyn Store,
    kept: &FinishedCollection,
) -> Collection {
    let instance = question.instance.clone();
    match facts::load(store, instance.clone(), kept.clone()).await {
        Ok(mut collection) => {
            collection.keep_only(question.scope);
            // Nothing was asked for it now.
            collection.operations.clear();
            collection
        }
        Err(error) => {
            tracing::warn!(%error, "a report lacks the facts that are kept");
            let arn = instance.arn.clone();
            let mut nothing = Gathered::default().finish(instance, None);
            nothing.missing.push(Missing {
                instance_arn: Some(arn),
                scope: "the facts that are kept of this instance".to_owned(),
                reason: STORE_IS_AWAY.to_owned(),
                gaps: Vec::new(),
            });
            nothing
        }
    }
}

/// Grants as they were while they stood, whatever became of them since.
pub(super) fn standing(mut grants: Vec<Grant>) -> Vec<Grant> {
    for grant in &mut grants {
        grant.state = GrantState::Active;
    }
    grants
}

impl Collection {
    /// Forgets the assignments that a question is not about.
    fn keep_only(&mut self, scope: &Scope) {
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
        let wanted = self.assignees_of(principal);
        for facts in &mut self.applications {
            facts.assignees.retain(|it| wanted.contains(it));
        }
        for facts in &mut self.account_access {
            facts.assignees.retain(|it| wanted.contains(it));
        }
        self.account_access
            .retain(|facts| !facts.assignees.is_empty());
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

    /// As whom a principal is assigned: a user also as each group that it is in, as far as its members are
    /// known.
    fn assignees_of(&self, principal: &PrincipalRef) -> HashSet<Assignee> {
        let user = (self.users).binary_search_by(|it| it.user.id.cmp(&principal.id));
        let user = user.ok().and_then(|place| u32::try_from(place).ok());
        let user = user.filter(|_| principal.kind == PrincipalKind::User);
        let groups = (0..)
            .zip(&self.groups)
            .filter(|(_, facts)| match principal.kind {
                PrincipalKind::Group => facts.group.id == principal.id,
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
