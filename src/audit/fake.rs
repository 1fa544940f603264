//! A port over a small world in memory, for the collector's tests: pages of two rows, failures by
//! operation and id, and things that change while somebody reads.

mod port;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use super::fixtures::{
    access, account, account_id, application, group, group_id, permission_set, set_arn, user,
    user_id,
};
use crate::domain::{
    Account, AccountAccess, AccountId, Application, ApplicationArn, AssignmentRequired, ErrorKind,
    Failure, Group, GroupId, Operation, PermissionSet, PermissionSetArn, PrincipalRef, User,
    UserId,
};
use crate::identity_center::{Page, PageToken};

const PAGE_ROWS: usize = 2;

#[derive(Default)]
pub(super) struct World {
    pub(super) applications: Vec<(Application, AssignmentRequired, Vec<PrincipalRef>)>,
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) groups: BTreeMap<GroupId, (Group, BTreeSet<UserId>)>,
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) permission_sets: BTreeMap<PermissionSetArn, PermissionSet>,
    /// The accounts with their permission sets, and who is assigned.
    pub(super) account_access: BTreeMap<AccountAccess, Vec<PrincipalRef>>,
    /// What fails: the operation with the id or ARN asked about, and which page counts from 0.
    pub(super) failures: Vec<(Operation, String, usize, ErrorKind)>,
    /// What happens to the world just before an operation is served for the first time.
    pub(super) events: Vec<Event>,
    /// Every operation served, with what it was asked about.
    pub(super) log: Vec<(Operation, String)>,
}

/// What happens, and before which operation.
type Event = (Operation, fn(&mut World));

pub(super) struct FakePort(pub(super) Mutex<World>);

impl World {
    pub(super) fn users(&mut self, numbers: impl IntoIterator<Item = u32>) -> &mut Self {
        let users = numbers.into_iter().map(|n| (user_id(n), user(n)));
        self.users.extend(users);
        self
    }

    pub(super) fn group(&mut self, number: u32, members: &[u32]) -> &mut Self {
        let members = members.iter().map(|n| user_id(*n)).collect();
        self.groups
            .insert(group_id(number), (group(number), members));
        self
    }

    pub(super) fn application(
        &mut self,
        number: u32,
        required: AssignmentRequired,
        assigned: &[PrincipalRef],
    ) -> &mut Self {
        (self.applications).push((application(number), required, assigned.to_vec()));
        self
    }

    /// Accounts, permission sets, and none of one on the other.
    pub(super) fn accounts(
        &mut self,
        accounts: impl IntoIterator<Item = u32>,
        sets: impl IntoIterator<Item = u32>,
    ) -> &mut Self {
        let accounts = accounts.into_iter().map(|n| (account_id(n), account(n)));
        self.accounts.extend(accounts);
        let sets = sets.into_iter().map(|n| (set_arn(n), permission_set(n)));
        self.permission_sets.extend(sets);
        self
    }

    pub(super) fn access(
        &mut self,
        account: u32,
        set: u32,
        assigned: &[PrincipalRef],
    ) -> &mut Self {
        self.account_access
            .insert(access(account, set), assigned.to_vec());
        self
    }

    pub(super) fn fails(
        &mut self,
        operation: Operation,
        about: &str,
        page: usize,
        kind: ErrorKind,
    ) -> &mut Self {
        (self.failures).push((operation, about.to_owned(), page, kind));
        self
    }

    pub(super) fn before(&mut self, operation: Operation, event: fn(&mut World)) -> &mut Self {
        self.events.push((operation, event));
        self
    }

    pub(super) fn count(&self, operation: Operation) -> usize {
        self.log
            .iter()
            .filter(|(made, _)| *made == operation)
            .count()
    }

    fn assigned(&self, arn: &ApplicationArn) -> Option<&Vec<PrincipalRef>> {
        (self.applications.iter())
            .find(|(application, ..)| &application.arn == arn)
            .map(|(.., assigned)| assigned)
    }
}

impl FakePort {
    pub(super) fn new(fill: impl FnOnce(&mut World)) -> Self {
        let mut world = World::default();
        fill(&mut world);
        Self(Mutex::new(world))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn serve(
        &self,
        operation: Operation,
        about: &str,
        page: Option<&PageToken>,
    ) -> Result<MutexGuard<'_, World>, Failure> {
        let mut world = self.world();
        if let Some(place) = (world.events.iter()).position(|(before, _)| *before == operation) {
            let (_, event) = world.events.remove(place);
            event(&mut world);
        }
        world.log.push((operation, about.to_owned()));
        let page = number(page) / PAGE_ROWS;
        let failure = (world.failures.iter()).find(|(failing, whom, at, _)| {
            *failing == operation && (whom.is_empty() || whom == about) && *at == page
        });
        match failure {
            Some((.., kind)) => Err(Failure::new(*kind, operation)),
            None => Ok(world),
        }
    }
}

fn number(page: Option<&PageToken>) -> usize {
    page.map_or(0, |token| token.0.parse().unwrap())
}

fn cut<T: Clone>(rows: &[T], page: Option<&PageToken>) -> Page<T> {
    let from = number(page);
    let until = (from + PAGE_ROWS).min(rows.len());
    Page {
        items: rows.get(from..until).unwrap_or_default().to_vec(),
        next: (until < rows.len()).then(|| PageToken(until.to_string())),
    }
}
