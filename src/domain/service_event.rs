//! Events that are about no assignment: policies that came into force or did not load, calls that
//! were refused, the brake. They stand in the same log as the others, in the same canonical form, and like
//! those hold ids only: no name that can change, no token, no text of a caller.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::brake_fact::BrakeFact;
use super::finding_event::FindingEvent;
use super::ids::{GrantId, InstanceArn, PrincipalRef};
use super::target::Target;
use super::text::CallerName;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub what: ServiceFact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceFact {
    /// A policy set comes into force that differs from the last one.
    PolicyLoaded {
        /// Its version, as answers and grants name it.
        version: String,
        /// The hash under which its texts are kept.
        content_hash: String,
    },
    /// Policies do not load; those in force stay.
    PolicyRefused {
        /// The hash of their texts, which are not kept.
        content_hash: String,
        /// How many problems they have.
        problem_count: usize,
    },
    /// Policy did not let somebody do or see something.
    AccessDenied(AccessDenied),
    /// A call proved nobody.
    Unauthenticated(Unauthenticated),
    /// Something happened to the brake.
    Brake(BrakeFact),
    /// A finding came or went.
    Finding(FindingEvent),
}

/// Policy did not let somebody do or see something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDenied {
    /// Who is authenticated.
    pub caller: CallerName,
    /// For whom the caller acts; none where nobody was found.
    pub subject: Option<CallerName>,
    /// What policy was asked, in its own word.
    pub action: &'static str,
    /// What it was about.
    pub about: About,
    /// The policies that decided: forbids, paths that a limit closed, those that failed. None where
    /// nothing permits it.
    pub policies: Vec<String>,
    /// The version of the set that decided; empty where none was asked.
    pub policy_version: String,
    /// Denials since the one before that were left out of the log.
    pub suppressed_count: u64,
}

/// What a denial is about, by ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The instance.
    pub instance_arn: Option<InstanceArn>,
    /// The beneficiary, or the person for whom a service wants to act.
    pub principal: Option<PrincipalRef>,
    /// The target.
    pub target: Option<Target>,
    /// The grant.
    pub grant_id: Option<GrantId>,
}

/// A call that proved nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unauthenticated {
    /// The reason that was answered.
    pub reason: &'static str,
    /// The method that was called; empty where there is no such method.
    pub method: &'static str,
    /// The configured name of the issuer that a token named.
    pub issuer: Option<String>,
    /// Whether the connection showed a client certificate.
    pub has_certificate: bool,
    /// Such calls since the one before that were left out of the log.
    pub suppressed_count: u64,
}

impl ServiceFact {
    /// The words of all of them.
    pub const KINDS: [&'static str; 13] = [
        "policy_loaded",
        "policy_refused",
        "access_denied",
        "unauthenticated",
        "frozen",
        "unfrozen",
        "restored",
        "mass_change_held",
        "mass_change_confirmed",
        "mass_change_carried_out",
        "mass_change_dissolved",
        "finding_new",
        "finding_gone",
    ];

    /// The word of the canonical form.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PolicyLoaded { .. } => "policy_loaded",
            Self::PolicyRefused { .. } => "policy_refused",
            Self::AccessDenied(_) => "access_denied",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Brake(fact) => fact.kind(),
            Self::Finding(event) => event.kind(),
        }
    }

    fn actor(&self) -> &'static str {
        match self {
            Self::PolicyLoaded { .. } | Self::PolicyRefused { .. } | Self::Finding(_) => "usher",
            Self::AccessDenied(_) => "caller",
            Self::Unauthenticated(_) => "nobody",
            Self::Brake(fact) => fact.actor(),
        }
    }

    fn write(&self, body: &mut Map<String, Value>) {
        match self {
            Self::PolicyLoaded {
                version,
                content_hash,
            } => {
                put(body, "policy_version", version.as_str());
                put(body, "content_hash", content_hash.as_str());
            }
            Self::PolicyRefused {
                content_hash,
                problem_count,
            } => {
                put(body, "content_hash", content_hash.as_str());
                put(body, "problem_count", *problem_count);
            }
            Self::AccessDenied(denied) => denied.write(body),
            Self::Unauthenticated(unauthenticated) => unauthenticated.write(body),
            Self::Brake(fact) => fact.write(body),
            Self::Finding(event) => event.write(body),
        }
    }
}

