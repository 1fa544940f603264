//! The accounts of one organization: read once for a report, whatever number of instances it covers.
//! Without them a report has ids for names, and says so once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::collect::lock;
use super::collection::{AccountFacts, Listing, Missing};
use super::config::AuditConfig;
use super::meter::Meter;
use super::readings::Readings;
use crate::clock::Clock;
use crate::domain::facts::{FactKind, Gap};
use crate::domain::{
    Account, AccountId, AccountStatus, ErrorKind, Instance, InstanceArn, Operation,
};
use crate::identity_center::{Call, Demand, IdentityCenter, Page, PageToken, collect_pages};

/// Reads the accounts when somebody asks for them first; who asks meanwhile waits for the same.
pub(super) struct Accounts<'a> {
    port: &'a dyn IdentityCenter,
    /// Whose organization's they are; home's where none is said.
    instance: Option<&'a InstanceArn>,
    demand: Demand,
    clock: &'a Clock,
    config: &'a AuditConfig,
    meter: &'a Meter,
    read: OnceCell<AccountList>,
}

/// What reading the accounts gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AccountList {
    accounts: BTreeMap<AccountId, Account>,
    /// Why the list is not whole.
    pub(super) missing: Option<Missing>,
    /// Whether AWS says that there is no organization, so that no account has a name.
    is_without_organization: bool,
    /// Whether AWS does not let Usher's account ask.
    is_denied: bool,
    /// When its first and last page were read.
    pub(super) observed: Option<(Timestamp, Timestamp)>,
}

impl<'a> Accounts<'a> {
    pub(super) fn new(
        port: &'a dyn IdentityCenter,
        instance: Option<&'a InstanceArn>,
        demand: Demand,
        clock: &'a Clock,
        config: &'a AuditConfig,
        meter: &'a Meter,
    ) -> Self {
        Self {
            port,
            instance,
            demand,
            clock,
            config,
            meter,
            read: OnceCell::new(),
        }
    }

    /// The accounts, read now if they were not yet; with what was read before of the instance whose
    /// organization's they are, where that asks.
    pub(super) async fn list(&self, readings: Option<&Readings<'_>>) -> &AccountList {
        let readings = readings.filter(|it| Some(it.instance()) == self.instance);
        self.read.get_or_init(|| self.read_list(readings)).await
    }

    /// The accounts, if somebody had them read.
    pub(super) fn read_already(&self) -> Option<&AccountList> {
        self.read.get()
    }

    async fn read_list(&self, readings: Option<&Readings<'_>>) -> AccountList {
        self.meter.step("accounts");
        if let Some(readings) = readings
            && let Some(pages) = readings.read_before(Operation::ListAccounts, "").await
        {
            self.meter.finish();
            let mut list = AccountList::default();
            for (accounts, read_at) in pages {
                list.add(accounts, read_at);
            }
            return list;
        }
        let reading = readings.map(|it| it.begin(Operation::ListAccounts, ""));
        let reading = reading.as_ref();
        let list = &Mutex::new(AccountList::default());
        let pages = collect_pages::<(), _>(
            Operation::ListAccounts,
            |token: Option<PageToken>| async move {
                let call = Call {
                    deadline: tokio::time::Instant::now() + self.config.call_timeout(),
                    demand: self.demand,
                };
                let accounts = self.port.accounts(self.instance, token.as_ref(), call);
                let answer = accounts.await;
                self.meter.made(Operation::ListAccounts);
                let page = answer?;
                let (is_last, now) = (page.next.is_none(), self.clock.now());
                if !is_last {
                    self.meter.another_page(Operation::ListAccounts);
                }
                if let Some(reading) = reading {
                    reading.take(&page.items, now, is_last).await;
                }
                lock(list).add(page.items, now);
                Ok(Page {
                    items: Vec::new(),
                    next: page.next,
                })
            },
        );
        let result = pages.await;
        self.meter.finish();
        let mut list = lock(list).clone();
        if let Err(failure) = result {
            tracing::warn!(
                operation = failure.operation,
                kind = failure.kind.as_str(),
                aws_request_id = failure.aws_request_id,
                "a report lacks the names of accounts"
            );
            list.is_without_organization = failure.kind == ErrorKind::NotFound;
            list.is_denied = failure.kind == ErrorKind::AccessDenied;
            list.missing = Some(Missing {
                instance_arn: None,
                scope: "accounts of the organization: names and states".to_owned(),
                reason: if list.is_without_organization {
                    "AWS says that Usher's account is in no organization".to_owned()
                } else {
                    failure.kind.explanation().to_owned()
                },
                gaps: vec![Gap::all(FactKind::Account)],
            });
        }
        list
    }
}

