//! Streams over the decision log: WatchEvents and WatchGrants. A watcher reads what is chained behind
//! its cursor and nothing else, so that it misses nothing and nothing waits for it in memory but a few
//! messages. Whether it may go on is asked again and again.
//!
//! ```text
//!   chained, or a while passed -> read a batch -> what may be seen and fits -> bounded queue -> caller
//!                                      \ nothing -> now and then a heartbeat     \ full for too long: end
//! ```

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::events::{EventView, LogSight, read};
use super::{App, AppError, CallContext};
use crate::domain::log::LogRecord;
use crate::domain::log_event::EventFilter;
use crate::store::LogRange;

/// A question of policy within a stream has at least so long: less would end streams whenever the
/// machine is busy for a moment.
const ASKED_WITHIN_MIN: Duration = Duration::from_secs(5);

/// A message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched<T> {
    /// Where to resume: everything up to here was told.
    pub position: u64,
    /// What is told; none in a heartbeat.
    pub item: Option<T>,
}

/// The messages of a stream; an error is the last one.
pub type Watch<T> = mpsc::Receiver<Result<Watched<T>, AppError>>;

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEvents {
    /// Instance ARN or alias; empty for all whose events may be seen.
    pub instance: String,
    /// Which of them.
    pub filter: EventFilter,
    /// Behind which place; none for from now on.
    pub after: Option<u64>,
}

/// What differs between the streams.
#[async_trait]
pub(super) trait Watcher: Send + 'static {
    /// What is told.
    type Item: Send + 'static;

    /// Asks again what may be seen.
    async fn renew(&mut self, app: &App, context: &CallContext) -> Result<(), AppError>;

    /// What is to be told of some records, each with the place up to which all is told then.
    async fn items(
        &mut self,
        app: &App,
        records: Vec<LogRecord>,
    ) -> Result<Vec<(u64, Self::Item)>, AppError>;
}

/// A stream of events.
struct EventWatcher {
    instance: String,
    filter: EventFilter,
    sight: LogSight,
}

#[async_trait]
impl Watcher for EventWatcher {
    type Item = EventView;

    async fn renew(&mut self, app: &App, context: &CallContext) -> Result<(), AppError> {
        self.sight = app.log_sight(context, &self.instance).await?;
        Ok(())
    }

    async fn items(
        &mut self,
        app: &App,
        records: Vec<LogRecord>,
    ) -> Result<Vec<(u64, EventView)>, AppError> {
        let mut items = Vec::new();
        for record in records {
            let event = read(&record);
            if let Some(event) = event.filter(|it| self.sight.shows(it) && self.filter.fits(it)) {
                items.push((record.position, app.event_view(record, event).await));
            }
        }
        Ok(items)
    }
}

/// Why a stream ends.
enum End {
    /// Nobody listens any more.
    Unheard,
    /// For this reason, which the caller hears.
    Told(AppError),
}

impl From<AppError> for End {
    fn from(error: AppError) -> Self {
        Self::Told(error)
    }
}

impl App {
    /// Starts a stream of events.
    ///
    /// # Errors
    /// As for `list_events`; `LogPositionRemoved`, and `FieldsInvalid` for a place that the log has not
    /// come to. Later, as the last message, the same, `WatcherTooSlow` and `DeadlineExceeded`.
    ///
    /// # Cancellation
    /// Dropping the receiver ends it.
    pub async fn watch_events(
        &self,
        context: &CallContext,
        request: WatchEvents,
    ) -> Result<Watch<EventView>, AppError> {
        let WatchEvents {
            instance,
            filter,
            after,
        } = request;
        let sight = (self.log_sight(&self.asking_again(context), &instance)).await?;
        let after = self.begin_watching(after).await?;
        let watcher = EventWatcher {
            instance,
            filter,
            sight,
        };
        Ok(self.watch(context, watcher, after))
    }

    /// Behind which place a stream begins.
    ///
    /// # Errors
    /// As for `watch_events`.
    pub(super) async fn begin_watching(&self, after: Option<u64>) -> Result<u64, AppError> {
        let state = self.parts.store.log_state().await?;
        let (first, last) = (state.beginning.position, state.end.position);
        match after {
            None => Ok(last),
            Some(0) => Ok(first),
            Some(after) if after < first => Err(AppError::LogPositionRemoved { first: first + 1 }),
            Some(after) if after > last => Err(AppError::field(
                "after_position",
                "is behind the end of the log, which has not come so far: it is of another log, or the database was restored from a backup",
            )),
            Some(after) => Ok(after),
        }
    }

