//! Facts: what a collection found out about an instance, one by one, each with a key that says what
//! it is about. The store keeps them with their history; the audit makes them and reads them.
//!
//! Nothing here reads anything. What a value may hold is in `value`, what a collection could not see
//! in `gap`.

mod found;
mod gap;
mod known;
mod partial;
mod things;
mod value;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use found::Found;
pub use gap::{Extent, Gap, Gaps};
pub use known::KnownFact;
pub use partial::{fill_unknown, without_names};
pub use value::{
    AccountValue, ApplicationValue, GroupValue, MembershipValue, PermissionSetValue, UserValue,
};

pub(crate) use value::{from_text, to_text};

use super::{
    AccountAccess, GroupId, InvalidValue, Operation, PrincipalId, PrincipalKind, PrincipalRef,
    Target, UserId,
};

/// What a fact is about. The order is that in which a collection is written and read: whoever is
/// named comes before what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// A user, by its id.
    User,
    /// A group, by its id.
    Group,
    /// That a user is in a group: by the group's id and, second, the user's.
    Membership,
    /// An application with its assignment configuration, by its ARN.
    Application,
    /// A permission set, by its ARN.
    PermissionSet,
    /// An account, by its id.
    Account,
    /// That an account has a permission set: by the account's id and, second, the set's ARN.
    AccountAccess,
    /// That a principal is assigned to a target: by `Target::key` and, second, the principal's kind,
    /// a slash and its id.
    Assignment,
    /// Something that somebody should look at: by the finding's word and, second, what it is about.
    Finding,
}

/// What one fact is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey {
    /// Its kind.
    pub kind: FactKind,
    /// The id of what it is about.
    pub key: String,
    /// The id of the other thing, where it is about two; else empty.
    pub second: String,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is about; each once in a collection.
    pub key: FactKey,
    /// What is the case: compact JSON, of the shape that `value` has for its kind.
    pub value: String,
}

/// A collection by its number. Later collections have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(pub u64);

/// Something that a collection could not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Miss {
    /// What, in words.
    pub scope: String,
    /// Why, in words for everybody; never AWS's own text.
    pub reason: String,
    /// The facts that nobody could see for it.
    pub gaps: Vec<Gap>,
}

/// What is known of a collection as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionRecord {
    /// When it began to ask AWS.
    pub began_at: Timestamp,
    /// When it had the last answer: from then on it is the state of the instance.
    pub ended_at: Timestamp,
    /// When the oldest and the newest fact were read; none when nothing was.
    pub observed: Option<(Timestamp, Timestamp)>,
    /// What could not be read, sorted.
    pub missing: Vec<Miss>,
    /// Further gaps, of what nobody asked for, sorted.
    pub unread: Vec<Gap>,
    /// The operations that it asked for, sorted.
    pub operations: Vec<(Operation, u64)>,
    /// What it counted, by name, sorted: the next plan is made with it.
    pub counts: Vec<(String, u64)>,
}

impl FactKind {
    /// Every kind, in order.
    pub const ALL: [Self; 9] = [
        Self::User,
        Self::Group,
        Self::Membership,
        Self::Application,
        Self::PermissionSet,
        Self::Account,
        Self::AccountAccess,
        Self::Assignment,
        Self::Finding,
    ];

    /// The kind as the store writes it: a small number, because a million keys begin with it. Numbers
    /// rise with the order of kinds.
    #[must_use]
    pub fn number(self) -> i64 {
        self as i64 + 1
    }

    /// Reads what `number` wrote.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl FactKey {
    fn one(kind: FactKind, key: &str) -> Self {
        Self::two(kind, key, String::new())
    }

    fn two(kind: FactKind, key: &str, second: String) -> Self {
        Self {
            kind,
            key: key.to_owned(),
            second,
        }
    }

    /// Of a user.
    #[must_use]
    pub fn user(id: &UserId) -> Self {
        Self::one(FactKind::User, id.as_str())
    }

    /// Of a group.
    #[must_use]
    pub fn group(id: &GroupId) -> Self {
        Self::one(FactKind::Group, id.as_str())
    }

    /// Of a user or a group.
    #[must_use]
    pub fn principal(principal: &PrincipalRef) -> Self {
        match principal.kind {
            PrincipalKind::User => Self::user(&principal.id),
            PrincipalKind::Group => Self::group(&principal.id),
        }
    }

    /// Of a user in a group.
    #[must_use]
    pub fn membership(group: &GroupId, user: &UserId) -> Self {
        let user = user.as_str().to_owned();
        Self::two(FactKind::Membership, group.as_str(), user)
    }

