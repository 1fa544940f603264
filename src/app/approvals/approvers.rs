//! Who may agree to a wish, by facts of now: members of groups, services, and nobody for themselves.
//! Nothing here records anything.

use std::collections::{BTreeMap, BTreeSet};

use super::config::SamePersonBy;
use super::wish::Wish;
use crate::app::asker::Asker;
use crate::app::subject::Reading;
use crate::app::{App, AppError};
use crate::domain::{
    Approver, Approvers, CallerName, ErrorKind, GroupId, Instance, Path, PrincipalKind,
    PrincipalRef, PrincipalStatus, Requester, Review, User, UserId,
};
use crate::policy::{Action, PolicySet, Scene, Subject};

/// Who is out, because it would be for themselves.
#[derive(Debug, Default)]
pub(in crate::app) struct Interested {
    /// As records name them.
    names: BTreeSet<CallerName>,
    /// Requester, subject, beneficiary, and every member of a beneficiary group.
    users: BTreeSet<UserId>,
    /// What makes another account the same person.
    keys: BTreeSet<String>,
}

impl Interested {
    /// Whether somebody is one of them, by id or as the same person with another account.
    pub(in crate::app) fn has(&self, name: &CallerName, keys: &[String]) -> bool {
        self.names.contains(name)
            || user_id(name).is_some_and(|id| self.users.contains(&id))
            || keys.iter().any(|key| self.keys.contains(key))
    }
}

/// Those who could agree to a wish, with whom policy names that is not there.
#[derive(Debug, Default)]
pub(in crate::app) struct Candidates {
    /// Members of the groups, each once.
    pub(in crate::app) approvers: Vec<Approver>,
    /// Groups that the identity store does not have, or that have no members.
    pub(in crate::app) missing: Vec<String>,
}

/// The user of a name that records use.
pub(in crate::app) fn user_id(name: &CallerName) -> Option<UserId> {
    UserId::parse(name.as_str().strip_prefix("user:")?).ok()
}

/// The name that records use for a user.
pub(in crate::app) fn name_of_user(id: &UserId) -> Option<CallerName> {
    CallerName::parse(&format!("user:{id}")).ok()
}

/// Everybody whom these paths name.
pub(in crate::app) fn named(paths: &[Path]) -> BTreeSet<Approvers> {
    paths.iter().flat_map(Path::approvers).cloned().collect()
}

