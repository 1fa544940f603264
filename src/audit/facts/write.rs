//! From a collection to its facts, in the order of their keys, and to what else the store keeps of it.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;

use super::super::collection::{
    ApplicationFacts, Assignee, Collection, GroupFacts, Listing, Members, Missing, UserIndex,
};
use super::super::plan::KnownCounts;
use crate::domain::facts::{
    AccountValue, ApplicationValue, CollectionRecord, Extent, Fact, FactKey, FactKind, Found, Gap,
    Gaps, GroupValue, MembershipValue, Miss, PermissionSetValue, UserValue, second_of_principal,
    to_text,
};
use crate::domain::{Account, AccountAccess, Group, InvalidValue, PrincipalStatus, Target, User};

/// The value of what has none beside its being there.
const NOTHING_MORE: &str = "{}";

/// A fact, or why it cannot be written.
type Written = Result<Fact, InvalidValue>;

/// The facts of a collection with what was found in it, sorted by key, each once. The findings must be sorted by
/// key. They are made as they are asked for: nothing is
/// held but one target's assignments.
///
/// # Errors
/// Each: it cannot be written down. No value that a collector makes is such.
pub fn facts<'a>(
    collection: &'a Collection,
    findings: &'a [Found],
) -> impl Iterator<Item = Written> + Send + 'a {
    let beside = &collection.beside;
    let users = (collection.users.iter()).map(|facts| user(&facts.user, facts.exists));
    let users = merged(users, beside.users.iter().map(|it| user(it, true)));
    let groups = (collection.groups.iter()).map(|facts| group(&facts.group, facts.status));
    let others = (beside.groups.iter()).map(|it| group(it, PrincipalStatus::Enabled));
    let groups = merged(groups, others);
    let memberships = (collection.groups.iter()).flat_map(|group| memberships(collection, group));
    let applications = collection.applications.iter().map(application);
    let sets = (collection.permission_sets.iter()).map(|facts| {
        let value = PermissionSetValue::of(facts);
        fact(FactKey::permission_set(facts.arn.as_str()), &value)
    });
    let accounts = (collection.accounts.iter()).map(|it| account(&it.account, it.listing));
    let others = (beside.accounts.iter()).map(|it| account(it, Listing::Listed));
    let accounts = merged(accounts, others);
    let access = accesses(collection).map(|(access, _)| {
        Ok(Fact {
            key: FactKey::account_access(&access),
            value: NOTHING_MORE.to_owned(),
        })
    });
    (users.chain(groups).chain(memberships))
        .chain(applications)
        .chain(sets)
        .chain(accounts)
        .chain(access)
        .chain(assignments(collection).map(|key| {
            Ok(Fact {
                key,
                value: NOTHING_MORE.to_owned(),
            })
        }))
        .chain(findings.iter().map(Found::fact))
}

fn fact<T: serde::Serialize>(key: FactKey, value: &T) -> Written {
    let value = to_text(value)?;
    Ok(Fact { key, value })
}

/// Both, sorted by key as each of them is.
fn merged(
    left: impl Iterator<Item = Written> + Send,
    right: impl Iterator<Item = Written> + Send,
) -> impl Iterator<Item = Written> + Send {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(Ok(ours)), Some(Ok(theirs))) if theirs.key < ours.key => right.next(),
        (None, _) => right.next(),
        _ => left.next(),
    })
}

fn user(user: &User, exists: bool) -> Written {
    fact(FactKey::user(&user.id), &UserValue::of(user, exists))
}

fn group(group: &Group, status: PrincipalStatus) -> Written {
    fact(FactKey::group(&group.id), &GroupValue::of(group, status))
}

fn memberships<'a>(
    collection: &'a Collection,
    group: &'a GroupFacts,
) -> impl Iterator<Item = Written> + Send + 'a {
    let members: &[UserIndex] = match &group.members {
        Members::Read(members) | Members::Partly(members) => members,
        Members::NotRead => &[],
    };
    members.iter().filter_map(|place| {
        let user = collection.users.get(*place as usize)?;
        let joined = (group.joined).binary_search_by_key(place, |joined| joined.user);
        let joined = joined.ok().and_then(|found| group.joined.get(found));
        let value = MembershipValue {
            since: joined.and_then(|joined| joined.since),
            by: joined
                .and_then(|joined| joined.by.as_deref())
                .unwrap_or_default()
                .to_owned(),
        };
        let key = FactKey::membership(&group.group.id, &user.user.id);
        Some(fact(key, &value))
    })
}

