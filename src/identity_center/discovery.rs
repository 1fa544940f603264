//! Finding the instances to serve, each with the port that reaches it.
//!
//! One account that cannot be looked into never stops the rest, and is named. An instance that is
//! seen from several accounts is served once: it is attributed by its owner (aws-api.md §5.9).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt as _};

use super::assumed_role::AssumedRole;
use super::discovery_config::{ConfiguredInstance, DiscoveryConfig};
use super::finding::{
    Discovered, Finding, attributed, choose, not_active, not_managed, sentence, sentence_in,
};
use super::{
    Call, CallerIdentity, IdentityCenter, ListedInstance, RegionAndRole, SdkIdentityCenter,
    UnreachableAccount, collect_pages,
};
use crate::budget::Budget;
use crate::domain::{
    Account, AccountId, AccountStatus, ErrorKind, Failure, Instance, Operation, Organization,
};

/// Finds instances, now and later again. Ports are made once and kept, so that a second look costs
/// no new sign-in and no budget counts twice.
#[derive(Debug)]
pub struct Discoverer {
    home: Arc<SdkIdentityCenter>,
    configured: Vec<ConfiguredInstance>,
    config: DiscoveryConfig,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    ports: HashMap<(String, Option<AssumedRole>), Arc<SdkIdentityCenter>>,
    /// By region and account, as AWS counts (aws-api.md §4).
    budgets: HashMap<(String, String), Budget>,
}

/// What is known about where Usher runs.
struct Home {
    identity: CallerIdentity,
    /// None when Usher may not ask.
    organization: Option<Option<Organization>>,
}

impl Home {
    /// The organization of an account that could not be asked for it, where it is certain.
    fn organization_of(&self, account: &AccountId) -> Option<Option<Organization>> {
        let manager = self.organization.as_ref().and_then(Option::as_ref);
        let is_certain = self.identity.account_id == *account
            || manager.is_some_and(|known| known.management_account_id == *account);
        self.organization.clone().filter(|_| is_certain)
    }
}

impl Discoverer {
    /// With `configured` those instances are looked for; with `config.role_name` every account of
    /// the organization is looked into as well; with neither, what `home` sees is found.
    #[must_use]
    pub fn new(
        home: Arc<SdkIdentityCenter>,
        configured: Vec<ConfiguredInstance>,
        config: DiscoveryConfig,
    ) -> Self {
        Self {
            home,
            configured,
            config,
            made: Mutex::default(),
        }
    }

    /// Looks. What fails is in `Discovered::unreachable`.
    ///
    /// # Errors
    /// What home itself fails with: Usher does not know who it is; or it shall serve what home
    /// sees, and cannot see it.
    pub async fn discover(&self, call: Call) -> Result<Discovered, Failure> {
        let identity = self.home.caller_identity(call).await?;
        let organization = match self.home.organization(self.home.brief(call)).await {
            Ok(organization) => Some(organization),
            Err(failure) => {
                tracing::warn!(%failure, "who manages the organization is not known");
                None
            }
        };
        let home = Home {
            identity,
            organization,
        };
        let mut finding = Finding::default();
        for wanted in &self.configured {
            match self
                .find_configured(&home, wanted, call, &mut finding)
                .await
            {
                Ok((instance, port)) => finding.serve(instance, port),
                Err(unreachable) => finding.unreachable.push(unreachable),
            }
        }
        if self.config.role_name.is_some() {
            self.look_at_home(&home, call, &mut finding).await;
            self.look_into_accounts(&home, call, &mut finding).await;
            finding.report_unclaimed();
        } else if self.configured.is_empty() {
            self.serve_what_home_sees(&home, call, &mut finding).await?;
        }
        Ok(Discovered {
            instances: finding.instances,
            unreachable: finding.unreachable,
            reached: finding.reached,
            ports: self.ports(),
        })
    }

