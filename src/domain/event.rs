//! Events: what is written beside every state change, in the same transaction.
//!
//! An event holds ids only, never names, reasons or tickets: those stand in the grant and can be
//! erased. Its canonical form is JSON by RFC 8785, so that a later chain of hashes has one text.

use jiff::Timestamp;

use super::assignment::AssignmentKey;
use super::aws::ErrorKind;
use super::ids::GrantId;
use super::text::CallerName;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An authenticated caller, acting for a subject (itself unless it said otherwise).
    Caller {
        /// Who is authenticated on the connection.
        caller: CallerName,
        /// For whom the caller acts.
        subject: CallerName,
    },
    /// The service itself.
    Usher,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A grant was asked for and recorded.
    Requested,
    /// A Create is about to be sent.
    CreateIntended,
    /// The assignment was there before Usher touched it.
    StandingFound,
    /// A standing assignment was read to be gone.
    StandingGone,
    /// The assignment was read to be there: the grant is active.
    Activated,
    /// An attempt failed in a way the one before did not.
    AttemptFailed,
    /// AWS refused for good.
    Failed,
    /// Somebody asked for the grant's end.
    RevokeRequested,
    /// Somebody asked for the assignment's removal.
    RemovalRequested,
    /// A later grant wants the assignment that was to be removed.
    RemovalSuperseded,
    /// The grant's time was up.
    TimeOver,
    /// A Delete is about to be sent.
    DeleteIntended,
    /// The grant is over and the assignment stays.
    EndedAssignmentKept,
    /// The grant is over and the assignment was read to be gone.
    EndedAssignmentGone,
    /// The assignment was read to be gone after an explicit removal.
    AssignmentRemoved,
    /// A late effect of Usher's own was found.
    LateEffectFound,
    /// An assignment was found that nothing of Usher's explains; it is left alone.
    FoundOutOfBand,
    /// A grant's assignment was removed by somebody else; it is left so and reported.
    FoundMissing,
    /// Somebody agreed to a grant, or to more time for it.
    Approved,
    /// Everybody who must has agreed: the grant opens.
    Opened,
    /// The grant is over before it began: somebody objected, or it may not begin.
    Denied,
    /// The grant is over before it began: taken back.
    Cancelled,
    /// The grant is over before it began: nobody agreed in time, or nobody could.
    Lapsed,
    /// The start that the grant waited for has come.
    Started,
    /// Access was taken at once, to be looked at afterwards.
    BreakGlassTaken,
    /// Somebody looked at it afterwards and found it justified.
    BreakGlassJustified,
    /// Somebody looked at it afterwards and found it not justified.
    BreakGlassNotJustified,
    /// More time was asked for.
    ExtensionRequested,
    /// More time was given.
    Extended,
    /// More time was refused, or is no longer wanted; the end stays.
    ExtensionDenied,
    /// Nobody agreed to more time in time; the end stays.
    ExtensionLapsed,
    /// The grant took over an assignment that was there.
    Adopted,
    /// The assignment is left to itself again.
    Released,
    /// An operator asked for the next attempt at once.
    RetryRequested,
    /// The beneficiary was read to be disabled: the grant ends.
    BeneficiaryDisabled,
    /// The beneficiary was read to be no more: the grant ends.
    BeneficiaryDeleted,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 36] = [
        Self::Requested,
        Self::CreateIntended,
        Self::StandingFound,
        Self::StandingGone,
        Self::Activated,
        Self::AttemptFailed,
        Self::Failed,
        Self::RevokeRequested,
        Self::RemovalRequested,
        Self::RemovalSuperseded,
        Self::TimeOver,
        Self::DeleteIntended,
        Self::EndedAssignmentKept,
        Self::EndedAssignmentGone,
        Self::AssignmentRemoved,
        Self::LateEffectFound,
        Self::FoundOutOfBand,
        Self::FoundMissing,
        Self::Approved,
        Self::Opened,
        Self::Denied,
        Self::Cancelled,
        Self::Lapsed,
        Self::Started,
        Self::BreakGlassTaken,
        Self::BreakGlassJustified,
        Self::BreakGlassNotJustified,
        Self::ExtensionRequested,
        Self::Extended,
        Self::ExtensionDenied,
        Self::ExtensionLapsed,
        Self::Adopted,
        Self::Released,
        Self::RetryRequested,
        Self::BeneficiaryDisabled,
        Self::BeneficiaryDeleted,
    ];

    /// The word of the canonical form and of the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "grant_requested",
            Self::CreateIntended => "create_intended",
            Self::StandingFound => "standing_found",
            Self::StandingGone => "standing_gone",
            Self::Activated => "grant_activated",
            Self::AttemptFailed => "attempt_failed",
            Self::Failed => "grant_failed",
            Self::RevokeRequested => "revoke_requested",
            Self::RemovalRequested => "removal_requested",
            Self::RemovalSuperseded => "removal_superseded",
            Self::TimeOver => "time_over",
            Self::DeleteIntended => "delete_intended",
            Self::EndedAssignmentKept => "ended_assignment_kept",
            Self::EndedAssignmentGone => "ended_assignment_gone",
            Self::AssignmentRemoved => "assignment_removed",
            Self::LateEffectFound => "late_effect_found",
            Self::FoundOutOfBand => "found_out_of_band",
            Self::FoundMissing => "found_missing",
            Self::Approved => "grant_approved",
            Self::Opened => "grant_opened",
            Self::Denied => "grant_denied",
            Self::Cancelled => "grant_cancelled",
            Self::Lapsed => "grant_lapsed",
            Self::Started => "grant_started",
            Self::BreakGlassTaken => "break_glass_taken",
            Self::BreakGlassJustified => "break_glass_justified",
            Self::BreakGlassNotJustified => "break_glass_not_justified",
            Self::ExtensionRequested => "extension_requested",
            Self::Extended => "grant_extended",
            Self::ExtensionDenied => "extension_denied",
            Self::ExtensionLapsed => "extension_lapsed",
            Self::Adopted => "grant_adopted",
            Self::Released => "grant_released",
            Self::RetryRequested => "retry_requested",
            Self::BeneficiaryDisabled => "beneficiary_disabled",
            Self::BeneficiaryDeleted => "beneficiary_deleted",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// The assignment it is about.
    pub key: AssignmentKey,
    /// The grant it is about; none for what concerns the assignment itself.
    pub grant_id: Option<GrantId>,
    /// The failure, for `AttemptFailed` and `Failed`.
    pub error_kind: Option<ErrorKind>,
    /// What was asked for or agreed to, for what people decide: `Grant::digest`.
    pub digest: Option<String>,
    /// The policies that decided, where some did.
    pub policies: Vec<String>,
}

