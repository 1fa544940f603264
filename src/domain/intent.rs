//! What a caller's write records: pure changes, made inside one transaction of the store.

use jiff::Timestamp;

use super::assignment::{AssignmentRecord, Removal, Standing};
use super::brake::{Gone, Order};
use super::event::{Actor, Event, EventKind};
use super::grant::{Grant, GrantState, Requester, Transition};
use super::plan::Changes;
use super::text::{CallerName, Justification};

/// Who ends something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndRequest {
    /// The authenticated caller.
    pub caller: CallerName,
    /// For whom.
    pub subject: CallerName,
    /// The reason given.
    pub reason: Justification,
    /// When.
    pub now: Timestamp,
}

impl EndRequest {
    fn event(&self, kind: EventKind, record: &AssignmentRecord, grant: Option<&Grant>) -> Event {
        let actor = Actor::Caller {
            caller: self.caller.clone(),
            subject: self.subject.clone(),
        };
        let id = grant.map(|grant| grant.id.clone());
        Event::new(kind, self.now, actor, record.key.clone(), id)
    }

    /// The end of one grant; none where it is over or ending.
    fn end(&self, record: &AssignmentRecord, grant: &Grant) -> Option<(Grant, Event)> {
        let revoke = Transition::Revoke {
            by: self.subject.clone(),
            reason: self.reason.clone(),
        };
        let next = grant.apply(revoke, self.now).ok()?;
        let kind = match next.state {
            GrantState::Cancelled => EventKind::Cancelled,
            _ => EventKind::RevokeRequested,
        };
        Some((next, self.event(kind, record, Some(grant))))
    }
}

/// Makes an assignment due. One that is due already keeps its place: repeated wishes do not put it
/// behind others.
fn make_due(record: &mut AssignmentRecord, now: Timestamp) {
    let due_at = record.next_attempt_at.map_or(now, |at| at.min(now));
    record.next_attempt_at = Some(due_at);
}

/// Records a new grant on its assignment, and makes that due unless the grant waits for people or for
/// its start.
#[must_use]
pub fn request_grant(mut record: AssignmentRecord, mut grant: Grant) -> Changes {
    let is_adopted = grant.state == GrantState::Active;
    if is_adopted {
        adopt(&mut record, &mut grant);
    } else if grant.state.is_live() {
        make_due(&mut record, grant.created_at);
    }
    let kinds = [
        Some(EventKind::Requested),
        grant.break_glass.then_some(EventKind::BreakGlassTaken),
        is_adopted.then_some(EventKind::Adopted),
    ];
    let events = kinds.iter().flatten().map(|kind| {
        let actor = actor_of(&grant.requester);
        let (key, id) = (record.key.clone(), Some(grant.id.clone()));
        Event {
            digest: Some(grant.digest()),
            policies: grant.policies.clone(),
            ..Event::new(*kind, grant.created_at, actor, key, id)
        }
    });
    Changes {
        events: events.collect(),
        record,
        grants: vec![grant],
    }
}

/// Takes an assignment over that is there: from now on it counts as made by Usher, and goes with the
/// last grant on it.
fn adopt(record: &mut AssignmentRecord, grant: &mut Grant) {
    if let Some(adoption) = &mut grant.adoption {
        adoption.standing_before = record.standing;
    }
    record.standing = Standing::No;
    record.standing_seen_at = None;
    record.create_acknowledged = true;
    record.create_seen = true;
    record.removed_at = None;
    let next = [record.next_attempt_at, grant.end_at];
    record.next_attempt_at = next.into_iter().flatten().min();
}

/// Leaves an assignment that was taken over as it was found. Where it went meanwhile, and Usher made it
/// anew for another grant, it is Usher's own, and goes with that one.
fn release(record: &mut AssignmentRecord, grant: &Grant, others: &[Grant]) {
    let Some(adoption) = &grant.adoption else {
        return;
    };
    let is_made_anew = record.last_create_at > grant.started_at && !others.is_empty();
    if is_made_anew {
        return;
    }
    record.standing = adoption.standing_before;
    record.create_acknowledged = false;
    record.create_seen = false;
}

/// What keeps an assignment from being taken over: a grant that it goes with, its removal, a change of
/// it that is under way, or one of late whose effects Usher still waits out: a read of now may show
/// what goes in a moment. `open` are the grants on it that are live or ending.
#[must_use]
pub fn held_as(record: &AssignmentRecord, open: &[Grant]) -> Option<GrantState> {
    // One that was there before a grant outlives it: it can still be taken over.
    let is_own = record.standing == Standing::No;
    let holder = open.first().filter(|_| is_own).map(|grant| grant.state);
    let is_going =
        record.removal.is_some() || record.pending.is_some() || record.recheck_at.is_some();
    holder.or(is_going.then_some(GrantState::Revoking))
}

