//! Wake-ups between replicas: what one announces the others hear, by NOTIFY, a batch at a time. Hints only:
//! one that is lost costs a moment, since whoever waits also looks at the clock.
//!
//! Never inside the transactions that they tell of: a commit with a NOTIFY waits for every other one.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::places::Places;
use crate::domain::GrantId;
use crate::store::signals::Tiding;
use crate::store::sql::answered;
use crate::store::{Signals, StoreError};

const CHANNEL: &str = "usher";
/// How long tidings are gathered: 64 grants a batch at the fastest rate, and nobody sees the delay.
const GATHERED: Duration = Duration::from_millis(10);
/// The most grants of one message: PostgreSQL takes 8,000 bytes, and an id has 38.
const CHANGES_MAX: usize = 150;
/// After so long a silence the listener is opened again. Where replicas work, one is told of something every second.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The pause before a listener that was cut off is opened again.
const REOPENED_AFTER: Duration = Duration::from_millis(500);

/// One message.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Message {
    from: String,
    work: bool,
    changed: Vec<String>,
    chained: Option<u64>,
}

/// What tells and hears.
#[derive(Clone)]
pub(super) struct Tidings {
    places: Places,
    signals: Signals,
    process: String,
}

impl Tidings {
    pub(super) fn new(places: Places, signals: Signals, process: &str) -> Self {
        Self {
            places,
            signals,
            process: process.to_owned(),
        }
    }
}

/// Begins to tell and to hear.
pub(super) fn start(
    tidings: Tidings,
    connect: PgConnectOptions,
    outward: mpsc::Receiver<Tiding>,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let (telling, hearing) = (tidings.clone(), tidings);
    let (tell_until, hear_until) = (stop.clone(), stop.clone());
    vec![
        tokio::spawn(async move {
            tell_until.run_until_cancelled(telling.tell(outward)).await;
        }),
        tokio::spawn(async move {
            hear_until.run_until_cancelled(hearing.hear(connect)).await;
        }),
    ]
}

impl Tidings {
    async fn tell(self, mut outward: mpsc::Receiver<Tiding>) {
        let mut gathered = Vec::new();
        while outward.recv_many(&mut gathered, CHANGES_MAX).await > 0 {
            tokio::time::sleep(GATHERED).await;
            while let Ok(tiding) = outward.try_recv() {
                gathered.push(tiding);
            }
            for message in self.messages(gathered.drain(..)) {
                if let Err(error) = self.notify(&message).await {
                    tracing::debug!(error = %error, "other replicas were not told; they look by themselves");
                }
            }
        }
    }

    async fn notify(&self, message: &Message) -> Result<(), StoreError> {
        let text = serde_json::to_string(message)
            .map_err(|problem| StoreError::Corrupt(problem.to_string()))?;
        let mut lent = self.places.lend().await?;
        let told = sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(text)
            .execute(&mut *lent.connection);
        answered(self.places.answer_max(), told).await?;
        Ok(())
    }

    /// As many as it takes: each holds so much.
    fn messages(&self, tidings: impl Iterator<Item = Tiding>) -> Vec<Message> {
        let mut first = Message {
            from: self.process.clone(),
            ..Message::default()
        };
        let mut changed = Vec::new();
        for tiding in tidings {
            match tiding {
                Tiding::Work => first.work = true,
                Tiding::Changed(id) => changed.push(id.as_str().to_owned()),
                Tiding::Chained(position) => first.chained = first.chained.max(Some(position)),
            }
        }
        changed.sort();
        changed.dedup();
        let mut messages = vec![first];
        for (place, changed) in changed.chunks(CHANGES_MAX).enumerate() {
            if place > 0 {
                messages.push(Message {
                    from: self.process.clone(),
                    ..Message::default()
                });
            }
            if let Some(message) = messages.last_mut() {
                message.changed = changed.to_vec();
            }
        }
        messages
    }

    async fn hear(self, connect: PgConnectOptions) {
        let mut is_told = false;
        loop {
            let opened_at = Instant::now();
            if let Err(error) = self.hear_until_cut(connect.clone()).await
                && !is_told
            {
                tracing::warn!(error = %error, "wake-ups of other replicas are not heard; each looks by itself until they are");
            }
            // Told once for each time that it worked in between.
            is_told = opened_at.elapsed() < super::WAIT_MAX * 2;
            if is_told {
                tokio::time::sleep(REOPENED_AFTER).await;
            }
        }
    }

    async fn hear_until_cut(&self, connect: PgConnectOptions) -> Result<(), sqlx::Error> {
        // A connection of its own: it is held for as long as the store is open.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(super::WAIT_MAX)
            .connect_lazy_with(connect);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        // Whatever was told until now was told to nobody here.
        self.signals.hear(Tiding::Work);
        // A connection that was lost without a word is as silent as one on which nothing is told.
        while let Ok(heard) = tokio::time::timeout(SILENCE_MAX, listener.try_recv()).await {
            let Some(notification) = heard? else {
                return Ok(());
            };
            if let Ok(message) = serde_json::from_str::<Message>(notification.payload()) {
                self.pass_on(message);
            }
        }
        Ok(())
    }

    fn pass_on(&self, message: Message) {
        if message.from == self.process {
            return;
        }
        for id in &message.changed {
            if let Ok(id) = GrantId::parse(id) {
                self.signals.hear(Tiding::Changed(id));
            }
        }
        if message.work {
            self.signals.hear(Tiding::Work);
        }
        if let Some(position) = message.chained {
            self.signals.hear(Tiding::Chained(position));
        }
    }
}
