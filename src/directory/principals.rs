//! Users, groups and memberships.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::ids_by_name::Attribute;
use super::lookup::{Candidate, LookupError, NotFoundKind, PrincipalQuery};
use super::names::name_of_principal;
use super::{Directory, Inner, READ_NOW};
use crate::domain::{
    Failure, Group, GroupId, Instance, Membership, Operation, Principal, PrincipalId,
    PrincipalKind, PrincipalRef, User, UserId,
};
use crate::identity_center::{Call, Dated, Page, PageToken, collect_pages};

impl Directory {
    /// One user or group. A text of the shape of an id is an id. A name is always asked of AWS, by
    /// one operation, because a name may belong to somebody else today; `max_age` is for the
    /// record. A user's name with an `@` in it may also be an email address: unless the record at
    /// hand shows that it is the same user's, that is asked too.
    ///
    /// # Errors
    /// `NotFound`; `Ambiguous` when the text is one user's name and another's email address; what
    /// AWS fails with.
    pub async fn find_principal(
        &self,
        instance: &Instance,
        query: &PrincipalQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Principal>, LookupError> {
        let (kind, text) = match query {
            PrincipalQuery::User(text) => (PrincipalKind::User, text),
            PrincipalQuery::Group(text) => (PrincipalKind::Group, text),
        };
        if let Ok(id) = PrincipalId::parse(text) {
            let reference = PrincipalRef { kind, id };
            let found = self.principal(instance, &reference, max_age, call).await?;
            return present(found, text);
        }
        match kind {
            PrincipalKind::User => self.user_by_text(instance, text, max_age, call).await,
            PrincipalKind::Group => {
                let id = self
                    .id_by(instance, Attribute::GroupName, text, call)
                    .await?
                    .ok_or_else(|| not_found(text))?;
                let reference = PrincipalRef { kind, id };
                self.named(instance, &reference, text, max_age, call).await
            }
        }
    }

    async fn user_by_text(
        &self,
        instance: &Instance,
        text: &str,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Principal>, LookupError> {
        let user = |id: PrincipalId| PrincipalRef {
            kind: PrincipalKind::User,
            id,
        };
        let named = self
            .id_by(instance, Attribute::UserName, text, call)
            .await?
            .map(user);
        let by_name = match &named {
            Some(reference) => {
                let found = self.named(instance, reference, text, max_age, call);
                Some(found.await?)
            }
            None => None,
        };
        let has_it_as_email = by_name.as_ref().is_some_and(
            |found| matches!(&found.value, Principal::User(user) if user.email == text),
        );
        if !text.contains('@') || has_it_as_email {
            return by_name.ok_or_else(|| not_found(text));
        }
        let mailed = self
            .id_by(instance, Attribute::Email, text, call)
            .await?
            .map(user);
        match (by_name, mailed) {
            (None, None) => Err(not_found(text)),
            (Some(found), None) => Ok(found),
            (Some(found), Some(mailed)) if found.value.reference() == mailed => Ok(found),
            (Some(found), Some(mailed)) => {
                let other = self.principal(instance, &mailed, max_age, call).await?;
                let other = present(other, text)?;
                Err(LookupError::Ambiguous {
                    query: text.to_owned(),
                    candidates: vec![candidate(&found.value), candidate(&other.value)],
                })
            }
            (None, Some(mailed)) => {
                let found = self.principal(instance, &mailed, max_age, call).await?;
                present(found, text)
            }
        }
    }

    /// The record of a principal that AWS has just found by this name. A record at hand that shows
    /// another name is from before a rename, and read anew.
    async fn named(
        &self,
        instance: &Instance,
        reference: &PrincipalRef,
        name: &str,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Principal>, LookupError> {
        let key = (instance.identity_store_id.clone(), reference.clone());
        let renamed = self.inner.principals.any(&key).is_some_and(|record| {
            // In another case it is the same name, should AWS find names in any case.
            record.is_none_or(|record| record.name().to_lowercase() != name.to_lowercase())
        });
        let max_age = if renamed { READ_NOW } else { max_age };
        let found = self.principal(instance, reference, max_age, call).await?;
        present(found, name)
    }

    /// A principal's record by id; none when the id is not (or no longer) in the store as one of
    /// this kind.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn principal(
        &self,
        instance: &Instance,
        reference: &PrincipalRef,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Option<Principal>>, Failure> {
        let operation = match reference.kind {
            PrincipalKind::User => Operation::DescribeUser,
            PrincipalKind::Group => Operation::DescribeGroup,
        };
        let read = || {
            let inner = Arc::clone(&self.inner);
            let (instance, reference) = (instance.clone(), reference.clone());
            async move { inner.describe(&instance, &reference, call).await }
        };
        let key = (instance.identity_store_id.clone(), reference.clone());
        let facts = &self.inner.principals;
        facts.get(&key, max_age, call, operation, read).await
    }

    /// The members of a group, sorted by user id.
    ///
    /// # Errors
    /// What AWS fails with; `NotFound` for a group that does not exist.
    pub async fn members_of_group(
        &self,
        instance: &Instance,
        group: &GroupId,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<Membership>>>, Failure> {
        let operation = Operation::ListGroupMemberships;
        let read = || {
            let inner = Arc::clone(&self.inner);
            let (instance, group) = (instance.clone(), group.clone());
            async move {
                let mut rows = collect_pages(operation, async |page| {
                    let page = page.as_ref();
                    inner
                        .port
                        .group_members(&instance, &group, page, call)
                        .await
                })
                .await?;
                rows.sort_by(|left, right| left.user_id.cmp(&right.user_id));
                rows.dedup_by(|left, right| left.user_id == right.user_id);
                Ok(Arc::new(rows))
            }
        };
        let key = (instance.identity_store_id.clone(), group.clone());
        let facts = &self.inner.members;
        facts.get(&key, max_age, call, operation, read).await
    }

    /// The groups that a user is in, sorted by group id.
    ///
    /// # Errors
    /// What AWS fails with; `NotFound` for a user that does not exist.
    pub async fn groups_of_user(
        &self,
        instance: &Instance,
        user: &UserId,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<Membership>>>, Failure> {
        let operation = Operation::ListGroupMembershipsForMember;
        let read = || {
            let inner = Arc::clone(&self.inner);
            let (instance, user) = (instance.clone(), user.clone());
            async move {
                let mut rows = collect_pages(operation, async |page| {
                    let page = page.as_ref();
                    inner
                        .port
                        .groups_of_user(&instance, &user, page, call)
                        .await
                })
                .await?;
                rows.sort_by(|left, right| left.group_id.cmp(&right.group_id));
                rows.dedup_by(|left, right| left.group_id == right.group_id);
                Ok(Arc::new(rows))
            }
        };
        let key = (instance.identity_store_id.clone(), user.clone());
        let facts = &self.inner.memberships;
        facts.get(&key, max_age, call, operation, read).await
    }

    /// One page of users, of at most 100, by one operation; the records are kept.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn users_page(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Dated<Page<User>>, Failure> {
        let (read_at, observed_at) = (Instant::now(), self.inner.clock.now());
        let port = &self.inner.port;
        let value = port.users(instance, page, page_size, call).await?;
        let records = value.items.iter().cloned().map(Principal::User).collect();
        self.inner
            .keep_records(instance, records, read_at, observed_at)
            .await;
        Ok(Dated { value, observed_at })
    }

    /// One page of groups, of at most 100, by one operation; the records are kept.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn groups_page(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Dated<Page<Group>>, Failure> {
        let (read_at, observed_at) = (Instant::now(), self.inner.clock.now());
        let port = &self.inner.port;
        let value = port.groups(instance, page, page_size, call).await?;
        let records = value.items.iter().cloned().map(Principal::Group).collect();
        self.inner
            .keep_records(instance, records, read_at, observed_at)
            .await;
        Ok(Dated { value, observed_at })
    }
}

impl Inner {
    async fn describe(
        &self,
        instance: &Instance,
        reference: &PrincipalRef,
        call: Call,
    ) -> Result<Option<Principal>, Failure> {
        let id = &reference.id;
        let found = match reference.kind {
            PrincipalKind::User => self
                .port
                .user(instance, id, call)
                .await?
                .map(Principal::User),
            PrincipalKind::Group => self
                .port
                .group(instance, id, call)
                .await?
                .map(Principal::Group),
        };
        match &found {
            Some(principal) => {
                self.known.insert(reference.clone(), principal.clone());
                let name = name_of_principal(principal, self.clock.now());
                self.names.remember(std::iter::once(name)).await;
            }
            None => self.known.invalidate(reference),
        }
        Ok(found)
    }

    async fn keep_records(
        &self,
        instance: &Instance,
        records: Vec<Principal>,
        read_at: Instant,
        observed_at: Timestamp,
    ) {
        let names: Vec<_> = records
            .iter()
            .map(|record| name_of_principal(record, observed_at))
            .collect();
        for record in records {
            let reference = record.reference();
            self.known.insert(reference.clone(), record.clone());
            let key = (instance.identity_store_id.clone(), reference);
            let value = Some(record);
            self.principals
                .keep(key, Dated { value, observed_at }, read_at);
        }
        self.names.remember(names.into_iter()).await;
    }
}

fn present(found: Dated<Option<Principal>>, query: &str) -> Result<Dated<Principal>, LookupError> {
    let value = found.value.ok_or_else(|| not_found(query))?;
    Ok(Dated {
        value,
        observed_at: found.observed_at,
    })
}

fn not_found(query: &str) -> LookupError {
    LookupError::NotFound {
        what: NotFoundKind::Principal,
        query: query.to_owned(),
    }
}

fn candidate(principal: &Principal) -> Candidate {
    Candidate {
        kind: match principal {
            Principal::User(_) => "user",
            Principal::Group(_) => "group",
        },
        id: principal.reference().id.as_str().to_owned(),
        name: principal.name().to_owned(),
    }
}
