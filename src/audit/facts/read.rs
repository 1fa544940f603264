//! From facts back to the collection that they were.

use std::collections::BTreeMap;

use super::super::collection::{AccountFacts, Beside, Collection, Listing, Missing, UserFacts};
use super::super::gather::Gathered;
use super::write::known;
use crate::domain::facts::{
    CollectionRecord, Fact, FactKind, Gaps, MembershipValue, from_text, principal_of_second,
    target_of_key,
};
use crate::domain::{
    AccountAccess, AccountId, Group, GroupId, Instance, InvalidValue, Membership, PermissionSetArn,
    PrincipalId, PrincipalStatus,
};

/// Reads the facts of one collection, in the order of their keys, into the collection.
///
/// A fact that names something of which there is no fact (what names it lies in a gap) makes it as
/// unknown as it is: a user without a name, a group without members.
pub struct CollectionReader {
    instance: Instance,
    record: CollectionRecord,
    gaps: Gaps,
    gathered: Gathered,
    accounts: BTreeMap<AccountId, AccountFacts>,
    /// The users; only what names them says which of them the collection is about.
    users: Vec<UserFacts>,
    /// The groups, by the same rule.
    groups: BTreeMap<GroupId, FactGroup>,
}

/// A group, with its memberships as they come.
struct FactGroup {
    group: Group,
    status: PrincipalStatus,
    members: Vec<Membership>,
    is_gap: bool,
}

impl CollectionReader {
    /// Begins to read.
    #[must_use]
    pub fn new(instance: Instance, record: CollectionRecord) -> Self {
        Self {
            // Which groups were named matters when facts are written. Of one that was not, the
            // members are those that were last seen, and what is missing says so.
            gaps: Gaps::for_readers(record.gaps()),
            instance,
            record,
            gathered: Gathered::default(),
            accounts: BTreeMap::new(),
            users: Vec::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Takes the next fact.
    ///
    /// # Errors
    /// It is no fact that this version can read.
    pub fn take(&mut self, fact: &Fact) -> Result<(), InvalidValue> {
        let (key, second) = (fact.key.key.as_str(), fact.key.second.as_str());
        match fact.key.kind {
            FactKind::User => {
                let (user, exists) = fact.user()?;
                self.users.push(UserFacts { user, exists });
            }
            FactKind::Group => self.take_group(fact)?,
            FactKind::Membership => {
                let value: MembershipValue = from_text(&fact.value)?;
                let group_id = PrincipalId::parse(key)?;
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.members.push(Membership {
                        group_id,
                        user_id: PrincipalId::parse(second)?,
                        created_at: value.since,
                        created_by: value.by,
                    });
                }
            }
            FactKind::Application => {
                let (application, required) = fact.application()?;
                let arn = application.arn.clone();
                self.gathered.application(application);
                self.gathered.required(&arn, required);
            }
            FactKind::PermissionSet => self.gathered.permission_set(fact.permission_set()?),
            FactKind::Account => self.take_account(fact)?,
            FactKind::AccountAccess => self.gathered.account_access(AccountAccess {
                account: AccountId::parse(key)?,
                permission_set: PermissionSetArn::parse(second)?,
            }),
            FactKind::Assignment => {
                let principal = principal_of_second(second)?;
                self.gathered.assigned(&target_of_key(key)?, principal);
            }
            // Found in a collection, and no part of it.
            FactKind::Finding => {}
        }
        Ok(())
    }

    fn take_group(&mut self, fact: &Fact) -> Result<(), InvalidValue> {
        let (group, status) = fact.group()?;
        let id = group.id.clone();
        let mut of_members = fact.key.clone();
        of_members.kind = FactKind::Membership;
        let group = FactGroup {
            group,
            status,
            members: Vec::new(),
            is_gap: self.gaps.cover(&of_members),
        };
        self.groups.insert(id, group);
        Ok(())
    }

    fn take_account(&mut self, fact: &Fact) -> Result<(), InvalidValue> {
        let (account, listed) = fact.account()?;
        let id = account.id.clone();
        let listing = match listed {
            Some(true) => Listing::Listed,
            Some(false) => Listing::NotListed,
            None => Listing::Unknown,
        };
        (self.accounts).insert(id, AccountFacts { account, listing });
        Ok(())
    }

    /// The collection.
    #[must_use]
    pub fn finish(mut self) -> Collection {
        let mut beside = Beside::default();
        for (id, group) in self.groups {
            let is_deleted = group.status == PrincipalStatus::Deleted;
            if !self.gathered.names_group(&id) {
                let shown = (!is_deleted).then_some(group.group);
                beside.groups.extend(shown);
                continue;
            }
            self.gathered.known_group(group.group, group.status);
            let is_told = !group.is_gap || !group.members.is_empty();
            if is_told && !is_deleted {
                (self.gathered).members(&id, group.members, !group.is_gap);
            }
        }
        let with_everybody = self.gathered.has_open_application();
        for known in self.users {
            if with_everybody || self.gathered.names_user(&known.user.id) {
                self.gathered.known_user(known);
            } else if known.exists {
                beside.users.push(known.user);
            }
        }
        let mut collection = self.gathered.finish(self.instance, None);
        for facts in &mut collection.accounts {
            if let Some(known) = self.accounts.remove(&facts.account.id) {
                *facts = known;
            }
        }
        let others = self.accounts.into_values();
        let listed = others.filter(|facts| facts.listing == Listing::Listed);
        beside.accounts = listed.map(|facts| facts.account).collect();
        collection.beside = beside;
        let arn = &collection.instance.arn;
        collection.missing = (self.record.missing.into_iter())
            .map(|miss| Missing {
                instance_arn: Some(arn.clone()),
                scope: miss.scope,
                reason: miss.reason,
                gaps: miss.gaps,
            })
            .collect();
        (collection.observed_from, collection.observed_until) = self.record.observed.unzip();
        collection.operations = self.record.operations;
        collection.counts = known(&self.record.counts);
        collection
    }
}