    /// The one instance that a section of the configuration means.
    async fn find_configured(
        &self,
        home: &Home,
        wanted: &ConfiguredInstance,
        call: Call,
        finding: &mut Finding,
    ) -> Result<(Instance, Arc<SdkIdentityCenter>), UnreachableAccount> {
        let role = wanted.role().ok().flatten();
        let account = role
            .as_ref()
            .and_then(|role| AccountId::parse(role.account()).ok())
            .unwrap_or_else(|| home.identity.account_id.clone());
        let unreachable = |reason: String| UnreachableAccount {
            account_id: account.clone(),
            name: wanted.alias.clone().unwrap_or_default(),
            reason,
        };
        let port = self.port(home, wanted.region.as_deref(), role.as_ref());
        let listed = port
            .instances(call)
            .await
            .map_err(|failure| unreachable(sentence(&failure)))?;
        finding.reached(&account, port.region());
        let found = choose(listed, wanted, &account).map_err(unreachable)?;
        if !found.is_active {
            return Err(unreachable(not_active(&found)));
        }
        let is_named = wanted.arn.is_some() || role.is_none();
        if !is_named && !self.is_managed(&account, &port, &found, call).await {
            return Err(unreachable(not_managed(&found.instance.arn)));
        }
        let organization = if role.is_some() {
            // The role's account may belong to another organization: its own answer counts.
            match port.organization(port.brief(call)).await {
                Ok(organization) => Some(organization),
                Err(_) => home.organization_of(&account),
            }
        } else {
            home.organization.clone()
        };
        let mut instance = attributed(found.instance, organization.as_ref(), &account);
        instance.alias.clone_from(&wanted.alias);
        Ok((instance, port))
    }

    /// Without settings: everything that home sees and can manage.
    async fn serve_what_home_sees(
        &self,
        home: &Home,
        call: Call,
        finding: &mut Finding,
    ) -> Result<(), Failure> {
        let listed = self.home.instances(call).await?;
        let own_account = &home.identity.account_id;
        finding.reached(own_account, self.home.region());
        let is_alone = listed.len() == 1;
        for seen in listed {
            let is_managed =
                is_alone || self.is_managed(own_account, &self.home, &seen, call).await;
            if is_managed {
                self.take(home, &self.home, seen, finding);
            } else {
                tracing::info!(
                    instance = seen.instance.arn.as_str(),
                    "an instance of another account is seen here, but not managed from here"
                );
            }
        }
        Ok(())
    }

    /// With discovery: the instances that home sees. One that it cannot manage is left to its owner.
    async fn look_at_home(&self, home: &Home, call: Call, finding: &mut Finding) {
        for region in self.regions() {
            let port = self.port(home, Some(&region), None);
            let listed = match port.instances(call).await {
                Ok(listed) => listed,
                Err(failure) => {
                    let account = home.identity.account_id.clone();
                    let reason = sentence_in(&region, &failure);
                    finding.unreachable(account, String::new(), reason);
                    continue;
                }
            };
            finding.reached(&home.identity.account_id, &region);
            for seen in listed {
                if self
                    .is_managed(&home.identity.account_id, &port, &seen, call)
                    .await
                {
                    self.take(home, &port, seen, finding);
                } else if let Some(owner) = seen.instance.owner_account_id {
                    finding.unclaimed.push((owner, seen.instance.arn));
                }
            }
        }
    }

    /// Whether an account manages an instance that it sees: its own it does. Of another account's one
    /// question tells, which AWS answers to the delegated administrator and refuses to others.
    async fn is_managed(
        &self,
        account: &AccountId,
        port: &SdkIdentityCenter,
        seen: &ListedInstance,
        call: Call,
    ) -> bool {
        let owner = seen.instance.owner_account_id.as_ref();
        if !seen.is_active || owner.is_none_or(|owner| owner == account) {
            return true;
        }
        match port.applications(&seen.instance, None, call).await {
            Ok(_) => true,
            // Anything else may pass: it is no answer to this question.
            Err(failure) => !matches!(
                failure.kind,
                ErrorKind::AccessDenied | ErrorKind::Validation | ErrorKind::NotFound
            ),
        }
    }

    fn take(
        &self,
        home: &Home,
        port: &Arc<SdkIdentityCenter>,
        seen: ListedInstance,
        finding: &mut Finding,
    ) {
        let called_from = &home.identity.account_id;
        if seen.is_active {
            let organization = home.organization.as_ref();
            let instance = attributed(seen.instance, organization, called_from);
            finding.serve(instance, Arc::clone(port));
        } else {
            let owner = seen.instance.owner_account_id.clone();
            let account = owner.unwrap_or_else(|| called_from.clone());
            finding.unreachable(account, String::new(), not_active(&seen));
        }
    }

