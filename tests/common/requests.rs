//! Requests as callers write them, and the calls that make them.

use std::time::Duration;

use tonic::{Request, Status};
use tonic_types::StatusExt;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::{
    AccountAccess, AssignRequest, AssignResponse, AssignmentReference, GetGrantRequest, Grant,
    ListGrantsRequest, Principal, RevokeRequest, RevokeResponse, Target, principal, revoke_request,
    target,
};
use usher::simulator::PrincipalType;

use super::{TestService, TokenChannel};

/// The deadline of calls that do not test deadlines.
pub const CALL_TIME: Duration = Duration::from_secs(20);

/// A principal on an application, by ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Triple {
    pub kind: PrincipalType,
    pub principal_id: String,
    pub application_arn: String,
}

impl Triple {
    /// The principal as a request names it.
    #[must_use]
    pub fn principal(&self) -> Principal {
        match self.kind {
            PrincipalType::User => user(&self.principal_id),
            PrincipalType::Group => group(&self.principal_id),
        }
    }

    /// The target as a request names it.
    #[must_use]
    pub fn target(&self) -> Target {
        application(&self.application_arn)
    }

    /// An Assign without an end.
    #[must_use]
    pub fn assign(&self) -> AssignRequest {
        AssignRequest {
            principal: Some(self.principal()),
            target: Some(self.target()),
            justification: "a test".to_owned(),
            ..AssignRequest::default()
        }
    }

    /// An Assign for so long.
    #[must_use]
    pub fn assign_for(&self, duration: Duration) -> AssignRequest {
        AssignRequest {
            duration: Some(duration.try_into().expect("a duration")),
            ..self.assign()
        }
    }

    /// A Revoke of the assignment.
    #[must_use]
    pub fn revoke(&self) -> RevokeRequest {
        let assignment = AssignmentReference {
            principal: Some(self.principal()),
            target: Some(self.target()),
        };
        RevokeRequest {
            revocation: Some(revoke_request::Revocation::Assignment(assignment)),
            reason: "a test".to_owned(),
            ..RevokeRequest::default()
        }
    }
}

/// A user by id, name or email.
#[must_use]
pub fn user(text: &str) -> Principal {
    Principal {
        principal: Some(principal::Principal::User(text.to_owned())),
    }
}

/// A group by id or name.
#[must_use]
pub fn group(text: &str) -> Principal {
    Principal {
        principal: Some(principal::Principal::Group(text.to_owned())),
    }
}

/// An application by ARN or name.
#[must_use]
pub fn application(text: &str) -> Target {
    Target {
        target: Some(target::Target::Application(text.to_owned())),
    }
}

/// An account with a permission set, each by id, ARN or name.
#[must_use]
pub fn account_access(account: &str, permission_set: &str) -> Target {
    let access = AccountAccess {
        account: account.to_owned(),
        permission_set: permission_set.to_owned(),
    };
    Target {
        target: Some(target::Target::AccountAccess(access)),
    }
}

/// A Revoke of one grant.
#[must_use]
pub fn revoke_of(grant_id: &str) -> RevokeRequest {
    RevokeRequest {
        revocation: Some(revoke_request::Revocation::GrantId(grant_id.to_owned())),
        reason: "a test".to_owned(),
        ..RevokeRequest::default()
    }
}

/// A message with the deadline of calls that do not test deadlines.
pub fn in_time<T>(message: T) -> Request<T> {
    within(message, CALL_TIME)
}

/// A message with a deadline.
pub fn within<T>(message: T, time: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(time);
    request
}

/// The `reason` of an error's `ErrorInfo`.
#[must_use]
pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

impl TestService {
    /// A user on an application, by their names in the world.
    #[must_use]
    pub fn user_on(&self, user: &str, application: &str) -> Triple {
        let world = self.simulator.world();
        Triple {
            kind: PrincipalType::User,
            principal_id: world.user_named(user).expect("the user").user_id.clone(),
            application_arn: arn_of(&world, application),
        }
    }

    /// A group on an application, by their names in the world.
    #[must_use]
    pub fn group_on(&self, group: &str, application: &str) -> Triple {
        let world = self.simulator.world();
        Triple {
            kind: PrincipalType::Group,
            principal_id: world
                .group_named(group)
                .expect("the group")
                .group_id
                .clone(),
            application_arn: arn_of(&world, application),
        }
    }

    /// Calls Assign with a deadline of its own; whatever AWS does, the answer is OK.
    pub async fn assign_within(&self, request: AssignRequest, time: Duration) -> Grant {
        let response = self.access().assign(within(request, time)).await;
        let response = response.expect("OK once it is recorded").into_inner();
        response.grant.expect("the answer holds the grant")
    }

    /// Calls Revoke with a deadline of its own; whatever AWS does, the answer is OK.
    pub async fn revoke_within(&self, request: RevokeRequest, time: Duration) -> RevokeResponse {
        let response = self.access().revoke(within(request, time)).await;
        response.expect("OK once it is recorded").into_inner()
    }

    /// Calls Assign.
    pub async fn try_assign(&self, request: AssignRequest) -> Result<AssignResponse, Status> {
        let response = self.access().assign(in_time(request)).await;
        response.map(tonic::Response::into_inner)
    }

    /// Calls Assign and takes the grant.
    pub async fn assign(&self, request: AssignRequest) -> Grant {
        let response = self.try_assign(request).await.expect("a grant");
        response.grant.expect("the answer holds the grant")
    }

    /// Calls Revoke.
    pub async fn try_revoke(&self, request: RevokeRequest) -> Result<RevokeResponse, Status> {
        let response = self.access().revoke(in_time(request)).await;
        response.map(tonic::Response::into_inner)
    }

    /// Calls Revoke, which must be accepted.
    pub async fn revoke(&self, request: RevokeRequest) -> RevokeResponse {
        self.try_revoke(request).await.expect("an accepted Revoke")
    }

    /// Calls GetGrant.
    pub async fn grant(&self, grant_id: &str) -> Grant {
        let request = GetGrantRequest {
            grant_id: grant_id.to_owned(),
        };
        let response = self.grants().get_grant(in_time(request)).await;
        let response = response.expect("an answer to GetGrant").into_inner();
        response.grant.expect("the answer holds the grant")
    }
}

/// Every grant that the store holds.
pub async fn all_grants(channel: &TokenChannel) -> Vec<Grant> {
    let mut client = GrantServiceClient::new(channel.clone());
    let mut grants = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListGrantsRequest {
            page_size: 1000,
            page_token,
            ..ListGrantsRequest::default()
        };
        let page = client.list_grants(in_time(request)).await;
        let page = page.expect("a page of grants").into_inner();
        grants.extend(page.grants);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return grants;
        }
    }
}

fn arn_of(world: &usher::simulator::World, application: &str) -> String {
    let application = world.application_named(application);
    application
        .expect("the application")
        .application_arn
        .clone()
}
