//! The port's methods over the SDK: each hands its question to the file that knows the service.

use std::time::Duration;

use async_trait::async_trait;

use super::sdk::SdkIdentityCenter;
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
impl IdentityCenter for SdkIdentityCenter {
    async fn caller_identity(&self, call: Call) -> Result<CallerIdentity, Failure> {
        let operation = Operation::GetCallerIdentity;
        let reply = self
            .caller()
            .read(operation, call, || self.sts().get_caller_identity().send())
            .await?;
        let account = reply.output.account().unwrap_or_default();
        Ok(CallerIdentity {
            account_id: AccountId::parse(account).map_err(|_| reply.unusable("Account"))?,
            arn: reply
                .output
                .arn()
                .ok_or_else(|| reply.unusable("Arn"))?
                .to_owned(),
        })
    }

    async fn instances(&self, call: Call) -> Result<Vec<ListedInstance>, Failure> {
        self.sso_admin().instances(call).await
    }

    async fn applications(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Application>, Failure> {
        let sso_admin = self.sso_admin();
        sso_admin.applications(&instance.arn, page, call).await
    }

    async fn application(&self, arn: &ApplicationArn, call: Call) -> Result<Application, Failure> {
        self.sso_admin().application(arn, call).await
    }

    async fn assignment_required(
        &self,
        arn: &ApplicationArn,
        call: Call,
    ) -> Result<AssignmentRequired, Failure> {
        self.sso_admin().assignment_required(arn, call).await
    }

    async fn application_assignments(
        &self,
        arn: &ApplicationArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        self.sso_admin().assignments(arn, page, call).await
    }

    async fn assignments_for_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let sso_admin = self.sso_admin();
        sso_admin
            .assignments_for_principal(instance, principal, page, call)
            .await
    }

    async fn permission_sets(
        &self,
        instance: &InstanceArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        self.permission_sets().all(instance, page, call).await
    }

    async fn permission_set(
        &self,
        arn: &PermissionSetArn,
        call: Call,
    ) -> Result<PermissionSet, Failure> {
        self.permission_sets().one(arn, call).await
    }

    async fn accounts_with_permission_set(
        &self,
        arn: &PermissionSetArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<AccountId>, Failure> {
        self.permission_sets().accounts_with(arn, page, call).await
    }

    async fn account_assignments(
        &self,
        access: &AccountAccess,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        self.account_assignments().of(access, page, call).await
    }

    async fn account_assignments_for_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let assignments = self.account_assignments();
        assignments
            .of_principal(instance, principal, page, call)
            .await
    }

    async fn assignment_request(
        &self,
        instance: &InstanceArn,
        write: Write,
        id: &AssignmentRequestId,
        call: Call,
    ) -> Result<Option<AssignmentRequest>, Failure> {
        let assignments = self.account_assignments();
        assignments.request(instance, write, id, call).await
    }

    async fn requests_in_progress(
        &self,
        instance: &InstanceArn,
        write: Write,
        call: Call,
    ) -> Result<Vec<AssignmentRequestId>, Failure> {
        let assignments = self.account_assignments();
        assignments.in_progress(instance, write, call).await
    }

    /// Every instance that this port serves is in the organization of its account.
    async fn accounts(
        &self,
        _: Option<&InstanceArn>,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Account>, Failure> {
        self.organizations().accounts(page, call).await
    }

    async fn organization(&self, call: Call) -> Result<Option<Organization>, Failure> {
        self.organizations().organization(call).await
    }

    async fn assignment_is_present(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<bool, Failure> {
        let principal = &assignment.principal;
        match &assignment.target {
            Target::Application(arn) => self.sso_admin().is_present(arn, principal, call).await,
            Target::AccountAccess(access) => {
                let assignments = self.account_assignments();
                assignments.is_present(access, principal, call).await
            }
        }
    }

    async fn create_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<Sent, Failure> {
        let principal = &assignment.principal;
        match &assignment.target {
            Target::Application(arn) => self.sso_admin().create(arn, principal, call).await,
            Target::AccountAccess(access) => {
                let assignments = self.account_assignments();
                assignments.create(access, principal, call).await
            }
        }
    }

    async fn delete_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<Sent, Failure> {
        let principal = &assignment.principal;
        match &assignment.target {
            Target::Application(arn) => self.sso_admin().delete(arn, principal, call).await,
            Target::AccountAccess(access) => {
                let assignments = self.account_assignments();
                assignments.delete(access, principal, call).await
            }
        }
    }

    async fn users(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<User>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store.users(page, page_size, call).await
    }

    async fn groups(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<Group>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store.groups(page, page_size, call).await
    }

    async fn user(
        &self,
        instance: &Instance,
        id: &UserId,
        call: Call,
    ) -> Result<Option<User>, Failure> {
        self.identity_store(instance).user(id, call).await
    }

    async fn group(
        &self,
        instance: &Instance,
        id: &GroupId,
        call: Call,
    ) -> Result<Option<Group>, Failure> {
        self.identity_store(instance).group(id, call).await
    }

    async fn user_id_by_name(
        &self,
        instance: &Instance,
        user_name: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store.user_id_by_name(user_name, call).await
    }

    async fn user_id_by_email(
        &self,
        instance: &Instance,
        email: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store.user_id_by_email(email, call).await
    }

    async fn user_id_by_external_id(
        &self,
        instance: &Instance,
        external_id: &ExternalId,
        call: Call,
    ) -> Result<Option<UserId>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store
            .user_id_by_external_id(external_id, call)
            .await
    }

    async fn group_id_by_name(
        &self,
        instance: &Instance,
        display_name: &str,
        call: Call,
    ) -> Result<Option<GroupId>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store.group_id_by_name(display_name, call).await
    }

    async fn group_members(
        &self,
        instance: &Instance,
        group: &GroupId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store.members(group, page, call).await
    }

    async fn groups_of_user(
        &self,
        instance: &Instance,
        user: &UserId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure> {
        let identity_store = self.identity_store(instance);
        identity_store.groups_of_user(user, page, call).await
    }

    fn may_write(&self) -> bool {
        self.caller().guard.may_write()
    }

    fn operations_sent(&self) -> Vec<(Operation, u64)> {
        self.caller().guard.operations_sent()
    }

    fn estimate(
        &self,
        _instance: &InstanceArn,
        operations: &[(Operation, u64)],
        class: Class,
    ) -> Duration {
        let buckets: Vec<_> = operations
            .iter()
            .map(|(operation, count)| (operation.quota_bucket(), *count))
            .collect();
        self.caller().guard.budget().estimate(&buckets, class)
    }

    fn budget_uses(&self, _instance: &InstanceArn) -> Vec<BucketUse> {
        self.caller().guard.budget().uses()
    }
}
