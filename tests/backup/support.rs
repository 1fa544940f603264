//! Places in which `usher` runs, and what its commands say there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use usher::grpc::pb::Grant;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::operations_service_client::OperationsServiceClient;
use usher::simulator::{
    Fault, FaultAction, PrincipalType, Settings, Simulator, SimulatorOptions, World,
};

use super::common::child::{Place, Server};
use super::common::{TokenChannel, Triple, within};

pub(crate) const CREATE: &str = "CreateApplicationAssignment";
pub(crate) const DELETE: &str = "DeleteApplicationAssignment";
/// The database in a data directory.
pub(crate) const DATABASE: &str = "usher.sqlite3";
/// A deadline for calls that cannot have their outcome.
pub(crate) const SHORTLY: Duration = Duration::from_millis(1500);
/// A deadline for those that can.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What a command said, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What it said; it has to have succeeded.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out
    }

    /// It has to have refused with these words, and only them.
    pub(crate) fn refused(&self, wanted: &[&str]) {
        assert_eq!(self.code, Some(1), "{}\n{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        for text in wanted {
            assert!(self.err.contains(text), "{text:?} is not in {:?}", self.err);
        }
    }
}

/// Runs `usher` in a place, off this runtime's threads.
pub(crate) fn run(place: &Place, arguments: &[&str]) -> Ran {
    let done = tokio::task::block_in_place(|| place.usher(arguments).output());
    let done = done.expect("the usher binary");
    Ran {
        code: done.status.code(),
        out: String::from_utf8(done.stdout).expect("UTF-8"),
        err: String::from_utf8(done.stderr).expect("UTF-8"),
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A folder for what lies elsewhere.
pub(crate) struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Backs a place up. Answers the file.
    pub(crate) fn backup(&self, place: &Place, name: &str) -> PathBuf {
        let file = self.path(name);
        run(place, &["backup", "--out", text(&file)]).good();
        file
    }

    /// Exports the log of a place. Answers the file.
    pub(crate) fn export(&self, place: &Place, name: &str, more: &[&str]) -> PathBuf {
        let file = self.path(name);
        let arguments = [["log", "export"].as_slice(), more].concat();
        std::fs::write(&file, run(place, &arguments).good()).expect("a file");
        file
    }

    /// The names of what lies there.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("a directory");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names
            .map(|name| name.into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }
}

pub(crate) async fn simulator(world: World) -> Simulator {
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    Simulator::start(world, options).await.expect("a simulator")
}

/// A user of the demo on an application of it.
pub(crate) fn user_on(simulator: &Simulator, user: &str, application: &str) -> Triple {
    let world = simulator.world();
    let application = world.application_named(application);
    Triple {
        kind: PrincipalType::User,
        principal_id: world.user_named(user).expect("a user").user_id.clone(),
        application_arn: application.expect("an application").application_arn.clone(),
    }
}

/// AWS refuses an operation for one principal.
pub(crate) fn refuse(simulator: &Simulator, operation: &str, triple: &Triple) {
    let mut fault = Fault::new(operation, FaultAction::AccessDenied);
    let id = triple.principal_id.clone();
    fault.input.insert("PrincipalId".to_owned(), id.into());
    simulator.add_fault(fault);
}

/// How many calls of an operation there were.
pub(crate) fn calls(simulator: &Simulator, operation: &str) -> usize {
    let calls = simulator.calls().into_iter();
    calls.filter(|call| call.operation == operation).count()
}

/// Whether AWS truly has it.
pub(crate) fn is_assigned(simulator: &Simulator, triple: &Triple) -> bool {
    let world = simulator.world();
    world.is_assigned(&triple.application_arn, triple.kind, &triple.principal_id)
}

pub(crate) fn access(channel: &TokenChannel) -> AccessServiceClient<TokenChannel> {
    AccessServiceClient::new(channel.clone())
}

pub(crate) fn operations(channel: &TokenChannel) -> OperationsServiceClient<TokenChannel> {
    OperationsServiceClient::new(channel.clone())
}

/// Calls Assign with a deadline; whatever AWS does, the answer is OK.
pub(crate) async fn assign(channel: &TokenChannel, triple: &Triple, time: Duration) -> Grant {
    let answer = access(channel).assign(within(triple.assign(), time)).await;
    let answer = answer.expect("OK once it is recorded").into_inner();
    answer.grant.expect("the answer holds the grant")
}

/// Ends a server in order.
pub(crate) async fn end(mut server: Server) {
    server.signal("TERM");
    let ended = server.end_within(LONG).await.expect("an end");
    assert_eq!(ended.code(), Some(0));
}
