//! Permission sets. AWS lists their ARNs alone, and tells a name by one operation for each; a name
//! never changes, so that one that was once seen spares the operation.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::lookup::{LookupError, NotFoundKind, PermissionSetQuery};
use super::names::name_of_permission_set;
use super::{Directory, List};
use crate::domain::{ErrorKind, Failure, Instance, Operation, PermissionSet, PermissionSetArn};
use crate::identity_center::{Call, Dated, collect_pages};
use crate::store::NameKind;

impl Directory {
    /// One permission set. By ARN or id: one operation, if no record is young enough. By name: from
    /// the list, exactly as written, case included; sets whose name Usher has never seen are
    /// described, some at once.
    ///
    /// # Errors
    /// `NotFound`, also for an ARN of another instance; what AWS fails with.
    pub async fn find_permission_set(
        &self,
        instance: &Instance,
        query: &PermissionSetQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<PermissionSet>, LookupError> {
        let text = match query {
            PermissionSetQuery::Arn(arn) => {
                return self.set_by_arn(instance, arn, max_age, call).await;
            }
            PermissionSetQuery::IdOrName(text) => text,
        };
        if let Some(arn) = PermissionSetArn::in_instance(&instance.arn, text) {
            let found = self.set_by_arn(instance, &arn, max_age, call).await;
            // The caller's own word, not the ARN made of it.
            return found.map_err(|error| match error {
                LookupError::NotFound { .. } => not_found(text),
                error => error,
            });
        }
        self.find_permission_set_named(instance, text, max_age, call)
            .await
    }

    /// The permission set of exactly this name, also of one that has the shape of an id.
    ///
    /// # Errors
    /// As `find_permission_set`.
    pub async fn find_permission_set_named(
        &self,
        instance: &Instance,
        name: &str,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<PermissionSet>, LookupError> {
        for age in [max_age, self.age_of_misses(max_age)] {
            let listed = self.permission_set_arns(instance, age, call).await?;
            if let Some(arn) = self.arn_named(&listed.value, name, call).await? {
                return self.set_by_arn(instance, &arn, max_age, call).await;
            }
        }
        Err(not_found(name))
    }

    /// The ARNs of all permission sets of the instance, sorted.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn permission_set_arns(
        &self,
        instance: &Instance,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<PermissionSetArn>>>, Failure> {
        let operation = Operation::ListPermissionSets;
        let read = || {
            let (inner, instance) = (Arc::clone(&self.inner), instance.arn.clone());
            async move {
                let mut all = collect_pages(operation, async |page| {
                    let (port, page) = (&inner.port, page.as_ref());
                    port.permission_sets(&instance, page, call).await
                })
                .await?;
                all.sort();
                all.dedup();
                Ok(Arc::new(all))
            }
        };
        let facts = &self.inner.set_listings;
        facts
            .get(&instance.arn, max_age, call, operation, read)
            .await
    }

    /// The records of permission sets, in the same order, some read at once. One that is gone is
    /// left out. They may be as old as the list of accounts.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn describe_permission_sets(
        &self,
        arns: Vec<PermissionSetArn>,
        max_age: Duration,
        call: Call,
    ) -> Result<Vec<Dated<PermissionSet>>, Failure> {
        let max_age = self.age_of_accounts(max_age);
        let reads = arns.into_iter().map(|arn| async move {
            match self.set_record(&arn, max_age, call).await {
                Ok(found) => Ok(Some(found)),
                Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
                Err(failure) => Err(failure),
            }
        });
        stream::iter(reads)
            .buffered(self.inner.config.describes_max)
            .try_filter_map(|found| async move { Ok(found) })
            .try_collect()
            .await
    }

    /// The set of this name among those listed.
    async fn arn_named(
        &self,
        listed: &List<PermissionSetArn>,
        name: &str,
        call: Call,
    ) -> Result<Option<PermissionSetArn>, Failure> {
        let mut unknown = Vec::new();
        for arn in listed.iter() {
            match self.name_of(NameKind::PermissionSet, arn.as_str()).await {
                Some(known) if known == name => return Ok(Some(arn.clone())),
                Some(_) => {}
                None => unknown.push(arn.clone()),
            }
        }
        let kept = self.inner.config.kept();
        let described = self.describe_permission_sets(unknown, kept, call).await?;
        let mut sets = described.into_iter().map(|found| found.value);
        Ok(sets.find(|set| set.name == name).map(|set| set.arn))
    }

    async fn set_by_arn(
        &self,
        instance: &Instance,
        arn: &PermissionSetArn,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<PermissionSet>, LookupError> {
        if arn.instance_arn() != instance.arn {
            return Err(not_found(arn.as_str()));
        }
        match self.set_record(arn, max_age, call).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => Err(not_found(arn.as_str())),
            answer => Ok(answer?),
        }
    }

    async fn set_record(
        &self,
        arn: &PermissionSetArn,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<PermissionSet>, Failure> {
        let operation = Operation::DescribePermissionSet;
        let read = || {
            let (inner, arn) = (Arc::clone(&self.inner), arn.clone());
            async move {
                let set = inner.port.permission_set(&arn, call).await?;
                let name = name_of_permission_set(&set, inner.clock.now());
                inner.names.remember(std::iter::once(name)).await;
                Ok(set)
            }
        };
        let facts = &self.inner.sets;
        facts.get(arn, max_age, call, operation, read).await
    }
}

fn not_found(query: &str) -> LookupError {
    LookupError::NotFound {
        what: NotFoundKind::PermissionSet,
        query: query.to_owned(),
    }
}
