//! What each method costs its caller, and what is refused first when the server is nearly full: one
//! table, in which a test finds every method that there is. A call is judged by its path, since its
//! message is not read yet.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::slots::Class;

/// What a method is to the inbound limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::grpc) struct Method {
    /// In units of the cheapest call, which is one short read of the store.
    pub(super) cost: u32,
    /// When it is refused.
    pub(super) class: Class,
}

/// The largest cost: no burst may be below it, or such a call could never be made.
pub(super) const COST_MAX: u32 = MANY_WRITES;

/// One short read of the store, or none.
const LOOK: u32 = 1;
/// A page: some rows of the store or the directory, at worst a few operations on AWS.
const LIST: u32 = 2;
/// A page of ListEvents looks at up to `log.looked_at_max` records.
const EVENTS: u32 = 5;
/// Names are found, policy is asked, and a commit waits for the disk.
const WRITE: u32 = 5;
/// A stream reads the log for itself as long as it lasts. How many there are at once has bounds of
/// its own; this makes it dear to open and drop them.
const WATCH: u32 = 10;
/// A report asks AWS for all of an instance. How many there are at once has bounds of its own.
const REPORT: u32 = 50;
/// So many rows a write each as `usher adopt` sends in one call: twenty. How many a call brings is
/// not known before its message is read.
const MANY_WRITES: u32 = 20 * WRITE;

/// Every method by its path.
const METHODS: [(&str, u32, Class); 29] = [
    (
        "/usher.v1.AccessService/ListAssignments",
        LIST,
        Class::Lists,
    ),
    ("/usher.v1.AccessService/Assign", WRITE, Class::Requests),
    ("/usher.v1.AccessService/Revoke", WRITE, Class::Decisions),
    (
        "/usher.v1.AccessService/AuditReport",
        REPORT,
        Class::Reports,
    ),
    ("/usher.v1.BudgetService/GetBudget", LOOK, Class::Lists),
    (
        "/usher.v1.DirectoryService/ListInstances",
        LIST,
        Class::Lists,
    ),
    (
        "/usher.v1.DirectoryService/ListApplications",
        LIST,
        Class::Lists,
    ),
    (
        "/usher.v1.DirectoryService/ListAccounts",
        LIST,
        Class::Lists,
    ),
    (
        "/usher.v1.DirectoryService/ListPermissionSets",
        LIST,
        Class::Lists,
    ),
    (
        "/usher.v1.DirectoryService/ListPrincipals",
        LIST,
        Class::Lists,
    ),
    ("/usher.v1.DirectoryService/WhoAmI", LOOK, Class::Requests),
    (
        "/usher.v1.DirectoryService/ExplainAccess",
        LIST,
        Class::Lists,
    ),
    ("/usher.v1.EventService/ListEvents", EVENTS, Class::Lists),
    ("/usher.v1.EventService/WatchEvents", WATCH, Class::Lists),
    ("/usher.v1.EventService/GetLogHead", LOOK, Class::Lists),
    ("/usher.v1.GrantService/GetGrant", LOOK, Class::Requests),
    ("/usher.v1.GrantService/ListGrants", LIST, Class::Lists),
    (
        "/usher.v1.GrantService/ApproveGrant",
        WRITE,
        Class::Decisions,
    ),
    ("/usher.v1.GrantService/DenyGrant", WRITE, Class::Decisions),
    (
        "/usher.v1.GrantService/CancelGrant",
        WRITE,
        Class::Decisions,
    ),
    ("/usher.v1.GrantService/ExtendGrant", WRITE, Class::Requests),
    (
        "/usher.v1.GrantService/ReviewGrant",
        WRITE,
        Class::Decisions,
    ),
    (
        "/usher.v1.GrantService/AdoptAssignments",
        MANY_WRITES,
        Class::Requests,
    ),
    (
        "/usher.v1.GrantService/ReleaseGrants",
        MANY_WRITES,
        Class::Requests,
    ),
    ("/usher.v1.GrantService/WatchGrants", WATCH, Class::Lists),
    (
        "/usher.v1.OperationsService/Freeze",
        WRITE,
        Class::Decisions,
    ),
    (
        "/usher.v1.OperationsService/Unfreeze",
        WRITE,
        Class::Decisions,
    ),
    (
        "/usher.v1.OperationsService/RetryNow",
        WRITE,
        Class::Decisions,
    ),
    (
        "/usher.v1.OperationsService/ConfirmMassChange",
        WRITE,
        Class::Decisions,
    ),
];

impl Method {
    /// The method of a path. What is none of Usher's (reflection, or a path without a method) counts
    /// as one look: the router answers it without any store.
    pub(in crate::grpc) fn of(path: &str) -> Self {
        static BY_PATH: LazyLock<HashMap<&str, Method>> = LazyLock::new(|| {
            let methods = METHODS.iter();
            let methods = methods.map(|&(path, cost, class)| (path, Method { cost, class }));
            methods.collect()
        });
        let other = Self {
            cost: LOOK,
            class: Class::Lists,
        };
        BY_PATH.get(path).copied().unwrap_or(other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::grpc::{methods, pb};

    #[test]
    fn every_method_has_its_cost_and_class() {
        let there = methods::methods(pb::DESCRIPTORS);
        let there: BTreeSet<String> = there.iter().map(methods::Method::path).collect();
        assert!(!there.is_empty());
        let told: BTreeSet<String> = METHODS.iter().map(|row| row.0.to_owned()).collect();
        assert_eq!(told.len(), METHODS.len(), "a method has two rows");
        assert_eq!(told, there, "give each method one row in METHODS");
    }

    #[test]
    fn no_method_costs_nothing_or_more_than_the_most() {
        for (path, cost, _) in METHODS {
            assert!((1..=COST_MAX).contains(&cost), "{path}: {cost}");
        }
        assert_eq!(Method::of("/nobody/knows").cost, LOOK);
    }
}