fn application(facts: &ApplicationFacts) -> Written {
    let value = ApplicationValue::of(&facts.application, facts.required);
    fact(FactKey::application(facts.application.arn.as_str()), &value)
}

fn account(account: &Account, listing: Listing) -> Written {
    let listed = match listing {
        Listing::Listed => Some(true),
        Listing::NotListed => Some(false),
        Listing::Unknown => None,
    };
    let value = AccountValue::of(account, listed);
    fact(FactKey::account(account.id.as_str()), &value)
}

/// The accounts with their permission sets, and who is assigned to them.
fn accesses(collection: &Collection) -> impl Iterator<Item = (AccountAccess, &[Assignee])> + Send {
    (collection.account_access.iter()).filter_map(|facts| {
        let account = collection.accounts.get(facts.account as usize)?;
        let set = (collection.permission_sets).get(facts.permission_set as usize)?;
        let access = AccountAccess {
            account: account.account.id.clone(),
            permission_set: set.arn.clone(),
        };
        Some((access, facts.assignees.as_slice()))
    })
}

/// The keys of assignments, sorted, by target: the keys of accounts begin with digits and sort before the ARNs of
/// applications.
pub fn assignments(collection: &Collection) -> impl Iterator<Item = FactKey> + Send + '_ {
    let of_accounts =
        accesses(collection).map(|(access, assignees)| (Target::AccountAccess(access), assignees));
    let of_applications = (collection.applications.iter()).map(|facts| {
        let target = Target::Application(facts.application.arn.clone());
        (target, facts.assignees.as_slice())
    });
    of_accounts
        .chain(of_applications)
        .flat_map(|(target, assignees)| {
            let principals = assignees
                .iter()
                .filter_map(|assignee| collection.principal(*assignee));
            let mut seconds: Vec<String> = principals.map(|it| second_of_principal(&it)).collect();
            seconds.sort_unstable();
            let key = target.key().into_owned();
            seconds.into_iter().map(move |second| FactKey {
                kind: FactKind::Assignment,
                key: key.clone(),
                second,
            })
        })
}

/// What the store keeps of a collection beside its facts.
#[must_use]
pub fn record(
    collection: &Collection,
    beside: Option<Missing>,
    began_at: Timestamp,
    ended_at: Timestamp,
) -> CollectionRecord {
    let missing: Vec<Miss> = (collection.missing.iter().chain(&beside))
        .map(|missing| Miss {
            scope: missing.scope.clone(),
            reason: missing.reason.clone(),
            gaps: missing.gaps.clone(),
        })
        .collect();
    let of_missing: HashSet<&Gap> = missing.iter().flat_map(|miss| &miss.gaps).collect();
    let mut unread: BTreeSet<Gap> = unread(collection).collect();
    let consequences = (of_missing.iter().copied().chain(&unread))
        .flat_map(Gap::consequences)
        .cloned();
    let consequences = consequences.map(|(kind, of)| {
        let is_listed = match kind {
            FactKind::User => collection.counts.users.is_some(),
            FactKind::Group => collection.counts.groups.is_some(),
            _ => false,
        };
        // Whom a whole list lacks is gone, whoever still names it.
        let of = if is_listed { Extent::Gone } else { of };
        Gap { kind, of }
    });
    let consequences: Vec<Gap> = consequences.collect();
    unread.extend(consequences);
    // What was not seen may be there all the same, and so may what would be found in it.
    if !of_missing.is_empty() || !unread.is_empty() {
        unread.insert(Gap::all(FactKind::Finding));
    }
    unread.retain(|gap| !of_missing.contains(gap));
    CollectionRecord {
        began_at,
        ended_at,
        observed: collection.observed_from.zip(collection.observed_until),
        unread: unread.into_iter().collect(),
        missing,
        operations: collection.operations.clone(),
        counts: counts(&collection.counts),
    }
}

/// What the facts themselves show was not read.
fn unread(collection: &Collection) -> impl Iterator<Item = Gap> {
    let of_groups = (collection.groups.iter()).filter(|facts| {
        let is_read = matches!(facts.members, Members::Read(_));
        !is_read && facts.status != PrincipalStatus::Deleted
    });
    let of_groups = of_groups.map(|it| Gap::key(FactKind::Membership, it.group.id.as_str()));
    let mut accounts = collection.accounts.iter();
    let of_accounts = accounts.any(|facts| facts.listing == Listing::Unknown);
    let of_accounts = of_accounts.then(|| Gap::all(FactKind::Account));
    of_groups.chain(of_accounts)
}

