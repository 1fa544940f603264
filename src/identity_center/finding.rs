//! What discovery has found: gathered, attributed, and told in sentences. Nothing here asks AWS.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::discovery_config::ConfiguredInstance;
use super::{IdentityCenter, ListedInstance, UnreachableAccount};
use crate::domain::{AccountId, Failure, Instance, InstanceArn, InstanceKind, Organization};

/// What was found.
#[derive(Default)]
pub struct Discovered {
    /// The instances to serve, each once, with its port.
    pub instances: Vec<(Instance, Arc<dyn IdentityCenter>)>,
    /// The accounts that could not be looked into, and why.
    pub unreachable: Vec<UnreachableAccount>,
    /// The accounts that answered which instances they have, each with the region that did.
    pub reached: HashSet<(AccountId, String)>,
    /// Every port that was made, whether it serves an instance or not: for `InstanceRouter`.
    pub ports: Vec<Arc<dyn IdentityCenter>>,
}

impl Discovered {
    /// Whether an instance that is not among the found ones was looked for in vain, and not just
    /// missed: only its own account tells, in its region. One that was suspended, that left the
    /// organization or that could not be looked into says nothing.
    #[must_use]
    pub fn shows_absence_of(&self, instance: &Instance) -> bool {
        let accounts = [&instance.owner_account_id, &instance.called_from];
        let is_its_account = |row: &UnreachableAccount| {
            (accounts.iter()).any(|account| account.as_ref() == Some(&row.account_id))
        };
        let its_account = accounts.into_iter().find_map(Option::as_ref);
        let is_reached = its_account.is_some_and(|account| {
            let place = (account.clone(), instance.region.clone());
            self.reached.contains(&place)
        });
        is_reached && !self.unreachable.iter().any(is_its_account)
    }

    /// Names the account of an instance that stays served although this look did not find it,
    /// unless it is named already.
    pub fn name_account_of_kept(&mut self, instance: &Instance) {
        let account = instance.owner_account_id.as_ref();
        let Some(account) = account.or(instance.called_from.as_ref()) else {
            return;
        };
        let mut named = self.unreachable.iter();
        if named.any(|row| row.account_id == *account) {
            return;
        }
        self.unreachable.push(UnreachableAccount {
            account_id: account.clone(),
            name: String::new(),
            reason: format!(
                "its instance {} stays served, but this look did not reach the account: it is \
                 suspended, its organization lists it no longer, or Usher has no role there",
                instance.arn
            ),
        });
    }
}

impl fmt::Debug for Discovered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arns = self.instances.iter().map(|(instance, _)| &instance.arn);
        formatter
            .debug_struct("Discovered")
            .field("instances", &arns.collect::<Vec<_>>())
            .field("unreachable", &self.unreachable)
            .finish_non_exhaustive()
    }
}

/// What is found so far.
#[derive(Default)]
pub(super) struct Finding {
    pub(super) instances: Vec<(Instance, Arc<dyn IdentityCenter>)>,
    pub(super) unreachable: Vec<UnreachableAccount>,
    /// Instances that home sees and does not manage, by owner.
    pub(super) unclaimed: Vec<(AccountId, InstanceArn)>,
    pub(super) reached: HashSet<(AccountId, String)>,
}

impl Finding {
    /// The first who found an instance serves it.
    pub(super) fn serve<P: IdentityCenter>(&mut self, instance: Instance, port: Arc<P>) {
        self.put(instance, port);
    }

    fn put(&mut self, instance: Instance, port: Arc<dyn IdentityCenter>) {
        let mut known = self.instances.iter_mut();
        match known.find(|(known, _)| known.arn == instance.arn) {
            None => self.instances.push((instance, port)),
            // Who found it first could not ask for its organization.
            Some((known, _)) if known.kind == InstanceKind::Unknown => {
                known.kind = instance.kind;
                known.management_account_id = instance.management_account_id;
            }
            Some(_) => {}
        }
    }

    pub(super) fn reached(&mut self, account: &AccountId, region: &str) {
        self.reached.insert((account.clone(), region.to_owned()));
    }

    pub(super) fn unreachable(&mut self, account_id: AccountId, name: String, reason: String) {
        self.unreachable.push(UnreachableAccount {
            account_id,
            name,
            reason,
        });
    }

    pub(super) fn add(&mut self, other: Self) {
        for (instance, port) in other.instances {
            self.put(instance, port);
        }
        self.unreachable.extend(other.unreachable);
        self.reached.extend(other.reached);
    }

    /// Names the owners of instances that home sees, that nobody serves, and whose account nobody
    /// has said anything about.
    pub(super) fn report_unclaimed(&mut self) {
        for (owner, arn) in std::mem::take(&mut self.unclaimed) {
            let is_served = self.instances.iter().any(|(known, _)| known.arn == arn);
            let is_named = self
                .unreachable
                .iter()
                .any(|named| named.account_id == owner);
            if !is_served && !is_named {
                self.unreachable(owner, String::new(), not_managed(&arn));
            }
        }
    }
}

