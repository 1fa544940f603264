//! `SdkIdentityCenter`: the port over the AWS SDK.
//!
//! Built as every AWS tool is, apart from three things: the SDK's retries are off, because each
//! attempt must pay; its HTTP client is wrapped by the guard; and its timeouts are ours, because
//! waiting for a permit is not AWS's time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{
    Credentials, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};

use super::call::Caller;
use super::config::{AwsConfig, ConnectError, StaticCredentials, WriteMode};
use super::connector::{Guard, GuardedClient};
use super::{
    Call, CallerIdentity, IdentityCenter, ListedInstance, Page, PageToken, identity_store,
    sso_admin,
};
use crate::budget::Budget;
use crate::domain::plan::Write;
use crate::domain::{
    Account, AccountAccess, AccountId, Application, ApplicationArn, AssignmentRequestId,
    AssignmentRequired, DirectAssignment, Failure, Group, GroupId, Instance, InstanceArn,
    Membership, Operation, Organization, PermissionSet, PermissionSetArn, PrincipalRef, User,
    UserId,
};

/// The port over the AWS SDK, for one region and one set of credentials.
#[derive(Debug)]
pub struct SdkIdentityCenter {
    caller: Caller,
    region: String,
    sso_admin: aws_sdk_ssoadmin::Client,
    identity_store: aws_sdk_identitystore::Client,
    sts: aws_sdk_sts::Client,
}

impl SdkIdentityCenter {
    /// Prepares calls with what the environment has: nothing is sent to IAM Identity Center yet,
    /// but finding the region may ask the machine's metadata service. Missing credentials show
    /// at the first call, as `ErrorKind::CredentialsInvalid`.
    ///
    /// # Errors
    /// `ConnectError`, a sentence for the operator.
    pub async fn connect(
        config: &AwsConfig,
        budget: Budget,
        write_mode: WriteMode,
    ) -> Result<Self, ConnectError> {
        config.validate()?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &config.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        }
        Self::build(config, &loader.load().await, budget, write_mode)
    }

    /// Prepares calls with these credentials and the configured region, reading nothing of the
    /// environment: for the simulator, several in one process.
    ///
    /// # Errors
    /// `ConnectError`, a sentence for the operator.
    pub fn connect_with_credentials(
        config: &AwsConfig,
        credentials: &StaticCredentials,
        budget: Budget,
        write_mode: WriteMode,
    ) -> Result<Self, ConnectError> {
        config.validate()?;
        let credentials = Credentials::new(
            credentials.access_key_id.clone(),
            credentials.secret_access_key.clone(),
            None,
            None,
            "usher",
        );
        let sdk_config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(config.region.clone().map(Region::new))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Self::build(config, &sdk_config, budget, write_mode)
    }

    fn build(
        config: &AwsConfig,
        sdk_config: &SdkConfig,
        budget: Budget,
        write_mode: WriteMode,
    ) -> Result<Self, ConnectError> {
        let region = sdk_config.region().ok_or(ConnectError::RegionMissing)?;
        let guard = Guard::new(config, budget, write_mode);
        let http_client = SharedHttpClient::new(GuardedClient::new(Arc::clone(&guard)));
        let sdk_config = ours(config, sdk_config, http_client);
        let endpoint = config.endpoint_url.clone();
        let mut sso_admin = aws_sdk_ssoadmin::config::Builder::from(&sdk_config);
        let mut identity_store = aws_sdk_identitystore::config::Builder::from(&sdk_config);
        let mut sts = aws_sdk_sts::config::Builder::from(&sdk_config);
        if endpoint.is_some() {
            sso_admin.set_endpoint_url(endpoint.clone());
            identity_store.set_endpoint_url(endpoint.clone());
            sts.set_endpoint_url(endpoint);
        }
        Ok(Self {
            region: region.as_ref().to_owned(),
            caller: Caller {
                guard,
                config: config.clone(),
            },
            sso_admin: aws_sdk_ssoadmin::Client::from_conf(sso_admin.build()),
            identity_store: aws_sdk_identitystore::Client::from_conf(identity_store.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
        })
    }

    fn sso_admin(&self) -> sso_admin::SsoAdmin<'_> {
        sso_admin::SsoAdmin {
            caller: &self.caller,
            client: &self.sso_admin,
            region: &self.region,
        }
    }

    fn identity_store(&self, instance: &Instance) -> identity_store::IdentityStore<'_> {
        identity_store::IdentityStore {
            caller: &self.caller,
            client: &self.identity_store,
            store_id: instance.identity_store_id.clone(),
        }
    }
}

