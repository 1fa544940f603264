//! What a collection did not see: within a gap nothing is closed, because nobody saw it gone, and what
//! is unknown of a thing stays as it was last known.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Fact, FactKey, FactKind, KnownFact};
use crate::domain::PrincipalStatus;

/// Facts of one kind that a collection did not see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// Their kind.
    pub kind: FactKind,
    /// Which of them.
    pub of: Extent,
}

/// Which facts of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// All of them.
    All,
    /// Those with this key.
    Key(String),
    /// Assignments to applications.
    Applications,
    /// Assignments to accounts.
    Accounts,
    /// Those of this permission set: accounts that have it, or assignments to them with it.
    PermissionSet(String),
    /// Memberships of groups that the collection does not name: only the members of groups that
    /// something names are asked for.
    GroupsNotNamed,
    /// Principals that AWS does not have any more: lists do not show them, only what names them does.
    Gone,
}

/// The gaps of a collection, made to be asked for each fact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    whole: HashSet<FactKind>,
    keys: HashMap<FactKind, HashSet<String>>,
    of_applications: bool,
    of_accounts: bool,
    permission_sets: HashMap<FactKind, HashSet<String>>,
    gone: HashSet<FactKind>,
    /// The groups that are named; none where that does not matter.
    named_groups: Option<HashSet<String>>,
}

impl Gap {
    /// Of a whole kind.
    #[must_use]
    pub fn all(kind: FactKind) -> Self {
        Self {
            kind,
            of: Extent::All,
        }
    }

    /// Of one key.
    #[must_use]
    pub fn key(kind: FactKind, key: &str) -> Self {
        Self {
            kind,
            of: Extent::Key(key.to_owned()),
        }
    }

    /// Of assignments.
    #[must_use]
    pub fn assignments(of: Extent) -> Self {
        Self {
            kind: FactKind::Assignment,
            of,
        }
    }

    /// What else nobody saw because of this gap: a principal is looked at only where something names
    /// it, so that one whose assignment or membership was not read may be there all the same.
    #[must_use]
    pub fn consequences(&self) -> &'static [(FactKind, Extent)] {
        match self.kind {
            FactKind::Assignment => &[
                (FactKind::User, Extent::All),
                (FactKind::Group, Extent::All),
                (FactKind::Membership, Extent::GroupsNotNamed),
            ],
            // Of an application of which nobody knows whether it is open, nobody listed who could enter.
            FactKind::Membership | FactKind::Application => &[(FactKind::User, Extent::All)],
            _ => &[],
        }
    }
}

impl Gaps {
    /// These gaps, of a collection that names these groups.
    pub fn new<'a>(
        gaps: impl IntoIterator<Item = &'a Gap>,
        named_groups: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut all = Self::default();
        let mut with_named = false;
        for gap in gaps {
            match &gap.of {
                Extent::All => {
                    all.whole.insert(gap.kind);
                }
                Extent::Key(key) => {
                    all.keys.entry(gap.kind).or_default().insert(key.clone());
                }
                Extent::Applications => all.of_applications = true,
                Extent::Accounts => all.of_accounts = true,
                Extent::PermissionSet(arn) => {
                    let sets = all.permission_sets.entry(gap.kind).or_default();
                    sets.insert(arn.clone());
                }
                Extent::GroupsNotNamed => with_named = true,
                Extent::Gone => {
                    all.gone.insert(gap.kind);
                }
            }
        }
        if with_named {
            all.named_groups = Some(named_groups.into_iter().map(str::to_owned).collect());
        }
        all
    }

    /// These gaps, for who reads a collection: which groups it names is not known any more, and of others the members
    /// are those that were last seen.
    pub fn for_readers<'a>(gaps: impl IntoIterator<Item = &'a Gap>) -> Self {
        let gaps = gaps.into_iter();
        Self::new(gaps.filter(|gap| gap.of != Extent::GroupsNotNamed), [])
    }

    /// Whether a fact that a collection lacks stays as it was last known: nobody could see it.
    #[must_use]
    pub fn keep(&self, fact: &Fact) -> bool {
        let may_be_gone = self.gone.contains(&fact.key.kind);
        self.cover(&fact.key)
            || (may_be_gone && KnownFact::read(fact).status == PrincipalStatus::Deleted)
    }

    /// Whether nobody could see facts of this key.
    #[must_use]
    pub fn cover(&self, fact: &FactKey) -> bool {
        let kind = fact.kind;
        if self.whole.contains(&kind) {
            return true;
        }
        let holds = |sets: &HashMap<FactKind, HashSet<String>>, text: &str| {
            sets.get(&kind).is_some_and(|set| set.contains(text))
        };
        if holds(&self.keys, &fact.key) {
            return true;
        }
        match kind {
            FactKind::Assignment if is_application(&fact.key) => self.of_applications,
            FactKind::Assignment => {
                let set = fact.key.split_once('/').map_or("", |(_, set)| set);
                self.of_accounts || holds(&self.permission_sets, set)
            }
            FactKind::AccountAccess => holds(&self.permission_sets, &fact.second),
            FactKind::Membership => {
                let named = self.named_groups.as_ref();
                named.is_some_and(|named| !named.contains(&fact.key))
            }
            FactKind::User
            | FactKind::Group
            | FactKind::Application
            | FactKind::PermissionSet
            | FactKind::Account
            | FactKind::Finding => false,
        }
    }
}

/// Whether the key of an assignment is an application's: an ARN. That of an account begins with digits.
pub(super) fn is_application(key: &str) -> bool {
    key.starts_with("arn:")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";

    fn key(kind: FactKind, key: &str, second: &str) -> FactKey {
        FactKey {
            kind,
            key: key.to_owned(),
            second: second.to_owned(),
        }
    }

    #[test]
    fn each_extent_covers_what_it_names_and_nothing_else() {
        use FactKind::{AccountAccess, Application, Assignment, Group, Membership, User};
        let on_account = format!("123456789012/{SET}");
        let facts = [
            key(User, "a", ""),
            key(Group, "g", ""),
            key(Membership, "g", "a"),
            key(Membership, "h", "a"),
            key(Application, "arn:x", ""),
            key(AccountAccess, "123456789012", SET),
            key(AccountAccess, "123456789012", "arn:other"),
            key(Assignment, &on_account, "USER/a"),
            key(Assignment, "123456789012/arn:other", "USER/a"),
            key(Assignment, "arn:x", "USER/a"),
        ];
        let set = |kind| Gap {
            kind,
            of: Extent::PermissionSet(SET.to_owned()),
        };
        let not_named = Gap {
            kind: Membership,
            of: Extent::GroupsNotNamed,
        };
        for (gap, covered) in [
            (Gap::all(User), vec![0]),
            (Gap::all(Membership), vec![2, 3]),
            (Gap::key(Membership, "g"), vec![2]),
            (Gap::key(Application, "arn:x"), vec![4]),
            (Gap::key(Assignment, "arn:x"), vec![9]),
            (Gap::assignments(Extent::Applications), vec![9]),
            (Gap::assignments(Extent::Accounts), vec![7, 8]),
            (set(AccountAccess), vec![5]),
            (set(Assignment), vec![7]),
            (not_named, vec![3]),
        ] {
            let gaps = Gaps::new([&gap], ["g"]);
            let found: Vec<usize> = (0..facts.len())
                .filter(|place| gaps.cover(&facts[*place]))
                .collect();
            assert_eq!(found, covered, "{gap:?}");
        }
    }
}
