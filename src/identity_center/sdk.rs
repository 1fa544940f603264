//! `SdkIdentityCenter`: the port over the AWS SDK.
//!
//! Built as every AWS tool is, apart from three things: the SDK's retries are off, because each
//! attempt must pay; its HTTP client is wrapped by the guard; and its timeouts are ours, because
//! waiting for a permit is not AWS's time.

use std::sync::Arc;

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{
    Credentials, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};
use tokio::time::Instant;

use super::account_access::AccountAssignments;
use super::assumed_role::{AssumedRole, RoleCredentials, identity_cache};
use super::call::Caller;
use super::config::{AwsConfig, ConnectError, StaticCredentials, WriteMode};
use super::connector::{Guard, GuardedClient};
use super::metrics::AwsMetrics;
use super::organizations::Organizations;
use super::permission_sets::PermissionSets;
use super::{Call, identity_store, sso_admin};
use crate::budget::Budget;
use crate::domain::Instance;

/// Where another port differs from the one it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionAndRole {
    /// The region that it calls; none for the same.
    pub region: Option<String>,
    /// The role that it assumes; none for the same credentials.
    pub role: Option<AssumedRole>,
}

/// The port over the AWS SDK, for one region and one set of credentials.
#[derive(Debug)]
pub struct SdkIdentityCenter {
    caller: Caller,
    region: String,
    http_client: GuardedClient,
    /// What the environment says, from which ports for other regions and roles are made.
    sdk_config: SdkConfig,
    sso_admin: aws_sdk_ssoadmin::Client,
    identity_store: aws_sdk_identitystore::Client,
    organizations: aws_sdk_organizations::Client,
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

    /// A port with another region, another role, or both: with its own budget, because AWS counts
    /// per region and account (aws-api.md §4), and with its own count of operations; whether any
    /// of them may write is decided for all together. A role is assumed with this port's
    /// credentials and through its guard, at the first call that needs it.
    #[must_use]
    pub fn for_instance(&self, wanted: RegionAndRole, budget: Budget) -> Self {
        let mut sdk_config = self.sdk_config.clone().into_builder();
        let region = wanted.region.unwrap_or_else(|| self.region.clone());
        sdk_config.set_region(Region::new(region.clone()));
        if let Some(role) = wanted.role {
            let credentials = RoleCredentials {
                role,
                caller: self.caller.clone(),
                sts: self.sts.clone(),
            };
            sdk_config
                .set_credentials_provider(Some(SharedCredentialsProvider::new(credentials)))
                .set_identity_cache(Some(identity_cache(&self.caller.config)));
        }
        let guard = self.caller.guard.sibling(budget);
        let http_client = self.http_client.sibling(Arc::clone(&guard));
        let caller = Caller {
            guard,
            config: self.caller.config.clone(),
        };
        Self::assemble(caller, region, sdk_config.build(), http_client)
    }

    /// Its budget.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.caller.guard.budget().clone()
    }

    /// What it counts, with every port that was made of it.
    #[must_use]
    pub fn metrics(&self) -> Arc<AwsMetrics> {
        Arc::clone(self.caller.guard.metrics())
    }

    /// The region that it calls.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// A call for what can be done without: one attempt's time at most, so that it leaves time for
    /// what cannot.
    pub(super) fn brief(&self, call: Call) -> Call {
        let attempt_over = Instant::now() + self.caller.config.attempt_timeout();
        Call {
            deadline: call.deadline.min(attempt_over),
            ..call
        }
    }

    fn build(
        config: &AwsConfig,
        sdk_config: &SdkConfig,
        budget: Budget,
        write_mode: WriteMode,
    ) -> Result<Self, ConnectError> {
        let region = sdk_config.region().ok_or(ConnectError::RegionMissing)?;
        let region = region.as_ref().to_owned();
        let guard = Guard::new(config, budget, write_mode);
        let http_client = GuardedClient::new(Arc::clone(&guard));
        let caller = Caller {
            guard,
            config: config.clone(),
        };
        Ok(Self::assemble(
            caller,
            region,
            sdk_config.clone(),
            http_client,
        ))
    }

    fn assemble(
        caller: Caller,
        region: String,
        sdk_config: SdkConfig,
        http_client: GuardedClient,
    ) -> Self {
        let shared = SharedHttpClient::new(http_client.clone());
        let ours = ours(&caller.config, &sdk_config, shared);
        let mut sso_admin = aws_sdk_ssoadmin::config::Builder::from(&ours);
        let mut identity_store = aws_sdk_identitystore::config::Builder::from(&ours);
        let mut organizations = aws_sdk_organizations::config::Builder::from(&ours);
        let mut sts = aws_sdk_sts::config::Builder::from(&ours);
        if let Some(endpoint) = &caller.config.endpoint_url {
            sso_admin.set_endpoint_url(Some(endpoint.clone()));
            identity_store.set_endpoint_url(Some(endpoint.clone()));
            organizations.set_endpoint_url(Some(endpoint.clone()));
            sts.set_endpoint_url(Some(endpoint.clone()));
        }
        Self {
            caller,
            region,
            http_client,
            sdk_config,
            sso_admin: aws_sdk_ssoadmin::Client::from_conf(sso_admin.build()),
            identity_store: aws_sdk_identitystore::Client::from_conf(identity_store.build()),
            organizations: aws_sdk_organizations::Client::from_conf(organizations.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
        }
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn sts(&self) -> &aws_sdk_sts::Client {
        &self.sts
    }

    pub(super) fn organizations(&self) -> Organizations<'_> {
        Organizations {
            caller: &self.caller,
            client: &self.organizations,
        }
    }

    pub(super) fn permission_sets(&self) -> PermissionSets<'_> {
        PermissionSets {
            caller: &self.caller,
            client: &self.sso_admin,
        }
    }

    pub(super) fn account_assignments(&self) -> AccountAssignments<'_> {
        AccountAssignments {
            caller: &self.caller,
            client: &self.sso_admin,
        }
    }

    pub(super) fn sso_admin(&self) -> sso_admin::SsoAdmin<'_> {
        sso_admin::SsoAdmin {
            caller: &self.caller,
            client: &self.sso_admin,
            region: &self.region,
        }
    }

    pub(super) fn identity_store(&self, instance: &Instance) -> identity_store::IdentityStore<'_> {
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
