//! Who is authenticated, before anybody has looked into an identity store. Who may do what with it
//! is not decided here.

use std::fmt;
use std::sync::Arc;

use super::text::CallerName;

/// How a person's user is found in an identity store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MatchBy {
    /// By the user name.
    UserName,
    /// By the primary email address.
    Email,
    /// By the id that an external system gave, with the issuer that the store knows for it.
    ExternalId,
}

/// A person whom a token proves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Person {
    /// The configured name of the token's issuer.
    pub issuer: String,
    /// The `sub` claim: the person, for ever, at this issuer.
    pub subject: String,
    /// How the user is found.
    pub match_by: MatchBy,
    /// What is looked for: the value of the configured claim.
    pub match_value: String,
    /// The issuer of external ids, where `match_by` is `ExternalId`.
    pub external_id_issuer: String,
}

/// Who a connection and its credentials prove.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A development token's subject: `--dev` only.
    Developer(CallerName),
    /// A service, by the name that the configuration gives it.
    Service(String),
    /// A person.
    Person {
        /// Who.
        person: Arc<Person>,
        /// The service through which the person calls, by the certificate of the connection: the
        /// token was given to it.
        service: Option<String>,
    },
}

/// Everything that is known of a caller from its connection and credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authenticated {
    /// Who calls.
    pub caller: Identity,
    /// Whom a service says to act for: a user name, an email address or a user id, as sent.
    pub on_behalf_of: Option<String>,
    /// The subject's own token, verified.
    pub subject_proof: Option<Arc<Person>>,
}

impl fmt::Display for Identity {
    /// The name under which calls are counted and request ids kept: it never changes for the same
    /// caller, and no two callers share it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Developer(name) => write!(formatter, "{name}"),
            Self::Service(name) => write!(formatter, "service:{name}"),
            Self::Person { person, .. } => {
                write!(formatter, "person:{}:{}", person.issuer, person.subject)
            }
        }
    }
}
