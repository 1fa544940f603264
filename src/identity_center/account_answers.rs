//! What AWS says of a change of an account assignment, read strictly: an answer about another
//! assignment, or one that lacks what decides, is none.

use aws_sdk_ssoadmin::types::{
    AccountAssignmentOperationStatus, PrincipalType, StatusValues, TargetType,
};

use super::convert::{self, Missing};
use super::{AssignmentRequest, RequestState, Sent};
use crate::domain::text::foreign_reason;
use crate::domain::{
    AccountAccess, AccountId, AssignmentRequestId, DirectAssignment, InstanceArn, PrincipalRef,
    Target,
};

/// What AWS says to a write.
pub(super) fn sent(
    status: Option<&AccountAssignmentOperationStatus>,
    access: &AccountAccess,
    principal: &PrincipalRef,
) -> Result<Sent, Missing> {
    let status = status.ok_or("the status of the request")?;
    let instance = access.permission_set.instance_arn();
    if let Some(named) = assignment(status, &instance)?
        && named.target != Target::AccountAccess(access.clone())
    {
        return Err("TargetId");
    }
    let is_other = |named: Option<&str>, asked: &str| named.is_some_and(|named| named != asked);
    for (member, named, asked) in [
        ("TargetId", status.target_id(), access.account.as_str()),
        (
            "PermissionSetArn",
            status.permission_set_arn(),
            access.permission_set.as_str(),
        ),
        ("PrincipalId", status.principal_id(), principal.id.as_str()),
        (
            "PrincipalType",
            status.principal_type().map(PrincipalType::as_str),
            principal.kind.as_str(),
        ),
    ] {
        if is_other(named, asked) {
            return Err(member);
        }
    }
    Ok(match state(status.status())? {
        RequestState::InProgress => Sent::Accepted(request_id(status.request_id())?),
        RequestState::Succeeded => Sent::Done,
        RequestState::Failed => Sent::Failed(reason(status)),
    })
}

/// What AWS says of the request of this id.
pub(super) fn described(
    status: Option<&AccountAssignmentOperationStatus>,
    instance: &InstanceArn,
    id: &AssignmentRequestId,
) -> Result<AssignmentRequest, Missing> {
    let status = status.ok_or("the status of the request")?;
    if status
        .request_id()
        .is_some_and(|named| named != id.as_str())
    {
        return Err("RequestId");
    }
    Ok(AssignmentRequest {
        state: state(status.status())?,
        failure_reason: reason(status),
        // Where it cannot be read, it is no change that anybody here asked for.
        assignment: assignment(status, instance).ok().flatten(),
    })
}

pub(super) fn state(status: Option<&StatusValues>) -> Result<RequestState, Missing> {
    match status.map(StatusValues::as_str) {
        Some("IN_PROGRESS") => Ok(RequestState::InProgress),
        Some("SUCCEEDED") => Ok(RequestState::Succeeded),
        Some("FAILED") => Ok(RequestState::Failed),
        _ => Err("Status"),
    }
}

pub(super) fn request_id(id: Option<&str>) -> Result<AssignmentRequestId, Missing> {
    AssignmentRequestId::parse(id.unwrap_or_default()).map_err(|_| "RequestId")
}

fn reason(status: &AccountAssignmentOperationStatus) -> String {
    foreign_reason(status.failure_reason().unwrap_or_default())
}

