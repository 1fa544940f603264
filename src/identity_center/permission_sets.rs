//! The operations of sso-admin around permission sets: which there are, where they are provisioned.

use super::call::Caller;
use super::convert;
use super::sso_admin::{PAGE_SIZE, check_body, page_of, text_of};
use super::{Call, Page, PageToken};
use crate::domain::{AccountId, Failure, InstanceArn, Operation, PermissionSet, PermissionSetArn};

/// Permission sets through the guard.
pub(super) struct PermissionSets<'a> {
    pub(super) caller: &'a Caller,
    pub(super) client: &'a aws_sdk_ssoadmin::Client,
}

impl PermissionSets<'_> {
    pub(super) async fn all(
        &self,
        instance: &InstanceArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<PermissionSetArn>, Failure> {
        let reply = self
            .caller
            .read(Operation::ListPermissionSets, call, || {
                self.client
                    .list_permission_sets()
                    .instance_arn(instance.as_str())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.permission_sets().iter();
        let rows = rows.map(|arn| convert::permission_set_arn(Some(arn), instance));
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    pub(super) async fn one(
        &self,
        arn: &PermissionSetArn,
        call: Call,
    ) -> Result<PermissionSet, Failure> {
        let instance = arn.instance_arn();
        let reply = self
            .caller
            .read(Operation::DescribePermissionSet, call, || {
                self.client
                    .describe_permission_set()
                    .instance_arn(instance.as_str())
                    .permission_set_arn(arn.as_str())
                    .send()
            })
            .await?;
        let row = reply.output.permission_set();
        let row = row.ok_or_else(|| reply.unusable("PermissionSet"))?;
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        if row.permission_set_arn() != Some(arn.as_str()) {
            return Err(reply.unusable("PermissionSetArn"));
        }
        let name = row.name().filter(|name| !name.is_empty());
        Ok(PermissionSet {
            arn: arn.clone(),
            name: text(Some(name.ok_or_else(|| reply.unusable("Name"))?)),
            description: text(row.description()),
            session_duration: text(row.session_duration()),
        })
    }

    pub(super) async fn accounts_with(
        &self,
        arn: &PermissionSetArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<AccountId>, Failure> {
        let instance = arn.instance_arn();
        let operation = Operation::ListAccountsForProvisionedPermissionSet;
        let reply = self
            .caller
            .read(operation, call, || {
                self.client
                    .list_accounts_for_provisioned_permission_set()
                    .instance_arn(instance.as_str())
                    .permission_set_arn(arn.as_str())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.account_ids().iter();
        let rows = rows.map(|id| AccountId::parse(id).map_err(|_| "AccountIds"));
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }
}
