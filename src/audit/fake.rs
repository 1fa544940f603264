//! A port over a small world in memory, for the collector's tests: pages of two rows, failures by
//! operation and id, and things that change while somebody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::fixtures::{application, group, group_id, instance, user, user_id};
use crate::domain::plan::Write;
use crate::domain::{
    Account, AccountAccess, AccountId, Application, ApplicationArn, AssignmentRequestId,
    AssignmentRequired, DirectAssignment, ErrorKind, Failure, Group, GroupId, Instance,
    InstanceArn, Membership, Operation, Organization, PermissionSet, PermissionSetArn,
    PrincipalRef, Target, User, UserId,
};
use crate::identity_center::{
    AssignmentRequest, Call, CallerIdentity, IdentityCenter, ListedInstance, Page, PageToken, Sent,
};

const PAGE_ROWS: usize = 2;

#[derive(Default)]
pub(super) struct World {
    pub(super) applications: Vec<(Application, AssignmentRequired, Vec<PrincipalRef>)>,
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) groups: BTreeMap<GroupId, (Group, BTreeSet<UserId>)>,
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

fn not_asked<T>() -> Result<T, Failure> {
    panic!("an audit does not ask this")
}

#[async_trait]
impl IdentityCenter for FakePort {
    async fn caller_identity(&self, _: Call) -> Result<CallerIdentity, Failure> {
        not_asked()
    }

    async fn instances(&self, _: Call) -> Result<Vec<ListedInstance>, Failure> {
        not_asked()
    }