impl AccountList {
    fn add(&mut self, page: Vec<Account>, at: Timestamp) {
        let (from, until) = self.observed.unwrap_or((at, at));
        self.observed = Some((from.min(at), until.max(at)));
        self.accounts.extend(
            page.into_iter()
                .map(|account| (account.id.clone(), account)),
        );
    }

    /// A list with one account that somebody knew already.
    pub(super) fn of_known(account: Account, at: Timestamp) -> Self {
        let mut list = Self::default();
        list.add(vec![account], at);
        list
    }

    /// How many accounts the organization of this instance has; none where the list is not whole,
    /// or is that of another organization: it lacks the account that manages the instance's own.
    pub(super) fn count(&self, instance: &Instance) -> Option<u64> {
        let is_its_own = self.holds_manager_of(instance) == Some(true);
        (self.missing.is_none() && is_its_own).then_some(self.accounts.len() as u64)
    }

    /// The accounts of the organization of this instance, sorted by id; none where the list is not just that.
    pub(super) fn all_of(&self, instance: &Instance) -> impl Iterator<Item = &Account> {
        let is_whole = self.count(instance).is_some();
        self.accounts.values().filter(move |_| is_whole)
    }

    /// Whether this is the list of another organization than that of this instance.
    pub(super) fn is_of_another(&self, instance: &Instance) -> bool {
        self.missing.is_none() && self.holds_manager_of(instance) == Some(false)
    }

    fn holds_manager_of(&self, instance: &Instance) -> Option<bool> {
        let manager = instance.management_account_id.as_ref();
        manager.map(|manager| self.accounts.contains_key(manager))
    }

    /// What the view INSTANCES lacks of it: nothing without an organization, nor where AWS lists it
    /// for others only and no instance gives access to accounts. Then it only names owners.
    pub(super) fn missing_beside<'a>(
        &self,
        mut instances: impl Iterator<Item = &'a Instance>,
    ) -> Option<Missing> {
        let lacks_nothing = self.is_without_organization
            || (self.is_denied && !instances.any(Instance::gives_account_access));
        self.missing.clone().filter(|_| !lacks_nothing)
    }

    /// Their ids.
    pub(super) fn ids(&self) -> Vec<AccountId> {
        self.accounts.keys().cloned().collect()
    }

    /// The name of an account; empty where it is not known.
    pub(super) fn name(&self, id: &AccountId) -> &str {
        self.accounts.get(id).map_or("", |account| &account.name)
    }

    /// What is known of an account that has a permission set of this instance.
    pub(super) fn facts(list: Option<&Self>, instance: &Instance, id: &AccountId) -> AccountFacts {
        let known = list.and_then(|list| list.accounts.get(id));
        let is_whole = list.is_some_and(|list| list.count(instance).is_some());
        let listing = match known {
            Some(_) => Listing::Listed,
            None if is_whole => Listing::NotListed,
            None => Listing::Unknown,
        };
        let account = known.cloned().unwrap_or_else(|| Account {
            id: id.clone(),
            name: String::new(),
            email: String::new(),
            status: AccountStatus::Unknown,
        });
        AccountFacts { account, listing }
    }
}
