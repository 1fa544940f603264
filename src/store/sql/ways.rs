//! The ways into a database, which are all that the two stores do differently: how a transaction is carried
//! out, and how one reads beside it. What happens inside is the same for both.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Acquire as _, Postgres, Sqlite, Transaction};

use futures_util::future::BoxFuture;

use super::connection::{Connection, answered};
use super::readings::HeldRuns;
use crate::crash_points::StoreCommit;
use crate::domain::GrantId;
use crate::store::{Duty, Holder, Signals, StoreError};

/// What a call wrote, and whom to wake once it is committed.
pub(in crate::store) struct Written<T> {
    /// The answer.
    pub(in crate::store) value: T,
    /// Whether something became due, or free to be claimed.
    pub(in crate::store) makes_work: bool,
    /// The grants that changed.
    pub(in crate::store) changed: Vec<GrantId>,
}

impl<T> Written<T> {
    /// An answer that nobody needs to be woken for.
    pub(in crate::store) fn unchanged(value: T) -> Self {
        Self {
            value,
            makes_work: false,
            changed: Vec::new(),
        }
    }

    /// The same writes with another answer.
    pub(in crate::store) fn map<U>(self, value: impl FnOnce(T) -> U) -> Written<U> {
        Written {
            value: value(self.value),
            makes_work: self.makes_work,
            changed: self.changed,
        }
    }

    /// Wakes whoever waits for what was written.
    pub(in crate::store) fn announce(self, signals: &Signals) -> T {
        for id in &self.changed {
            signals.announce_change(id);
        }
        if self.makes_work {
            signals.announce_work();
        }
        self.value
    }
}

/// What is to be done inside one transaction.
pub(in crate::store) type Outcome<'c, T> = BoxFuture<'c, Result<Written<T>, StoreError>>;

/// The ways into one database.
pub(in crate::store) trait Ways: Send + Sync + 'static {
    /// Carries a body out in a transaction, whole or not at all, also where nobody listens any more. Where
    /// others write beside, it may be carried out again from its beginning, after all of it was undone.
    fn write<T, F>(
        &self,
        commit: StoreCommit,
        body: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        T: Send + 'static,
        F: for<'c, 'd> FnOnce(&'c mut Connection<'d>) -> Outcome<'c, T> + Clone + Send + 'static;

    /// A connection to read with.
    fn reader(&self) -> impl Future<Output = Result<Reader, StoreError>> + Send;

    /// What wakes whoever waits.
    fn wakes(&self) -> &Signals;

    /// `Store::commits`.
    fn counted_commits(&self) -> Option<u64>;

    /// `Store::hold_duty`.
    fn hold_duty_of(
        &self,
        duty: Duty,
        holder: &Holder,
        lease: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The runs of readings that this process holds.
    fn held_runs(&self) -> &HeldRuns;

    /// `Store::close`.
    fn end(&self) -> impl Future<Output = ()> + Send;
}

/// A connection to read with, which goes back when it is dropped.
pub(in crate::store) enum Reader {
    /// To a SQLite file.
    Sqlite(PoolConnection<Sqlite>),
    /// To a PostgreSQL server.
    Postgres(Lent),
}

/// A connection of the pool of a PostgreSQL server, with how long that may take over one statement. A server that is
/// gone without a word would keep its place in the pool for as long as the system waits for it.
pub(in crate::store) struct Lent {
    /// The connection.
    pub(in crate::store) connection: PoolConnection<Postgres>,
    /// How long.
    pub(in crate::store) answer_max: Duration,
}

impl Drop for Lent {
    fn drop(&mut self) {
        // The pool asks whether it is well before it takes it back.
        let returning = self.connection.return_to_pool();
        let answer_max = self.answer_max;
        tokio::spawn(async move { drop(tokio::time::timeout(answer_max, returning).await) });
    }
}

/// What is read in it is of one moment.
pub(in crate::store) enum Snapshot<'c> {
    /// Of a SQLite file.
    Sqlite(Transaction<'c, Sqlite>),
    /// Of a PostgreSQL server.
    Postgres(Transaction<'c, Postgres>, Duration),
}

impl Reader {
    /// For one statement.
    pub(in crate::store) fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(connection) => Connection::Sqlite(connection),
            Self::Postgres(lent) => Connection::Postgres(&mut lent.connection, lent.answer_max),
        }
    }

    /// For several that belong together.
    pub(in crate::store) async fn begin(&mut self) -> Result<Snapshot<'_>, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => Snapshot::Sqlite(connection.begin().await?),
            Self::Postgres(lent) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let answer_max = lent.answer_max;
                let begun = sqlx::Connection::begin_with(&mut *lent.connection, begin);
                Snapshot::Postgres(answered(answer_max, begun).await?, answer_max)
            }
        })
    }
}

impl Snapshot<'_> {
    /// For the statements.
    pub(in crate::store) fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(transaction) => Connection::Sqlite(transaction),
            Self::Postgres(transaction, answer_max) => {
                Connection::Postgres(transaction, *answer_max)
            }
        }
    }
}
