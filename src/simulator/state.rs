//! What all connections of a simulator share: one lock around the world and its knobs, held only
//! for the moment of an effect, never while waiting.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account_assignments::AccountAssignment;
use super::asynchronous::AsynchronousOperations;
use super::call_log::CallLog;
use super::credentials::Sessions;
use super::faults::Faults;
use super::quota::Quotas;
use super::settings::{Settings, Switches};
use super::store::Store;
use super::visibility::Visibility;
use super::world::{Assignment, World};

/// Everything behind the lock.
pub(super) struct State {
    pub(super) store: Store,
    pub(super) visibility: Visibility<Assignment>,
    pub(super) account_visibility: Visibility<AccountAssignment>,
    pub(super) asynchronous: AsynchronousOperations,
    pub(super) quotas: Quotas,
    pub(super) faults: Faults,
    pub(super) sessions: Sessions,
    pub(super) log: CallLog,
    pub(super) switches: Switches,
    pub(super) settings: Settings,
    pub(super) jitter: fastrand::Rng,
}

impl State {
    pub(super) fn set_switches(&mut self, switches: Switches) {
        if self.switches.identity_store_collective_quota != switches.identity_store_collective_quota
        {
            self.quotas.reset();
        }
        self.switches = switches;
    }

    pub(super) fn set_settings(&mut self, settings: Settings) -> Result<(), String> {
        settings.check()?;
        self.quotas.reset();
        self.settings = settings;
        Ok(())
    }
}

/// State, clock and tasks.
pub(super) struct Shared {
    state: Mutex<State>,
    started: Instant,
    started_epoch_seconds: f64,
    /// Cancelled when the simulator ends.
    pub(super) ending: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Shared {
    pub(super) fn new(world: World, switches: Switches, settings: Settings) -> Shared {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let state = State {
            store: world.into(),
            visibility: Visibility::default(),
            account_visibility: Visibility::default(),
            asynchronous: AsynchronousOperations::default(),
            quotas: Quotas::default(),
            faults: Faults::default(),
            sessions: Sessions::default(),
            log: CallLog::default(),
            jitter: fastrand::Rng::with_seed(settings.seed),
            switches,
            settings,
        };
        Shared {
            state: Mutex::new(state),
            started: Instant::now(),
            started_epoch_seconds: since_epoch.unwrap_or_default().as_secs_f64(),
            ending: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// The state, for a moment, with every asynchronous operation ended that is due by now. A panic
    /// of another holder left it whole enough: every change is of one row.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A simulator that has ended carries nothing out any more.
        if !self.ending.is_cancelled() {
            state.end_due_operations(self.now_seconds());
        }
        state
    }

    /// Epoch seconds that never step back, so that quotas cannot be cheated by the system clock.
    pub(super) fn now_seconds(&self) -> f64 {
        self.started_epoch_seconds + self.started.elapsed().as_secs_f64()
    }
}
