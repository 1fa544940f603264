//! Events, heads and streams on the wire, and requests for them.

use jiff::Timestamp;

use super::answers::{grant, named_principal, named_target, timestamp};
use super::fields::Fields;
use crate::app::{AppError, EventView, GrantView, ListEvents, WatchEvents, WatchGrants, Watched};
use crate::domain::log::to_hex;
use crate::domain::log_event::{EventFilter, kinds};
use crate::domain::log_head::LogHead;
use crate::domain::{CallerName, GrantId};
use crate::grpc::pb;

/// Events a page at most.
const PAGE_SIZE_MAX: usize = 1000;

pub(in crate::grpc) fn list_events(message: pb::ListEventsRequest) -> Result<ListEvents, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filters = pb::ListEventsRequest {
        page_size: 0,
        page_token: String::new(),
        ..message.clone()
    };
    let page = fields.page(
        "ListEvents",
        &filters,
        message.page_size,
        &message.page_token,
        PAGE_SIZE_MAX,
    );
    let filter = event_filter(&mut fields, message.filter);
    fields.finish(filter.map(|filter| ListEvents {
        instance: message.instance,
        filter,
        page,
    }))
}

pub(in crate::grpc) fn watch_events(
    message: pb::WatchEventsRequest,
) -> Result<WatchEvents, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filter = event_filter(&mut fields, message.filter);
    let after = after_position(&mut fields, message.after_position);
    fields.finish(filter.map(|filter| WatchEvents {
        instance: message.instance,
        filter,
        after,
    }))
}

pub(in crate::grpc) fn watch_grants(
    message: pb::WatchGrantsRequest,
) -> Result<WatchGrants, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let grant_id = optional_grant(&mut fields, "grant_id", &message.grant_id);
    let after = after_position(&mut fields, message.after_position);
    fields.finish(Some(WatchGrants {
        instance: message.instance,
        grant_id,
        after,
    }))
}

/// The name of an instance, that of the only one if it is empty.
pub(in crate::grpc) fn instance_name(text: String) -> Result<String, AppError> {
    let mut fields = Fields::default();
    fields.instance(&text);
    fields.finish(Some(text))
}

/// The filter; none where something of it was refused.
fn event_filter(fields: &mut Fields, filter: Option<pb::EventFilter>) -> Option<EventFilter> {
    let Some(filter) = filter else {
        return Some(EventFilter::default());
    };
    let grant_id = optional_grant(fields, "filter.grant_id", &filter.grant_id);
    let mut name = |field: &str, text: &str| {
        let name = (!text.is_empty()).then(|| fields.take(field, CallerName::parse(text)));
        name.flatten().map(|name| name.to_string())
    };
    let caller = name("filter.caller", &filter.caller);
    let subject = name("filter.subject", &filter.subject);
    let known = kinds();
    if let Some(place) = (filter.kinds.iter()).position(|kind| !known.contains(&kind.as_str())) {
        let words = known.join(", ");
        let problem = format!("is no kind of event; there are {words}");
        fields.refuse(&format!("filter.kinds[{place}]"), problem);
    }
    let mut time = |field: &str, time: Option<prost_types::Timestamp>| {
        let time = time?;
        let parsed = Timestamp::new(time.seconds, time.nanos).ok();
        if parsed.is_none() || time.nanos < 0 {
            fields.refuse(
                field,
                "is not a valid time, such as \"2027-01-31T08:00:00Z\"",
            );
        }
        parsed
    };
    let from = time("filter.start_time", filter.start_time);
    let until = time("filter.end_time", filter.end_time);
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        fields.refuse("filter.end_time", "must be later than `filter.start_time`");
    }
    Some(EventFilter {
        grant_id,
        caller,
        subject,
        kinds: filter.kinds,
        from,
        until,
    })
}

fn optional_grant(fields: &mut Fields, field: &str, text: &str) -> Option<GrantId> {
    (!text.is_empty())
        .then(|| fields.take(field, GrantId::parse(text)))
        .flatten()
}

fn after_position(fields: &mut Fields, position: Option<i64>) -> Option<u64> {
    let position = position?;
    let parsed = u64::try_from(position).ok();
    if parsed.is_none() {
        fields.refuse("after_position", "must not be negative");
    }
    parsed
}

fn position(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// An event.
pub(in crate::grpc) fn event(view: EventView) -> pb::Event {
    let EventView {
        record,
        event,
        principal,
        target,
    } = view;
    pb::Event {
        position: position(record.position),
        time: Some(timestamp(event.at)),
        kind: event.kind,
        actor: event.actor,
        caller: event.caller.unwrap_or_default(),
        subject: event.subject.unwrap_or_default(),
        instance_arn: event
            .instance_arn
            .map(|arn| arn.to_string())
            .unwrap_or_default(),
        grant_id: event.grant_id.map(|id| id.to_string()).unwrap_or_default(),
        principal: principal.map(named_principal),
        target: target.map(named_target),
        previous_hash: record.previous_hash.to_string(),
        hash: record.hash.to_string(),
        body: record.body,
    }
}

/// A message of WatchEvents.
pub(in crate::grpc) fn watched_event(watched: Watched<EventView>) -> pb::WatchEventsResponse {
    pb::WatchEventsResponse {
        position: position(watched.position),
        event: watched.item.map(event),
    }
}

/// A message of WatchGrants.
pub(in crate::grpc) fn watched_grant(watched: Watched<GrantView>) -> pb::WatchGrantsResponse {
    pb::WatchGrantsResponse {
        position: position(watched.position),
        grant: watched.item.map(grant),
    }
}

/// A head.
pub(in crate::grpc) fn log_head(head: LogHead) -> Result<pb::LogHead, AppError> {
    let line = head.to_line();
    Ok(pb::LogHead {
        position: position(head.link.position),
        hash: head.link.hash.to_string(),
        time: Some(timestamp(head.signed_at)),
        signature: to_hex(&head.signature),
        key_id: head.key_id,
        line: line.map_err(|error| AppError::Internal(format!("a head has no line: {error}")))?,
    })
}