    /// The context of a question of policy within a stream: nothing is decided about it yet, and an AWS
    /// that hangs does not hold it up for long.
    pub(super) fn asking_again(&self, context: &CallContext) -> CallContext {
        let soon = Instant::now() + self.parts.log.watch_policy().max(ASKED_WITHIN_MIN);
        CallContext::new(
            context.caller.clone(),
            context.subject.clone(),
            context.authenticated.as_ref().clone(),
            context.deadline.min(soon),
        )
    }

    /// Runs a watcher beside the call, until its deadline.
    pub(super) fn watch<W: Watcher>(
        &self,
        context: &CallContext,
        watcher: W,
        after: u64,
    ) -> Watch<W::Item> {
        // One place more, kept for the reason of the end: it arrives also where the others are taken.
        let (sender, receiver) = mpsc::channel(self.parts.log.watch_queued_max + 1);
        let (app, context) = (self.clone(), context.clone());
        tokio::spawn(async move {
            let Ok(last_place) = sender.clone().reserve_owned().await else {
                return;
            };
            let deadline = context.deadline;
            let run = Run {
                chained: app.parts.store.signals().chained(),
                heard_at: Instant::now(),
                app,
                context,
                watcher,
                after,
                sender,
            };
            let end = match tokio::time::timeout_at(deadline, run.go_on()).await {
                Ok(end) => end,
                Err(_) => End::Told(AppError::DeadlineExceeded),
            };
            if let End::Told(error) = end {
                last_place.send(Err(error));
            }
        });
        receiver
    }
}

/// A stream under way.
struct Run<W: Watcher> {
    app: App,
    context: CallContext,
    watcher: W,
    /// Everything up to here was told.
    after: u64,
    sender: mpsc::Sender<Result<Watched<W::Item>, AppError>>,
    chained: watch::Receiver<u64>,
    /// When the last message was sent.
    heard_at: Instant,
}

impl<W: Watcher> Run<W> {
    async fn go_on(mut self) -> End {
        match self.tell_until_the_end().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn tell_until_the_end(&mut self) -> Result<std::convert::Infallible, End> {
        let numbers = self.app.parts.log.clone();
        let mut asked_at = Instant::now();
        self.send(None).await?;
        loop {
            if asked_at.elapsed() >= numbers.watch_policy() {
                let context = self.app.asking_again(&self.context);
                self.watcher.renew(&self.app, &context).await?;
                asked_at = Instant::now();
            }
            // What is announced from here on is looked at in the next round.
            self.chained.borrow_and_update();
            let is_more = self.tell_a_batch(numbers.watch_batch_max).await?;
            if is_more {
                tokio::task::yield_now().await;
                continue;
            }
            let silence_left = numbers.heartbeat().saturating_sub(self.heard_at.elapsed());
            if silence_left.is_zero() {
                self.send(None).await?;
                continue;
            }
            self.wait(silence_left.min(numbers.watch_poll())).await?;
        }
    }

    /// Tells of what comes next. Answers whether there may be more.
    async fn tell_a_batch(&mut self, batch: usize) -> Result<bool, End> {
        let range = LogRange {
            after: self.after,
            ..LogRange::default()
        };
        let records = self.app.parts.store.log_records(&range, batch).await;
        let records = records.map_err(AppError::from)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(false);
        };
        // The chain has no gaps: what is not there was removed by its age while the watcher slept.
        if first.position != self.after + 1 {
            let first = first.position;
            return Err(End::Told(AppError::LogPositionRemoved { first }));
        }
        let (last, is_more) = (last.position, records.len() == batch);
        for (position, item) in self.watcher.items(&self.app, records).await? {
            self.after = position;
            self.send(Some(item)).await?;
        }
        self.after = last;
        Ok(is_more)
    }

    async fn send(&mut self, item: Option<W::Item>) -> Result<(), End> {
        let message = Watched {
            position: self.after,
            item,
        };
        let patience = self.app.parts.log.watch_stalled_max();
        match self.sender.send_timeout(Ok(message), patience).await {
            Ok(()) => {
                self.heard_at = Instant::now();
                Ok(())
            }
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(End::Told(AppError::WatcherTooSlow))
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(End::Unheard),
        }
    }

    async fn wait(&mut self, time: Duration) -> Result<(), End> {
        tokio::select! {
            // The sender of announcements lives as long as the store.
            _ = self.chained.changed() => Ok(()),
            () = tokio::time::sleep(time) => Ok(()),
            () = self.sender.closed() => Err(End::Unheard),
        }
    }
}
