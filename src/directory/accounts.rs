//! The accounts of an organization. They are listed as a whole, because organizations finds no
//! account by its name; that list is dear, and so it may be older than other facts.

use std::sync::Arc;
use std::time::Duration;

use super::lookup::{AccountQuery, Candidate, LookupError, NotFoundKind};
use super::names::name_of_account;
use super::{Directory, List};
use crate::domain::{Account, ErrorKind, Failure, Instance, Operation};
use crate::identity_center::{Call, Dated, collect_pages};

impl Directory {
    /// All accounts of the organization that this instance is in, or of home's without one, sorted
    /// by id. The list is at most
    /// `DirectoryConfig::accounts_max_age_seconds` old, or `max_age` where that is less than what
    /// holds for a caller who does not say.
    ///
    /// # Errors
    /// What AWS fails with: only the management account and delegated administrators may ask.
    pub async fn accounts(
        &self,
        instance: Option<&Instance>,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Arc<Vec<Account>>>, Failure> {
        self.accounts_at_most(instance, self.age_of_accounts(max_age), call)
            .await
    }

    /// One account, by id or by its exact name, case included. What the list at hand lacks is
    /// looked for in one at most `DirectoryConfig::miss_max_age_seconds` old.
    ///
    /// # Errors
    /// `NotFound`; `Ambiguous` with all ids for a name that several accounts have; what AWS fails
    /// with.
    pub async fn find_account(
        &self,
        instance: Option<&Instance>,
        query: &AccountQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Account>, LookupError> {
        let age = self.age_of_accounts(max_age);
        self.find_account_in(instance, query, age, max_age, call)
            .await
    }

    /// One account that something is about to be given in: like `find_account`, but as the list had
    /// it at most `DirectoryConfig::max_age_seconds` ago. AWS fails in silence in an account that
    /// was suspended since.
    ///
    /// # Errors
    /// As `find_account`.
    pub async fn find_account_to_assign(
        &self,
        instance: Option<&Instance>,
        query: &AccountQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Account>, LookupError> {
        let age = max_age.min(self.default_max_age());
        self.find_account_in(instance, query, age, max_age, call)
            .await
    }

    /// The account in a list at most of the first age; the second is the caller's.
    async fn find_account_in(
        &self,
        instance: Option<&Instance>,
        query: &AccountQuery,
        list_age: Duration,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<Account>, LookupError> {
        let known = self.accounts_at_most(instance, list_age, call).await?;
        match pick(query, &known.value) {
            Err(LookupError::NotFound { .. }) => {
                let age = self.age_of_misses(max_age);
                let newer = self.accounts_at_most(instance, age, call).await?;
                dated(pick(query, &newer.value)?, &newer)
            }
            found => dated(found?, &known),
        }
    }

    async fn accounts_at_most(
        &self,
        instance: Option<&Instance>,
        max_age: Duration,
        call: Call,
    ) -> Result<Dated<List<Account>>, Failure> {
        let operation = Operation::ListAccounts;
        let read = || {
            let inner = Arc::clone(&self.inner);
            let arn = instance.map(|instance| instance.arn.clone());
            async move {
                let all = collect_pages(operation, async |page| {
                    (inner.port)
                        .accounts(arn.as_ref(), page.as_ref(), call)
                        .await
                })
                .await;
                let mut all = match all {
                    // Without an organization there are none to list.
                    Err(failure) if failure.kind == ErrorKind::NotFound => Vec::new(),
                    all => all?,
                };
                all.sort_by(|left, right| left.id.cmp(&right.id));
                all.dedup_by(|left, right| left.id == right.id);
                let now = inner.clock.now();
                let names = all.iter().map(|account| name_of_account(account, now));
                inner.names.remember(names).await;
                Ok(Arc::new(all))
            }
        };
        let facts = &self.inner.accounts;
        let organization = organization_of(instance);
        let listed = facts.get(&organization, max_age, call, operation, read);
        listed.await
    }

    /// How old what changes rarely may be: a caller who asks for less than the default gets that.
    pub(super) fn age_of_accounts(&self, max_age: Duration) -> Duration {
        if max_age < self.default_max_age() {
            max_age
        } else {
            self.inner.config.accounts_max_age()
        }
    }

    /// How old a list may be that something is said to be missing from.
    pub(super) fn age_of_misses(&self, max_age: Duration) -> Duration {
        max_age.min(self.inner.config.miss_max_age())
    }
}

/// What says whose accounts a list holds: the account that manages the organization, the instance
/// where that is not known, and nothing for home's.
pub(super) fn organization_of(instance: Option<&Instance>) -> String {
    let Some(instance) = instance else {
        return String::new();
    };
    let manager = instance.management_account_id.as_ref();
    manager.map_or_else(
        || instance.arn.instance_id().to_owned(),
        ToString::to_string,
    )
}

fn dated(account: Account, list: &Dated<List<Account>>) -> Result<Dated<Account>, LookupError> {
    Ok(Dated {
        value: account,
        observed_at: list.observed_at,
    })
}

/// The one account that a query means.
fn pick(query: &AccountQuery, accounts: &[Account]) -> Result<Account, LookupError> {
    let fits = |account: &&Account| match query {
        AccountQuery::Id(id) => account.id == *id,
        AccountQuery::Name(name) => account.name == *name,
    };
    let query = match query {
        AccountQuery::Id(id) => id.as_str(),
        AccountQuery::Name(name) => name,
    };
    let fitting: Vec<&Account> = accounts.iter().filter(fits).collect();
    match fitting.as_slice() {
        [] => Err(LookupError::NotFound {
            what: NotFoundKind::Account,
            query: query.to_owned(),
        }),
        [only] => Ok((*only).clone()),
        several => Err(LookupError::Ambiguous {
            query: query.to_owned(),
            candidates: several
                .iter()
                .map(|account| Candidate {
                    kind: "account",
                    id: account.id.to_string(),
                    name: account.name.clone(),
                })
                .collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, AccountStatus};

    fn account(id: &str, name: &str) -> Account {
        Account {
            id: AccountId::parse(id).unwrap(),
            name: name.to_owned(),
            email: String::new(),
            status: AccountStatus::Active,
        }
    }

    #[test]
    fn a_name_of_several_accounts_is_answered_with_all_of_them() {
        let accounts = [
            account("111111111111", "production"),
            account("222222222222", "sandbox"),
            account("333333333333", "production"),
        ];
        let by_name = |name: &str| pick(&AccountQuery::Name(name.to_owned()), &accounts);
        assert_eq!(by_name("sandbox"), Ok(accounts[1].clone()));
        let by_id = pick(&AccountQuery::Id(accounts[2].id.clone()), &accounts);
        assert_eq!(by_id, Ok(accounts[2].clone()));
        for wrong in ["Sandbox", "sandbox ", ""] {
            let answer = by_name(wrong);
            assert!(
                matches!(answer, Err(LookupError::NotFound { .. })),
                "{wrong:?}"
            );
        }
        let Err(LookupError::Ambiguous { candidates, .. }) = by_name("production") else {
            panic!("two accounts have this name");
        };
        let ids: Vec<&str> = candidates.iter().map(|each| each.id.as_str()).collect();
        assert_eq!(ids, ["111111111111", "333333333333"]);
    }
}
