//! Every reason of an error with its code and what helps. docs/errors.md shows the same lines.

use tonic::Code;

use super::pb::ErrorReason;

/// One line of the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRow {
    /// The reason.
    pub reason: ErrorReason,
    /// The code it travels with.
    pub code: Code,
    /// What helps.
    pub remedy: &'static str,
}

/// Every reason with its code: docs/errors.md shows the same lines.
pub const TABLE: [TableRow; 53] = [
    row(
        ErrorReason::CredentialMissing,
        Code::Unauthenticated,
        "send `authorization: Bearer <token>`, or connect with a client certificate; `usher token` prints one for development",
    ),
    row(
        ErrorReason::CredentialInvalid,
        Code::Unauthenticated,
        "use a token or a certificate that this server is configured for",
    ),
    row(
        ErrorReason::CredentialExpired,
        Code::Unauthenticated,
        "get a new token",
    ),
    row(
        ErrorReason::IssuerUnavailable,
        Code::Unavailable,
        "try again after RetryInfo; the credential may be good",
    ),
    row(
        ErrorReason::PolicyDenied,
        Code::PermissionDenied,
        "ask for what policy allows; `usher policy explain` tells why it does not",
    ),
    row(
        ErrorReason::FieldInvalid,
        Code::InvalidArgument,
        "correct the fields that BadRequest names",
    ),
    row(
        ErrorReason::PageTokenInvalid,
        Code::InvalidArgument,
        "start again without a page token, or repeat the other fields unchanged",
    ),
    row(
        ErrorReason::RequestIdReused,
        Code::InvalidArgument,
        "use a new request_id for new content",
    ),
    row(
        ErrorReason::MessageMalformed,
        Code::InvalidArgument,
        "send the method's request message as valid protobuf, with well-formed headers",
    ),
    row(
        ErrorReason::InstanceNotFound,
        Code::NotFound,
        "use an ARN or alias that ListInstances shows",
    ),
    row(
        ErrorReason::ApplicationNotFound,
        Code::NotFound,
        "use an ARN or a name that ListApplications shows",
    ),
    row(
        ErrorReason::AccountNotFound,
        Code::NotFound,
        "use an id or a name that ListAccounts shows",
    ),
    row(
        ErrorReason::PermissionSetNotFound,
        Code::NotFound,
        "use an ARN, an id or a name that ListPermissionSets shows",
    ),
    row(
        ErrorReason::PrincipalNotFound,
        Code::NotFound,
        "use an id or a name that ListPrincipals shows",
    ),
    row(
        ErrorReason::AssignmentNotFound,
        Code::NotFound,
        "look with ListAssignments",
    ),
    row(
        ErrorReason::GrantNotFound,
        Code::NotFound,
        "look with ListGrants",
    ),
    row(
        ErrorReason::MassChangeNotFound,
        Code::NotFound,
        "look with `usher check --data-dir`, which names those that are held",
    ),
    row(
        ErrorReason::SubjectNotFound,
        Code::NotFound,
        "name one user of the identity store, the same in header and token",
    ),
    row(
        ErrorReason::NameAmbiguous,
        Code::FailedPrecondition,
        "use one of the ids or ARNs in the details",
    ),
    row(
        ErrorReason::PrincipalDisabled,
        Code::FailedPrecondition,
        "enable the user in the identity store first",
    ),
    row(
        ErrorReason::AccessViaGroup,
        Code::FailedPrecondition,
        "take the user out of the named groups, or revoke the groups' assignments",
    ),
    row(
        ErrorReason::AccountInactive,
        Code::FailedPrecondition,
        "use an account that ListAccounts shows as active",
    ),
    row(
        ErrorReason::AccountOutOfReach,
        Code::FailedPrecondition,
        "run Usher in the management account to change access to it",
    ),
    row(
        ErrorReason::AccountAccessNotOffered,
        Code::FailedPrecondition,
        "use the organization's instance; ListInstances shows the kinds",
    ),
    row(
        ErrorReason::RoleNotAssumed,
        Code::FailedPrecondition,
        "let Usher assume the instance's role: its trust policy, external id and ARN must fit",
    ),
    row(
        ErrorReason::NotListableByPrincipal,
        Code::FailedPrecondition,
        "name a target, ask for TARGET_KIND_APPLICATION, or take AuditReport",
    ),
    row(
        ErrorReason::ReadOnly,
        Code::FailedPrecondition,
        "use validate_only, or start Usher with --allow-writes",
    ),
    row(
        ErrorReason::FactsNotCollected,
        Code::FailedPrecondition,
        "ask for a later time, or without `as_of` or `max_age`; with RetryInfo a collection has begun, else the first report or scheduled collection begins the history",
    ),
    row(
        ErrorReason::Frozen,
        Code::FailedPrecondition,
        "wait for Unfreeze, or talk to who froze it",
    ),
    row(
        ErrorReason::UsherRoleLacksPermission,
        Code::FailedPrecondition,
        "give Usher's role the IAM action in the metadata; see deploy/iam",
    ),
    row(
        ErrorReason::UsherCredentialsInvalid,
        Code::FailedPrecondition,
        "renew the AWS credentials that Usher runs under; `usher check` tells more",
    ),
    row(
        ErrorReason::PathLimitsExceeded,
        Code::FailedPrecondition,
        "ask for less, or give what the path in the details wants",
    ),
    row(
        ErrorReason::SelfApproval,
        Code::PermissionDenied,
        "let somebody else agree; to take it back, use CancelGrant",
    ),
    row(
        ErrorReason::NotAnApprover,
        Code::PermissionDenied,
        "let those agree whom the grant's `waiting_for` names",
    ),
    row(
        ErrorReason::ApproverNotProven,
        Code::PermissionDenied,
        "prove who agrees: the person's own token, or `attested_approver`",
    ),
    row(
        ErrorReason::DigestMismatch,
        Code::Aborted,
        "look at the grant again, and agree to the digest that it has",
    ),
    row(
        ErrorReason::StateForbids,
        Code::FailedPrecondition,
        "look at the grant's state with GetGrant",
    ),
    row(
        ErrorReason::ExternallyOwned,
        Code::FailedPrecondition,
        "take it out of its owner's keeping first, and out of the rule in [[external_assignments]]",
    ),
    row(
        ErrorReason::NoEligibleApprover,
        Code::FailedPrecondition,
        "have members in the groups that the paths name, or ask for what another path allows",
    ),
    row(
        ErrorReason::CallerConcurrencyLimited,
        Code::ResourceExhausted,
        "wait for open calls to end, then try again",
    ),
    row(
        ErrorReason::CallerRateLimited,
        Code::ResourceExhausted,
        "try again after RetryInfo, and call less often",
    ),
    row(
        ErrorReason::AddressRateLimited,
        Code::ResourceExhausted,
        "try again after RetryInfo, with a credential that is good",
    ),
    row(
        ErrorReason::ServerBusy,
        Code::ResourceExhausted,
        "try again after RetryInfo",
    ),
    row(
        ErrorReason::AwsBudgetExhausted,
        Code::ResourceExhausted,
        "try again after RetryInfo, or with a longer deadline",
    ),
    row(
        ErrorReason::MessageTooLarge,
        Code::ResourceExhausted,
        "send a smaller message",
    ),
    row(
        ErrorReason::AwsUnavailable,
        Code::Unavailable,
        "try again; nothing was recorded",
    ),
    row(
        ErrorReason::StoreUnavailable,
        Code::Unavailable,
        "try again with the same request_id",
    ),
    row(
        ErrorReason::ShuttingDown,
        Code::Unavailable,
        "try again, on another replica where there is one",
    ),
    row(
        ErrorReason::LogPositionRemoved,
        Code::FailedPrecondition,
        "begin with 0 for the oldest event that is kept; an export from before has the others",
    ),
    row(
        ErrorReason::WatcherTooSlow,
        Code::ResourceExhausted,
        "read faster, and resume behind the last position that arrived",
    ),
    row(
        ErrorReason::DeadlineExceeded,
        Code::DeadlineExceeded,
        "allow more time; nothing was recorded, or a repeat with the same request_id tells",
    ),
    row(
        ErrorReason::NotImplemented,
        Code::Unimplemented,
        "use a service, method and encoding that reflection shows",
    ),
    row(ErrorReason::Internal, Code::Internal, "report the call id"),
];

const fn row(reason: ErrorReason, code: Code, remedy: &'static str) -> TableRow {
    TableRow {
        reason,
        code,
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_row() {
        let reasons = (1..1000).filter_map(|value| ErrorReason::try_from(value).ok());
        let mut rows = 0;
        for reason in reasons {
            assert_eq!(
                TABLE.iter().filter(|row| row.reason == reason).count(),
                1,
                "{reason:?}"
            );
            rows += 1;
        }
        assert_eq!(rows, TABLE.len());
    }
}
