//! Clients that call one replica or another without a pause until they are told to stop; what nobody answered is asked
//! again, by its request id, of whichever replica comes next.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::common::asked::{Asked, Goal, Journal, Told};
use super::common::load::Load;
use super::dispatch::send;
use super::fleet::Roster;

const CLIENTS: usize = 16;
/// The deadline of one sending: who waits no longer asks for more.
const CALL_TIME: Duration = Duration::from_millis(1500);
/// What a client does between two calls.
const PAUSE_MILLISECONDS: std::ops::Range<u64> = 10..60;
/// How long an unanswered call is asked again once no new ones come.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// What the clients share.
struct Shared {
    load: Mutex<Load>,
    answers: Journal,
    roster: Roster,
    stop: CancellationToken,
}

/// Clients that call.
pub(crate) struct Work {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

impl Work {
    /// Begins to call.
    pub(crate) fn begin(seed: u64, goals: Vec<Goal>, roster: Roster) -> Self {
        let shared = Arc::new(Shared {
            load: Mutex::new(Load::new(seed, goals)),
            answers: Journal::default(),
            roster,
            stop: CancellationToken::new(),
        });
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(call_until_stopped(shared.clone()));
        }
        Self { shared, clients }
    }

    /// Begins no new call, and waits until all are answered.
    pub(crate) async fn end(mut self) -> Done {
        self.shared.stop.cancel();
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("no panic");
        }
        let asked = std::mem::take(&mut self.shared.load().asked);
        let open = asked.iter().filter(|asked| asked.is_open()).count();
        assert_eq!(open, 0, "calls are not answered");
        Done {
            asked,
            answers: self.shared.answers.clone(),
        }
    }
}

/// Everything that was asked, and what was told.
pub(crate) struct Done {
    pub(crate) asked: Vec<Asked>,
    pub(crate) answers: Journal,
}

impl Done {
    /// How many calls were answered OK.
    pub(crate) fn ok(&self) -> usize {
        let is_ok = |asked: &&Asked| matches!(asked.told, Told::Ok { .. });
        self.asked.iter().filter(is_ok).count()
    }
}

impl Shared {
    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().expect("no panic")
    }
}

async fn call_until_stopped(shared: Arc<Shared>) {
    while !shared.stop.is_cancelled() {
        let (mut asked, first, pause) = {
            let mut load = shared.load();
            let asked = load.invent();
            load.asked.push(asked.clone());
            let first = load.rng.usize(..shared.roster.len());
            (asked, first, load.rng.u64(PAUSE_MILLISECONDS))
        };
        ask(&shared, &mut asked, first).await;
        let number = asked.number;
        shared.load().asked[number] = asked;
        // What stands between two calls of one client; nothing is awaited by it.
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Sends a call, again while it may be and nobody has answered.
async fn ask(shared: &Shared, asked: &mut Asked, first: usize) {
    asked.began = Instant::now();
    let mut stopped_at = None;
    for replica in first.. {
        let channel = shared.roster.channel(replica);
        send(asked, channel, CALL_TIME, &shared.answers).await;
        if !asked.is_open() {
            return;
        }
        if shared.stop.is_cancelled() {
            let since: &mut Instant = stopped_at.get_or_insert_with(Instant::now);
            if since.elapsed() >= ANSWERED_WITHIN {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MILLISECONDS.start)).await;
    }
}
