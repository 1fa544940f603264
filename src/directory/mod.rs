//! Names and ids, group members and assignments, from facts with their age.
//!
//! Answers are as old as the caller allows (`max_age`), carry when they were read, and equal
//! questions in flight are one read. Nothing from here may decide whether a write is needed: that
//! the reconciler reads for itself.
//!
//! `facts` holds and reads, `names` remembers names beyond a restart; `ids_by_name`, `principals`,
//! `applications`, `accounts`, `permission_sets` and `assignments` answer.

mod accounts;
mod applications;
mod assignments;
mod config;
mod facts;
mod ids_by_name;
mod lookup;
mod names;
mod people;
mod permission_sets;
mod principals;
mod recent;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

pub use config::DirectoryConfig;
pub use lookup::{
    AccountQuery, ApplicationQuery, Candidate, LookupError, NotFoundKind, PermissionSetQuery,
    PrincipalQuery, TargetQuery,
};

use crate::clock::Clock;
use crate::domain::{
    Account, Application, ApplicationArn, AssignmentRequired, DirectAssignment, GroupId,
    IdentityStoreId, InstanceArn, Membership, PermissionSet, PermissionSetArn, Principal,
    PrincipalId, PrincipalKind, PrincipalRef, Target, UserId,
};
use crate::identity_center::IdentityCenter;
use crate::store::{NameKind, Store};
use facts::Facts;
use names::Names;

/// The directory; clones share everything.
///
/// On every read, `max_age` says how old the answer may be: an older one is read now, and zero
/// always reads now. A read in flight is joined, also by a question that was asked after it began.
///
/// # Cancellation
/// Dropping a question is harmless: others who asked the same go on waiting for the answer.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

type List<T> = Arc<Vec<T>>;

struct Inner {
    config: DirectoryConfig,
    port: Arc<dyn IdentityCenter>,
    clock: Clock,
    names: Names,
    /// Records; none for a principal that is not in the store any more.
    principals: Facts<(IdentityStoreId, PrincipalRef), Option<Principal>>,
    /// The same records by id alone, for showing names. Ids are unique across stores.
    known: Cache<PrincipalRef, Principal>,
    /// Names on their way to ids. Nothing is kept here: see `find_principal`.
    lookups: Facts<ids_by_name::NameKey, Option<PrincipalId>>,
    /// The users behind people who call, and the groups that policies name.
    identities: Facts<ids_by_name::NameKey, Option<PrincipalId>>,
    listings: Facts<InstanceArn, List<Application>>,
    applications: Facts<ApplicationArn, Application>,
    assignment_required: Facts<ApplicationArn, AssignmentRequired>,
    by_target: Facts<Target, List<DirectAssignment>>,
    /// By the instance's id, which ARNs of targets name too.
    by_principal: Facts<(String, PrincipalRef), List<DirectAssignment>>,
    /// The same of accounts.
    accounts_by_principal: Facts<(String, PrincipalRef), List<DirectAssignment>>,
    /// The accounts, by organization.
    accounts: Facts<String, List<Account>>,
    set_listings: Facts<InstanceArn, List<PermissionSetArn>>,
    sets: Facts<PermissionSetArn, PermissionSet>,
    members: Facts<(IdentityStoreId, GroupId), List<Membership>>,
    memberships: Facts<(IdentityStoreId, UserId), List<Membership>>,
}

impl Directory {
    /// A directory that knows nothing yet. The settings must have been validated.
    pub fn new(
        port: Arc<dyn IdentityCenter>,
        store: Arc<dyn Store>,
        clock: Clock,
        config: DirectoryConfig,
    ) -> Self {
        let kept = config.kept();
        let principals = config.principals_max;
        let rows = config.list_rows_max;
        let applications = config.applications_max;
        Self {
            inner: Arc::new(Inner {
                config,
                port,
                clock: clock.clone(),
                names: Names::new(store, config.names_max, kept),
                principals: Facts::new(clock.clone(), principals, kept, one),
                known: Cache::builder()
                    .max_capacity(principals)
                    .time_to_live(kept)
                    .build(),
                lookups: Facts::new(clock.clone(), 0, kept, one),
                identities: Facts::new(clock.clone(), principals, kept, one),
                listings: Facts::new(clock.clone(), applications, kept, length),
                applications: Facts::new(clock.clone(), applications, kept, one),
                assignment_required: Facts::new(clock.clone(), applications, kept, one),
                by_target: Facts::new(clock.clone(), rows, kept, length),
                by_principal: Facts::new(clock.clone(), rows, kept, length),
                accounts_by_principal: Facts::new(clock.clone(), rows, kept, length),
                accounts: Facts::new(clock.clone(), rows, kept, length),
                set_listings: Facts::new(clock.clone(), rows, kept, length),
                sets: Facts::new(clock.clone(), rows, kept, one),
                members: Facts::new(clock.clone(), rows, kept, length),
                memberships: Facts::new(clock.clone(), rows, kept, length),
            }),
        }
    }

    /// How old a fact may be where the caller does not say.
    #[must_use]
    pub fn default_max_age(&self) -> Duration {
        self.inner.config.max_age()
    }

    /// Forgets the lists that this assignment is, or was, in, and every read of them in flight:
    /// for after a write of Usher's own, so that the next answer is not from before it.
    pub fn forget_assignments(&self, assignment: &DirectAssignment) {
        let inner = &self.inner;
        inner.by_target.forget(&assignment.target);
        match assignment.principal.kind {
            PrincipalKind::User => {
                let instance_id = assignment.target.instance_id().to_owned();
                let key = (instance_id, assignment.principal.clone());
                inner.by_principal.forget(&key);
                inner.accounts_by_principal.forget(&key);
            }
            // A user's list may hold rows of its groups (aws-api.md §3b, UNVERIFIED), and which
            // users those are is not known here.
            PrincipalKind::Group => {
                inner.by_principal.forget_all();
                inner.accounts_by_principal.forget_all();
            }
        }
    }

    /// The name of an id: from the cache, else as the store remembers it. Never an AWS operation.
    pub async fn name_of(&self, kind: NameKind, id: &str) -> Option<String> {
        self.inner.names.name_of(kind, id).await
    }

    /// A principal's record, if one at most `DirectoryConfig::kept_seconds` old is at hand. Never
    /// an AWS operation.
    #[must_use]
    pub fn known_principal(&self, reference: &PrincipalRef) -> Option<Principal> {
        self.inner.known.get(reference)
    }
}

/// The weight of an entry that is one record.
fn one<T>(_: &T) -> usize {
    1
}

/// The weight of a list: its rows, and one for itself.
fn length<T>(list: &List<T>) -> usize {
    list.len() + 1
}

/// Zero: read now.
const READ_NOW: Duration = Duration::ZERO;
