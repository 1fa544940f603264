//! The events of a period: each a row, and those that made or removed assignments kept to explain the facts.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::cells::{row_of, write_principal, write_target};
use super::{Compared, Comparison, Depth, Stopped};
use crate::domain::event::EventKind;
use crate::domain::facts::FactKey;
use crate::domain::log::LogRecord;
use crate::domain::log_event::LogEvent;
use crate::domain::report::{ChangeCause, ChangeRow, LIST_SEPARATOR};
use crate::domain::{FindingChange, GrantId, Instance};
use crate::store::LogRange;

/// Records that are read at once: some hundred kilobytes.
const RECORDS_PER_PAGE: usize = 1_000;
/// Steps that are kept to explain facts: 60 MB at most. Of a longer period what is beyond is told as not known.
const STEPS_MAX: usize = 200_000;
/// How long before a collection a step may have been taken whose effect it did not see yet: AWS shows what
/// was made within seconds, and what was asked for asynchronously within minutes.
const UNDER_WAY: SignedDuration = SignedDuration::from_mins(5);

/// The kind of the event that a finding is gone.
const FINDING_GONE: &str = FindingChange::Gone.kind();

/// The steps by which Usher changed assignments.
#[derive(Debug, Default)]
pub(super) struct Explanations {
    steps: HashMap<FactKey, Vec<Step>>,
    count: usize,
    /// From when on there was no more room.
    known_until: Option<Timestamp>,
    /// Before this the log is not kept any more.
    known_from: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Step {
    at: Timestamp,
    position: u64,
    effect: Effect,
    grant_id: Option<GrantId>,
    by: String,
}

/// What a step does to an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Makes,
    Removes,
    /// What was intended came to nothing.
    Nothing,
}

/// What an event does to an assignment; none where it says nothing of it.
fn effect(kind: &str) -> Option<Effect> {
    match EventKind::from_word(kind)? {
        EventKind::CreateIntended | EventKind::Activated => Some(Effect::Makes),
        EventKind::DeleteIntended
        | EventKind::EndedAssignmentGone
        | EventKind::AssignmentRemoved => Some(Effect::Removes),
        EventKind::Failed => Some(Effect::Nothing),
        _ => None,
    }
}

impl Explanations {
    fn take(&mut self, event: &LogEvent, position: u64) {
        let (Some(effect), Some(target), Some(principal)) =
            (effect(&event.kind), &event.target, &event.principal)
        else {
            return;
        };
        if self.count == STEPS_MAX {
            self.known_until.get_or_insert(event.at);
            return;
        }
        self.count += 1;
        let steps = self.steps.entry(FactKey::assignment(target, principal));
        steps.or_default().push(Step {
            at: event.at,
            position,
            effect,
            grant_id: event.grant_id.clone(),
            by: event.caller.clone().unwrap_or_default(),
        });
    }

    /// Writes why an assignment came or went between two times. What nobody could see before may have been so for long.
    pub(super) fn explain(
        &self,
        row: &mut ChangeRow,
        key: &FactKey,
        is_there: bool,
        (seen_before, by): (Option<Timestamp>, Timestamp),
    ) -> ChangeCause {
        let after = seen_before.and_then(|at| at.checked_sub(UNDER_WAY).ok());
        let after = after.unwrap_or(Timestamp::MIN);
        let steps = self.steps.get(key).map_or(&[][..], Vec::as_slice);
        let within = steps
            .iter()
            .filter(|step| step.at >= after && step.at <= by);
        let wanted = if is_there {
            Effect::Makes
        } else {
            Effect::Removes
        };
        // What was undone since was done anew by somebody else: only the last steps count.
        let mut fitting: Vec<&Step> = (within.rev())
            .take_while(|step| step.effect == wanted)
            .collect();
        fitting.reverse();
        if fitting.is_empty() {
            let is_known = seen_before.is_some()
                && self.known_until.is_none_or(|until| by < until)
                && self.known_from.is_none_or(|from| after >= from);
            return if is_known {
                ChangeCause::OutOfBand
            } else {
                ChangeCause::Unknown
            };
        }
        let mut grants: Vec<&str> = (fitting.iter())
            .filter_map(|step| step.grant_id.as_ref().map(GrantId::as_str))
            .collect();
        grants.sort_unstable();
        grants.dedup();
        row.grant_id = grants.join(LIST_SEPARATOR);
        let positions = fitting.iter().map(|step| step.position.to_string());
        row.events = Vec::from_iter(positions).join(LIST_SEPARATOR);
        let by = fitting.iter().rev().find(|step| !step.by.is_empty());
        row.by = by.map(|step| step.by.clone()).unwrap_or_default();
        ChangeCause::Usher
    }
}

