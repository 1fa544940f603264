//! Who calls: asks authentication with what the connection and the headers hold, and tells a refusal
//! to the caller by the table and to the operator in the log. No credential is written anywhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use http::request::Parts;
use tonic::Status;

use super::connections::Peer;
use super::gate::{GateRules, NotAdmitted, internal};
use super::inbound::Method;
use super::methods;
use super::pb::{self, ErrorReason};
use super::status::{status, wire_reason};
use crate::authentication::{Authenticator, CredentialProblem, ProblemKind};
use crate::domain::{Authenticated, CallerName, Unauthenticated};

/// The address of a call whose connection is not known; there is none such.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Who calls, with the name that calls are counted by; none where the method may be called without
/// an identity.
pub(super) async fn identify(
    rules: &GateRules,
    request: &Parts,
    method: Method,
    call_id: &str,
) -> Result<Option<(CallerName, Authenticated)>, NotAdmitted> {
    let authenticator = &rules.authenticator;
    let path = request.uri.path();
    if is_open(authenticator, path) {
        return Ok(None);
    }
    let peer = request.extensions.get::<Peer>();
    let certificate = peer.and_then(|peer| peer.certificate.as_deref());
    let address = peer.map_or(NOWHERE, |peer| peer.address.ip());
    let is_known = || authenticator.is_known(certificate, &request.headers);
    let attempt = (rules.inbound.attempt(address, is_known))
        .map_err(|refusal| rules.refuse(refusal, method, &address.to_string(), call_id))?;
    let answered = authenticator
        .authenticate(certificate, &request.headers)
        .await;
    if !answered.as_ref().is_err_and(proves_nobody) {
        attempt.forgive();
    }
    let authenticated = answered.map_err(|problem| {
        tracing::warn!(
            call.id = call_id,
            peer = peer.map(|peer| tracing::field::display(peer.address)),
            reason = ?problem.kind,
            issuer = problem.issuer,
            problem = problem.message,
            "a credential was refused"
        );
        rules.refused_calls.unauthenticated(Unauthenticated {
            reason: wire_reason(reason_of(&problem)),
            method: known_method(path),
            issuer: problem.issuer.clone(),
            has_certificate: certificate.is_some(),
            suppressed_count: 0,
        });
        refused(&problem, call_id)
    })?;
    let name = CallerName::parse(&authenticated.caller.to_string()).map_err(|_| {
        // INVARIANT: authentication proves nobody whose name is none.
        tracing::error!(call.id = call_id, "a caller's name cannot be used");
        internal(call_id)
    })?;
    Ok(Some((name, authenticated)))
}

/// Whether it is the caller's doing that nobody is proved. An issuer that does not answer is not; a
/// caller that may not act for others is proved.
fn proves_nobody(problem: &CredentialProblem) -> bool {
    match problem.kind {
        ProblemKind::Missing | ProblemKind::Invalid | ProblemKind::Expired => true,
        ProblemKind::ActsForOthers | ProblemKind::IssuerUnavailable => false,
    }
}

/// Whether a call may be made without an identity: health, and reflection in development.
fn is_open(authenticator: &Authenticator, path: &str) -> bool {
    path.starts_with("/grpc.health.v1.")
        || path.starts_with("/grpc.reflection.v1") && authenticator.is_development()
}

/// The method of a path as its proto writes it; empty for what is none. A path is a caller's own
/// text, which the log of events does not hold.
fn known_method(path: &str) -> &'static str {
    static METHODS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let methods = methods::methods(pb::DESCRIPTORS);
        methods.iter().map(methods::Method::path).collect()
    });
    METHODS.get(path).map_or("", String::as_str)
}

fn reason_of(problem: &CredentialProblem) -> ErrorReason {
    match problem.kind {
        ProblemKind::Missing => ErrorReason::CredentialMissing,
        ProblemKind::Invalid => ErrorReason::CredentialInvalid,
        ProblemKind::Expired => ErrorReason::CredentialExpired,
        ProblemKind::ActsForOthers => ErrorReason::PolicyDenied,
        ProblemKind::IssuerUnavailable => ErrorReason::IssuerUnavailable,
    }
}

fn refused(problem: &CredentialProblem, call_id: &str) -> Status {
    let reason = reason_of(problem);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_there_are_have_a_name_in_the_log() {
        let method = "/usher.v1.GrantService/GetGrant";
        assert_eq!(known_method(method), method);
        for path in [
            "",
            "/",
            "/usher.v1.GrantService/",
            "/alice@example.com/secret",
        ] {
            assert_eq!(known_method(path), "", "{path}");
        }
    }
}