/// What the environment says, with our client, our timeouts and no retries.
fn ours(config: &AwsConfig, sdk_config: &SdkConfig, http_client: SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout())
        .disable_read_timeout()
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build();
    let mut builder = sdk_config
        .clone()
        .into_builder()
        .http_client(http_client)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    // What a user names in AWS_SDK_UA_APP_ID stands; otherwise CloudTrail shall show who it was.
    if sdk_config.app_name().is_none() {
        builder.set_app_name(AppName::new("usher").ok());
    }
    builder.build()
}

#[async_trait]
impl IdentityCenter for SdkIdentityCenter {
    async fn caller_identity(&self, call: Call) -> Result<CallerIdentity, Failure> {
        let operation = Operation::GetCallerIdentity;
        let reply = self
            .caller
            .read(operation, call, || self.sts.get_caller_identity().send())
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
        _: &InstanceArn,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::ListPermissionSets,
        ))
    }
    async fn permission_set(
        &self,
        _: &PermissionSetArn,
        _: Call,
    ) -> Result<PermissionSet, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::DescribePermissionSet,
        ))
    }
    async fn accounts_with_permission_set(
        &self,
        _: &PermissionSetArn,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<AccountId>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::ListAccountsForProvisionedPermissionSet,
        ))
    }
    async fn permission_sets_in_account(
        &self,
        _: &InstanceArn,
        _: &AccountId,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::ListPermissionSetsProvisionedToAccount,
        ))
    }
    async fn account_assignments(
        &self,
        _: &AccountAccess,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::ListAccountAssignments,
        ))
    }
    async fn account_assignments_for_principal(
        &self,
        _: &InstanceArn,
        _: &PrincipalRef,
        _: Option<&PageToken>,
        _: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::ListAccountAssignmentsForPrincipal,
        ))
    }
    async fn assignment_request(
        &self,
        _: &InstanceArn,
        _: Write,
        _: &AssignmentRequestId,
        _: Call,
    ) -> Result<Option<super::AssignmentRequest>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::DescribeAccountAssignmentCreationStatus,
        ))
    }
    async fn requests_in_progress(
        &self,
        _: &InstanceArn,
        _: Write,
        _: Call,
    ) -> Result<Vec<AssignmentRequestId>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::ListAccountAssignmentCreationStatus,
        ))
    }
    async fn accounts(&self, _: Option<&PageToken>, _: Call) -> Result<Page<Account>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::ListAccounts,
        ))
    }
    async fn organization(&self, _: Call) -> Result<Option<Organization>, Failure> {
        Err(Failure::new(
            crate::domain::ErrorKind::Unexpected,
            Operation::DescribeOrganization,
        ))
    }

    async fn assignment_is_present(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<bool, Failure> {
        self.sso_admin().is_present(assignment, call).await
    }

    async fn create_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<super::Sent, Failure> {
        self.sso_admin().create(assignment, call).await
    }

    async fn delete_assignment(
        &self,
        assignment: &DirectAssignment,
        call: Call,
    ) -> Result<super::Sent, Failure> {
        self.sso_admin().delete(assignment, call).await
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
        self.caller.guard.may_write()
    }

    fn operations_sent(&self) -> Vec<(Operation, u64)> {
        self.caller.guard.operations_sent()
    }

    fn estimate(&self, _instance: &InstanceArn, operations: &[(Operation, u64)]) -> Duration {
        let buckets: Vec<_> = operations
            .iter()
            .map(|(operation, count)| (operation.quota_bucket(), *count))
            .collect();
        self.caller.guard.budget().estimate(&buckets)
    }
}
