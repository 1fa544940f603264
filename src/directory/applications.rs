//! Applications, and whether they are open.

use std::sync::Arc;
use std::time::Duration;

use super::lookup::{ApplicationQuery, Candidate, LookupError, NotFoundKind};
use super::names::name_of_application;
use super::{Directory, Inner};
use crate::domain::{
    Application, ApplicationArn, AssignmentRequired, ErrorKind, Failure, Instance, InstanceArn,
    Operation,
};
use crate::identity_center::{Call, Dated, collect_pages};

impl Directory {
    /// One application. By name: from the listing, exactly as written, case included. By ARN: from
    /// the listing if it is young enough, else by one operation.
    ///
    /// # Errors
    /// `NotFound`, also for an ARN of another instance; `Ambiguous` with all ARNs for a name that
    /// several applications have; what AWS fails with.
    pub async fn find_application(
        &self,
        instance: &Instance,
        query: &ApplicationQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Application>, LookupError> {
        match query {
            ApplicationQuery::Arn(arn) => {
                self.application_by_arn(instance, arn, max_age, call).await
            }
            ApplicationQuery::Name(name) => {
                let listing = self.applications(instance, max_age, call).await?;
                let mut fitting = listing.value.iter().filter(|found| found.name == *name);
                match (fitting.next(), fitting.next()) {
                    (None, _) => Err(not_found(name)),
                    (Some(only), None) => Ok(Dated {
                        value: only.clone(),
                        observed_at: listing.observed_at,
                    }),
                    (Some(_), Some(_)) => Err(ambiguous(name, &listing.value)),
                }
            }
        }
    }

    async fn application_by_arn(
        &self,
        instance: &Instance,
        arn: &ApplicationArn,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Application>, LookupError> {
        if arn.instance_id() != instance.arn.instance_id() {
            return Err(not_found(arn.as_str()));
        }
        if let Some(listing) = self.inner.listings.fresh(&instance.arn, max_age)
            && let Some(listed) = listing.value.iter().find(|listed| listed.arn == *arn)
        {
            return Ok(Dated {
                value: listed.clone(),
                observed_at: listing.observed_at,
            });
        }
        // Not in the listing may mean: made since.
        let operation = Operation::DescribeApplication;
        let read = || {
            let (inner, arn) = (Arc::clone(&self.inner), arn.clone());
            async move {
                let application = inner.port.application(&arn, call).await?;
                inner.remember_applications([&application]).await;
                Ok(application)
            }
        };
        let facts = &self.inner.applications;
        match facts.get(arn, max_age, call, operation, read).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => Err(not_found(arn.as_str())),
            answer => Ok(answer?),
        }
    }

    /// An application's record, if one is at hand, however old. Never an AWS operation.
    #[must_use]
    pub fn known_application(
        &self,
        instance: &InstanceArn,
        arn: &ApplicationArn,
    ) -> Option<Application> {
        let listing = self.inner.listings.any(instance);
        let listed = listing.and_then(|listing| {
            let found = listing.iter().find(|listed| listed.arn == *arn);
            found.cloned()
        });
        listed.or_else(|| self.inner.applications.any(arn))
    }

    /// All applications of the instance, sorted by ARN.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn applications(
        &self,
        instance: &Instance,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<Application>>>, Failure> {
        let operation = Operation::ListApplications;
        let read = || {
            let (inner, instance) = (Arc::clone(&self.inner), instance.clone());
            async move {
                let mut all = collect_pages(operation, async |page| {
                    inner
                        .port
                        .applications(&instance, page.as_ref(), call)
                        .await
                })
                .await?;
                all.sort_by(|left, right| left.arn.cmp(&right.arn));
                all.dedup_by(|left, right| left.arn == right.arn);
                inner.remember_applications(&all).await;
                Ok(Arc::new(all))
            }
        };
        let facts = &self.inner.listings;
        facts
            .get(&instance.arn, max_age, call, operation, read)
            .await
    }

    /// Whether only assigned principals may enter.
    ///
    /// # Errors
    /// What AWS fails with.
    pub async fn assignment_required(
        &self,
        arn: &ApplicationArn,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<AssignmentRequired>, Failure> {
        let operation = Operation::GetApplicationAssignmentConfiguration;
        let read = || {
            let (inner, arn) = (Arc::clone(&self.inner), arn.clone());
            async move { inner.port.assignment_required(&arn, call).await }
        };
        let facts = &self.inner.assignment_required;
        facts.get(arn, max_age, call, operation, read).await
    }
}

impl Inner {
    async fn remember_applications(
        &self,
        applications: impl IntoIterator<Item = &Application> + Send,
    ) {
        let now = self.clock.now();
        let entries: Vec<_> = applications
            .into_iter()
            .map(|application| name_of_application(application, now))
            .collect();
        self.names.remember(entries.into_iter()).await;
    }
}

fn not_found(query: &str) -> LookupError {
    LookupError::NotFound {
        what: NotFoundKind::Application,
        query: query.to_owned(),
    }
}

fn ambiguous(name: &str, listing: &[Application]) -> LookupError {
    LookupError::Ambiguous {
        query: name.to_owned(),
        candidates: listing
            .iter()
            .filter(|application| application.name == name)
            .map(|application| Candidate {
                kind: "application",
                id: application.arn.as_str().to_owned(),
                name: application.name.clone(),
            })
            .collect(),
    }
}
