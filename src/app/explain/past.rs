//! ExplainAccess as of a past time: from the facts of the last collection before it and the grants that stood
//! then. Nothing here asks AWS, but to find who and what is meant by a name.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::obstacles::not_assigned;
use super::{
    AccessExplanation, ExplainAccess, ExplainedPath, Findings, GRANTS_SHOWN_MAX, PathKind, answer,
    as_list,
};
use crate::app::asker::Asker;
use crate::app::list_assignments::not_there;
use crate::app::reasons::Reasons;
use crate::app::view::NamedPrincipal;
use crate::app::{App, AppError, CallContext};
use crate::audit::{Seen, StoreFacts};
use crate::directory::{
    AccountQuery, ApplicationQuery, PermissionSetQuery, PrincipalQuery, TargetQuery,
};
use crate::domain::facts::{Fact, FactKey, FactKind, Gaps, KnownFact};
use crate::domain::{
    AccountAccess, AssignmentKey, Instance, PrincipalId, PrincipalKind, PrincipalRef,
    PrincipalStatus, Target,
};
use crate::store::{FactRange, FinishedCollection, GrantScope, KeptFact};

/// The groups of a user that are looked at: AWS lets a user be in 1,000 (aws-api.md §4).
const GROUPS_MAX: usize = 1_000;

/// Who and what is asked about, at which time.
pub(super) struct Past<'a> {
    pub(super) asker: &'a Asker,
    pub(super) instance: &'a Instance,
    pub(super) user: PrincipalRef,
    pub(super) target: Target,
    pub(super) then: FinishedCollection,
    /// What that one could not see: of that only what was last known is at hand.
    pub(super) gaps: Gaps,
    /// What of it could not be read, without what was not looked at because of that.
    pub(super) missed: Gaps,
}

impl App {
    /// Whether a user could enter a target at a time, and why.
    ///
    /// # Errors
    /// `FactsNotCollected` before the first collection; else as for `explain_access`.
    pub(super) async fn explain_past(
        &self,
        context: &CallContext,
        request: &ExplainAccess,
        (instance, asker): (&Instance, &Asker),
        at: Timestamp,
    ) -> Result<AccessExplanation, AppError> {
        if at > self.parts.clock.now() {
            return Err(AppError::field("as_of", "is in the future; leave it out"));
        }
        let user = self.user_meant(context, instance, &request.user).await?;
        let target = self
            .target_meant(context, instance, &request.target)
            .await?;
        let list = as_list(request);
        self.check_assignment_may_be_seen(asker, &list, (instance, &user, &target))
            .await?;
        let then = self.parts.store.collection_at(&instance.arn, at).await?;
        let Some(then) = then else {
            return Err(self.not_collected(instance, None).await?);
        };
        let missing = then.record.missing.iter().flat_map(|miss| &miss.gaps);
        let past = Past {
            gaps: Gaps::for_readers(then.record.gaps()),
            missed: Gaps::for_readers(missing),
            asker,
            instance,
            user,
            target,
            then,
        };
        let as_of = past.then.record.read_from();
        let mut findings = Findings {
            paths: Vec::new(),
            obstacles: Vec::new(),
            unread: Vec::new(),
            is_state_unread: false,
            hidden_paths: 0,
            unread_paths: 0,
            as_of,
        };
        let groups = self.groups_then(&past).await?;
        self.add_ways_then(&past, &groups, &mut findings).await?;
        let (user, target) = self.add_statuses_then(&past, &mut findings).await?;
        add_gaps(&past, &groups, &mut findings);
        if findings.hidden_paths > 0 {
            let sentence = "ways through groups that you may not see are not shown";
            findings.unread.push(sentence.to_owned());
        }
        let has_way = findings.has_way();
        if !has_way && findings.unread.is_empty() {
            if user.status == PrincipalStatus::Unknown && target.name.is_empty() {
                return Err(not_there(&list));
            }
            findings.obstacles.push(not_assigned());
        }
        Ok(AccessExplanation {
            instance_arn: instance.arn.clone(),
            user,
            target,
            answer: answer(has_way, &findings),
            paths: findings.paths,
            obstacles: findings.obstacles,
            unread: findings.unread,
            as_of,
        })
    }

    /// The user by its id, which may be gone by now, or by a name of now.
    async fn user_meant(
        &self,
        context: &CallContext,
        instance: &Instance,
        query: &PrincipalQuery,
    ) -> Result<PrincipalRef, AppError> {
        let (PrincipalQuery::User(text) | PrincipalQuery::Group(text)) = query;
        if let Ok(id) = PrincipalId::parse(text) {
            let kind = PrincipalKind::User;
            return Ok(PrincipalRef { kind, id });
        }
        let (max_age, call) = (self.default_max_age(), self.call(context));
        let asked = self.principal_for_reading(instance, query, max_age, call);
        Ok(asked.await?.reference)
    }

    /// The target by its ids, or by names of now.
    async fn target_meant(
        &self,
        context: &CallContext,
        instance: &Instance,
        query: &TargetQuery,
    ) -> Result<Target, AppError> {
        match query {
            TargetQuery::Application(ApplicationQuery::Arn(arn)) => {
                return Ok(Target::Application(arn.clone()));
            }
            TargetQuery::AccountAccess {
                account: AccountQuery::Id(account),
                permission_set: PermissionSetQuery::Arn(arn),
            } => {
                return Ok(Target::AccountAccess(AccountAccess {
                    account: account.clone(),
                    permission_set: arn.clone(),
                }));
            }
            _ => {}
        }
        let (max_age, call) = (self.default_max_age(), self.call(context));
        self.target_for_reading(instance, query, max_age, call)
            .await
    }