/// What a collection may lack without lacking anything: that of which no list was read to its end, as each
/// by its id was cheaper, and who is in groups that are assigned nowhere. Nobody saw that gone.
fn not_looked_at(collection: &Collection) -> impl Iterator<Item = Gap> {
    let counts = &collection.counts;
    let unlisted = [
        (FactKind::User, counts.users),
        (FactKind::Group, counts.groups),
        (FactKind::Account, counts.accounts),
    ];
    let unlisted = (unlisted.into_iter())
        .filter(|(_, count)| count.is_none())
        .map(|(kind, _)| Gap::all(kind));
    // Which groups are assigned nowhere is not known without their list.
    let unlisted_groups = Gap {
        kind: FactKind::Membership,
        of: Extent::GroupsNotNamed,
    };
    let unlisted_groups = counts.groups.is_none().then_some(unlisted_groups);
    let groups = collection.beside.groups.iter();
    let groups = groups.map(|group| Gap::key(FactKind::Membership, group.id.as_str()));
    unlisted.chain(unlisted_groups).chain(groups)
}

/// The gaps of a collection by itself: what it lacks could have been there.
#[must_use]
pub fn gaps_of(collection: &Collection) -> Gaps {
    let of_missing = (collection.missing.iter()).flat_map(|it| &it.gaps);
    let beside: Vec<Gap> = not_looked_at(collection).collect();
    Gaps::new(of_missing.chain(&beside), named_groups(collection))
}

/// The gaps of a collection, for the store to ask of each fact.
#[must_use]
pub fn gaps(collection: &Collection, record: &CollectionRecord) -> Gaps {
    let beside: Vec<Gap> = not_looked_at(collection).collect();
    Gaps::new(record.gaps().chain(&beside), named_groups(collection))
}

fn named_groups(collection: &Collection) -> impl Iterator<Item = &str> {
    (collection.groups.iter()).map(|facts| facts.group.id.as_str())
}

/// What was counted, by name; `known` reads it.
fn counts(counts: &KnownCounts) -> Vec<(String, u64)> {
    let mut counts = *counts;
    let named = named_counts(&mut counts).into_iter();
    let named = named.filter_map(|(name, count)| Some((name.to_owned(), (*count)?)));
    named.collect()
}

/// Whether a collection has all there is of a kind.
#[must_use]
pub fn lists_all(record: &CollectionRecord, kind: FactKind) -> bool {
    let lacks_none = |gap: &Gap| gap.kind != kind || gap.of == Extent::Gone;
    is_listed(record, kind) && record.gaps().all(lacks_none)
}

/// Whether the list of a kind was read to its end for a collection.
#[must_use]
pub fn is_listed(record: &CollectionRecord, kind: FactKind) -> bool {
    let counts = known(&record.counts);
    let count = match kind {
        FactKind::User => counts.users,
        FactKind::Group => counts.groups,
        FactKind::Application => counts.applications,
        FactKind::PermissionSet => counts.permission_sets,
        FactKind::Account => counts.accounts,
        FactKind::Membership
        | FactKind::AccountAccess
        | FactKind::Assignment
        | FactKind::Finding => None,
    };
    count.is_some()
}

/// The counts with these names; others are of another version.
pub(super) fn known(named: &[(String, u64)]) -> KnownCounts {
    let mut counts = KnownCounts::default();
    for (name, place) in named_counts(&mut counts) {
        let found = named.iter().find(|(known, _)| known == name);
        *place = found.map(|(_, count)| *count);
    }
    counts
}

/// Every count with the name under which it is kept, sorted by name.
fn named_counts(counts: &mut KnownCounts) -> [(&'static str, &mut Option<u64>); 9] {
    [
        (
            "account_assignment_pages",
            &mut counts.account_assignment_pages,
        ),
        ("account_pages", &mut counts.account_pages),
        ("accounts", &mut counts.accounts),
        ("applications", &mut counts.applications),
        ("assignment_pages", &mut counts.assignment_pages),
        ("groups", &mut counts.groups),
        ("member_pages", &mut counts.member_pages),
        ("permission_sets", &mut counts.permission_sets),
        ("users", &mut counts.users),
    ]
}