impl AccessDenied {
    fn write(&self, body: &mut Map<String, Value>) {
        put(body, "caller", self.caller.as_str());
        if let Some(subject) = &self.subject {
            put(body, "subject", subject.as_str());
        }
        put(body, "action", self.action);
        let About {
            instance_arn,
            principal,
            target,
            grant_id,
        } = &self.about;
        if let Some(arn) = instance_arn {
            put(body, "instance_arn", arn.as_str());
        }
        if let Some(principal) = principal {
            put(body, "principal_type", principal.kind.as_str());
            put(body, "principal_id", principal.id.as_str());
        }
        if let Some(target) = target {
            put(body, "target_kind", target.kind());
            put(body, "target", target.key().as_ref());
        }
        if let Some(id) = grant_id {
            put(body, "grant_id", id.as_str());
        }
        put(body, "policies", self.policies.clone());
        put(body, "policy_version", self.policy_version.as_str());
        put(body, "suppressed_count", self.suppressed_count);
    }
}

impl Unauthenticated {
    fn write(&self, body: &mut Map<String, Value>) {
        put(body, "reason", self.reason);
        if !self.method.is_empty() {
            put(body, "method", self.method);
        }
        if let Some(issuer) = &self.issuer {
            put(body, "issuer", issuer.as_str());
        }
        let certificate = if self.has_certificate {
            "shown"
        } else {
            "none"
        };
        put(body, "client_certificate", certificate);
        put(body, "suppressed_count", self.suppressed_count);
    }
}

pub(super) fn put(body: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    body.insert(name.to_owned(), value.into());
}

impl ServiceEvent {
    /// The canonical JSON text (RFC 8785), with the same words as other events.
    ///
    /// # Errors
    /// Only if the serializer fails, which these plain values give it no cause for.
    pub fn to_canonical_json(&self) -> Result<String, serde_json::Error> {
        let mut body = Map::new();
        put(&mut body, "kind", self.what.kind());
        put(&mut body, "actor", self.what.actor());
        let at = self.at.as_microsecond().to_string();
        put(&mut body, "at_microseconds", at);
        self.what.write(&mut body);
        serde_json_canonicalizer::to_string(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::GrantState;
    use crate::domain::grant::tests::{at, grant};

    fn text(what: ServiceFact) -> String {
        let event = ServiceEvent { at: at(0), what };
        event.to_canonical_json().unwrap()
    }

    #[test]
    fn a_denial_tells_who_what_and_why_by_ids_in_one_form() {
        let grant = grant(1, GrantState::Active);
        let denied = AccessDenied {
            caller: CallerName::parse("service:portal").unwrap(),
            subject: None,
            action: "ReadGrants",
            about: About {
                instance_arn: Some(grant.instance_arn.clone()),
                grant_id: Some(grant.id.clone()),
                ..About::default()
            },
            policies: vec!["b".to_owned(), "a".to_owned()],
            policy_version: "v".to_owned(),
            suppressed_count: 3,
        };
        let expected = format!(
            "{{\"action\":\"ReadGrants\",\"actor\":\"caller\",\"at_microseconds\":\"1800000000000000\",\
             \"caller\":\"service:portal\",\"grant_id\":\"{}\",\"instance_arn\":\"{}\",\
             \"kind\":\"access_denied\",\"policies\":[\"b\",\"a\"],\"policy_version\":\"v\",\
             \"suppressed_count\":3}}",
            grant.id, grant.instance_arn
        );
        assert_eq!(text(ServiceFact::AccessDenied(denied)), expected);
    }

    #[test]
    fn who_proved_nobody_is_told_without_a_name() {
        let unauthenticated = Unauthenticated {
            reason: "CREDENTIAL_INVALID",
            method: "",
            issuer: Some("corp".to_owned()),
            has_certificate: false,
            suppressed_count: 0,
        };
        assert_eq!(
            text(ServiceFact::Unauthenticated(unauthenticated)),
            "{\"actor\":\"nobody\",\"at_microseconds\":\"1800000000000000\",\
             \"client_certificate\":\"none\",\"issuer\":\"corp\",\"kind\":\"unauthenticated\",\
             \"reason\":\"CREDENTIAL_INVALID\",\"suppressed_count\":0}"
        );
    }
}
