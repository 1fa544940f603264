//! The AWS port: what Usher asks of IAM Identity Center, in Usher's words.
//!
//! One method is one AWS operation (or, where it says so, all pages of one). Every attempt takes a
//! permit of the budget, has a timeout, and retries only as each method says. Nothing here caches,
//! and nothing here decides whether a change is wanted: the reconciler alone calls the two writes.

mod account_access;
mod account_answers;
mod assumed_role;
mod attempt;
mod call;
mod config;
mod connector;
mod convert;
mod discovery;
mod discovery_config;
mod failure;
mod finding;
mod identity_store;
mod instances;
mod metrics;
mod organizations;
mod outgoing;
mod page;
mod permission_sets;
mod port;
mod routed;
mod router;
mod sdk;
mod sso_admin;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

pub use assumed_role::AssumedRole;
pub use config::{AwsConfig, ConnectError, StaticCredentials, WriteMode};
pub use discovery::Discoverer;
pub use discovery_config::{ConfiguredInstance, DiscoveryConfig};
pub use finding::Discovered;
pub use instances::{Instances, UnreachableAccount};
pub use metrics::AwsMetrics;
pub use page::{Page, PageToken, collect_pages};
pub use router::InstanceRouter;
pub use sdk::{RegionAndRole, SdkIdentityCenter};

pub use crate::budget::{BucketUse, Class, ClassUse, Demand, WAIT_BOUNDS};
use crate::domain::plan::Write;
use crate::domain::{
    Account, AccountAccess, AccountId, Application, ApplicationArn, AssignmentRequestId,
    AssignmentRequired, DirectAssignment, ExternalId, Failure, Group, GroupId, Instance,
    InstanceArn, Membership, Organization, PermissionSet, PermissionSetArn, PrincipalRef, User,
    UserId,
};

/// How one call to the port is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// When its answer is of no use any more. Waiting for the budget, attempts and retries all end
    /// by then; an attempt that could not finish in time is not started.
    pub deadline: Instant,
    /// What it is for, and for whom: by that it gets its turn at the budget.
    pub demand: Demand,
}

/// Who Usher is in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The account.
    pub account_id: AccountId,
    /// The ARN of the role or user.
    pub arn: String,
}

/// An instance as AWS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedInstance {
    /// The instance; without alias.
    pub instance: Instance,
    /// Whether it is ACTIVE; in other states most calls on it fail.
    pub is_active: bool,
    /// The state in AWS's word, for people; empty when AWS left it out.
    pub state: String,
}

/// What AWS says to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It is done.
    Done,
    /// It is under way; `assignment_request` tells its end.
    Accepted(AssignmentRequestId),
    /// It was taken and has FAILED already, with AWS's reason, which may be empty.
    Failed(String),
}

/// Where an asynchronous change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// Under way.
    InProgress,
    /// Done.
    Succeeded,
    /// AWS gave up.
    Failed,
}

/// An asynchronous change of an account assignment, as AWS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentRequest {
    /// Where it is.
    pub state: RequestState,
    /// Why it failed, in AWS's words cleaned for people; often empty.
    pub failure_reason: String,
    /// What it changes; none where AWS left out a part.
    pub assignment: Option<DirectAssignment>,
}

