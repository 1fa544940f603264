//! The port's operations over the fake world.

use std::time::Duration;

use async_trait::async_trait;

use super::{FakePort, cut};
use crate::domain::plan::Write;
use crate::domain::{
    Account, AccountAccess, AccountId, Application, ApplicationArn, AssignmentRequestId,
    AssignmentRequired, DirectAssignment, ErrorKind, ExternalId, Failure, Group, GroupId, Instance,
    InstanceArn, Membership, Operation, Organization, PermissionSet, PermissionSetArn,
    PrincipalRef, Target, User, UserId,
};
use crate::identity_center::{
    AssignmentRequest, BucketUse, Call, CallerIdentity, Class, IdentityCenter, ListedInstance,
    Page, PageToken, Sent,
};

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
        _: &Instance,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<Application>, Failure> {
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
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        let world = self.serve(Operation::ListPermissionSets, "", page)?;
        let rows: Vec<PermissionSetArn> = world.permission_sets.keys().cloned().collect();
        Ok(cut(&rows, page))
    }

    async fn permission_set(
        &self,
        arn: &PermissionSetArn,
        _: Call,
    ) -> Result<PermissionSet, Failure> {
        let operation = Operation::DescribePermissionSet;
        let world = self.serve(operation, arn.as_str(), None)?;
        (world.permission_sets.get(arn).cloned())
            .ok_or_else(|| Failure::new(ErrorKind::NotFound, operation))
    }

    async fn accounts_with_permission_set(
        &self,
        arn: &PermissionSetArn,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<AccountId>, Failure> {
        let operation = Operation::ListAccountsForProvisionedPermissionSet;
        let world = self.serve(operation, arn.as_str(), page)?;
        let pairs = world.account_access.keys();
        let rows: Vec<AccountId> = pairs
            .filter(|access| &access.permission_set == arn)
            .map(|access| access.account.clone())
            .collect();
        Ok(cut(&rows, page))
    }

    async fn account_assignments(
        &self,
        access: &AccountAccess,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let operation = Operation::ListAccountAssignments;
        let about = format!("{}/{}", access.account, access.permission_set);
        let world = self.serve(operation, &about, page)?;
        let assigned = world.account_access.get(access);
        let rows: Vec<DirectAssignment> = (assigned.into_iter().flatten())
            .map(|principal| of_account(access, principal))
            .collect();
        Ok(cut(&rows, page))
    }

    async fn account_assignments_for_principal(
        &self,
        _: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let operation = Operation::ListAccountAssignmentsForPrincipal;
        let world = self.serve(operation, principal.id.as_str(), page)?;
        let rows: Vec<DirectAssignment> = (world.account_access.iter())
            .filter(|(_, assigned)| assigned.contains(principal))
            .map(|(access, _)| of_account(access, principal))
            .collect();
        Ok(cut(&rows, page))
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

    async fn accounts(
        &self,
        _: Option<&InstanceArn>,
        page: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<Account>, Failure> {
        let world = self.serve(Operation::ListAccounts, "", page)?;
        let rows: Vec<Account> = world.accounts.values().cloned().collect();
        Ok(cut(&rows, page))
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

    async fn user_id_by_external_id(
        &self,
        _: &Instance,
        _: &ExternalId,
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

    fn estimate(&self, _: &InstanceArn, operations: &[(Operation, u64)], _: Class) -> Duration {
        Duration::from_secs(operations.iter().map(|(_, count)| count).sum())
    }

    fn budget_uses(&self, _: &InstanceArn) -> Vec<BucketUse> {
        Vec::new()
    }
}

fn membership(group: &GroupId, user: &UserId) -> Membership {
    Membership {
        group_id: group.clone(),
        user_id: user.clone(),
        created_at: None,
        created_by: String::new(),
    }
}

fn of_account(access: &AccountAccess, principal: &PrincipalRef) -> DirectAssignment {
    DirectAssignment {
        target: Target::AccountAccess(access.clone()),
        principal: principal.clone(),
    }
}
