//! The statements that write events. All events stand in one log, in one order; none is ever changed here.

use super::connection::{Connection, Query, Sql, query};
use super::failure::unreadable;
use crate::domain::{Event, GrantId, ServiceEvent};
use crate::store::StoreError;

/// An event as its row holds it.
pub(in crate::store) struct EventRow {
    grant_id: Option<String>,
    body: String,
}

impl EventRow {
    fn new(
        grant_id: Option<&GrantId>,
        body: Result<String, serde_json::Error>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            grant_id: grant_id.map(|id| id.as_str().to_owned()),
            body: body.map_err(|problem| unreadable("an event to write", problem))?,
        })
    }

    /// That of an event.
    pub(in crate::store) fn of(event: &Event) -> Result<Self, StoreError> {
        Self::new(event.grant_id.as_ref(), event.to_canonical_json())
    }

    /// Binds the event, or what makes its statement write none.
    pub(in crate::store) fn bind(event: Option<Self>, query: Query) -> Query {
        let (grant_id, body) = event.map_or((None, None), |it| (it.grant_id, Some(it.body)));
        query.bind(grant_id).bind(body)
    }
}

/// Writes an event that is about no assignment. It belongs to no grant's timeline, also where a
/// denial was about a grant.
pub(in crate::store) async fn insert_service_event(
    connection: &mut Connection<'_>,
    event: &ServiceEvent,
) -> Result<(), StoreError> {
    append(connection, EventRow::new(None, event.to_canonical_json())?).await
}

/// In PostgreSQL numbers are not given in the order of commits, and rows of the log never change: what waits
/// to be chained is a table of its own.
const APPEND: Sql = Sql::of(
    "INSERT INTO events (grant_id, body) VALUES ($1, $2)",
    "WITH event AS (INSERT INTO events (grant_id, body) VALUES ($1, $2) RETURNING sequence) \
     INSERT INTO waiting_events (sequence) SELECT sequence FROM event",
);

/// All events stand in one log, in one order.
pub(in crate::store) async fn append(
    connection: &mut Connection<'_>,
    event: EventRow,
) -> Result<(), StoreError> {
    query(APPEND)
        .bind(event.grant_id)
        .bind(event.body)
        .execute(connection)
        .await?;
    Ok(())
}
