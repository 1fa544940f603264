//! A grant's timeline: each event with its type and a sentence.

use super::answers::timestamp;
use crate::domain::{Actor, EventKind};
use crate::grpc::pb;
use crate::grpc::pb::GrantEventType as Wire;
use crate::store::StoredEvent;

/// A line of a timeline; events that concern only the assignment have none.
pub(super) fn grant_event(stored: &StoredEvent) -> Option<pb::GrantEvent> {
    let kind = stored.event.kind;
    let (wire, text) = told(kind)?;
    let description = match stored.event.error_kind {
        Some(kind) => format!("{text}: {}", kind.explanation()),
        None => text.to_owned(),
    };
    let actor = match &stored.event.actor {
        Actor::Caller { subject, .. } => subject.to_string(),
        Actor::Usher => "usher".to_owned(),
    };
    Some(pb::GrantEvent {
        time: Some(timestamp(stored.event.at)),
        r#type: wire.into(),
        actor,
        description,
    })
}

/// The type of an event and a sentence.
fn told(kind: EventKind) -> Option<(Wire, &'static str)> {
    of_access(kind)
        .or_else(|| of_people(kind))
        .or_else(|| super::operations::event(kind))
}

/// What was done in AWS, or was to be.
fn of_access(kind: EventKind) -> Option<(Wire, &'static str)> {
    Some(match kind {
        EventKind::Requested => (Wire::Requested, "asked for and recorded"),
        EventKind::CreateIntended => (Wire::CreateIntended, "about to create the assignment"),
        EventKind::StandingFound => (
            Wire::StandingFound,
            "the assignment was there before: it outlives this grant",
        ),
        EventKind::Activated => (
            Wire::Activated,
            "the assignment was read back: access stands",
        ),
        EventKind::AttemptFailed => (Wire::AttemptFailed, "an attempt did not succeed"),
        EventKind::Failed => (
            Wire::Failed,
            "AWS refused, and the assignment was read to be absent",
        ),
        EventKind::RevokeRequested => (Wire::RevokeRequested, "its end was asked for"),
        EventKind::TimeOver => (Wire::TimeOver, "its time is up"),
        EventKind::DeleteIntended => (Wire::DeleteIntended, "about to delete the assignment"),
        EventKind::EndedAssignmentKept => (
            Wire::EndedAssignmentKept,
            "over; the assignment stays, because another grant holds it or it was there before",
        ),
        EventKind::EndedAssignmentGone => (
            Wire::EndedAssignmentGone,
            "over; the assignment was read to be gone",
        ),
        EventKind::LateEffectFound => (
            Wire::LateEffectFound,
            "a late effect of an earlier attempt was found and is being undone",
        ),
        EventKind::FoundMissing => (
            Wire::AssignmentMissing,
            "the assignment is gone although the grant holds it, and AWS refuses to have it back",
        ),
        _ => return None,
    })
}

/// What people, or the clock, decided.
fn of_people(kind: EventKind) -> Option<(Wire, &'static str)> {
    Some(match kind {
        EventKind::Approved => (Wire::Approved, "agreed to"),
        EventKind::Opened => (Wire::Opened, "everybody who must has agreed"),
        EventKind::Denied => (Wire::Denied, "denied: it does not begin"),
        EventKind::Cancelled => (Wire::Cancelled, "taken back before it began"),
        EventKind::Lapsed => (Wire::Lapsed, "lapsed: not agreed to"),
        EventKind::Started => (Wire::Started, "its start has come"),
        EventKind::BreakGlassTaken => (
            Wire::BreakGlassTaken,
            "taken at once, to be looked at afterwards",
        ),
        EventKind::BreakGlassJustified => (
            Wire::BreakGlassJustified,
            "looked at afterwards and found justified",
        ),
        EventKind::BreakGlassNotJustified => (
            Wire::BreakGlassNotJustified,
            "looked at afterwards and found not justified",
        ),
        EventKind::ExtensionRequested => (Wire::ExtensionRequested, "more time was asked for"),
        EventKind::Extended => (Wire::Extended, "more time was given"),
        EventKind::ExtensionDenied => (
            Wire::ExtensionDenied,
            "more time was refused or is no longer wanted",
        ),
        EventKind::Adopted => (
            Wire::Adopted,
            "took over the assignment that was there; nothing changed in AWS",
        ),
        EventKind::Released => (
            Wire::Released,
            "left the assignment to itself again; nothing changed in AWS",
        ),
        EventKind::ExtensionLapsed => (Wire::ExtensionLapsed, "nobody agreed to more time in time"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_the_assignment_alone_has_no_line() {
        let without: Vec<EventKind> = EventKind::ALL
            .into_iter()
            .filter(|kind| told(*kind).is_none())
            .collect();
        let expected = [
            EventKind::StandingGone,
            EventKind::RemovalRequested,
            EventKind::RemovalSuperseded,
            EventKind::AssignmentRemoved,
            EventKind::FoundOutOfBand,
        ];
        assert_eq!(without, expected);
    }
}
