//! Why a credential is refused, and why authentication cannot begin. The texts are for callers and
//! operators; none holds a part of a credential.

/// What kind of refusal it is: each is one reason of the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// Nothing was sent that could prove who calls.
    Missing,
    /// What was sent proves nothing here.
    Invalid,
    /// Its time is over.
    Expired,
    /// The caller is who it says, and may not act for others.
    ActsForOthers,
    /// The issuer's keys cannot be had now, so that nothing can be said of the token.
    IssuerUnavailable,
}

/// Why a credential is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialProblem {
    /// The kind.
    pub kind: ProblemKind,
    /// A sentence for the caller; never a part of the credential.
    pub message: &'static str,
    /// The configured name of the issuer, where the token names one that is configured.
    pub issuer: Option<String>,
    /// The header that is to blame, where it is not `authorization`.
    pub header: Option<&'static str>,
}

impl CredentialProblem {
    pub(super) fn new(kind: ProblemKind, message: &'static str) -> Self {
        Self {
            kind,
            message,
            issuer: None,
            header: None,
        }
    }

    pub(super) fn missing(message: &'static str) -> Self {
        Self::new(ProblemKind::Missing, message)
    }

    pub(super) fn invalid(message: &'static str) -> Self {
        Self::new(ProblemKind::Invalid, message)
    }

    pub(super) fn expired() -> Self {
        Self::new(
            ProblemKind::Expired,
            "the token's time is over; get a new one",
        )
    }

    pub(super) fn of_issuer(mut self, name: &str) -> Self {
        self.issuer = Some(name.to_owned());
        self
    }

    pub(super) fn of_header(mut self, name: &'static str) -> Self {
        self.header = Some(name);
        self
    }
}

/// Why authentication cannot begin: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("authentication: {0}")]
pub struct AuthenticationError(pub String);