impl App {
    /// Who is out for a wish: who asked, for whom, and who gets the access.
    pub(in crate::app) async fn interested(
        &self,
        instance: &Instance,
        beneficiary: &PrincipalRef,
        requesters: &[&Requester],
        reading: Reading,
    ) -> Result<Interested, AppError> {
        let mut interested = Interested::default();
        let mut users: Vec<UserId> = Vec::new();
        for requester in requesters {
            users.extend(user_id(&requester.subject));
            interested.names.insert(requester.subject.clone());
            // A service that carried the wish is nobody's second account; what it says for others
            // is asked for proof elsewhere.
            if requester.service.is_none() {
                interested.names.insert(requester.caller.clone());
            }
        }
        let Reading { max_age, call } = reading;
        let directory = &self.parts.directory;
        match beneficiary.kind {
            PrincipalKind::User => users.push(beneficiary.id.clone()),
            PrincipalKind::Group => {
                let members = directory
                    .members_of_group(instance, &beneficiary.id, max_age, call)
                    .await;
                match members {
                    Ok(members) => {
                        let ids = members.value.iter().map(|row| row.user_id.clone());
                        let ids: Vec<UserId> = ids.collect();
                        if ids.len() <= self.parts.approvals.compared_members_max {
                            users.extend(ids);
                        } else {
                            interested.users.extend(ids);
                        }
                    }
                    Err(failure) if failure.kind == ErrorKind::NotFound => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
        }
        for id in users {
            if let Some(user) = directory.user(instance, &id, max_age, call).await? {
                interested.keys.extend(self.keys_of(&user));
            }
            interested.users.insert(id);
        }
        Ok(interested)
    }

    /// What another account of the same person has in common with this one.
    pub(in crate::app) fn keys_of(&self, user: &User) -> Vec<String> {
        match self.parts.approvals.same_person_by {
            SamePersonBy::Email if user.email.is_empty() => Vec::new(),
            SamePersonBy::Email => vec![user.email.to_lowercase()],
            SamePersonBy::ExternalId => {
                let ids = user.external_ids.iter();
                ids.map(|it| format!("{}\n{}", it.issuer, it.id)).collect()
            }
        }
    }

    /// Everybody in the groups that these paths name, but for who is out.
    pub(in crate::app) async fn candidates(
        &self,
        instance: &Instance,
        paths: &[Path],
        interested: &Interested,
        reading: Reading,
    ) -> Result<Candidates, AppError> {
        let wanted = named(paths);
        let groups = self.groups_meant(instance, &wanted, reading).await?;
        let mut stand_for: BTreeMap<UserId, BTreeSet<Approvers>> = BTreeMap::new();
        let mut found = Candidates::default();
        let Reading { max_age, call } = reading;
        for approvers in &wanted {
            let Approvers::Group(text) = approvers else {
                continue;
            };
            let members = match groups.get(text) {
                None => None,
                Some(id) => {
                    let directory = &self.parts.directory;
                    let members = directory.members_of_group(instance, id, max_age, call);
                    match members.await {
                        Ok(members) => Some(members.value),
                        Err(failure) if failure.kind == ErrorKind::NotFound => None,
                        Err(failure) => return Err(failure.into()),
                    }
                }
            };
            let members = members.unwrap_or_default();
            if members.is_empty() {
                found.missing.push(text.clone());
            }
            for row in members.iter() {
                let of = stand_for.entry(row.user_id.clone()).or_default();
                of.insert(approvers.clone());
            }
        }
        // Each of few is looked at; of very many there is always one who can.
        let are_few = stand_for.len() <= self.parts.approvals.compared_members_max;
        for (id, stands_for) in stand_for {
            let mut keys = Vec::new();
            if are_few {
                let user = self.parts.directory.user(instance, &id, max_age, call);
                match user.await? {
                    Some(user) if user.status != PrincipalStatus::Disabled => {
                        keys = self.keys_of(&user);
                    }
                    _ => continue,
                }
            }
            if let Some(reviewer) = name_of_user(&id)
                && !interested.has(&reviewer, &keys)
            {
                found.approvers.push(Approver {
                    reviewer,
                    stands_for,
                    may_approve: false,
                    keys: keys.into_iter().collect(),
                });
            }
        }
        Ok(found)
    }

    /// The ids of the groups among these, by the text that policies write.
    async fn groups_meant(
        &self,
        instance: &Instance,
        wanted: &BTreeSet<Approvers>,
        reading: Reading,
    ) -> Result<BTreeMap<String, GroupId>, AppError> {
        let texts = wanted.iter().filter_map(|it| match it {
            Approvers::Group(text) => Some(text.clone()),
            Approvers::Service(_) => None,
        });
        let texts: Vec<String> = texts.collect();
        let Reading { max_age, call } = reading;
        let directory = &self.parts.directory;
        let meant = directory.groups_meant(instance, &texts, max_age, call);
        Ok(meant.await?.into_iter().collect())
    }

    /// What somebody counts for who agrees, or has agreed, to a wish: none where the person is gone,
    /// disabled, out, or kept from it by policy.
    pub(in crate::app) async fn approver(
        &self,
        asker: &Asker,
        instance: &Instance,
        wish: &Wish<'_>,
        interested: &Interested,
        reading: Reading,
    ) -> Result<Option<Approver>, AppError> {
        let mut stands_for = BTreeSet::new();
        let mut keys = Vec::new();
        let wanted = named(wish.paths);
        match &asker.scene.subject {
            Subject::User(user) => {
                let Reading { max_age, call } = reading;
                let directory = &self.parts.directory;
                let record = directory.user(instance, &user.id, max_age, call).await?;
                let Some(record) = record else {
                    return Ok(None);
                };
                keys = self.keys_of(&record);
                stands_for = self
                    .stands_for(instance, &user.id, &wanted, reading)
                    .await?;
            }
            Subject::Service(name) => {
                stands_for.insert(Approvers::Service(name.clone()));
            }
            Subject::Unmatched(_) => {}
        }
        if interested.has(&asker.subject, &keys) {
            return Ok(None);
        }
        let resource = self.grant_resource(asker, wish.grant).await;
        let decision = asker
            .policy
            .decide(&asker.scene, Action::Approve, &resource);
        let is_kept_from = !decision.is_allowed && !decision.policies.is_empty();
        // Policies are asked nothing for a user who is not enabled: nothing then permits either.
        if is_kept_from || !decision.errors.is_empty() || asker.is_disabled() {
            return Ok(None);
        }
        Ok(Some(Approver {
            reviewer: asker.subject.clone(),
            stands_for,
            may_approve: decision.is_allowed,
            keys: keys
                .into_iter()
                .chain([asker.subject.to_string()])
                .collect(),
        }))
    }

    async fn stands_for(
        &self,
        instance: &Instance,
        user: &UserId,
        wanted: &BTreeSet<Approvers>,
        reading: Reading,
    ) -> Result<BTreeSet<Approvers>, AppError> {
        let groups = self.groups_meant(instance, wanted, reading).await?;
        if groups.is_empty() {
            return Ok(BTreeSet::new());
        }
        let Reading { max_age, call } = reading;
        let directory = &self.parts.directory;
        let rows = match directory
            .groups_of_user(instance, user, max_age, call)
            .await
        {
            Ok(rows) => rows.value,
            Err(failure) if failure.kind == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(failure) => return Err(failure.into()),
        };
        let is_in = |id: &GroupId| rows.iter().any(|row| row.group_id == *id);
        let named = groups.into_iter().filter(|(_, id)| is_in(id));
        Ok(named.map(|(text, _)| Approvers::Group(text)).collect())
    }

    /// What those count for now who have agreed to a wish.
    pub(in crate::app) async fn agreed(
        &self,
        policy: &std::sync::Arc<PolicySet>,
        instance: &Instance,
        wish: &Wish<'_>,
        (reviews, interested): (&[Review], &Interested),
        reading: Reading,
    ) -> Result<Vec<Approver>, AppError> {
        let mut agreed = Vec::new();
        for review in reviews
            .iter()
            .filter(|it| it.is_approval() && wish.is_of(it))
        {
            let Some(asker) = self.reviewer(policy, instance, review, reading).await? else {
                continue;
            };
            let approver = self.approver(&asker, instance, wish, interested, reading);
            agreed.extend(
                approver
                    .await?
                    .map(|it| vouched(it, review.vouched_by.as_deref())),
            );
        }
        Ok(agreed)
    }

    /// A reviewer of earlier as one who asks now.
    async fn reviewer(
        &self,
        policy: &std::sync::Arc<PolicySet>,
        instance: &Instance,
        review: &Review,
        reading: Reading,
    ) -> Result<Option<Asker>, AppError> {
        let name = review.reviewer.as_str();
        let subject = self.subject_called(policy, instance, name, name, reading);
        let Some(subject) = subject.await? else {
            return Ok(None);
        };
        Ok(Some(Asker {
            policy: policy.clone(),
            scene: Scene {
                subject,
                service: review.service.clone(),
                subject_proven: review.subject_proven,
                now: self.parts.clock.now(),
            },
            caller: review.caller.clone(),
            subject: review.reviewer.clone(),
        }))
    }

    /// The subject of a record, by facts of now; none where its user is gone.
    pub(in crate::app) async fn subject_called(
        &self,
        policy: &PolicySet,
        instance: &Instance,
        name: &str,
        known_as: &str,
        reading: Reading,
    ) -> Result<Option<Subject>, AppError> {
        if let Some(id) = name.strip_prefix("user:") {
            let user = self.user_called(policy, Some(instance), id, reading);
            return Ok(user.await?.map(Subject::User));
        }
        Ok(Some(match name.strip_prefix("service:") {
            Some(service) => Subject::Service(service.to_owned()),
            None => Subject::Unmatched(known_as.to_owned()),
        }))
    }
}

/// Who is vouched for stands for the service that vouches, and for nothing else: of its groups the
/// service cannot speak.
pub(in crate::app) fn vouched(mut approver: Approver, by: Option<&str>) -> Approver {
    if let Some(service) = by {
        approver.stands_for = BTreeSet::from([Approvers::Service(service.to_owned())]);
        approver.may_approve = false;
    }
    approver
}