impl Comparison<'_> {
    /// Reads the events of the period, and of what led to it; writes those that happened in it.
    pub(super) async fn write_events(
        &mut self,
        compared: &mut Compared<'_>,
    ) -> Result<(), Stopped> {
        let facts_from = (compared.earlier.as_ref()).map(|it| it.record.looked_from());
        let from = facts_from.map_or(self.period.from, |at| at.min(self.period.from));
        let from = from.checked_sub(UNDER_WAY).unwrap_or(from);
        self.note_cut_log(compared, from).await?;
        let mut range = LogRange {
            after: 0,
            from: Some(from),
            grant_id: None,
        };
        loop {
            let records = self.store.log_records(&range, RECORDS_PER_PAGE).await?;
            let is_last = records.len() < RECORDS_PER_PAGE;
            for record in records {
                range.after = record.position;
                self.take_event(compared, &record).await?;
            }
            if is_last {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Says where the log does not reach back to the beginning.
    async fn note_cut_log(
        &mut self,
        compared: &mut Compared<'_>,
        from: Timestamp,
    ) -> Result<(), Stopped> {
        let all = LogRange {
            after: 0,
            from: None,
            grant_id: None,
        };
        let first = self.store.log_records(&all, 1).await?.into_iter().next();
        let first = first.filter(|first| first.position > 1);
        let first = first.and_then(|first| LogEvent::read(&first.body));
        if let Some(first) = first.filter(|first| first.at > from) {
            compared.explanations.known_from = Some(first.at);
            let reason = format!("the log before {} is not kept any more", first.at);
            self.miss(compared.instance, "events", &reason);
        }
        Ok(())
    }

    async fn take_event(
        &mut self,
        compared: &mut Compared<'_>,
        record: &LogRecord,
    ) -> Result<(), Stopped> {
        let Some(event) = LogEvent::read(&record.body) else {
            return Ok(());
        };
        if event.instance_arn.as_ref() != Some(&compared.instance.arn) {
            return Ok(());
        }
        compared.explanations.take(&event, record.position);
        let is_within = event.at >= self.period.from && event.at < self.period.until;
        if is_within && self.request.view.depth() == Depth::All {
            let mut row = event_row(compared.instance, &event, record.position);
            if let Some(principal) = &event.principal {
                write_principal(&mut row, principal, &compared.names);
            }
            if let Some(target) = &event.target {
                write_target(&mut row, target, &compared.names);
            }
            self.push(row).await?;
        }
        Ok(())
    }
}

fn event_row(instance: &Instance, event: &LogEvent, position: u64) -> ChangeRow {
    let caller = event.caller.as_deref().unwrap_or(&event.actor);
    let subject = event
        .subject
        .as_deref()
        .filter(|subject| *subject != caller);
    let finding = event.finding.clone().unwrap_or_default();
    let (before, after) = if event.kind == FINDING_GONE {
        (finding, String::new())
    } else {
        (String::new(), finding)
    };
    ChangeRow {
        before,
        after,
        at: event.at.to_string(),
        by: match subject {
            Some(subject) => format!("{caller} for {subject}"),
            None => caller.to_owned(),
        },
        grant_id: (event.grant_id.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        events: position.to_string(),
        ..row_of(instance, "EVENT", &event.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grant::tests::{at, grant};
    use crate::domain::{Grant, GrantState};

    fn event(grant: &Grant, kind: EventKind, second: i64) -> LogEvent {
        LogEvent {
            kind: kind.as_str().to_owned(),
            at: at(second),
            actor: "usher".to_owned(),
            caller: None,
            subject: None,
            instance_arn: Some(grant.instance_arn.clone()),
            principal: Some(grant.principal.clone()),
            target: Some(grant.target.clone()),
            grant_id: Some(grant.id.clone()),
            finding: None,
        }
    }

    #[test]
    fn a_step_explains_what_it_did_in_its_time_and_nothing_else() {
        let held = grant(1, GrantState::Active);
        let key = FactKey::assignment(&held.target, &held.principal);
        let mut steps = Explanations::default();
        steps.take(&event(&held, EventKind::Requested, 990), 6);
        steps.take(&event(&held, EventKind::CreateIntended, 1_000), 7);
        steps.take(&event(&held, EventKind::Activated, 1_001), 8);
        let explain = |steps: &Explanations, is_there, after, by| {
            let mut row = ChangeRow::default();
            let cause = steps.explain(&mut row, &key, is_there, (Some(at(after)), at(by)));
            (cause, row.events, row.grant_id)
        };
        let found = explain(&steps, true, 900, 1_100);
        let by_usher = (ChangeCause::Usher, "7;8".to_owned(), held.id.to_string());
        assert_eq!(found, by_usher);
        // Under way when the earlier collection looked.
        assert_eq!(explain(&steps, true, 1_100, 2_000).0, ChangeCause::Usher);
        assert_eq!(
            explain(&steps, true, 1_400, 2_000).0,
            ChangeCause::OutOfBand
        );
        assert_eq!(explain(&steps, true, 0, 900).0, ChangeCause::OutOfBand);
        assert_eq!(explain(&steps, false, 900, 1_100).0, ChangeCause::OutOfBand);
        // Ended again, and made anew by somebody else.
        steps.take(&event(&held, EventKind::EndedAssignmentGone, 1_050), 9);
        let mut row = ChangeRow::default();
        let cause = steps.explain(&mut row, &key, true, (Some(at(900)), at(1_100)));
        assert_eq!(cause, ChangeCause::OutOfBand);
        let cause = steps.explain(&mut row, &key, false, (Some(at(900)), at(1_100)));
        assert_eq!((cause, row.events.as_str()), (ChangeCause::Usher, "9"));
        // Nobody could see it before.
        let cause = steps.explain(&mut row, &key, true, (None, at(900)));
        assert_eq!(cause, ChangeCause::Unknown);
    }
}
