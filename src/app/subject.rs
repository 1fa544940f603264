//! The users behind people, with the groups that policies name, as the identity store of an instance
//! has them. Nothing here decides anything, and nobody is guessed.

use std::time::Duration;

use super::assign::group_reference;
use super::{App, AppError};
use crate::domain::{
    ErrorKind, Failure, GroupId, Instance, Person, PrincipalId, PrincipalStatus, User, UserId,
};
use crate::identity_center::Call;
use crate::policy::{GroupFacts, PolicySet, Subject, UserFacts};

/// How the facts about a subject are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// How old they may be.
    pub(super) max_age: Duration,
    /// How they are asked for.
    pub(super) call: Call,
}

impl App {
    /// The user behind a token.
    pub(super) async fn person(
        &self,
        policy: &PolicySet,
        instance: Option<&Instance>,
        person: &Person,
        reading: Reading,
    ) -> Result<Subject, AppError> {
        let Some(instance) = instance else {
            return Ok(unmatched(person));
        };
        let directory = &self.parts.directory;
        let user = directory.user_of(instance, person, reading.max_age, reading.call);
        let user = match user.await? {
            Some(user) => self.with_groups(policy, instance, user, reading).await?,
            None => None,
        };
        Ok(user.map_or_else(|| unmatched(person), Subject::User))
    }

    /// The user whom a service names by an id, a user name or an email address.
    pub(super) async fn user_called(
        &self,
        policy: &PolicySet,
        instance: Option<&Instance>,
        text: &str,
        reading: Reading,
    ) -> Result<Option<UserFacts>, AppError> {
        let Some(instance) = instance else {
            return Ok(None);
        };
        let directory = &self.parts.directory;
        let Reading { max_age, call } = reading;
        let user = match PrincipalId::parse(text) {
            Ok(id) => directory.user(instance, &id, max_age, call).await?,
            Err(_) => directory.user_named(instance, text, max_age, call).await?,
        };
        match user {
            Some(user) => self.with_groups(policy, instance, user, reading).await,
            None => Ok(None),
        }
    }

    /// The user with those groups that policies name; none where AWS has the user no more.
    async fn with_groups(
        &self,
        policy: &PolicySet,
        instance: &Instance,
        user: User,
        reading: Reading,
    ) -> Result<Option<UserFacts>, AppError> {
        let groups = match self
            .written_groups_of(policy, instance, &user.id, reading)
            .await
        {
            Ok(groups) => groups,
            // It went after its record was read.
            Err(failure) if failure.kind == ErrorKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        Ok(Some(UserFacts {
            id: user.id,
            name: user.user_name,
            email: user.email,
            // AWS does not tell the status of every user; who is not known to be disabled is not.
            status: match user.status {
                PrincipalStatus::Unknown => PrincipalStatus::Enabled,
                status => status,
            },
            groups,
        }))
    }

    /// The user's groups as policies write them: one operation for each hundred groups of the user,
    /// and one for each name in policies or for each group of the user, whichever are fewer.
    async fn written_groups_of(
        &self,
        policy: &PolicySet,
        instance: &Instance,
        user: &UserId,
        reading: Reading,
    ) -> Result<Vec<GroupFacts>, Failure> {
        let written: Vec<String> = policy.groups().map(str::to_owned).collect();
        if written.is_empty() {
            return Ok(Vec::new());
        }
        let directory = &self.parts.directory;
        let Reading { max_age, call } = reading;
        let memberships = directory.groups_of_user(instance, user, max_age, call);
        let memberships = memberships.await?.value;
        if memberships.len() < written.len() {
            let ids = memberships.iter().map(|row| row.group_id.clone());
            return self
                .written_names_of(instance, &written, ids.collect(), reading)
                .await;
        }
        let meant = directory.groups_meant(instance, &written, max_age, call);
        let is_in = |id: &GroupId| memberships.iter().any(|row| row.group_id == *id);
        let meant = meant.await?.into_iter().filter(|(_, id)| is_in(id));
        Ok(meant.map(|(text, id)| as_written(text, id)).collect())
    }

    /// Of these groups, those that policies write, by id or by the name that they have now.
    async fn written_names_of(
        &self,
        instance: &Instance,
        written: &[String],
        ids: Vec<GroupId>,
        reading: Reading,
    ) -> Result<Vec<GroupFacts>, Failure> {
        let Reading { max_age, call } = reading;
        let directory = &self.parts.directory;
        let mut facts = Vec::new();
        for id in ids {
            if written.iter().any(|text| text == id.as_str()) {
                facts.push(as_written(id.to_string(), id.clone()));
            }
            let reference = group_reference(&id);
            let found = directory.principal(instance, &reference, max_age, call);
            let name = found.await?.value.map(|group| group.name().to_owned());
            facts.extend(
                name.filter(|name| written.contains(name))
                    .map(|name| as_written(name, id)),
            );
        }
        Ok(facts)
    }
}

fn as_written(text: String, id: GroupId) -> GroupFacts {
    GroupFacts {
        // A group that policies write by its id has no part in what they write of its name.
        name: if text == id.as_str() {
            String::new()
        } else {
            text
        },
        id,
    }
}

/// A person whom no user matches, as policies write it. The issuer's name has no slash in it, so
/// that a person of one issuer is never one of another.
pub(super) fn unmatched(person: &Person) -> Subject {
    let value = &person.match_value;
    Subject::Unmatched(if person.issuer.is_empty() {
        value.clone()
    } else {
        format!("{}/{value}", person.issuer)
    })
}

/// A user who is nobody and is in no group, called as somebody was called in vain: what policy says
/// of acting for it, it says whether there is anybody or not.
pub(super) fn nobody(text: &str) -> UserFacts {
    let (id, name) = match UserId::parse(text) {
        Ok(id) => (id, String::new()),
        Err(_) => (UserId::of_nobody(), text.to_owned()),
    };
    UserFacts {
        id,
        email: if name.contains('@') {
            name.clone()
        } else {
            String::new()
        },
        name,
        status: PrincipalStatus::Enabled,
        groups: Vec::new(),
    }
}
