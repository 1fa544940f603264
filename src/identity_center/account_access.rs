//! The operations of sso-admin on account assignments. AWS makes and removes them asynchronously: a
//! write answers with a request's id, and what became of it is asked for later.
//!
//! No answer is believed that speaks of another assignment than the one asked about.

use aws_sdk_ssoadmin::types::{
    AccountAssignmentOperationStatusMetadata, OperationStatusFilter, PrincipalType, StatusValues,
    TargetType,
};

use super::account_answers::{described, request_id, sent, state};
use super::call::Caller;
use super::convert::{self, Missing};
use super::failure::Rejection;
use super::page::is_in_pages;
use super::sso_admin::{PAGE_SIZE, check_body, page_of, principal_type, text_of};
use super::{AssignmentRequest, Call, Page, PageToken, RequestState, Sent, collect_pages};
use crate::domain::plan::Write;
use crate::domain::{
    AccountAccess, AssignmentRequestId, DirectAssignment, ErrorKind, Failure, InstanceArn,
    Operation, PrincipalRef, Target,
};

/// Account assignments through the guard.
pub(super) struct AccountAssignments<'a> {
    pub(super) caller: &'a Caller,
    pub(super) client: &'a aws_sdk_ssoadmin::Client,
}

impl AccountAssignments<'_> {
    pub(super) async fn of(
        &self,
        access: &AccountAccess,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        self.try_of(access, page, call).await.map_err(Failure::from)
    }

    async fn try_of(
        &self,
        access: &AccountAccess,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Rejection> {
        let instance = access.permission_set.instance_arn();
        let reply = self
            .caller
            .read(Operation::ListAccountAssignments, call, || {
                self.client
                    .list_account_assignments()
                    .instance_arn(instance.as_str())
                    .account_id(access.account.as_str())
                    .permission_set_arn(access.permission_set.as_str())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.account_assignments().iter().map(|row| {
            if row.account_id() != Some(access.account.as_str()) {
                return Err("AccountId");
            }
            if row.permission_set_arn() != Some(access.permission_set.as_str()) {
                return Err("PermissionSetArn");
            }
            Ok(DirectAssignment {
                target: Target::AccountAccess(access.clone()),
                principal: convert::principal(
                    row.principal_type().map(PrincipalType::as_str),
                    row.principal_id(),
                )?,
            })
        });
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next).map_err(Rejection::new)
    }

    pub(super) async fn of_principal(
        &self,
        instance: &InstanceArn,
        principal: &PrincipalRef,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<DirectAssignment>, Failure> {
        let operation = Operation::ListAccountAssignmentsForPrincipal;
        let reply = self
            .caller
            .read(operation, call, || {
                self.client
                    .list_account_assignments_for_principal()
                    .instance_arn(instance.as_str())
                    .principal_id(principal.id.as_str())
                    .principal_type(principal_type(principal.kind))
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.account_assignments().iter().map(|row| {
            Ok(DirectAssignment {
                target: Target::AccountAccess(AccountAccess {
                    account: convert::account_id(row.account_id(), "AccountId")?,
                    permission_set: convert::permission_set_arn(
                        row.permission_set_arn(),
                        instance,
                    )?,
                }),
                principal: convert::principal(
                    row.principal_type().map(PrincipalType::as_str),
                    row.principal_id(),
                )?,
            })
        });
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows, next)
    }

    /// There is no Describe for one account assignment: its list is searched to the end.
    pub(super) async fn is_present(
        &self,
        access: &AccountAccess,
        principal: &PrincipalRef,
        call: Call,
    ) -> Result<bool, Failure> {
        let found = is_in_pages(
            Operation::ListAccountAssignments,
            |token| async move { self.try_of(access, token.as_ref(), call).await },
            |row: &DirectAssignment| row.principal == *principal,
        )
        .await;
        match found {
            // The permission set is gone, and with it what was assigned.
            Err(rejected) if rejected.says_it_is_not_there() => Ok(false),
            found => found.map_err(Failure::from),
        }
    }

    pub(super) async fn create(
        &self,
        access: &AccountAccess,
        principal: &PrincipalRef,
        call: Call,
    ) -> Result<Sent, Failure> {
        let request = self
            .client
            .create_account_assignment()
            .instance_arn(access.permission_set.instance_arn().as_str())
            .target_id(access.account.as_str())
            .target_type(TargetType::AwsAccount)
            .permission_set_arn(access.permission_set.as_str())
            .principal_id(principal.id.as_str())
            .principal_type(principal_type(principal.kind));
        let operation = Operation::CreateAccountAssignment;
        let reply = self.caller.write(operation, call, request.send()).await?;
        let status = reply.output.account_assignment_creation_status();
        sent(status, access, principal).map_err(|missing| reply.unusable(missing))
    }

    pub(super) async fn delete(
        &self,
        access: &AccountAccess,
        principal: &PrincipalRef,
        call: Call,
    ) -> Result<Sent, Failure> {
        let request = self
            .client
            .delete_account_assignment()
            .instance_arn(access.permission_set.instance_arn().as_str())
            .target_id(access.account.as_str())
            .target_type(TargetType::AwsAccount)
            .permission_set_arn(access.permission_set.as_str())
            .principal_id(principal.id.as_str())
            .principal_type(principal_type(principal.kind));
        let operation = Operation::DeleteAccountAssignment;
        let reply = match self.caller.write(operation, call, request.send()).await {
            Ok(reply) => reply,
            Err(rejected) if rejected.failure.kind == ErrorKind::NotFound => return Ok(Sent::Done),
            Err(rejected) => return Err(rejected.into()),
        };
        let status = reply.output.account_assignment_deletion_status();
        sent(status, access, principal).map_err(|missing| reply.unusable(missing))
    }

    pub(super) async fn request(
        &self,
        instance: &InstanceArn,
        write: Write,
        id: &AssignmentRequestId,
        call: Call,
    ) -> Result<Option<AssignmentRequest>, Failure> {
        let (read, operation) = match write {
            Write::Create => (
                self.creation(instance, id, call).await,
                Operation::CreateAccountAssignment,
            ),
            Write::Delete => (
                self.deletion(instance, id, call).await,
                Operation::DeleteAccountAssignment,
            ),
        };
        match read {
            Ok(request) => {
                if request.state == RequestState::Failed {
                    let metrics = self.caller.guard.metrics();
                    metrics.failed(operation, ErrorKind::OperationFailed);
                }
                Ok(Some(request))
            }
            Err(rejected) if rejected.says_it_is_not_there() => Ok(None),
            Err(rejected) => Err(rejected.into()),
        }
    }

    async fn creation(
        &self,
        instance: &InstanceArn,
        id: &AssignmentRequestId,
        call: Call,
    ) -> Result<AssignmentRequest, Rejection> {
        let operation = Operation::DescribeAccountAssignmentCreationStatus;
        let reply = self
            .caller
            .read(operation, call, || {
                let request = self.client.describe_account_assignment_creation_status();
                let request = request.instance_arn(instance.as_str());
                let request = request.account_assignment_creation_request_id(id.as_str());
                request.send()
            })
            .await?;
        let status = reply.output.account_assignment_creation_status();
        described(status, instance, id).map_err(|missing| Rejection::new(reply.unusable(missing)))
    }

    async fn deletion(
        &self,
        instance: &InstanceArn,
        id: &AssignmentRequestId,
        call: Call,
    ) -> Result<AssignmentRequest, Rejection> {
        let operation = Operation::DescribeAccountAssignmentDeletionStatus;
        let reply = self
            .caller
            .read(operation, call, || {
                let request = self.client.describe_account_assignment_deletion_status();
                let request = request.instance_arn(instance.as_str());
                let request = request.account_assignment_deletion_request_id(id.as_str());
                request.send()
            })
            .await?;
        let status = reply.output.account_assignment_deletion_status();
        described(status, instance, id).map_err(|missing| Rejection::new(reply.unusable(missing)))
    }

    pub(super) async fn in_progress(
        &self,
        instance: &InstanceArn,
        write: Write,
        call: Call,
    ) -> Result<Vec<AssignmentRequestId>, Failure> {
        match write {
            Write::Create => {
                collect_pages(
                    Operation::ListAccountAssignmentCreationStatus,
                    |token| async move { self.creations(instance, token.as_ref(), call).await },
                )
                .await
            }
            Write::Delete => {
                collect_pages(
                    Operation::ListAccountAssignmentDeletionStatus,
                    |token| async move { self.deletions(instance, token.as_ref(), call).await },
                )
                .await
            }
        }
    }

    async fn creations(
        &self,
        instance: &InstanceArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<AssignmentRequestId>, Failure> {
        let operation = Operation::ListAccountAssignmentCreationStatus;
        let reply = self
            .caller
            .read(operation, call, || {
                self.client
                    .list_account_assignment_creation_status()
                    .instance_arn(instance.as_str())
                    .filter(only_in_progress())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.account_assignments_creation_status();
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows.iter().filter_map(in_progress), next)
    }

    async fn deletions(
        &self,
        instance: &InstanceArn,
        page: Option<&PageToken>,
        call: Call,
    ) -> Result<Page<AssignmentRequestId>, Failure> {
        let operation = Operation::ListAccountAssignmentDeletionStatus;
        let reply = self
            .caller
            .read(operation, call, || {
                self.client
                    .list_account_assignment_deletion_status()
                    .instance_arn(instance.as_str())
                    .filter(only_in_progress())
                    .max_results(PAGE_SIZE)
                    .set_next_token(text_of(page))
                    .send()
            })
            .await?;
        check_body(&reply)?;
        let rows = reply.output.account_assignments_deletion_status();
        let next = convert::page_token(reply.output.next_token());
        page_of(&reply, rows.iter().filter_map(in_progress), next)
    }
}

fn only_in_progress() -> OperationStatusFilter {
    OperationStatusFilter::builder()
        .status(StatusValues::InProgress)
        .build()
}

/// The id of a request under way; none of one that has ended since AWS filtered.
fn in_progress(
    row: &AccountAssignmentOperationStatusMetadata,
) -> Option<Result<AssignmentRequestId, Missing>> {
    match state(row.status()) {
        Ok(RequestState::InProgress) => Some(request_id(row.request_id())),
        Ok(RequestState::Succeeded | RequestState::Failed) => None,
        Err(missing) => Some(Err(missing)),
    }
}
