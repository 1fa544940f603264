//! Reads an event back from its canonical text, the only form in which it is kept.

use super::failure::{invalid, unreadable};
use super::rows::{key_from_words, time};
use crate::domain::{Actor, CallerName, ErrorKind, Event, EventKind, GrantId};
use crate::store::StoreError;

/// The members of an event's body, as `Event::to_canonical_json` writes them.
#[derive(serde::Deserialize)]
struct Body {
    kind: String,
    at_microseconds: String,
    actor: String,
    caller: Option<String>,
    subject: Option<String>,
    instance_arn: String,
    principal_type: String,
    principal_id: String,
    target_kind: String,
    target: String,
    grant_id: Option<String>,
    error_kind: Option<ErrorKind>,
    digest: Option<String>,
    #[serde(default)]
    policies: Vec<String>,
}

/// Reads an event.
pub(in crate::store) fn event_from_json(text: &str) -> Result<Event, StoreError> {
    let body: Body = serde_json::from_str(text).map_err(|problem| unreadable("body", problem))?;
    let at = body
        .at_microseconds
        .parse()
        .map_err(|problem| unreadable("at_microseconds", problem))?;
    let actor = match (body.actor.as_str(), body.caller, body.subject) {
        ("usher", None, None) => Actor::Usher,
        ("caller", Some(caller), Some(subject)) => Actor::Caller {
            caller: CallerName::parse(&caller).map_err(invalid("caller"))?,
            subject: CallerName::parse(&subject).map_err(invalid("subject"))?,
        },
        _ => return Err(unreadable("actor", body.actor)),
    };
    Ok(Event {
        kind: EventKind::from_word(&body.kind).ok_or_else(|| unreadable("kind", &body.kind))?,
        at: time("at_microseconds", at)?,
        actor,
        key: key_from_words(
            &body.instance_arn,
            &body.target_kind,
            &body.target,
            &body.principal_type,
            &body.principal_id,
        )?,
        grant_id: body
            .grant_id
            .as_deref()
            .map(GrantId::parse)
            .transpose()
            .map_err(invalid("grant_id"))?,
        error_kind: body.error_kind,
        digest: body.digest,
        policies: body.policies,
    })
}
