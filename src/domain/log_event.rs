//! An event as the log shows it: what its canonical text says, read back without losing what a later
//! version added. A reader that does not know a kind still has its time, its people and its text.

use jiff::Timestamp;

use super::event::EventKind;
use super::ids::{GrantId, InstanceArn, PrincipalId, PrincipalKind, PrincipalRef};
use super::service_event::ServiceFact;
use super::target::Target;

/// What an event says, as far as every reader needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// The kind's word.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// `caller`, `usher` or `nobody`.
    pub actor: String,
    /// Who was authenticated.
    pub caller: Option<String>,
    /// For whom.
    pub subject: Option<String>,
    /// The instance that it is about.
    pub instance_arn: Option<InstanceArn>,
    /// The beneficiary, or who else it is about.
    pub principal: Option<PrincipalRef>,
    /// The target.
    pub target: Option<Target>,
    /// The grant.
    pub grant_id: Option<GrantId>,
    /// The word of the finding that came or went.
    pub finding: Option<String>,
}

/// The members of a body that are read; others stay in the text.
#[derive(serde::Deserialize)]
struct Body {
    kind: String,
    at_microseconds: String,
    actor: String,
    caller: Option<String>,
    subject: Option<String>,
    instance_arn: Option<String>,
    principal_type: Option<String>,
    principal_id: Option<String>,
    target_kind: Option<String>,
    target: Option<String>,
    grant_id: Option<String>,
    finding: Option<String>,
}

impl LogEvent {
    /// Reads a body; none where it is not an event of any version.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        let body: Body = serde_json::from_str(body).ok()?;
        let at = body.at_microseconds.parse().ok()?;
        let principal = || {
            Some(PrincipalRef {
                kind: PrincipalKind::from_aws(body.principal_type.as_deref()?)?,
                id: PrincipalId::parse(body.principal_id.as_deref()?).ok()?,
            })
        };
        let target =
            || Target::from_parts(body.target_kind.as_deref()?, body.target.as_deref()?).ok();
        Some(Self {
            at: Timestamp::from_microsecond(at).ok()?,
            principal: principal(),
            target: target(),
            instance_arn: (body.instance_arn.as_deref())
                .and_then(|arn| InstanceArn::parse(arn).ok()),
            grant_id: body
                .grant_id
                .as_deref()
                .and_then(|id| GrantId::parse(id).ok()),
            kind: body.kind,
            actor: body.actor,
            caller: body.caller,
            subject: body.subject,
            finding: body.finding,
        })
    }

    /// Whether it is something that happened to its grant, and not only about it: a denial is not.
    #[must_use]
    pub fn changed_grant(&self) -> Option<&GrantId> {
        EventKind::from_word(&self.kind)?;
        self.grant_id.as_ref()
    }
}

/// The words of all kinds of events.
#[must_use]
pub fn kinds() -> Vec<&'static str> {
    let of_grants = EventKind::ALL.into_iter().map(EventKind::as_str);
    of_grants.chain(ServiceFact::KINDS).collect()
}

/// Which events to show; every field that is set must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// About this grant.
    pub grant_id: Option<GrantId>,
    /// By this caller.
    pub caller: Option<String>,
    /// For this subject.
    pub subject: Option<String>,
    /// Of one of these kinds; empty means all.
    pub kinds: Vec<String>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl EventFilter {
    /// Whether an event fits.
    #[must_use]
    pub fn fits(&self, event: &LogEvent) -> bool {
        fn fits<T: PartialEq>(wanted: Option<&T>, value: Option<&T>) -> bool {
            wanted.is_none() || wanted == value
        }
        fits(self.grant_id.as_ref(), event.grant_id.as_ref())
            && fits(self.caller.as_ref(), event.caller.as_ref())
            && fits(self.subject.as_ref(), event.subject.as_ref())
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.from.is_none_or(|from| event.at >= from)
            && self.until.is_none_or(|until| event.at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Actor, Event};
    use crate::domain::grant::GrantState;
    use crate::domain::grant::tests::{at, grant};
    use crate::domain::service_event::{ServiceEvent, Unauthenticated};

    #[test]
    fn an_event_of_a_grant_is_read_back() {
        let grant = grant(1, GrantState::Active);
        let (key, id) = (grant.assignment_key(), Some(grant.id.clone()));
        let event = Event::new(EventKind::Activated, at(5), Actor::Usher, key, id);
        let read = LogEvent::read(&event.to_canonical_json().unwrap()).unwrap();
        assert_eq!(read.at, at(5));
        assert_eq!(read.principal, Some(grant.principal.clone()));
        assert_eq!(read.target, Some(grant.target.clone()));
        assert_eq!(read.instance_arn, Some(grant.instance_arn.clone()));
        assert_eq!(read.changed_grant(), Some(&grant.id));
        let filter = EventFilter {
            grant_id: Some(grant.id.clone()),
            kinds: vec!["grant_activated".to_owned()],
            from: Some(at(5)),
            until: Some(at(6)),
            ..EventFilter::default()
        };
        assert!(filter.fits(&read));
        let misses = [
            EventFilter {
                from: Some(at(6)),
                ..filter.clone()
            },
            EventFilter {
                until: Some(at(5)),
                ..filter.clone()
            },
            EventFilter {
                caller: Some("portal".to_owned()),
                ..filter.clone()
            },
            EventFilter {
                kinds: vec!["grant_failed".to_owned()],
                ..filter
            },
        ];
        assert!(misses.iter().all(|filter| !filter.fits(&read)));
    }

    #[test]
    fn every_kind_of_service_event_is_among_the_kinds() {
        let what = ServiceFact::Unauthenticated(Unauthenticated {
            reason: "CREDENTIAL_MISSING",
            method: "",
            issuer: None,
            has_certificate: false,
            suppressed_count: 0,
        });
        assert!(kinds().contains(&what.kind()));
        let text = ServiceEvent { at: at(0), what }.to_canonical_json();
        let read = LogEvent::read(&text.unwrap()).unwrap();
        assert_eq!((read.actor.as_str(), read.instance_arn), ("nobody", None));
    }

    #[test]
    fn a_kind_of_a_later_version_is_shown_and_what_is_no_event_is_not() {
        let later = "{\"actor\":\"caller\",\"at_microseconds\":\"5\",\"kind\":\"from_tomorrow\",\"target\":\"x\"}";
        assert_eq!(LogEvent::read(later).unwrap().target, None);
        for wrong in ["", "[]", "{}", "{\"kind\":\"a\"}"] {
            assert_eq!(LogEvent::read(wrong), None);
        }
    }
}
