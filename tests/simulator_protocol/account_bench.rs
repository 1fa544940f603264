//! What the tests of the account side share: one place and one person of the demo world, the calls
//! about them, and waiting for an operation's end without guessing a time.

use std::time::Duration;

use aws_sdk_ssoadmin::types::{
    AccountAssignmentOperationStatus, PrincipalType, StatusValues, TargetType,
};
use usher::simulator::{AccountAssignment, CallRecord, Settings, Switches, World};

use super::{Bench, code};

/// The demo's sandbox account.
pub(crate) const SANDBOX: &str = "333344445555";

/// A bench with one triple to write: `anna.berg`, `DeveloperAccess`, the sandbox.
pub(crate) struct AccountBench {
    pub(crate) bench: Bench,
    pub(crate) permission_set: String,
    pub(crate) anna: String,
}

/// Settings in which an operation never ends within a test unless a fault says otherwise.
pub(crate) fn endless() -> Settings {
    Settings {
        asynchronous_milliseconds: 3_600_000,
        ..Settings::unlimited()
    }
}

impl AccountBench {
    pub(crate) async fn demo() -> AccountBench {
        AccountBench::with(Settings::unlimited()).await
    }

    pub(crate) async fn with(settings: Settings) -> AccountBench {
        let bench = Bench::with(World::demo(), Switches::default(), settings).await;
        let world = bench.simulator.world();
        let set = world.permission_set_named("DeveloperAccess");
        AccountBench {
            permission_set: set.expect("the set").permission_set_arn.clone(),
            anna: bench.user("anna.berg"),
            bench,
        }
    }

    /// The triple for another principal.
    pub(crate) fn row(&self, principal_id: &str) -> AccountAssignment {
        AccountAssignment {
            account_id: SANDBOX.to_owned(),
            permission_set_arn: self.permission_set.clone(),
            principal_type: usher::simulator::PrincipalType::User,
            principal_id: principal_id.to_owned(),
        }
    }

    pub(crate) async fn create(
        &self,
        row: &AccountAssignment,
    ) -> Result<AccountAssignmentOperationStatus, String> {
        let call = self.bench.sso.create_account_assignment();
        let call = (call.instance_arn(&self.bench.instance_arn))
            .target_id(&row.account_id)
            .target_type(TargetType::AwsAccount)
            .permission_set_arn(&row.permission_set_arn)
            .principal_type(PrincipalType::from(row.principal_type.as_str()))
            .principal_id(&row.principal_id);
        let reply = call.send().await.map_err(code)?;
        Ok(reply.account_assignment_creation_status.expect("a status"))
    }

    pub(crate) async fn delete(
        &self,
        row: &AccountAssignment,
    ) -> Result<AccountAssignmentOperationStatus, String> {
        let call = self.bench.sso.delete_account_assignment();
        let call = (call.instance_arn(&self.bench.instance_arn))
            .target_id(&row.account_id)
            .target_type(TargetType::AwsAccount)
            .permission_set_arn(&row.permission_set_arn)
            .principal_type(PrincipalType::from(row.principal_type.as_str()))
            .principal_id(&row.principal_id);
        let reply = call.send().await.map_err(code)?;
        Ok(reply.account_assignment_deletion_status.expect("a status"))
    }

    /// DescribeAccountAssignmentCreationStatus, or its twin for deletions.
    pub(crate) async fn describe(
        &self,
        begun: &AccountAssignmentOperationStatus,
        deletion: bool,
    ) -> Result<AccountAssignmentOperationStatus, String> {
        let id = begun.request_id().expect("a request id");
        let (sso, instance) = (&self.bench.sso, &self.bench.instance_arn);
        if deletion {
            let call = sso.describe_account_assignment_deletion_status();
            let call = call.account_assignment_deletion_request_id(id);
            let reply = call.instance_arn(instance).send().await.map_err(code)?;
            return Ok(reply.account_assignment_deletion_status.expect("a status"));
        }
        let call = sso.describe_account_assignment_creation_status();
        let call = call.account_assignment_creation_request_id(id);
        let reply = call.instance_arn(instance).send().await.map_err(code)?;
        Ok(reply.account_assignment_creation_status.expect("a status"))
    }

    /// Asks for the status until the operation has ended.
    pub(crate) async fn ended(
        &self,
        begun: &AccountAssignmentOperationStatus,
        deletion: bool,
    ) -> AccountAssignmentOperationStatus {
        let poll = async {
            loop {
                let told = self.describe(begun, deletion).await.expect("a status");
                if told.status() != Some(&StatusValues::InProgress) {
                    return told;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), poll)
            .await
            .expect("it ends")
    }

    /// Principals that ListAccountAssignments shows in the sandbox.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let call = self.bench.sso.list_account_assignments();
        let call = (call.instance_arn(&self.bench.instance_arn))
            .account_id(SANDBOX)
            .permission_set_arn(&self.permission_set);
        let reply = call.send().await.expect("rows");
        let rows = reply.account_assignments().iter();
        rows.filter_map(|row| row.principal_id().map(str::to_owned))
            .collect()
    }

    /// Whether ListAccountAssignments shows a principal in the sandbox.
    pub(crate) async fn shows(&self, principal_id: &str) -> bool {
        self.listed().await.iter().any(|id| id == principal_id)
    }

    /// The log's record of the first call of an operation.
    pub(crate) fn call_of(&self, operation: &str) -> CallRecord {
        let calls = self.bench.simulator.calls();
        let mut calls = calls.into_iter();
        calls
            .find(|call| call.operation == operation)
            .expect("a call")
    }
}