/// The operations. Reads retry what waiting can help (throttles, 5xx, lost connections) until the
/// deadline or the configured number of attempts; writes make exactly one attempt, because only
/// the reconciler, after a read, knows whether to try again.
///
/// # Errors
/// A `Failure` whose kind says what to do; for writes `ErrorKind::outcome_is_unknown` says whether
/// the change may have happened.
///
/// # Cancellation
/// Dropping a read is harmless. A dropped write has an unknown outcome.
#[async_trait]
pub trait IdentityCenter: Send + Sync + 'static {
    /// `sts:GetCallerIdentity`.
    async fn caller_identity(&self, call: Call) -> Result<CallerIdentity, Failure>;

    /// `sso:ListInstances`, all pages.
    async fn instances(&self, call: Call) -> Result<Vec<ListedInstance>, Failure>;

    /// `sso:ListApplications`, one page of at most 50.
    async fn applications(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Application>, Failure>;

    /// `sso:DescribeApplication`; `NotFound` when there is none.
    async fn application(&self, arn: &ApplicationArn, call: Call) -> Result<Application, Failure>;

    /// `sso:GetApplicationAssignmentConfiguration`. `Unknown` when AWS says that the application
    /// does not support the question (aws-api.md §5.2), or when the answer lacks the member that
    /// the SDK would read as "no".
    async fn assignment_required(
        &self,
        arn: &ApplicationArn,
        call: Call,
    ) -> Result<AssignmentRequired, Failure>;

    /// `sso:ListApplicationAssignments`, one page of at most 100.
    async fn application_assignments(
        &self,
        arn: &ApplicationArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure>;

    /// `sso:ListApplicationAssignmentsForPrincipal`, one page of at most 100. Rows are as AWS gives
    /// them: for a user some may name a group (aws-api.md §3b, UNVERIFIED).
    async fn assignments_for_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure>;

    /// `sso:ListPermissionSets`, one page of at most 100.
    async fn permission_sets(
        &self,
        instance: &InstanceArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<PermissionSetArn>, Failure>;

    /// `sso:DescribePermissionSet`; `NotFound` when there is none.
    async fn permission_set(
        &self,
        arn: &PermissionSetArn,
        call: Call,
    ) -> Result<PermissionSet, Failure>;

    /// `sso:ListAccountsForProvisionedPermissionSet`, one page of at most 100: where assignments of
    /// the set can be.
    async fn accounts_with_permission_set(
        &self,
        arn: &PermissionSetArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<AccountId>, Failure>;

    /// `sso:ListAccountAssignments`, one page of at most 100.
    async fn account_assignments(
        &self,
        access: &AccountAccess,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure>;

    /// `sso:ListAccountAssignmentsForPrincipal`, one page of at most 100, where
    /// `Instance::lists_account_access_by_principal`. Rows are as AWS gives them: for a user some
    /// may name a group.
    async fn account_assignments_for_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure>;

    /// `sso:DescribeAccountAssignmentCreationStatus` or `…DeletionStatus`; none when AWS does not
    /// know the request, or not any more.
    async fn assignment_request(
        &self,
        instance: &InstanceArn,
        write: Write,
        id: &AssignmentRequestId,
        call: Call,
    ) -> Result<Option<AssignmentRequest>, Failure>;

    /// `sso:ListAccountAssignmentCreationStatus` or `…DeletionStatus` filtered by IN_PROGRESS, all
    /// pages: what is outstanding, whoever asked for it.
    async fn requests_in_progress(
        &self,
        instance: &InstanceArn,
        write: Write,
        call: Call,
    ) -> Result<Vec<AssignmentRequestId>, Failure>;

    /// `organizations:ListAccounts`, one page of at most 20: the accounts of the organization that
    /// this instance is in, or of home's without one.
    async fn accounts(
        &self,
        instance: Option<&InstanceArn>,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Account>, Failure>;

    /// `organizations:DescribeOrganization`; none when the account is in no organization.
    async fn organization(&self, call: Call) -> Result<Option<Organization>, Failure>;

    /// Whether the direct assignment is there. Of an application: `sso:DescribeApplicationAssignment`,
    /// AWS's ResourceNotFoundException is the answer `false`. Of an account:
    /// `sso:ListAccountAssignments`, pages until it is found.
    async fn assignment_is_present(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<bool, Failure>;

    /// `sso:CreateApplicationAssignment` or `sso:CreateAccountAssignment`. One attempt.
    async fn create_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<Sent, Failure>;

    /// `sso:DeleteApplicationAssignment` or `sso:DeleteAccountAssignment`. One attempt. AWS's
    /// ResourceNotFoundException is `Sent::Done`: whether it is gone, the read that follows says.
    async fn delete_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<Sent, Failure>;

    /// `identitystore:ListUsers`, one page of at most 100.
    async fn users(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<User>, Failure>;

    /// `identitystore:ListGroups`, one page of at most 100.
    async fn groups(
        &self,
        instance: &Instance,
        page: Option<&PageToken>,
        page_size: usize,
        call: Call,
    ) -> Result<Page<Group>, Failure>;

    /// `identitystore:DescribeUser`; none when there is no user of this id.
    async fn user(
        &self,
        instance: &Instance,
        id: &UserId,
        call: Call,
    ) -> Result<Option<User>, Failure>;

    /// `identitystore:DescribeGroup`; none when there is no group of this id.
    async fn group(
        &self,
        instance: &Instance,
        id: &GroupId,
        call: Call,
    ) -> Result<Option<Group>, Failure>;

    /// `identitystore:GetUserId` by user name; none when nobody has it.
    async fn user_id_by_name(
        &self,
        instance: &Instance,
        user_name: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure>;

    /// `identitystore:GetUserId` by email address; none when nobody has it.
    async fn user_id_by_email(
        &self,
        instance: &Instance,
        email: &str,
        call: Call,
    ) -> Result<Option<UserId>, Failure>;

    /// `identitystore:GetUserId` by what another system calls the user; none when nobody has it.
    async fn user_id_by_external_id(
        &self,
        instance: &Instance,
        external_id: &ExternalId,
        call: Call,
    ) -> Result<Option<UserId>, Failure>;

    /// `identitystore:GetGroupId` by display name; none when no group has it.
    async fn group_id_by_name(
        &self,
        instance: &Instance,
        display_name: &str,
        call: Call,
    ) -> Result<Option<GroupId>, Failure>;

    /// `identitystore:ListGroupMemberships`, one page of at most 100.
    async fn group_members(
        &self,
        instance: &Instance,
        group: &GroupId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure>;

    /// `identitystore:ListGroupMembershipsForMember`, one page of at most 100.
    async fn groups_of_user(
        &self,
        instance: &Instance,
        user: &UserId,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<Membership>, Failure>;

    /// Whether writes would be sent: the configuration allows them, and no request so far has gone
    /// to an endpoint that is not loopback unless writes are allowed there too.
    fn may_write(&self) -> bool;

    /// How many operations have been sent since the start, by operation, attempts included.
    fn operations_sent(&self) -> Vec<(crate::domain::Operation, u64)>;

    /// How long so many further operations of each kind on this instance, of this class, would take
    /// within its budget as it is now.
    fn estimate(
        &self,
        instance: &InstanceArn,
        operations: &[(crate::domain::Operation, u64)],
        class: Class,
    ) -> std::time::Duration;

    /// How the buckets of this instance's budget are used.
    fn budget_uses(&self, instance: &InstanceArn) -> Vec<BucketUse>;
}

/// A value with the time at which it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T> {
    /// The value.
    pub value: T,
    /// When the oldest fact in it was read from AWS.
    pub observed_at: Timestamp,
}