/// Who asked, as events name it.
#[must_use]
pub fn actor_of(requester: &Requester) -> Actor {
    Actor::Caller {
        caller: requester.caller.clone(),
        subject: requester.subject.clone(),
    }
}

/// Records what people, or the clock, decided about a grant. One that opens becomes due; one whose end
/// moved is looked at, so that the reconciler knows the new one. `others` are the other grants on the
/// assignment that are live or ending.
#[must_use]
pub fn decide_grant(
    mut record: AssignmentRecord,
    mut grant: Grant,
    others: &[Grant],
    events: Vec<Event>,
    now: Timestamp,
) -> Changes {
    let has = |kind| events.iter().any(|event: &Event| event.kind == kind);
    if has(EventKind::Adopted) {
        adopt(&mut record, &mut grant);
    } else if has(EventKind::Released) {
        release(&mut record, &grant, others);
    }
    if grant.state.is_live() {
        make_due(&mut record, now);
    }
    Changes {
        record,
        grants: vec![grant],
        events,
    }
}

/// Ends one grant. The assignment goes with it unless another grant holds it or it is standing. One
/// that has not begun is cancelled, and its assignment left alone.
#[must_use]
pub fn revoke_grant(
    mut record: AssignmentRecord,
    grant: &Grant,
    request: &EndRequest,
) -> Option<Changes> {
    let (next, event) = request.end(&record, grant)?;
    if !next.state.is_over() {
        record.next_attempt_at = Some(request.now);
    }
    Some(Changes {
        record,
        grants: vec![next],
        events: vec![event],
    })
}

/// Removes an assignment, whoever made it, and ends every grant on it, also those that have not begun.
#[must_use]
pub fn remove_assignment(
    mut record: AssignmentRecord,
    grants: &[Grant],
    request: &EndRequest,
) -> Changes {
    let mut changed = Vec::new();
    let mut events = vec![request.event(EventKind::RemovalRequested, &record, None)];
    for (next, event) in grants
        .iter()
        .filter_map(|grant| request.end(&record, grant))
    {
        events.push(event);
        changed.push(next);
    }
    let is_repeated = record.removal.is_some();
    record.removal = Some(Removal {
        by: request.subject.clone(),
        reason: request.reason.clone(),
        at: request.now,
    });
    if is_repeated {
        make_due(&mut record, request.now);
    } else {
        record.next_attempt_at = Some(request.now);
    }
    Changes {
        record,
        grants: changed,
        events,
    }
}

/// Makes the next attempt for a waiting grant due at once, and its pauses short again. Nothing to
/// record for a grant that waits for nothing.
#[must_use]
pub fn retry_now(mut record: AssignmentRecord, grant: &Grant, order: &Order) -> Option<Changes> {
    let waits = matches!(grant.state, GrantState::Provisioning | GrantState::Revoking);
    if !waits {
        return None;
    }
    make_due(&mut record, order.now);
    // What AWS has failed for good is still counted: only the pause is an operator's to end.
    record.failed_attempts = 0;
    let actor = Actor::Caller {
        caller: order.caller.clone(),
        subject: order.subject.clone(),
    };
    let (key, id) = (record.key.clone(), Some(grant.id.clone()));
    let event = Event::new(EventKind::RetryRequested, order.now, actor, key, id);
    Some(Changes {
        record,
        grants: Vec::new(),
        events: vec![event],
    })
}

/// Ends the active grants on an assignment whose beneficiary is disabled or deleted. None where
/// there are none.
#[must_use]
pub fn end_for_beneficiary(
    mut record: AssignmentRecord,
    grants: &[Grant],
    gone: Gone,
    now: Timestamp,
) -> Option<Changes> {
    let by = CallerName::parse("usher").unwrap_or_default();
    let reason = Justification::parse(gone.as_str()).unwrap_or_default();
    let kind = match gone {
        Gone::Disabled => EventKind::BeneficiaryDisabled,
        Gone::Deleted => EventKind::BeneficiaryDeleted,
    };
    let (mut changed, mut events) = (Vec::new(), Vec::new());
    for grant in grants.iter().filter(|it| it.state == GrantState::Active) {
        let revoke = Transition::Revoke {
            by: by.clone(),
            reason: reason.clone(),
        };
        // INVARIANT: an active grant can always be revoked, so none is left out.
        if let Ok(next) = grant.apply(revoke, now) {
            changed.push(next);
            events.push(Event::new(
                kind,
                now,
                Actor::Usher,
                record.key.clone(),
                Some(grant.id.clone()),
            ));
        }
    }
    if changed.is_empty() {
        return None;
    }
    record.next_attempt_at = Some(now);
    Some(Changes {
        record,
        grants: changed,
        events,
    })
}