impl Event {
    /// An event of which nothing more is to be said.
    #[must_use]
    pub fn new(
        kind: EventKind,
        at: Timestamp,
        actor: Actor,
        key: AssignmentKey,
        grant_id: Option<GrantId>,
    ) -> Self {
        Self {
            kind,
            at,
            actor,
            key,
            grant_id,
            error_kind: None,
            digest: None,
            policies: Vec::new(),
        }
    }

    /// The canonical JSON text (RFC 8785): sorted keys, no blanks, text and integers only.
    ///
    /// # Errors
    /// Only if the serializer fails, which these plain values give it no cause for.
    pub fn to_canonical_json(&self) -> Result<String, serde_json::Error> {
        let (caller, subject) = match &self.actor {
            Actor::Caller { caller, subject } => (Some(caller.as_str()), Some(subject.as_str())),
            Actor::Usher => (None, None),
        };
        let mut body = serde_json::json!({
            "kind": self.kind.as_str(),
            "at_microseconds": self.at.as_microsecond().to_string(),
            "actor": if caller.is_some() { "caller" } else { "usher" },
            "instance_arn": self.key.instance_arn.as_str(),
            "principal_type": self.key.principal.kind.as_str(),
            "principal_id": self.key.principal.id.as_str(),
            "target_kind": self.key.target.kind(),
            "target": self.key.target.key(),
        });
        if let Some(object) = body.as_object_mut() {
            let optional = [
                ("caller", caller),
                ("subject", subject),
                ("grant_id", self.grant_id.as_ref().map(GrantId::as_str)),
                ("error_kind", self.error_kind.map(ErrorKind::as_str)),
                ("digest", self.digest.as_deref()),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    object.insert(name.to_owned(), value.into());
                }
            }
            if !self.policies.is_empty() {
                object.insert("policies".to_owned(), self.policies.clone().into());
            }
        }
        serde_json_canonicalizer::to_string(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::GrantState;
    use crate::domain::grant::tests::{at, grant};

    #[test]
    fn the_canonical_form_is_sorted_and_holds_ids_only() {
        let mut secret = grant(1, GrantState::Provisioning);
        secret.justification = crate::domain::Justification::parse("private words").unwrap();
        let actor = Actor::Caller {
            caller: secret.requester.caller.clone(),
            subject: secret.requester.subject.clone(),
        };
        let event = Event::new(
            EventKind::Requested,
            at(0),
            actor,
            secret.assignment_key(),
            Some(secret.id.clone()),
        );
        let text = event.to_canonical_json().unwrap();
        assert!(text.starts_with(r#"{"actor":"caller","at_microseconds":"1800000000000000","caller":"portal","grant_id":"grant_"#), "{text}");
        assert!(!text.contains("private words"));
    }

    #[test]
    fn every_kind_reads_what_it_wrote() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_word(kind.as_str()), Some(kind));
        }
    }
}