    /// Looks into every active account of the organization, some at once.
    async fn look_into_accounts(&self, home: &Home, call: Call, finding: &mut Finding) {
        let listed = collect_pages(Operation::ListAccounts, |page| async move {
            self.home.accounts(None, page.as_ref(), call).await
        });
        let accounts = match listed.await {
            Ok(accounts) => accounts,
            Err(failure) => {
                let reason = format!(
                    "its organization's accounts are not known: {}",
                    sentence(&failure)
                );
                finding.unreachable(home.identity.account_id.clone(), String::new(), reason);
                return;
            }
        };
        let mut accounts: Vec<Account> = accounts
            .into_iter()
            .filter(|account| account.id != home.identity.account_id)
            .filter(|account| account.status != AccountStatus::Inactive)
            .collect();
        accounts.sort_by(|left, right| left.id.cmp(&right.id));
        let beyond = accounts.split_off(accounts.len().min(self.config.accounts_max));
        for account in beyond {
            let reason = "not looked into: discovery.accounts_max accounts were looked into before";
            finding.unreachable(account.id, account.name, reason.to_owned());
        }
        let mut looks = stream::iter(accounts)
            .map(|account| self.look_into(home, account, call))
            .buffer_unordered(self.config.concurrency_max);
        while let Some(seen) = looks.next().await {
            finding.add(seen);
        }
    }

    /// The instances that one account owns.
    async fn look_into(&self, home: &Home, account: Account, call: Call) -> Finding {
        let mut finding = Finding::default();
        let Some(role) = self
            .config
            .role_in(partition(&home.identity.arn), &account.id)
        else {
            let reason = "the name of its role makes no role's ARN";
            finding.unreachable(account.id, account.name, reason.to_owned());
            return finding;
        };
        for region in self.regions() {
            let port = self.port(home, Some(&region), Some(&role));
            let listed = match port.instances(call).await {
                Ok(listed) => listed,
                Err(failure) => {
                    let reason = sentence_in(&region, &failure);
                    finding.unreachable(account.id.clone(), account.name.clone(), reason);
                    if failure.kind == ErrorKind::RoleNotAssumed {
                        // No other region lets it in either.
                        return finding;
                    }
                    continue;
                }
            };
            finding.reached(&account.id, &region);
            for seen in listed {
                // The organization's instance is seen from here too, and is not this account's.
                if seen.instance.owner_account_id.as_ref() != Some(&account.id) {
                    continue;
                }
                if seen.is_active {
                    let organization = home.organization.as_ref();
                    let instance = attributed(seen.instance, organization, &account.id);
                    finding.serve(instance, Arc::clone(&port));
                } else {
                    let reason = not_active(&seen);
                    finding.unreachable(account.id.clone(), account.name.clone(), reason);
                }
            }
        }
        finding
    }

    fn regions(&self) -> Vec<String> {
        if self.config.regions.is_empty() {
            vec![self.home.region().to_owned()]
        } else {
            self.config.regions.clone()
        }
    }

    /// The port for a region and a role, made at the first question and kept.
    fn port(
        &self,
        home: &Home,
        region: Option<&str>,
        role: Option<&AssumedRole>,
    ) -> Arc<SdkIdentityCenter> {
        let region = region.unwrap_or(self.home.region());
        if role.is_none() && region == self.home.region() {
            return Arc::clone(&self.home);
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let Made { ports, budgets } = &mut *made;
        let key = |region: &str, role: Option<&AssumedRole>| (region.to_owned(), role.cloned());
        if let Some(port) = ports.get(&key(region, role)) {
            return Arc::clone(port);
        }
        let own_account = home.identity.account_id.as_str();
        let account = role.map_or(own_account, AssumedRole::account);
        let budget = if account == own_account && region == self.home.region() {
            self.home.budget()
        } else {
            let budget = budgets.entry((region.to_owned(), account.to_owned()));
            budget
                .or_insert_with(|| self.home.budget().another(&format!("{account} {region}")))
                .clone()
        };
        // Another region of a role that is assumed already uses the same credentials.
        let signed_in = role.and_then(|role| {
            let mut known = ports.iter();
            known.find_map(|((_, known), port)| (known.as_ref() == Some(role)).then_some(port))
        });
        let wanted = RegionAndRole {
            region: Some(region.to_owned()),
            role: role.filter(|_| signed_in.is_none()).cloned(),
        };
        let base = signed_in.unwrap_or(&self.home);
        let port = Arc::new(base.for_instance(wanted, budget));
        ports.insert(key(region, role), Arc::clone(&port));
        port
    }

    fn ports(&self) -> Vec<Arc<dyn IdentityCenter>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let ports = made.ports.values();
        ports
            .map(|port| Arc::clone(port) as Arc<dyn IdentityCenter>)
            .collect()
    }
}

fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or("aws")
}
