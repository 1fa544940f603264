//! The router's methods: each goes to the port of the instance that its arguments name.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::router::InstanceRouter;
use super::{
    AssignmentRequest, BucketUse, Call, CallerIdentity, Class, IdentityCenter, ListedInstance,
    Page, PageToken, Sent,
};
use crate::domain::plan::Write;
use crate::domain::{
    Account, AccountAccess, AccountId, Application, ApplicationArn, AssignmentRequestId,
    AssignmentRequired, DirectAssignment, ExternalId, Failure, Group, GroupId, Instance,
    InstanceArn, Membership, Operation, Organization, PermissionSet, PermissionSetArn,
    PrincipalRef, Target, User, UserId,
};

#[async_trait]
impl IdentityCenter for InstanceRouter {
    async fn caller_identity(&self, call: Call) -> Result<CallerIdentity, Failure> {
        self.home.caller_identity(call).await
    }

    async fn instances(&self, call: Call) -> Result<Vec<ListedInstance>, Failure> {
        self.home.instances(call).await
    }

    async fn accounts(
        &self,
        instance: Option<&InstanceArn>,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Account>, Failure> {
        let Some(arn) = instance else {
            return self.home.accounts(None, page, call).await;
        };
        let port = self.route(arn.instance_id(), Operation::ListAccounts)?;
        port.accounts(instance, page, call).await
    }

    async fn organization(&self, call: Call) -> Result<Option<Organization>, Failure> {
        self.home.organization(call).await
    }

    async fn applications(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Application>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::ListApplications)?;
        port.applications(instance, page, call).await
    }

    async fn application(&self, arn: &ApplicationArn, call: Call) -> Result<Application, Failure> {
        let port = self.route(arn.instance_id(), Operation::DescribeApplication)?;
        port.application(arn, call).await
    }

    async fn assignment_required(
        &self,
        arn: &ApplicationArn,
        call: Call,
    ) -> Result<AssignmentRequired, Failure> {
        let port = self.route(
            arn.instance_id(),
            Operation::GetApplicationAssignmentConfiguration,
        )?;
        port.assignment_required(arn, call).await
    }

    async fn application_assignments(
        &self,
        arn: &ApplicationArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let port = self.route(arn.instance_id(), Operation::ListApplicationAssignments)?;
        port.application_assignments(arn, page, call).await
    }