/// The instance with what its owner says about it.
pub(super) fn attributed(
    mut instance: Instance,
    organization: Option<&Option<Organization>>,
    called_from: &AccountId,
) -> Instance {
    let manager = organization
        .and_then(Option::as_ref)
        .map(|organization| organization.management_account_id.clone());
    instance.kind = match (&instance.owner_account_id, organization) {
        (Some(owner), Some(Some(_))) if manager.as_ref() == Some(owner) => {
            InstanceKind::Organization
        }
        (Some(_), Some(_)) => InstanceKind::Account,
        _ => InstanceKind::Unknown,
    };
    instance.management_account_id = manager;
    instance.called_from = Some(called_from.clone());
    instance
}

/// The instance that a section means among those that are seen where it says.
pub(super) fn choose(
    mut listed: Vec<ListedInstance>,
    wanted: &ConfiguredInstance,
    account: &AccountId,
) -> Result<ListedInstance, String> {
    if let Some(arn) = &wanted.arn {
        let found = listed
            .into_iter()
            .find(|seen| seen.instance.arn.as_str() == arn);
        return found.ok_or_else(|| format!("AWS does not list the instance {arn} there"));
    }
    let is_own = |seen: &ListedInstance| seen.instance.owner_account_id.as_ref() == Some(account);
    match (listed.iter().position(is_own), listed.len()) {
        (Some(own), _) => Ok(listed.swap_remove(own)),
        (None, 1) => Ok(listed.swap_remove(0)),
        (None, 0) => Err("AWS lists no instance there".to_owned()),
        (None, _) => Err("AWS lists several instances there; name one by its arn".to_owned()),
    }
}

pub(super) fn not_active(seen: &ListedInstance) -> String {
    let state = if seen.state.is_empty() {
        "unknown"
    } else {
        &seen.state
    };
    format!(
        "its instance {} is not ACTIVE but {state}",
        seen.instance.arn
    )
}

pub(super) fn not_managed(arn: &InstanceArn) -> String {
    format!("its instance {arn} is seen here, but not managed from here")
}

/// A failure in one of several regions as a sentence.
pub(super) fn sentence_in(region: &str, failure: &Failure) -> String {
    format!("in {region} {}", sentence(failure))
}

/// A failure as a sentence.
pub(super) fn sentence(failure: &Failure) -> String {
    let action = if failure.missing_iam_action.is_empty() {
        String::new()
    } else {
        format!(" ({} is missing)", failure.missing_iam_action)
    };
    format!(
        "{} failed: {}{action}",
        failure.operation,
        failure.kind.explanation()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IdentityStoreId;

    const MANAGER: &str = "111111111111";
    const MEMBER: &str = "222222222222";

    fn account(id: &str) -> AccountId {
        AccountId::parse(id).unwrap()
    }

    fn seen(letter: &str, owner: Option<&str>) -> ListedInstance {
        let id = letter.repeat(16);
        let arn = format!("arn:aws:sso:::instance/ssoins-{id}");
        ListedInstance {
            instance: Instance {
                arn: InstanceArn::parse(&arn).unwrap(),
                alias: None,
                identity_store_id: IdentityStoreId::parse("d-1234567890").unwrap(),
                owner_account_id: owner.map(account),
                name: String::new(),
                region: "us-east-1".to_owned(),
                kind: InstanceKind::Unknown,
                management_account_id: None,
                called_from: None,
            },
            is_active: true,
            state: "ACTIVE".to_owned(),
        }
    }

    #[test]
    fn the_owner_says_what_kind_of_instance_it_is() {
        let organization = Some(Organization {
            id: "o-1234567890".to_owned(),
            management_account_id: account(MANAGER),
        });
        let kind = |owner, organization: Option<&Option<Organization>>| {
            let instance = attributed(seen("a", owner).instance, organization, &account(MEMBER));
            assert_eq!(instance.called_from, Some(account(MEMBER)));
            instance.kind
        };
        let known = Some(&organization);
        assert_eq!(kind(Some(MANAGER), known), InstanceKind::Organization);
        assert_eq!(kind(Some(MEMBER), known), InstanceKind::Account);
        assert_eq!(kind(None, known), InstanceKind::Unknown);
        assert_eq!(kind(Some(MEMBER), Some(&None)), InstanceKind::Account);
        assert_eq!(kind(Some(MANAGER), None), InstanceKind::Unknown);
    }

    #[test]
    fn a_section_without_an_arn_means_the_accounts_own_or_the_only_one() {
        let own = account(MEMBER);
        let anything = ConfiguredInstance::default();
        let chosen = |listed, wanted: &ConfiguredInstance| {
            choose(listed, wanted, &own).map(|seen| seen.instance.owner_account_id)
        };
        let both = || vec![seen("a", Some(MANAGER)), seen("b", Some(MEMBER))];
        assert_eq!(chosen(both(), &anything), Ok(Some(account(MEMBER))));
        let one = vec![seen("a", Some(MANAGER))];
        assert_eq!(chosen(one, &anything), Ok(Some(account(MANAGER))));
        let strangers = vec![seen("a", Some(MANAGER)), seen("b", None)];
        assert!(
            chosen(strangers, &anything)
                .unwrap_err()
                .contains("several")
        );
        assert!(chosen(Vec::new(), &anything).is_err());
        let named = ConfiguredInstance {
            arn: Some(seen("a", None).instance.arn.to_string()),
            ..ConfiguredInstance::default()
        };
        assert_eq!(chosen(both(), &named), Ok(Some(account(MANAGER))));
        let absent = chosen(vec![seen("b", None)], &named);
        assert!(absent.unwrap_err().contains("does not list"));
    }
}