    /// Of an application.
    #[must_use]
    pub fn application(arn: &str) -> Self {
        Self::one(FactKind::Application, arn)
    }

    /// Of a permission set.
    #[must_use]
    pub fn permission_set(arn: &str) -> Self {
        Self::one(FactKind::PermissionSet, arn)
    }

    /// Of an account.
    #[must_use]
    pub fn account(id: &str) -> Self {
        Self::one(FactKind::Account, id)
    }

    /// Of an account with a permission set.
    #[must_use]
    pub fn account_access(access: &AccountAccess) -> Self {
        let set = access.permission_set.as_str().to_owned();
        Self::two(FactKind::AccountAccess, access.account.as_str(), set)
    }

    /// Of an assignment: the facts of who and, behind that, what it names. Those of which the key is none are left out.
    #[must_use]
    pub fn named_by_assignment(&self) -> Vec<Self> {
        let principal = principal_of_second(&self.second).ok();
        let mut named: Vec<Self> = Vec::from_iter(principal.as_ref().map(Self::principal));
        match target_of_key(&self.key) {
            Ok(Target::Application(arn)) => named.push(Self::application(arn.as_str())),
            Ok(Target::AccountAccess(access)) => {
                named.push(Self::account(access.account.as_str()));
                named.push(Self::permission_set(access.permission_set.as_str()));
            }
            Err(_) => {}
        }
        named
    }

    /// Of a principal that is assigned to a target.
    #[must_use]
    pub fn assignment(target: &Target, principal: &PrincipalRef) -> Self {
        let second = second_of_principal(principal);
        Self::two(FactKind::Assignment, &target.key(), second)
    }
}

/// A principal as the second key of an assignment.
#[must_use]
pub fn second_of_principal(principal: &PrincipalRef) -> String {
    format!("{}/{}", principal.kind.as_str(), principal.id)
}

/// Reads what `second_of_principal` wrote.
///
/// # Errors
/// It is no such text.
pub fn principal_of_second(second: &str) -> Result<PrincipalRef, InvalidValue> {
    let parts = second.split_once('/');
    let parts = parts.and_then(|(kind, id)| Some((PrincipalKind::from_aws(kind)?, id)));
    let (kind, id) = parts.ok_or_else(|| InvalidValue("is not a principal".to_owned()))?;
    Ok(PrincipalRef {
        kind,
        id: PrincipalId::parse(id)?,
    })
}

/// Reads the target of an assignment's key: an ARN is an application's, all else begins with an
/// account's digits.
///
/// # Errors
/// It is no target's key.
pub fn target_of_key(key: &str) -> Result<Target, InvalidValue> {
    let kind = if gap::is_application(key) {
        "APPLICATION"
    } else {
        "ACCOUNT"
    };
    Target::from_parts(kind, key)
}

impl CollectionRecord {
    /// Whether there is nothing that it did not see. What AWS never says is missing, and no gap: another
    /// collection would lack it too.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.gaps().next().is_none()
    }

    /// When the oldest fact was read, or where none was, when it began.
    #[must_use]
    pub fn read_from(&self) -> Timestamp {
        self.observed.map_or(self.began_at, |(from, _)| from)
    }

    /// From when on it looked: what was read before it began and used again is older.
    #[must_use]
    pub fn looked_from(&self) -> Timestamp {
        self.began_at.min(self.read_from())
    }

    /// Everything that it did not see.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        let of_missing = self.missing.iter().flat_map(|miss| &miss.gaps);
        of_missing.chain(&self.unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_kinds_rise_and_lead_back() {
        let numbers = FactKind::ALL.map(FactKind::number);
        assert!(
            numbers.is_sorted_by(|left, right| left < right),
            "{numbers:?}"
        );
        assert!(FactKind::ALL.is_sorted());
        for kind in FactKind::ALL {
            assert_eq!(FactKind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(FactKind::from_number(0), None);
    }

    #[test]
    fn a_principal_and_a_target_come_back_from_their_keys() {
        let id = "04261254-0000-4a5a-9d53-000000000001";
        for kind in [PrincipalKind::User, PrincipalKind::Group] {
            let principal = PrincipalRef {
                kind,
                id: PrincipalId::parse(id).unwrap(),
            };
            let second = second_of_principal(&principal);
            assert_eq!(principal_of_second(&second), Ok(principal));
        }
        assert!(principal_of_second(id).is_err());
        let set = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";
        for key in [
            "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-1234567890abcdef",
            &format!("123456789012/{set}"),
        ] {
            assert_eq!(target_of_key(key).unwrap().key(), key);
        }
        assert!(target_of_key(set).is_err());
    }
}
