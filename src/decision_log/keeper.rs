//! The keeper: one task that chains what was committed, signs heads, and removes what is too old. Of
//! several replicas' keepers the one with the lease works; the others look again and again. It stops
//! between transactions, and a crash anywhere costs nothing: the next turn goes on where the chain ends.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::config::LogConfig;
use super::{KEY_SECRET, heads_file};
use crate::clock::Clock;
use crate::domain::log::Link;
use crate::domain::log_head::{HeadKind, LogHead, LogSigner};
use crate::store::{Holder, LogLease, LogState, Store, StoreError};

/// Keeps the decision log.
pub struct LogKeeper {
    store: Arc<dyn Store>,
    clock: Clock,
    config: LogConfig,
    signer: LogSigner,
    holder: Holder,
    lease: Option<LogLease>,
    /// Whether the last turn failed: of many failures in a row one is told.
    has_failed: bool,
}

/// Why a keeper cannot be made, or a turn of it failed.
#[derive(Debug, thiserror::Error)]
pub enum LogKeeperError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key or a signature.
    #[error("the key of the decision log's heads cannot be used")]
    Key,
}

/// The signer of heads, by the key that the store keeps; the first call makes it.
///
/// # Errors
/// `Store`, `Key`.
pub async fn signer(store: &dyn Store) -> Result<LogSigner, LogKeeperError> {
    let seed = store.secret(KEY_SECRET).await?;
    LogSigner::from_seed(&seed).ok_or(LogKeeperError::Key)
}

impl LogKeeper {
    /// A keeper with a name of its own.
    ///
    /// # Errors
    /// `Store`, `Key`.
    pub async fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        config: LogConfig,
    ) -> Result<Self, LogKeeperError> {
        Ok(Self {
            signer: signer(store.as_ref()).await?,
            store,
            clock,
            config,
            holder: Holder(uuid::Uuid::new_v4().to_string()),
            lease: None,
            has_failed: false,
        })
    }

    /// Works until stopped; then once more, so that what was committed by then is chained and signed.
    pub async fn run(mut self, stop: CancellationToken) {
        let interval = self.config.chain_interval();
        while stop
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            self.turn_or_tell(&stop, false).await;
        }
        self.turn_or_tell(&CancellationToken::new(), true).await;
    }

    async fn turn_or_tell(&mut self, stop: &CancellationToken, is_last: bool) {
        let turn = self.turn(stop, is_last).await;
        match &turn {
            Ok(()) if self.has_failed => tracing::info!("the decision log goes on"),
            Err(error) if !self.has_failed => {
                tracing::error!(error = %error, "the decision log does not go on; it is tried again");
            }
            Ok(()) | Err(_) => {}
        }
        self.has_failed = turn.is_err();
    }

    /// One look, and the work that there is.
    async fn turn(
        &mut self,
        stop: &CancellationToken,
        is_last: bool,
    ) -> Result<(), LogKeeperError> {
        let mut state = self.store.log_state().await?;
        if state.is_behind {
            let Some(end) = self.chain(stop).await? else {
                return Ok(());
            };
            state.end = end;
        }
        // Another replica may have chained it.
        self.store.signals().announce_chained(state.end.position);
        if self.owes_head(&state, is_last) {
            self.sign_head(state.end).await?;
        }
        if let Some(retention) = self.config.retention()
            && !stop.is_cancelled()
        {
            self.remove_old(retention, stop).await?;
        }
        Ok(())
    }

    /// The right to write, renewed in the second half of its time. None while another has it.
    async fn leased(&mut self) -> Result<Option<LogLease>, StoreError> {
        let now = self.clock.now();
        let renewal = self.config.lease() / 2;
        let is_young = |lease: &LogLease| lease.lease_until.duration_since(now) > renewal;
        if !self.lease.as_ref().is_some_and(is_young) {
            let until = later(now, self.config.lease());
            self.lease = self.store.lease_log(&self.holder, now, until).await?;
        }
        Ok(self.lease.clone())
    }

    /// Chains until nothing waits. Answers the end; none where another has the right.
    async fn chain(&mut self, stop: &CancellationToken) -> Result<Option<Link>, StoreError> {
        loop {
            let Some(lease) = self.leased().await? else {
                return Ok(None);
            };
            let batch = self.config.chain_batch_max;
            match self.store.chain_events(&lease, batch).await {
                Ok(chained) => {
                    (self.store.signals()).announce_chained(chained.end.position);
                    if chained.count < batch || stop.is_cancelled() {
                        return Ok(Some(chained.end));
                    }
                }
                Err(error) => return self.unless_lost(error).map(|()| None),
            }
        }
    }

    /// Who has lost the right stops; that is no failure.
    fn unless_lost(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.lease = None;
        match error {
            StoreError::LeaseLost => Ok(()),
            error => Err(error),
        }
    }

    /// Whether the chain grew since the last head, and its time has come.
    fn owes_head(&self, state: &LogState, is_last: bool) -> bool {
        let Some(head) = &state.head else {
            return state.end.position > 0;
        };
        let age = self.clock.now().duration_since(head.signed_at);
        // A head from the future is one of a clock that was set back.
        let is_old = age >= self.config.head_interval() || age.is_negative();
        state.end.position > head.link.position && (is_old || is_last)
    }

    fn sign(&self, kind: HeadKind, link: Link) -> Result<LogHead, LogKeeperError> {
        let signed = self.signer.sign(kind, link, self.clock.now());
        signed.map_err(|_| LogKeeperError::Key)
    }

    async fn sign_head(&mut self, end: Link) -> Result<(), LogKeeperError> {
        let Some(lease) = self.leased().await? else {
            return Ok(());
        };
        let head = self.sign(HeadKind::Head, end)?;
        let kept = self.config.heads_kept_max;
        match self.store.keep_log_head(&lease, &head, kept).await {
            Ok(()) => self.send_elsewhere(head).await,
            Err(error) => self.unless_lost(error)?,
        }
        Ok(())
    }

    /// Removes from the beginning what is older than it is to be kept.
    async fn remove_old(
        &mut self,
        retention: SignedDuration,
        stop: &CancellationToken,
    ) -> Result<(), LogKeeperError> {
        let now = self.clock.now();
        let before = now.checked_sub(retention).unwrap_or(Timestamp::MIN);
        let batch = self.config.removal_batch_max;
        while let Some(last) = self.store.log_before(before, batch).await? {
            let Some(lease) = self.leased().await? else {
                return Ok(());
            };
            let checkpoint = self.sign(HeadKind::Checkpoint, last)?;
            match self.store.forget_log(&lease, &checkpoint).await {
                Ok(count) => {
                    let until = last.position;
                    tracing::info!(
                        count,
                        until,
                        "old events were removed from the decision log"
                    );
                    self.send_elsewhere(checkpoint).await;
                }
                Err(error) => {
                    self.unless_lost(error)?;
                    return Ok(());
                }
            }
            if stop.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Appends to the file of heads. One that cannot be written is told, and the next covers it.
    async fn send_elsewhere(&self, head: LogHead) {
        let Some(path) = self.config.heads_file.clone() else {
            return;
        };
        let position = head.link.position;
        let told = path.clone();
        let written = tokio::task::spawn_blocking(move || heads_file::append(&path, &head)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        if let Err(error) = written {
            let path = told.display();
            tracing::error!(position, %path, error = %error, "a head could not be written to its file");
        }
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
