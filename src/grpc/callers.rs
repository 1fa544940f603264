//! Who calls: asks authentication with what the connection and the headers hold, and tells a refusal
//! to the caller by the table and to the operator in the log. No credential is written anywhere.

use std::time::Duration;

use http::request::Parts;
use tonic::Status;

use super::connections::Peer;
use super::gate::internal;
use super::pb::ErrorReason;
use super::status::status;
use crate::authentication::{Authenticator, CredentialProblem, ProblemKind};
use crate::domain::{Authenticated, CallerName};

/// Who calls, with the name that calls are counted by; none where the method may be called without
/// an identity.
pub(super) async fn identify(
    authenticator: &Authenticator,
    request: &Parts,
    call_id: &str,
) -> Result<Option<(CallerName, Authenticated)>, Status> {
    if is_open(authenticator, request.uri.path()) {
        return Ok(None);
    }
    let peer = request.extensions.get::<Peer>();
    let certificate = peer.and_then(|peer| peer.certificate.as_deref());
    let answered = authenticator
        .authenticate(certificate, &request.headers)
        .await;
    let authenticated = answered.map_err(|problem| {
        tracing::warn!(
            call.id = call_id,
            peer = peer.map(|peer| tracing::field::display(peer.address)),
            reason = ?problem.kind,
            issuer = problem.issuer,
            problem = problem.message,
            "a credential was refused"
        );
        refused(&problem, call_id)
    })?;
    let name = CallerName::parse(&authenticated.caller.to_string()).map_err(|_| {
        // INVARIANT: authentication proves nobody whose name is none.
        tracing::error!(call.id = call_id, "a caller's name cannot be used");
        internal(call_id)
    })?;
    Ok(Some((name, authenticated)))
}

/// Whether a call may be made without an identity: health, and reflection in development.
pub(super) fn is_open(authenticator: &Authenticator, path: &str) -> bool {
    path.starts_with("/grpc.health.v1.")
        || path.starts_with("/grpc.reflection.v1") && authenticator.is_development()
}

fn refused(problem: &CredentialProblem, call_id: &str) -> Status {
    let reason = match problem.kind {
        ProblemKind::Missing => ErrorReason::CredentialMissing,
        ProblemKind::Invalid => ErrorReason::CredentialInvalid,
        ProblemKind::Expired => ErrorReason::CredentialExpired,
        ProblemKind::ActsForOthers => ErrorReason::PolicyDenied,
        ProblemKind::IssuerUnavailable => ErrorReason::IssuerUnavailable,
    };
    let header = problem.header.map(|header| ("header", header));
    status(
        reason,
        call_id,
        problem.message,
        header.as_slice(),
        |details| {
            if problem.kind == ProblemKind::IssuerUnavailable {
                details.set_retry_info(Some(Duration::from_secs(5)));
            }
        },
    )
}
