//! The one writer: a task that owns the writing connection and carries queued calls in groups.
//!
//! ```text
//!   BEGIN IMMEDIATE
//!     SAVEPOINT  first call   RELEASE         (with the next SAVEPOINT: one question)
//!     SAVEPOINT  second call  ROLLBACK TO     (its error is its own answer)
//!   COMMIT                                    one fsync for all
//!   answer every call, then wake whoever waits for what changed
//! ```
//! No call is answered before the commit. A call that is queued is carried out whole, whether or
//! not its caller still listens. When the commit fails, every call of the group hears
//! `Unavailable` and the connection is thrown away: the next group opens a new one.

use std::fs::File;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::crash_points::{self, CrashPoint, StoreCommit};
use crate::store::sql::{Written, closed};
use crate::store::{Signals, StoreError};

/// How long an answer of the database is watched for: the longest that one statement in memory takes.
const WATCHED_TIME: Duration = Duration::from_micros(100);

/// The body of one call: it runs inside its own savepoint.
pub(super) type Body<T> = Box<
    dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Written<T>, StoreError>>
        + Send,
>;

/// A queued call.
pub(super) struct Call<T> {
    commit: StoreCommit,
    body: Option<Body<T>>,
    outcome: Option<Result<Written<T>, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send + 'static> Call<T> {
    /// A call and where its answer arrives.
    pub(super) fn queued(
        commit: StoreCommit,
        body: Body<T>,
    ) -> (Box<dyn Queued>, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, receiver) = oneshot::channel();
        let call = Self {
            commit,
            body: Some(body),
            outcome: None,
            answer,
        };
        (Box::new(call), receiver)
    }
}

/// A queued call, whatever it answers.
pub(super) trait Queued: Send {
    /// Runs the body and keeps its outcome. Answers whether its writes are to be kept.
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, bool>;

    /// Whether a reader may see what it writes.
    fn is_seen(&self) -> bool;

    /// What is committed with it; none when its writes are not kept.
    fn kept(&self) -> Option<StoreCommit>;

    /// Answers the caller, now that the group is committed, and wakes whom it concerns. A call
    /// that never ran is answered as to a closed store.
    fn finish(self: Box<Self>, signals: &Signals);

    /// Answers the caller that nothing was committed.
    fn fail(self: Box<Self>, problem: &str);
}

impl<T: Send + 'static> Queued for Call<T> {
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(body) = self.body.take() else {
                return false;
            };
            let outcome = body(connection).await;
            let keep = outcome.is_ok();
            self.outcome = Some(outcome);
            keep
        })
    }

    fn is_seen(&self) -> bool {
        self.commit.is_seen()
    }

    fn kept(&self) -> Option<StoreCommit> {
        matches!(self.outcome, Some(Ok(_))).then_some(self.commit)
    }

    fn finish(self: Box<Self>, signals: &Signals) {
        let outcome = self.outcome.unwrap_or_else(|| Err(closed()));
        let answer = outcome.map(|written| written.announce(signals));
        // The caller may have hung up: what it asked for is done all the same.
        drop(self.answer.send(answer));
    }

    fn fail(self: Box<Self>, problem: &str) {
        let error = StoreError::Unavailable(problem.to_owned());
        drop(self.answer.send(Err(error)));
    }
}

/// The writer's own things.
pub(super) struct Writer {
    /// The writing connection; none after a failure, until the next group opens one.
    pub(super) connection: Option<SqliteConnection>,
    /// How to open it.
    pub(super) connect: SqliteConnectOptions,
    /// The queue.
    pub(super) queue: mpsc::Receiver<Box<dyn Queued>>,
    /// The most calls of one commit.
    pub(super) calls_per_commit_max: usize,
    /// Whom to wake.
    pub(super) signals: Signals,
    /// The lock on the data directory: given back when the last queued call is answered.
    pub(super) lock: File,
}

impl Writer {
    /// Begins to work on a thread of its own. The database is another thread, and a call asks it many
    /// times: between two threads that only wait for each other this costs half of what it costs
    /// through the scheduler that all other tasks share.
    pub(super) fn start(self) -> JoinHandle<()> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(self.run()))
    }

    /// Works until the queue is closed and empty.
    async fn run(mut self) {
        let mut group = Vec::with_capacity(self.calls_per_commit_max);
        while self
            .queue
            .recv_many(&mut group, self.calls_per_commit_max)
            .await
            > 0
        {
            let committed = self.commit(&mut group).await;
            // Also after an error: it may stand all the same. What nobody sees voids no answer.
            if group.iter().any(|call| call.is_seen()) {
                self.signals.count_commit();
            }
            match committed {
                Ok(()) => {
                    for call in group.drain(..) {
                        call.finish(&self.signals);
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, store.calls = group.len(), "commit failed");
                    let problem = error.to_string();
                    for call in group.drain(..) {
                        call.fail(&problem);
                    }
                }
            }
        }
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(error = %error, "the store did not close cleanly");
        }
        drop(self.lock);
    }

    /// Carries the group in one transaction. After an error nothing of it counts, and the
    /// connection is gone: dropping it rolls back whatever stood open.
    async fn commit(&mut self, group: &mut [Box<dyn Queued>]) -> Result<(), sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.connect).await?,
        };
        // IMMEDIATE: a transaction that reads first and writes later could not wait for a lock.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("SAVEPOINT call")
            .execute(&mut *transaction)
            .await?;
        let calls = group.len();
        for (place, call) in group.iter_mut().enumerate() {
            let after = match watching(call.run(&mut transaction)).await {
                // The commit releases the last one.
                true if place + 1 == calls => continue,
                true => "RELEASE call; SAVEPOINT call",
                // Fails when the database gave the whole transaction up by itself (disk full).
                false => "ROLLBACK TO call",
            };
            sqlx::query(after).execute(&mut *transaction).await?;
        }
        reach(group, CrashPoint::BeforeCommit);
        transaction.commit().await?;
        reach(group, CrashPoint::AfterCommit);
        self.connection = Some(connection);
        Ok(())
    }
}

/// Asks a future again and again for a moment before it waits to be woken. The database's thread answers
/// within microseconds, and to wake this one from its sleep would take longer than that. Others that
/// want the processor get it in between.
async fn watching<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(move |context| {
        let began = Instant::now();
        loop {
            let polled = future.as_mut().poll(context);
            if polled.is_ready() || began.elapsed() > WATCHED_TIME {
                return polled;
            }
            std::thread::yield_now();
        }
    })
    .await
}

/// One crash point for each call whose writes are kept.
fn reach(group: &[Box<dyn Queued>], point: fn(StoreCommit) -> CrashPoint) {
    for commit in group.iter().filter_map(|call| call.kept()) {
        crash_points::reach(point(commit));
    }
}