/// Whether the end of this grant alone would leave the assignment where it is.
#[must_use]
pub fn ending_keeps_assignment(record: &AssignmentRecord, other_live_grants: usize) -> bool {
    other_live_grants > 0 || record.standing == Standing::Yes
}

#[cfg(test)]
mod tests {
    use super::super::grant::Adoption;
    use super::super::grant::tests::{at, grant};
    use super::*;

    #[test]
    fn repeated_wishes_keep_their_place_among_what_is_due() {
        let removal = |record, second| {
            let request = EndRequest {
                caller: CallerName::parse("alice").unwrap(),
                subject: CallerName::parse("alice").unwrap(),
                reason: Justification::default(),
                now: at(second),
            };
            remove_assignment(record, &[], &request).record
        };
        let key = grant(1, GrantState::Provisioning).assignment_key();
        let asked = removal(AssignmentRecord::new(key.clone()), 10);
        assert_eq!(asked.next_attempt_at, Some(at(10)));
        assert_eq!(removal(asked, 20).next_attempt_at, Some(at(10)));
        let again = |record, second| {
            let mut grant = grant(1, GrantState::Provisioning);
            grant.created_at = at(second);
            request_grant(record, grant).record
        };
        let mut asked = again(AssignmentRecord::new(key), 10);
        assert_eq!(again(asked.clone(), 20).next_attempt_at, Some(at(10)));
        // What rests is due at once all the same.
        asked.next_attempt_at = Some(at(500));
        assert_eq!(again(asked, 20).next_attempt_at, Some(at(20)));
    }

    #[test]
    fn a_beneficiary_that_is_gone_ends_active_grants_alone() {
        let states = [
            GrantState::Provisioning,
            GrantState::Active,
            GrantState::Revoking,
        ];
        let grants: Vec<Grant> = (1..).zip(states).map(|(n, it)| grant(n, it)).collect();
        let record = AssignmentRecord::new(grants[0].assignment_key());
        let changes = end_for_beneficiary(record.clone(), &grants, Gone::Deleted, at(5));
        let changes = changes.unwrap();
        assert_eq!(changes.record.next_attempt_at, Some(at(5)));
        assert_eq!(changes.grants.len(), 1);
        let ending = changes.grants[0].ending.clone().unwrap();
        assert_eq!(ending.by.unwrap().as_str(), "usher");
        assert_eq!(ending.reason.as_str(), "BENEFICIARY_DELETED");
        assert_eq!(changes.events[0].kind, EventKind::BeneficiaryDeleted);
        assert!(end_for_beneficiary(record, &grants[..1], Gone::Disabled, at(5)).is_none());
    }

    #[test]
    fn a_retry_ends_the_pause_of_a_grant_that_waits() {
        let order = Order {
            caller: CallerName::parse("alice").unwrap(),
            subject: CallerName::parse("alice").unwrap(),
            reason: Justification::default(),
            now: at(50),
        };
        let waiting = grant(1, GrantState::Provisioning);
        let mut record = AssignmentRecord::new(waiting.assignment_key());
        record.next_attempt_at = Some(at(500));
        record.failed_attempts = 9;
        let changes = retry_now(record.clone(), &waiting, &order).unwrap();
        assert_eq!(changes.record.next_attempt_at, Some(at(50)));
        assert_eq!(changes.record.failed_attempts, 0);
        assert_eq!(changes.events[0].kind, EventKind::RetryRequested);
        let active = grant(1, GrantState::Active);
        assert_eq!(retry_now(record, &active, &order), None);
    }

    #[test]
    fn a_release_leaves_what_usher_made_for_others_to_them() {
        let adopted = Grant {
            adoption: Some(Adoption {
                standing_before: Standing::Yes,
                owner: None,
            }),
            ..grant(1, GrantState::Active)
        };
        let record = AssignmentRecord {
            standing: Standing::No,
            create_seen: true,
            ..AssignmentRecord::new(adopted.assignment_key())
        };
        let released = |record: &AssignmentRecord, others: &[Grant]| {
            let key = record.key.clone();
            let id = Some(adopted.id.clone());
            let event = Event::new(EventKind::Released, at(20), Actor::Usher, key, id);
            let (record, grant) = (record.clone(), adopted.clone());
            decide_grant(record, grant, others, vec![event], at(20)).record
        };
        let other = [grant(2, GrantState::Active)];
        assert_eq!(released(&record, &[]).standing, Standing::Yes);
        assert_eq!(released(&record, &other).standing, Standing::Yes);
        // Somebody removed it, and Usher made it for the other grant.
        let anew = AssignmentRecord {
            last_create_at: Some(at(10)),
            ..record
        };
        assert_eq!(released(&anew, &other).standing, Standing::No);
        assert!(released(&anew, &other).create_seen);
        assert_eq!(released(&anew, &[]).standing, Standing::Yes);
    }
}
