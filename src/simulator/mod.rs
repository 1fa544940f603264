//! A double of the AWS services that Usher stands in front of: sso-admin (instances, applications,
//! permission sets, assignments of both kinds), identitystore, organizations (accounts) and sts
//! (identity, AssumeRole), over HTTP as unmodified AWS SDKs speak it. As strict as AWS, never bent to
//! make a client pass; listens on loopback only, and uses nothing else of this crate, so that it
//! cannot share a mistake with what it tests.
//!
//! The way of a call: `server` (bytes to `Call`) -> `call` (quota, faults, waiting) ->
//! `operations` (world and input to reply) over `store`, as `views` lets its caller see it; `control` turns
//! the knobs; `world` is what there is.

mod account_assignments;
mod account_effects;
mod account_state;
mod account_store;
mod admission;
mod asynchronous;
mod call;
mod call_log;
mod command;
mod control;
mod control_accounts;
mod credentials;
mod failure;
mod fault_action;
mod faults;
#[cfg(test)]
mod faults_tests;
mod input;
mod names;
mod operations;
mod paging;
mod patterns;
mod query_protocol;
mod quota;
mod server;
mod settings;
mod state;
mod store;
mod store_ranges;
mod views;
mod visibility;
mod world;
mod world_check;
mod world_check_accounts;
mod world_demo;
mod world_demo_accounts;
mod world_generate;
mod world_generate_accounts;
mod world_generate_organization;
mod world_organization;
mod world_sizes;
mod world_texts;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;

pub use account_assignments::{
    AccountAssignment, PermissionSet, ProvisionedPermissionSet, ProvisioningStatus,
};
pub use asynchronous::{AsynchronousRecord, AsynchronousStatus};
pub use call_log::{CallEffect, CallOutcome, CallRecord};
pub use command::{SimulateArgs, run};
pub use fault_action::FaultAction;
pub use faults::{Fault, FaultState};
pub use settings::{
    AccountRepeatDelete, AccountUnknownPrincipal, RepeatCreate, RepeatDelete, Settings, Switches,
    UnavailableAccount, UnknownInstance, UnknownPrincipal,
};
pub use world::{
    Application, ApplicationProvider, Assignment, Caller, EnabledStatus, ExternalId, Group,
    Instance, InstanceStatus, Membership, PrincipalType, User, World,
};
pub use world_check::WorldError;
pub use world_organization::{AccessKey, Account, AccountStatus, FeatureSet, Organization, Role};
pub use world_sizes::WorldSizes;

use state::Shared;

/// Content type of the JSON services (aws-api.md §1).
const JSON_CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// How a simulator begins.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Loopback only; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Unverified AWS behaviour.
    pub switches: Switches,
    /// Pace and temper.
    pub settings: Settings,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        SimulatorOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            switches: Switches::default(),
            settings: Settings::default(),
        }
    }
}

/// Why a simulator could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// It would be reachable from elsewhere, with no check of who calls.
    #[error("the simulator listens on loopback addresses only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address is not to be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A world that cannot be served.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A file that cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Settings that make no sense, in words.
    #[error("the settings are refused: {0}")]
    Settings(String),
    /// The process cannot learn when to end, or cannot speak.
    #[error("cannot wait for the end")]
    Terminal(#[source] std::io::Error),
}

/// A running simulator. Clones are handles to the same one; it ends with `stop` or with its last
/// handle.
#[derive(Clone)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    _ends_with_last_handle: Arc<DropGuard>,
}

impl Simulator {
    /// Binds and serves; both are true when it returns. Refuses addresses that are not loopback
    /// and worlds that contradict themselves.
    pub async fn start(
        world: World,
        options: SimulatorOptions,
    ) -> Result<Simulator, SimulatorError> {
        let address = options.listen;
        if !address.ip().is_loopback() {
            return Err(SimulatorError::NotLoopback(address));
        }
        world.check()?;
        options.settings.check().map_err(SimulatorError::Settings)?;
        let failed = |source| SimulatorError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared::new(world, options.switches, options.settings));
        shared
            .tasks
            .spawn(server::accept(listener, Arc::clone(&shared)));
        let guard = Arc::new(shared.ending.clone().drop_guard());
        Ok(Simulator {
            address,
            shared,
            _ends_with_last_handle: guard,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give to an AWS SDK as its endpoint.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a fault; calls that arrive from now on are hit.
    pub fn add_fault(&self, fault: Fault) {
        let mut state = self.shared.state();
        let seed = state.settings.seed;
        state.faults.add(fault, seed);
    }

    /// Takes all faults away. Calls that were hit already stay hit.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// The faults that stand, with how often they hit.
    pub fn faults(&self) -> Vec<FaultState> {
        self.shared.state().faults.list().to_vec()
    }

    /// Sets all switches.
    pub fn set_switches(&self, switches: Switches) {
        self.shared.state().set_switches(switches);
    }

    /// The switches as they are.
    pub fn switches(&self) -> Switches {
        self.shared.state().switches.clone()
    }

    /// Sets all settings and fills the quota buckets again. Settings that make no sense are
    /// refused and the old ones stay.
    pub fn set_settings(&self, settings: Settings) -> Result<(), SimulatorError> {
        self.shared
            .state()
            .set_settings(settings)
            .map_err(SimulatorError::Settings)
    }

    /// The settings as they are.
    pub fn settings(&self) -> Settings {
        self.shared.state().settings.clone()
    }

    /// The truth as it is now, whatever reads are shown. Rows come in order of ids.
    pub fn world(&self) -> World {
        self.shared.state().store.to_world()
    }

    /// Changes the truth behind everybody's back, at once and visible at once. Rows with an id
    /// that is there already replace the earlier ones; references are not checked.
    pub fn edit_world<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        let mut state = self.shared.state();
        let mut world = state.store.to_world();
        let result = edit(&mut world);
        state.store = world.into();
        result
    }

    /// The call log, oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.shared.state().log.since(0).cloned().collect()
    }

    /// The most account assignment operations that were ever in progress on one instance at one
    /// time.
    pub fn outstanding_assignments_max_seen(&self) -> usize {
        self.shared.state().asynchronous.outstanding_max_seen()
    }

    /// Forgets the call log.
    pub fn clear_calls(&self) {
        self.shared.state().log.clear();
    }

    /// Ends all connections and forgets effects that were still to come; returns when nothing
    /// runs any more.
    pub async fn stop(self) {
        self.shared.ending.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}