    async fn applications(
        &self,
        asked: &Instance,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<Application>, Failure> {
        assert_eq!(asked, &instance());
        let world = self.serve(Operation::ListApplications, "", page)?;
        let rows: Vec<Application> = world.applications.iter().map(|row| row.0.clone()).collect();
        Ok(cut(&rows, page))
    }

    async fn application(&self, arn: &ApplicationArn, _: Call) -> Result<Application, Failure> {
        let operation = Operation::DescribeApplication;
        let world = self.serve(operation, arn.as_str(), None)?;
        (world.applications.iter())
            .find(|(application, ..)| &application.arn == arn)
            .map(|(application, ..)| application.clone())
            .ok_or_else(|| Failure::new(ErrorKind::NotFound, operation))
    }

    async fn assignment_required(
        &self,
        arn: &ApplicationArn,
        _: Call,
    ) -> Result<AssignmentRequired, Failure> {
        let operation = Operation::GetApplicationAssignmentConfiguration;
        let world = self.serve(operation, arn.as_str(), None)?;
        (world.applications.iter())
            .find(|(application, ..)| &application.arn == arn)
            .map(|(_, required, _)| *required)
            .ok_or_else(|| Failure::new(ErrorKind::NotFound, operation))
    }

    async fn application_assignments(
        &self,
        arn: &ApplicationArn,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let operation = Operation::ListApplicationAssignments;
        let world = self.serve(operation, arn.as_str(), page)?;
        let assigned =
            (world.assigned(arn)).ok_or_else(|| Failure::new(ErrorKind::NotFound, operation))?;
        let rows: Vec<DirectAssignment> = (assigned.iter())
            .map(|principal| DirectAssignment {
                target: Target::Application(arn.clone()),
                principal: principal.clone(),
            })
            .collect();
        Ok(cut(&rows, page))
    }

    async fn assignments_for_principal(
        &self,
        _: &InstanceArn,
        _: &PrincipalRef,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        not_asked()
    }

    async fn permission_sets(
        &self,
        _: &InstanceArn,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        not_asked()
    }

    async fn permission_set(
        &self,
        _: &PermissionSetArn,
        _: Call,
    ) -> Result<PermissionSet, Failure> {
        not_asked()
    }

    async fn accounts_with_permission_set(
        &self,
        _: &PermissionSetArn,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<AccountId>, Failure> {
        not_asked()
    }

    async fn permission_sets_in_account(
        &self,
        _: &InstanceArn,
        _: &AccountId,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        not_asked()
    }

    async fn account_assignments(
        &self,
        _: &AccountAccess,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        not_asked()
    }

    async fn account_assignments_for_principal(
        &self,
        _: &InstanceArn,
        _: &PrincipalRef,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        not_asked()
    }

    async fn assignment_request(
        &self,
        _: &InstanceArn,
        _: Write,
        _: &AssignmentRequestId,
        _: Call,
    ) -> Result<Option<AssignmentRequest>, Failure> {
        not_asked()
    }

    async fn requests_in_progress(
        &self,
        _: &InstanceArn,
        _: Write,
        _: Call,
    ) -> Result<Vec<AssignmentRequestId>, Failure> {
        not_asked()
    }

    async fn accounts(&self, _: Option<&PageToken>, _: Call) -> Result<Page<Account>, Failure> {
        not_asked()
    }

    async fn organization(&self, _: Call) -> Result<Option<Organization>, Failure> {
        not_asked()
    }

    async fn assignment_is_present(&self, _: &DirectAssignment, _: Call) -> Result<bool, Failure> {
        not_asked()
    }

    async fn create_assignment(&self, _: &DirectAssignment, _: Call) -> Result<Sent, Failure> {
        not_asked()
    }

    async fn delete_assignment(&self, _: &DirectAssignment, _: Call) -> Result<Sent, Failure> {
        not_asked()
    }

    async fn users(
        &self,
        _: &Instance,
        page: Option<&PageToken>,
        _: usize,
        _: Call,
    ) -> Result<Page<User>, Failure> {
        let world = self.serve(Operation::ListUsers, "", page)?;
        let rows: Vec<User> = world.users.values().cloned().collect();
        Ok(cut(&rows, page))
    }

    async fn groups(
        &self,
        _: &Instance,
        page: Option<&PageToken>,
        _: usize,
        _: Call,
    ) -> Result<Page<Group>, Failure> {
        let world = self.serve(Operation::ListGroups, "", page)?;
        let rows: Vec<Group> = world.groups.values().map(|row| row.0.clone()).collect();
        Ok(cut(&rows, page))
    }

    async fn user(&self, _: &Instance, id: &UserId, _: Call) -> Result<Option<User>, Failure> {
        let world = self.serve(Operation::DescribeUser, id.as_str(), None)?;
        Ok(world.users.get(id).cloned())
    }

    async fn group(&self, _: &Instance, id: &GroupId, _: Call) -> Result<Option<Group>, Failure> {
        let world = self.serve(Operation::DescribeGroup, id.as_str(), None)?;
        Ok(world.groups.get(id).map(|row| row.0.clone()))
    }

    async fn user_id_by_name(
        &self,
        _: &Instance,
        _: &str,
        _: Call,
    ) -> Result<Option<UserId>, Failure> {
        not_asked()
    }

    async fn user_id_by_email(
        &self,
        _: &Instance,
        _: &str,
        _: Call,
    ) -> Result<Option<UserId>, Failure> {
        not_asked()
    }

    async fn group_id_by_name(
        &self,
        _: &Instance,
        _: &str,
        _: Call,
    ) -> Result<Option<GroupId>, Failure> {
        not_asked()
    }

    async fn group_members(
        &self,
        _: &Instance,
        id: &GroupId,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<Membership>, Failure> {
        let operation = Operation::ListGroupMemberships;
        let world = self.serve(operation, id.as_str(), page)?;
        let (_, members) =
            (world.groups.get(id)).ok_or_else(|| Failure::new(ErrorKind::NotFound, operation))?;
        let rows: Vec<Membership> = (members.iter())
            .map(|user_id| membership(id, user_id))
            .collect();
        Ok(cut(&rows, page))
    }

    async fn groups_of_user(
        &self,
        _: &Instance,
        user: &UserId,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<Membership>, Failure> {
        let operation = Operation::ListGroupMembershipsForMember;
        let world = self.serve(operation, user.as_str(), page)?;
        if !world.users.contains_key(user) {
            return Err(Failure::new(ErrorKind::NotFound, operation));
        }
        let rows: Vec<Membership> = (world.groups.iter())
            .filter(|(_, (_, members))| members.contains(user))
            .map(|(id, _)| membership(id, user))
            .collect();
        Ok(cut(&rows, page))
    }

    fn may_write(&self) -> bool {
        false
    }

    fn operations_sent(&self) -> Vec<(Operation, u64)> {
        Vec::new()
    }

    fn estimate(&self, _: &InstanceArn, operations: &[(Operation, u64)]) -> Duration {
        Duration::from_secs(operations.iter().map(|(_, count)| count).sum())
    }
}

fn membership(group: &GroupId, user: &UserId) -> Membership {
    Membership {
        group_id: group.clone(),
        user_id: user.clone(),
        created_at: None,
    }
}