/// The assignment that a status speaks of; none where AWS left out a part.
fn assignment(
    status: &AccountAssignmentOperationStatus,
    instance: &InstanceArn,
) -> Result<Option<DirectAssignment>, Missing> {
    let (Some(target), Some(kind), Some(set), Some(principal_kind), Some(principal)) = (
        status.target_id(),
        status.target_type(),
        status.permission_set_arn(),
        status.principal_type(),
        status.principal_id(),
    ) else {
        return Ok(None);
    };
    if *kind != TargetType::AwsAccount {
        return Err("TargetType");
    }
    Ok(Some(DirectAssignment {
        target: Target::AccountAccess(AccountAccess {
            account: AccountId::parse(target).map_err(|_| "TargetId")?,
            permission_set: convert::permission_set_arn(Some(set), instance)?,
        }),
        principal: convert::principal(Some(principal_kind.as_str()), Some(principal))?,
    }))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssoadmin::types::builders::AccountAssignmentOperationStatusBuilder;

    use super::*;
    use crate::domain::{PermissionSetArn, PrincipalId, PrincipalKind};

    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef";
    const USER: &str = "04261254-0000-4a5a-9d53-3f2a5f0c1a11";
    const REQUEST: &str = "0a261254-0000-4a5a-9d53-3f2a5f0c1a11";

    fn access() -> AccountAccess {
        AccountAccess {
            account: AccountId::parse("123456789012").unwrap(),
            permission_set: PermissionSetArn::parse(SET).unwrap(),
        }
    }

    fn somebody() -> PrincipalRef {
        PrincipalRef {
            kind: PrincipalKind::User,
            id: PrincipalId::parse(USER).unwrap(),
        }
    }

    fn whole(status: &str) -> AccountAssignmentOperationStatusBuilder {
        AccountAssignmentOperationStatus::builder()
            .status(StatusValues::from(status))
            .request_id(REQUEST)
            .target_id("123456789012")
            .target_type(TargetType::AwsAccount)
            .permission_set_arn(SET)
            .principal_type(PrincipalType::User)
            .principal_id(USER)
    }

    fn said(status: AccountAssignmentOperationStatusBuilder) -> Result<Sent, Missing> {
        sent(Some(&status.build()), &access(), &somebody())
    }

    #[test]
    fn a_write_is_done_under_way_or_failed() {
        let id = AssignmentRequestId::parse(REQUEST).unwrap();
        assert_eq!(said(whole("IN_PROGRESS")), Ok(Sent::Accepted(id)));
        assert_eq!(said(whole("SUCCEEDED")), Ok(Sent::Done));
        let failed = whole("FAILED").failure_reason("no\u{202E} such\naccount");
        assert_eq!(said(failed), Ok(Sent::Failed("no such account".to_owned())));
        assert_eq!(said(whole("FAILED")), Ok(Sent::Failed(String::new())));
    }

    #[test]
    fn an_answer_that_lacks_what_decides_is_unusable() {
        assert!(sent(None, &access(), &somebody()).is_err());
        assert_eq!(said(whole("THINKING")), Err("Status"));
        let silent = AccountAssignmentOperationStatus::builder();
        assert_eq!(said(silent), Err("Status"));
        let nameless = whole("IN_PROGRESS").set_request_id(None);
        assert_eq!(said(nameless), Err("RequestId"));
        assert_eq!(
            said(whole("IN_PROGRESS").request_id("no uuid")),
            Err("RequestId")
        );
    }

    #[test]
    fn an_answer_about_another_assignment_is_unusable() {
        assert!(said(whole("SUCCEEDED").target_id("999999999999")).is_err());
        let other = SET.replace("ps-1", "ps-2");
        assert!(said(whole("SUCCEEDED").permission_set_arn(other)).is_err());
        let principal = whole("SUCCEEDED").principal_id(REQUEST);
        assert_eq!(said(principal), Err("PrincipalId"));
        let kind = whole("SUCCEEDED").principal_type(PrincipalType::Group);
        assert_eq!(said(kind), Err("PrincipalType"));
        // Also where the rest is left out.
        let part = AccountAssignmentOperationStatus::builder()
            .status(StatusValues::Succeeded)
            .target_id("999999999999");
        assert_eq!(said(part), Err("TargetId"));
    }

    #[test]
    fn a_description_names_its_request_and_may_leave_out_the_assignment() {
        let instance = access().permission_set.instance_arn();
        let id = AssignmentRequestId::parse(REQUEST).unwrap();
        let full = described(Some(&whole("SUCCEEDED").build()), &instance, &id).unwrap();
        assert_eq!(full.state, RequestState::Succeeded);
        let assignment = full.assignment.unwrap();
        assert_eq!(assignment.target, Target::AccountAccess(access()));
        assert_eq!(assignment.principal, somebody());
        let part = whole("FAILED").set_principal_id(None).build();
        let part = described(Some(&part), &instance, &id).unwrap();
        assert_eq!((part.state, part.assignment), (RequestState::Failed, None));
        let other = AssignmentRequestId::parse(USER).unwrap();
        let answer = whole("SUCCEEDED").build();
        assert_eq!(
            described(Some(&answer), &instance, &other),
            Err("RequestId")
        );
        assert!(described(None, &instance, &id).is_err());
    }
}
