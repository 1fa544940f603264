//! A bucket that replicas share: the right to send lies where all of them see it, and each replica's queue says
//! only who of its own gets what the replica was given.
//!
//! ```text
//!   somebody waits here -> ask for one permit -> taken: the next of the queue gets it
//!                                             -> later: ask again then
//!                                             -> no answer: nobody sends; those who wait give up in their time
//! ```
//! An idle replica asks for nothing, so that its share is not wasted.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::handle::Serving;
use crate::domain::QuotaBucket;

/// How late a permit may come from where it is shared. A process that was stopped in between wakes up with one of
/// long ago, which is lost.
const LATE_MAX: Duration = Duration::from_millis(250);
/// The pause after no answer: four questions a second of each bucket tell soon enough that there is one again.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(250);

/// The longest sleep without another question.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// The bucket, by the name that all replicas have for it.
    pub bucket: String,
    /// The time between two permits.
    pub interval: Duration,
    /// How far before its time a permit may come.
    pub tolerance: Duration,
    /// How far before its time it may be taken besides, as break-glass may: the others wait for it then.
    pub ahead: Duration,
    /// How long after a permit falls due this replica asks for it: who waits for a report lets those of other replicas
    /// go first that somebody waits for. Below the tolerance of half an interval, so that it costs no rate.
    pub lets_others_first: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// One operation may be sent.
    Taken,
    /// None may be sent before so long.
    Later(Duration),
}

/// Nobody answers where the budget is shared. Nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the shared budget does not answer: {0}")]
pub struct Unreachable(pub String);

/// Where a budget is shared.
#[async_trait]
pub trait SharedBudget: Debug + Send + Sync + 'static {
    /// Takes one permit, if one is due by the clock of where it is shared. A bucket that nobody has asked for
    /// before is empty: the first permit comes an interval later.
    ///
    /// # Errors
    /// `Unreachable`: a permit may have been taken, and counts for nobody.
    async fn take(&self, asking: &Asking) -> Result<Answer, Unreachable>;

    /// Says that AWS throttled: nobody takes a permit of the bucket for so long.
    ///
    /// # Errors
    /// `Unreachable`: the others have not heard of it; AWS tells them itself.
    async fn pause(&self, bucket: &str, pause: Duration) -> Result<(), Unreachable>;
}

/// What all replicas call a bucket of a region and account.
pub(super) fn shared_name(scope: &str, bucket: QuotaBucket) -> String {
    format!("{scope} {bucket}")
}

impl Serving {
    /// Until nobody waits.
    pub(super) async fn run_shared(mut self, shared: &dyn SharedBudget) {
        loop {
            let Some(asking) = self.asking() else {
                return;
            };
            let asked_at = Instant::now();
            let mut answer = shared.take(&asking).await;
            if let Ok(Answer::Later(_)) = answer
                && let Some(ahead) = self.borrow()
            {
                answer = shared
                    .take(&Asking {
                        ahead,
                        ..asking.clone()
                    })
                    .await;
            }
            match answer {
                Ok(Answer::Taken) if asked_at.elapsed() <= LATE_MAX => self.give(),
                // As if it had been sent.
                Ok(Answer::Taken) => {}
                Ok(Answer::Later(wait)) => {
                    self.put_off(wait);
                    // Of several replicas none is always the first.
                    let apart = asking.interval.mul_f64(fastrand::f64() / 16.0);
                    // Who is more urgent may come meanwhile.
                    let wait = wait.min(LOOK_AGAIN);
                    sleep(wait + asking.lets_others_first + apart).await;
                }
                Err(error) => {
                    tracing::warn!(bucket = asking.bucket, error = %error, "no operation of AWS is sent");
                    sleep(UNREACHABLE_PAUSE).await;
                }
            }
        }
    }
}
