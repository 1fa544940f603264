//! ListEvents and GetLogHead, and whose events somebody may see.

use std::collections::BTreeSet;

use super::asker::{Asker, Purpose, the_gravest};
use super::page_token::PageRequest;
use super::permission::instance_resource;
use super::view::{NamedPrincipal, NamedTarget};
use super::{App, AppError, CallContext};
use crate::domain::log::LogRecord;
use crate::domain::log_event::{EventFilter, LogEvent};
use crate::domain::log_head::LogHead;
use crate::domain::{InstanceArn, PrincipalStatus};
use crate::policy::Action;
use crate::store::LogRange;

/// Records that are read at once, before other calls get their turn.
const READ_AT_ONCE: usize = 500;

/// Which events to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEvents {
    /// Instance ARN or alias; empty for all whose events may be seen.
    pub instance: String,
    /// Which of them.
    pub filter: EventFilter,
    /// Which page.
    pub page: PageRequest,
}

/// An event with everything an answer shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// The record of the log.
    pub record: LogRecord,
    /// What it says.
    pub event: LogEvent,
    /// Who gets or has the access.
    pub principal: Option<NamedPrincipal>,
    /// What it is to.
    pub target: Option<NamedTarget>,
}

/// One page of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventPage {
    /// The events, oldest first.
    pub events: Vec<EventView>,
    /// The next page's token; empty on the last page.
    pub next_page_token: String,
}

/// Whose events somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogSight {
    instances: BTreeSet<InstanceArn>,
    /// Also those of no instance that is served.
    sees_all: bool,
}

impl LogSight {
    /// Whether an event is among them.
    pub(super) fn shows(&self, event: &LogEvent) -> bool {
        let of = event.instance_arn.as_ref();
        self.sees_all || of.is_some_and(|arn| self.instances.contains(arn))
    }
}

impl App {
    /// One page of events, oldest first.
    ///
    /// # Errors
    /// Where the events of no instance of it may be seen: `PolicyDenied`, or `InstanceNotFound` for one
    /// that may not even be looked at; what AWS fails with; `PageTokenInvalid`, `StoreUnavailable`.
    pub async fn list_events(
        &self,
        context: &CallContext,
        request: &ListEvents,
    ) -> Result<EventPage, AppError> {
        let place = self.page_tokens.open(context, &request.page)?;
        let after = place.map_or(Ok(0), |place| place.parse());
        let after = after.map_err(|_| AppError::PageTokenInvalid)?;
        let sight = self.log_sight(context, &request.instance).await?;
        let (found, more_after) = self.seen_events(&sight, request, after).await?;
        let next_page_token = match more_after {
            Some(last) => (self.page_tokens).seal(context, &request.page, &last.to_string())?,
            None => String::new(),
        };
        let mut events = Vec::with_capacity(found.len());
        for (record, event) in found {
            events.push(self.event_view(record, event).await);
        }
        Ok(EventPage {
            events,
            next_page_token,
        })
    }

    /// The newest signed head; none until the first event is chained. With the public key, in hex.
    ///
    /// # Errors
    /// As for `list_events`.
    pub async fn log_head(
        &self,
        context: &CallContext,
        instance: &str,
    ) -> Result<(Option<LogHead>, String), AppError> {
        self.log_sight(context, instance).await?;
        let state = self.parts.store.log_state().await?;
        Ok((state.head, self.log_key.to_hex()))
    }

    /// At most a page of the events that may be seen and fit, and, where there may be more, the last
    /// place that was looked at. Of many that do not fit a call looks at some.
    async fn seen_events(
        &self,
        sight: &LogSight,
        request: &ListEvents,
        after: u64,
    ) -> Result<(Vec<(LogRecord, LogEvent)>, Option<u64>), AppError> {
        let filter = &request.filter;
        let mut range = LogRange {
            after,
            from: filter.from,
            grant_id: filter.grant_id.clone(),
        };
        let mut left = self.parts.log.looked_at_max;
        let mut seen = Vec::new();
        while left > 0 {
            let batch = READ_AT_ONCE.min(left);
            let records = self.parts.store.log_records(&range, batch).await?;
            let is_last = records.len() < batch;
            let mut records = records.into_iter().peekable();
            while let Some(record) = records.next() {
                range.after = record.position;
                let event = read(&record);
                if let Some(event) = event.filter(|it| sight.shows(it) && filter.fits(it)) {
                    seen.push((record, event));
                }
                let is_more = !is_last || records.peek().is_some();
                if seen.len() == request.page.size && is_more {
                    return Ok((seen, Some(range.after)));
                }
            }
            if is_last {
                return Ok((seen, None));
            }
            left -= batch;
            tokio::task::yield_now().await;
        }
        Ok((seen, Some(range.after)))
    }

    /// Whose events the subject may see: those of the instance that is asked for, or of all that it may
    /// read the events of. An instance of which nobody knows who asks is an error, since a log with a
    /// part left out silently would look whole.
    ///
    /// # Errors
    /// As for `list_events`.
    pub(super) async fn log_sight(
        &self,
        context: &CallContext,
        asked: &str,
    ) -> Result<LogSight, AppError> {
        let instances = match asked {
            "" => self.parts.instances.all(),
            asked => vec![self.instance(asked)?],
        };
        let count = instances.len();
        let (mut seen, mut errors) = (BTreeSet::new(), Vec::new());
        let mut hidden: Option<(_, Asker)> = None;
        for (instance, asker) in self.askers(context, instances, Purpose::Read).await {
            let asker = match asker {
                Ok(asker) => asker,
                Err(error) if error.is_about_the_subject() => {
                    errors.push(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.may_see(&asker, Action::ReadEvents, &instance_resource(&instance)) {
                seen.insert(instance.arn.clone());
            } else {
                hidden = hidden.or(Some((instance, asker)));
            }
        }
        if seen.is_empty() {
            if let Some(error) = the_gravest(errors) {
                return Err(error);
            }
            // Only where nothing is left to see is it a denial, and noted.
            if let Some((instance, asker)) = hidden {
                self.check_reading(&asker, Action::ReadEvents, asked, &instance)?;
            }
            return Err(AppError::InstanceNotFound {
                query: asked.to_owned(),
            });
        }
        Ok(LogSight {
            sees_all: asked.is_empty() && seen.len() == count,
            instances: seen,
        })
    }

    /// An event as an answer shows it: names never cost an AWS operation.
    pub(super) async fn event_view(&self, record: LogRecord, event: LogEvent) -> EventView {
        let principal = match (&event.principal, &event.instance_arn) {
            (Some(principal), Some(arn)) => Some(self.named_principal(arn, principal).await),
            (Some(principal), None) => Some(NamedPrincipal {
                reference: principal.clone(),
                name: self.known_name(principal).await,
                status: PrincipalStatus::Unknown,
            }),
            (None, _) => None,
        };
        let target = match &event.target {
            Some(target) => Some(self.named_target(target).await),
            None => None,
        };
        EventView {
            record,
            event,
            principal,
            target,
        }
    }
}

/// What a record says. One that cannot be read is told in the log of the process: `usher log verify`
/// says whether somebody changed it.
pub(super) fn read(record: &LogRecord) -> Option<LogEvent> {
    let event = LogEvent::read(&record.body);
    if event.is_none() {
        let position = record.position;
        tracing::warn!(position, "an event of the decision log cannot be read");
    }
    event
}