    async fn groups_then(&self, past: &Past<'_>) -> Result<Vec<PrincipalRef>, AppError> {
        let store = &self.parts.store;
        let range = FactRange::With(FactKind::Membership, past.user.id.to_string());
        let memberships = store.facts(past.then.id, &range, None, GROUPS_MAX).await?;
        let groups = memberships.into_iter().filter_map(|kept| {
            Some(PrincipalRef {
                kind: PrincipalKind::Group,
                id: PrincipalId::parse(&kept.fact.key.key).ok()?,
            })
        });
        Ok(groups.collect())
    }

    /// The ways by assignments, with the grants that stood then.
    async fn add_ways_then(
        &self,
        past: &Past<'_>,
        groups: &[PrincipalRef],
        findings: &mut Findings,
    ) -> Result<(), AppError> {
        let store = self.parts.store.as_ref();
        let assigned = std::iter::once(&past.user).chain(groups);
        let assigned: Vec<(FactKey, &PrincipalRef)> = assigned
            .map(|it| (FactKey::assignment(&past.target, it), it))
            .collect();
        let keys: Vec<FactKey> = assigned.iter().map(|(key, _)| key.clone()).collect();
        let there: Vec<KeptFact> = store.facts_of(past.then.id, &keys).await?;
        let first = store.first_whole_collection(&past.instance.arn).await?;
        let mut seen = Seen::of_collection(past.then.id, first);
        there.iter().for_each(|kept| seen.take(kept));
        let there: BTreeSet<&FactKey> = there.iter().map(|kept| &kept.fact.key).collect();
        let scope = GrantScope::Target(past.target.clone());
        let arn = &past.instance.arn;
        let facts = StoreFacts::read(store, arn, &scope, Some(&past.then)).await?;
        let facts = facts.looked_at(past.then.record.read_from());
        let reasons = Reasons::new(facts, seen);
        let mut shown = 0;
        for (_, principal) in assigned.iter().filter(|(key, _)| there.contains(key)) {
            let key = AssignmentKey {
                instance_arn: arn.clone(),
                principal: (*principal).clone(),
                target: past.target.clone(),
            };
            if past.could_not_see(principal) {
                findings.unread_paths += 1;
            }
            let user = Some(&past.user).filter(|user| user != principal);
            let whose = std::iter::once(*principal).chain(user);
            let is_seen = self.way_may_be_seen(past.asker, arn, &past.target, whose);
            if !is_seen.await {
                findings.hidden_paths += 1;
                continue;
            }
            let (provenance, grants) = reasons.of(&key);
            let mut views = Vec::new();
            for grant in &grants {
                if shown == GRANTS_SHOWN_MAX {
                    break;
                }
                // As it is by now: what became of it is part of the answer.
                let grant = store.grant(&grant.id).await?;
                let Some(grant) = grant else { continue };
                if let Some(view) = self.grant_if_seen(past.asker, &grant).await? {
                    views.push(*view);
                    shown += 1;
                }
            }
            let owner = self.external_owner(past.instance, principal, &past.target);
            let owner = owner.await.filter(|_| grants.is_empty());
            findings.paths.push(ExplainedPath {
                kind: self.kind_then(past, principal).await?,
                provenance: Some(provenance.or_external(owner.is_some())),
                external_owner: owner.unwrap_or_default(),
                grants: views,
                grant_ids: grants.iter().map(|grant| grant.id.clone()).collect(),
            });
        }
        Ok(())
    }

    async fn kind_then(
        &self,
        past: &Past<'_>,
        principal: &PrincipalRef,
    ) -> Result<PathKind, AppError> {
        if principal.kind == PrincipalKind::User {
            return Ok(PathKind::Direct);
        }
        let known = self.known_then(past, FactKey::group(&principal.id)).await?;
        Ok(PathKind::Group(NamedPrincipal {
            reference: principal.clone(),
            status: known
                .as_ref()
                .map_or(PrincipalStatus::Unknown, |it| it.status),
            name: known.map(|it| it.name).unwrap_or_default(),
        }))
    }

    pub(super) async fn known_then(
        &self,
        past: &Past<'_>,
        key: FactKey,
    ) -> Result<Option<KnownFact>, AppError> {
        let fact = self.fact_then(past, key).await?;
        Ok(fact.as_ref().map(KnownFact::read))
    }

    pub(super) async fn fact_then(
        &self,
        past: &Past<'_>,
        key: FactKey,
    ) -> Result<Option<Fact>, AppError> {
        let found = self.parts.store.facts_of(past.then.id, &[key]).await?;
        Ok(found.into_iter().next().map(|kept| kept.fact))
    }
}

impl Past<'_> {
    /// Whether the way by this assignee is told as it was last known.
    fn could_not_see(&self, assignee: &PrincipalRef) -> bool {
        let is_member = match assignee.kind {
            PrincipalKind::User => None,
            PrincipalKind::Group => Some(FactKey::membership(&assignee.id, &self.user.id)),
        };
        let assignment = FactKey::assignment(&self.target, assignee);
        self.gaps.cover(&assignment) || is_member.is_some_and(|key| self.gaps.cover(&key))
    }
}

/// What the collection did not see of it.
fn add_gaps(past: &Past<'_>, groups: &[PrincipalRef], findings: &mut Findings) {
    let record = &past.then.record;
    let mut assigned = std::iter::once(&past.user).chain(groups);
    if assigned.any(|it| (past.gaps).cover(&FactKey::assignment(&past.target, it))) {
        let sentence = "who was assigned: that could not be read then";
        findings.unread.push(sentence.to_owned());
    }
    if record.gaps().any(|gap| gap.kind == FactKind::Membership) {
        let sentence = "the members of some groups: they could not be read then";
        findings.unread.push(sentence.to_owned());
    }
}
