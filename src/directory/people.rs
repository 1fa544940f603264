//! The users behind people who call: found by one rule and never guessed.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Directory;
use super::ids_by_name::Attribute;
use crate::domain::{
    Failure, GroupId, Instance, MatchBy, Person, Principal, PrincipalKind, PrincipalRef, User,
    UserId,
};
use crate::identity_center::Call;

impl Directory {
    /// The user whom a person's token means, by the rule of its issuer alone: a user name is never
    /// tried as an email address. Who it is, and the record, may be as old as `max_age`: each call of
    /// a person would cost an operation otherwise.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn user_of(
        &self,
        instance: &Instance,
        person: &Person,
        max_age: Duration,
        call: Call,
    ) -> Result<Option<User>, Failure> {
        let attribute = match person.match_by {
            MatchBy::UserName => Attribute::UserName,
            MatchBy::Email => Attribute::Email,
            MatchBy::ExternalId => Attribute::ExternalId(person.external_id_issuer.clone()),
        };
        let value = &person.match_value;
        let facts = &self.inner.identities;
        let id = self.id_in(facts, instance, attribute, value, max_age, call);
        match id.await?.value {
            Some(id) => self.user(instance, &id, max_age, call).await,
            None => Ok(None),
        }
    }

    /// The user whom a text names: a user name or, with an `@` in it, an email address. None where
    /// it is one user's name and another's address.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn user_named(
        &self,
        instance: &Instance,
        text: &str,
        max_age: Duration,
        call: Call,
    ) -> Result<Option<User>, Failure> {
        let facts = &self.inner.identities;
        let by = |attribute| self.id_in(facts, instance, attribute, text, max_age, call);
        let named = by(Attribute::UserName).await?.value;
        let mailed = if text.contains('@') {
            by(Attribute::Email).await?.value
        } else {
            None
        };
        match (named, mailed) {
            (Some(named), Some(mailed)) if named != mailed => Ok(None),
            (Some(id), _) | (None, Some(id)) => self.user(instance, &id, max_age, call).await,
            (None, None) => Ok(None),
        }
    }

    /// A user by id.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn user(
        &self,
        instance: &Instance,
        id: &UserId,
        max_age: Duration,
        call: Call,
    ) -> Result<Option<User>, Failure> {
        let reference = PrincipalRef {
            kind: PrincipalKind::User,
            id: id.clone(),
        };
        let found = self.principal(instance, &reference, max_age, call).await?;
        Ok(match found.value {
            Some(Principal::User(user)) => Some(user),
            Some(Principal::Group(_)) | None => None,
        })
    }

    /// The groups that these texts mean, each with its text: an id means itself, and a display name
    /// whichever group has it, by what was read at most `max_age` ago. Whether an id is any group's
    /// is not asked.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn groups_meant(
        &self,
        instance: &Instance,
        texts: &[String],
        max_age: Duration,
        call: Call,
    ) -> Result<Vec<(String, GroupId)>, Failure> {
        let reads = texts.iter().cloned().map(|text| async move {
            let id = match GroupId::parse(&text) {
                Ok(id) => Some(id),
                Err(_) => {
                    let facts = &self.inner.identities;
                    let attribute = Attribute::GroupName;
                    let id = self.id_in(facts, instance, attribute, &text, max_age, call);
                    id.await?.value
                }
            };
            Ok(id.map(|id| (text, id)))
        });
        stream::iter(reads)
            .buffered(self.inner.config.describes_max)
            .try_filter_map(|meant| async move { Ok(meant) })
            .try_collect()
            .await
    }
}
