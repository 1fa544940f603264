//! Several replicas on one database and one simulated AWS, and where each of them can be called.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

use super::common::child::{Place, Server};
use super::common::{Token, TokenChannel, token};

/// `drain_seconds_max` of the tests, with room for a slow machine.
const DRAINED_WITHIN: Duration = Duration::from_secs(8);
/// How long a client tries to connect.
const CONNECTED_WITHIN: Duration = Duration::from_secs(1);

/// What a fleet begins with.
pub(crate) struct Beginning {
    pub(crate) world: World,
    pub(crate) settings: Settings,
    pub(crate) replicas: usize,
    /// Where the database is.
    pub(crate) url: String,
    /// Sections more of the configuration.
    pub(crate) more: String,
}

/// Replicas with what they share. Dropping it kills them.
pub(crate) struct Fleet {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) roster: Roster,
    pub(crate) place: Arc<Place>,
    pub(crate) simulator: Simulator,
}

impl Fleet {
    /// Prepares the database and starts all replicas at once.
    pub(crate) async fn start(beginning: Beginning) -> Self {
        let options = SimulatorOptions {
            settings: beginning.settings,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::start(beginning.world, options).await;
        let simulator = simulator.expect("a simulator");
        let section = format!(
            "[log]\nhead_interval_seconds = 1\nlease_seconds = 1\n\
             [postgres]\nurl = \"{}\"\nconnections_max = 8\n{}",
            beginning.url, beginning.more
        );
        let place = Arc::new(Place::with_section(simulator.endpoint_url(), &section));
        let (code, problem) = place.run_to_end(&["migrate"]);
        assert_eq!(code, Some(0), "{problem}");
        let roster = Roster::default();
        let replicas = (0..beginning.replicas).map(|number| Replica {
            number,
            server: None,
            place: place.clone(),
            roster: roster.clone(),
        });
        let mut replicas: Vec<Replica> = replicas.collect();
        // One after the other, so that each has its place in the roster.
        for replica in &mut replicas {
            roster.add();
            replica.begin().await;
        }
        Self {
            replicas,
            roster,
            place,
            simulator,
        }
    }

    /// The channel of a replica, with the token of `tester`.
    pub(crate) fn channel(&self, number: usize) -> TokenChannel {
        self.roster.channel(number)
    }
}

/// One replica, which may be killed and started again.
pub(crate) struct Replica {
    number: usize,
    server: Option<Server>,
    place: Arc<Place>,
    roster: Roster,
}

impl Replica {
    /// Starts it; from then on the roster names its new address.
    pub(crate) async fn begin(&mut self) {
        self.begin_with(&[]).await;
    }

    /// Starts it with more arguments.
    pub(crate) async fn begin_with(&mut self, more: &[&str]) {
        assert!(self.server.is_none(), "it runs");
        let begun = self.place.begin(more).await;
        let server = begun.unwrap_or_else(|end| panic!("{end:?}: {}", self.place.last_log_lines()));
        let token = token(&self.place.data(), "tester");
        self.roster.set(self.number, server.address, token);
        self.server = Some(server);
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// SIGKILL. The roster goes on naming it: clients find out by themselves.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().expect("it runs");
        server.kill();
    }

    /// SIGSTOP.
    pub(crate) fn stop(&self) {
        self.server().signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.server().signal("CONT");
    }

    /// SIGTERM, and an end in order.
    pub(crate) async fn end(&mut self) {
        let mut server = self.server.take().expect("it runs");
        server.signal("TERM");
        let ended = server.end_within(DRAINED_WITHIN).await;
        let ended = ended.unwrap_or_else(|| panic!("no end: {}", self.place.last_log_lines()));
        assert!(ended.success(), "{ended}: {}", self.place.last_log_lines());
    }
}

/// Where the replicas can be called, as service discovery tells clients.
#[derive(Clone, Default)]
pub(crate) struct Roster(Arc<Mutex<Vec<Option<Entry>>>>);

#[derive(Clone)]
struct Entry {
    address: SocketAddr,
    channel: TokenChannel,
}

impl Roster {
    fn add(&self) {
        self.0.lock().expect("no panic").push(None);
    }

    fn set(&self, number: usize, address: SocketAddr, token: Token) {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect_timeout(CONNECTED_WITHIN).connect_lazy();
        let channel = InterceptedService::new(channel, token);
        let entry = Entry { address, channel };
        self.0.lock().expect("no panic")[number] = Some(entry);
    }

    fn entry(&self, number: usize) -> Entry {
        let entries = self.0.lock().expect("no panic");
        let entry = entries.get(number % entries.len()).cloned().flatten();
        entry.expect("a replica that was started")
    }

    /// How many replicas there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    /// Where a replica listens.
    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        self.entry(number).address
    }

    /// A channel to a replica, with the token of `tester`.
    pub(crate) fn channel(&self, number: usize) -> TokenChannel {
        self.entry(number).channel
    }
}