    async fn assignments_for_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let port = self.route(
            instance.instance_id(),
            Operation::ListApplicationAssignmentsForPrincipal,
        )?;
        port.assignments_for_principal(instance, principal, page, call)
            .await
    }

    async fn permission_sets(
        &self,
        instance: &InstanceArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        let port = self.route(instance.instance_id(), Operation::ListPermissionSets)?;
        port.permission_sets(instance, page, call).await
    }

    async fn permission_set(
        &self,
        arn: &PermissionSetArn,
        call: Call,
    ) -> Result<PermissionSet, Failure> {
        let port = self.route(arn.instance_id(), Operation::DescribePermissionSet)?;
        port.permission_set(arn, call).await
    }

    async fn accounts_with_permission_set(
        &self,
        arn: &PermissionSetArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<AccountId>, Failure> {
        let port = self.route(
            arn.instance_id(),
            Operation::ListAccountsForProvisionedPermissionSet,
        )?;
        port.accounts_with_permission_set(arn, page, call).await
    }

    async fn account_assignments(
        &self,
        access: &AccountAccess,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let port = self.route(
            access.permission_set.instance_id(),
            Operation::ListAccountAssignments,
        )?;
        port.account_assignments(access, page, call).await
    }

    async fn account_assignments_for_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let port = self.route(
            instance.instance_id(),
            Operation::ListAccountAssignmentsForPrincipal,
        )?;
        port.account_assignments_for_principal(instance, principal, page, call)
            .await
    }

    async fn assignment_request(
        &self,
        instance: &InstanceArn,
        write: Write,
        id: &AssignmentRequestId,
        call: Call,
    ) -> Result<Option<AssignmentRequest>, Failure> {
        let operation = match write {
            Write::Create => Operation::DescribeAccountAssignmentCreationStatus,
            Write::Delete => Operation::DescribeAccountAssignmentDeletionStatus,
        };
        let port = self.route(instance.instance_id(), operation)?;
        port.assignment_request(instance, write, id, call).await
    }

    async fn requests_in_progress(
        &self,
        instance: &InstanceArn,
        write: Write,
        call: Call,
    ) -> Result<Vec<AssignmentRequestId>, Failure> {
        let operation = match write {
            Write::Create => Operation::ListAccountAssignmentCreationStatus,
            Write::Delete => Operation::ListAccountAssignmentDeletionStatus,
        };
        let port = self.route(instance.instance_id(), operation)?;
        port.requests_in_progress(instance, write, call).await
    }

    async fn assignment_is_present(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<bool, Failure> {
        let operation = match &assignment.target {
            Target::Application(_) => Operation::DescribeApplicationAssignment,
            Target::AccountAccess(_) => Operation::ListAccountAssignments,
        };
        let port = self.route(assignment.target.instance_id(), operation)?;
        port.assignment_is_present(assignment, call).await
    }

    async fn create_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<Sent, Failure> {
        let operation = match &assignment.target {
            Target::Application(_) => Operation::CreateApplicationAssignment,
            Target::AccountAccess(_) => Operation::CreateAccountAssignment,
        };
        let port = self.route(assignment.target.instance_id(), operation)?;
        port.create_assignment(assignment, call).await
    }

    async fn delete_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<Sent, Failure> {
        let operation = match &assignment.target {
            Target::Application(_) => Operation::DeleteApplicationAssignment,
            Target::AccountAccess(_) => Operation::DeleteAccountAssignment,
        };
        let port = self.route(assignment.target.instance_id(), operation)?;
        port.delete_assignment(assignment, call).await
    }

    async fn users(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<User>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::ListUsers)?;
        port.users(instance, page, page_size, call).await
    }

    async fn groups(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<Group>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::ListGroups)?;
        port.groups(instance, page, page_size, call).await
    }

    async fn user(
        &self,
        instance: &Instance,
        id: &UserId,
        call: Call,
    ) -> Result<Option<User>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::DescribeUser)?;
        port.user(instance, id, call).await
    }

    async fn group(
        &self,
        instance: &Instance,
        id: &GroupId,
        call: Call,
    ) -> Result<Option<Group>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::DescribeGroup)?;
        port.group(instance, id, call).await
    }

    async fn user_id_by_name(
        &self,
        instance: &Instance,
        user_name: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::GetUserId)?;
        port.user_id_by_name(instance, user_name, call).await
    }

    async fn user_id_by_email(
        &self,
        instance: &Instance,
        email: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::GetUserId)?;
        port.user_id_by_email(instance, email, call).await
    }

    async fn user_id_by_external_id(
        &self,
        instance: &Instance,
        external_id: &ExternalId,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::GetUserId)?;
        port.user_id_by_external_id(instance, external_id, call)
            .await
    }

    async fn group_id_by_name(
        &self,
        instance: &Instance,
        display_name: &str,
        call: Call,
    ) -> Result<Option<GroupId>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::GetGroupId)?;
        port.group_id_by_name(instance, display_name, call).await
    }

    async fn group_members(
        &self,
        instance: &Instance,
        group: &GroupId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure> {
        let port = self.route(instance.arn.instance_id(), Operation::ListGroupMemberships)?;
        port.group_members(instance, group, page, call).await
    }

    async fn groups_of_user(
        &self,
        instance: &Instance,
        user: &UserId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure> {
        let port = self.route(
            instance.arn.instance_id(),
            Operation::ListGroupMembershipsForMember,
        )?;
        port.groups_of_user(instance, user, page, call).await
    }

    fn may_write(&self) -> bool {
        self.all().iter().all(|port| port.may_write())
    }

    fn operations_sent(&self) -> Vec<(Operation, u64)> {
        let mut sum: HashMap<Operation, u64> = HashMap::new();
        for port in self.all() {
            for (operation, count) in port.operations_sent() {
                *sum.entry(operation).or_default() += count;
            }
        }
        let all = Operation::ALL.iter().copied();
        all.map(|operation| (operation, sum.get(&operation).copied().unwrap_or_default()))
            .collect()
    }

    /// Nothing at all where no route is: nothing would be sent.
    fn estimate(
        &self,
        instance: &InstanceArn,
        operations: &[(Operation, u64)],
        class: Class,
    ) -> Duration {
        self.port(instance.instance_id())
            .map_or(Duration::ZERO, |port| {
                port.estimate(instance, operations, class)
            })
    }

    fn budget_uses(&self, instance: &InstanceArn) -> Vec<BucketUse> {
        let port = self.port(instance.instance_id());
        port.map_or_else(Vec::new, |port| port.budget_uses(instance))
    }
}
