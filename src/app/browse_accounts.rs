//! What there is to give in accounts: accounts and permission sets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::browse::Browse;
use super::facts_page::Listed;
use super::targets::refuse_without_account_access;
use super::{App, AppError, CallContext};
use crate::directory::{AccountQuery, LookupError};
use crate::domain::facts::FactKind;
use crate::domain::{Account, AccountId, Instance, PermissionSet, PermissionSetArn};
use crate::identity_center::{Call, Dated};

impl App {
    /// One page of accounts sorted by id. An empty instance is the only one that gives access to accounts; where
    /// there is not just one, they are the accounts of the organization in which Usher itself runs.
    ///
    /// # Errors
    /// `AccountAccessNotOffered`, `InstanceNotFound`, `PageTokenInvalid`, AWS errors: only the management account and delegated administrators
    /// may list the accounts.
    pub async fn list_accounts(
        &self,
        context: &CallContext,
        request: &Browse,
    ) -> Result<Listed<Account>, AppError> {
        let (asked, name, page) = (&request.instance, &request.name, &request.page);
        let instance = self.instance_with_accounts(asked)?;
        let instance = instance.as_deref();
        match instance {
            Some(instance) => self.check_directory_of(context, asked, instance).await?,
            None => self.check_home_may_be_seen(context).await?,
        }
        let place = self.page_tokens.open(context, page)?;
        if let Some(instance) = instance.filter(|_| name.is_empty()) {
            let listing = request.listing(context, instance, place.as_deref());
            let kept = self.page_of_facts(&listing, FactKind::Account, |fact| {
                let (account, listed) = fact.account()?;
                Ok((listed == Some(true)).then_some(account))
            });
            if let Some(kept) = kept.await? {
                return Ok(kept);
            }
        }
        let after = place
            .map(|place| AccountId::parse(&place))
            .transpose()
            .map_err(|_| AppError::PageTokenInvalid)?;
        let (max_age, call) = (self.or_default(request.max_age), self.call(context));
        let directory = &self.parts.directory;
        if !name.is_empty() {
            // A name that the list at hand lacks is looked for in a newer one.
            let query = AccountQuery::Name(name.clone());
            let found = directory
                .find_account(instance, &query, max_age, call)
                .await;
            if let Err(LookupError::Aws(failure)) = found {
                return Err(failure.into());
            }
        }
        let listed = directory.accounts(instance, max_age, call).await?;
        let mut fitting = listed
            .value
            .iter()
            .filter(|account| name.is_empty() || account.name == *name)
            .filter(|account| after.as_ref().is_none_or(|after| &account.id > after));
        let rows: Vec<Account> = fitting.by_ref().take(page.size).cloned().collect();
        let next_page_token = match (rows.last(), fitting.next()) {
            (Some(last), Some(_)) => self.page_tokens.seal(context, page, last.id.as_str())?,
            _ => String::new(),
        };
        Ok(Listed {
            rows,
            next_page_token,
            as_of: listed.observed_at,
        })
    }

    /// Refuses home's accounts to who may look at no served instance of home's organization. Where none
    /// is known to be of it, that is who may not look at every one.
    async fn check_home_may_be_seen(&self, context: &CallContext) -> Result<(), AppError> {
        let seen = self.list_instances(context).await?;
        let all = self.parts.instances.all();
        let not_there = || AppError::InstanceNotFound {
            query: String::new(),
        };
        if seen.is_empty() {
            return Err(not_there());
        }
        if seen.len() == all.len() {
            return Ok(());
        }
        let home = self.parts.port.organization(self.call(context)).await;
        let home = home.ok().flatten().ok_or_else(not_there)?;
        let is_of_home = |instance: &Arc<Instance>| {
            instance.management_account_id.as_ref() == Some(&home.management_account_id)
        };
        if seen.iter().any(is_of_home) {
            Ok(())
        } else {
            Err(not_there())
        }
    }

    /// The instance whose organization's accounts are asked for; none for home's.
    fn instance_with_accounts(&self, wanted: &str) -> Result<Option<Arc<Instance>>, AppError> {
        if !wanted.is_empty() {
            let instance = self.instance(wanted)?;
            refuse_without_account_access(&instance)?;
            return Ok(Some(instance));
        }
        let all = self.parts.instances.all().into_iter();
        let mut giving = all.filter(|instance| instance.gives_account_access());
        let first = giving.next();
        Ok(first.filter(|_| giving.next().is_none()))
    }

    /// One page of permission sets sorted by ARN.
    ///
    /// # Errors
    /// `AccountAccessNotOffered`, `PageTokenInvalid`, AWS errors.
    pub async fn list_permission_sets(
        &self,
        context: &CallContext,
        request: &Browse,
    ) -> Result<Listed<PermissionSet>, AppError> {
        let (asked, name, page) = (&request.instance, &request.name, &request.page);
        let instance = &*self.instance(asked)?;
        self.check_directory_of(context, asked, instance).await?;
        refuse_without_account_access(instance)?;
        let place = self.page_tokens.open(context, page)?;
        let (max_age, call) = (self.or_default(request.max_age), self.call(context));
        if !name.is_empty() {
            let (rows, as_of) = self
                .permission_set_named(instance, name, max_age, call)
                .await?;
            return Ok(Listed {
                rows,
                next_page_token: String::new(),
                as_of,
            });
        }
        let listing = request.listing(context, instance, place.as_deref());
        let kept = self.page_of_facts(&listing, FactKind::PermissionSet, |fact| {
            Ok(Some(fact.permission_set()?))
        });
        if let Some(kept) = kept.await? {
            return Ok(kept);
        }
        let after = place
            .map(|place| PermissionSetArn::parse(&place))
            .transpose()
            .map_err(|_| AppError::PageTokenInvalid)?;
        let directory = &self.parts.directory;
        let listed = directory
            .permission_set_arns(instance, max_age, call)
            .await?;
        let mut fitting = listed
            .value
            .iter()
            .filter(|arn| after.as_ref().is_none_or(|after| *arn > after));
        let wanted: Vec<PermissionSetArn> = fitting.by_ref().take(page.size).cloned().collect();
        let next_page_token = match (wanted.last(), fitting.next()) {
            (Some(last), Some(_)) => self.page_tokens.seal(context, page, last.as_str())?,
            _ => String::new(),
        };
        let rows = directory
            .describe_permission_sets(wanted, max_age, call)
            .await?;
        let oldest = rows.iter().map(|row| row.observed_at).min();
        let as_of = oldest.unwrap_or(listed.observed_at).min(listed.observed_at);
        Ok(Listed {
            rows: rows.into_iter().map(|row| row.value).collect(),
            next_page_token,
            as_of,
        })
    }

    /// The set of exactly this name, if there is one.
    async fn permission_set_named(
        &self,
        instance: &Instance,
        name: &str,
        max_age: Duration,
        call: Call,
    ) -> Result<(Vec<PermissionSet>, Timestamp), AppError> {
        let directory = &self.parts.directory;
        let found = directory.find_permission_set_named(instance, name, max_age, call);
        match found.await {
            Ok(Dated { value, observed_at }) => Ok((vec![value], observed_at)),
            Err(LookupError::NotFound { .. }) => Ok((Vec::new(), self.parts.clock.now())),
            Err(error) => Err(error.into()),
        }
    }
}
