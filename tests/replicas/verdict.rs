//! The end of a run: everything has to settle, then clients, store and AWS must tell one story, to the judgement of
//! this binary and to the independent checker (tests/history_checker/check.py).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{PgConnection, Row as _};

use super::cluster::Cluster;
use super::common::asked::Key;
use super::common::{AFTER_SETTLING, all_grants};
use super::fleet::Fleet;
use super::history::{chain_problems, export};
use super::judge::Evidence;
use super::work::Done;

/// How long everything may take to settle: retries, second looks and a slow machine together.
const SETTLED_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Ends are acted on within this time: half of what DESIGN.md §4.6 gives, also while replicas are killed, AWS fails and the
/// machine is slow.
const END_BOUND: Duration = Duration::from_secs(30);
/// `outstanding_changes_max` by default: of all replicas together.
const OUTSTANDING_MAX: usize = 10;

/// What is judged.
pub(crate) struct Run<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) cluster: &'a Cluster,
    pub(crate) done: &'a Done,
    pub(crate) standing: &'a BTreeSet<Key>,
    /// A write may leave so long after what it was decided by has changed.
    pub(crate) lateness: Duration,
}

impl Run<'_> {
    /// Waits until everything is settled and stays so, judges, and answers the checker's summary.
    pub(crate) async fn judge(&self, what: &str) -> String {
        let began = Instant::now();
        let quiet = Duration::try_from(AFTER_SETTLING).expect("a time");
        let mut database = self.cluster.connect().await;
        let mut settled_since: Option<Instant> = None;
        let evidence = loop {
            let evidence = self.evidence().await;
            let mut problems = evidence.unsettled();
            let due = due(&mut database).await;
            if problems.is_empty() {
                let since = *settled_since.get_or_insert_with(Instant::now);
                let chain = chain_problems(&mut database).await;
                problems.extend(due.into_iter().chain(chain));
                if problems.is_empty() && since.elapsed() >= quiet {
                    break evidence;
                }
            } else {
                settled_since = None;
            }
            assert!(
                began.elapsed() < SETTLED_WITHIN,
                "{what}: not settled: {problems:#?}\n{}",
                self.fleet.place.last_log_lines()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        };
        evidence.judge();
        self.check(&mut database, what).await
    }

    async fn evidence(&self) -> Evidence<'_> {
        Evidence {
            asked: &self.done.asked,
            grants: all_grants(&self.fleet.channel(0)).await,
            standing: self.standing,
            simulator: &self.fleet.simulator,
        }
    }

    /// Runs the checker. Answers its summary; panics with its violations and where the evidence lies.
    async fn check(&self, database: &mut PgConnection, what: &str) -> String {
        let folder = tempfile::tempdir().expect("a directory");
        let store = folder.path().join("usher.sqlite3");
        export(database, &store).await;
        let mut command = self.command(folder.path());
        let output = command.arg("--store").arg(store).output();
        let output = output.expect("python3 on the path");
        let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let problem = String::from_utf8_lossy(&output.stderr);
            let kept = folder.keep();
            let kept = kept.display();
            panic!("{what}: {told}\n{problem}\nthe evidence: {kept}");
        }
        told
    }

    fn command(&self, folder: &Path) -> Command {
        let simulator = &self.fleet.simulator;
        let log = json!({"calls": simulator.calls(), "dropped": 0});
        let standing: Vec<_> = self.standing.iter().map(Key::to_json).collect();
        let files = [
            ("log", log.to_string()),
            ("world", json!(simulator.world()).to_string()),
            ("answers", self.done.answers.to_lines()),
            ("standing", json!(standing).to_string()),
        ];
        let checker = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/history_checker/check.py"
        );
        let mut command = Command::new("python3");
        command.arg("-B").arg(checker);
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file");
            command.arg(format!("--{name}")).arg(path);
        }
        let seconds = [
            ("end-bound", END_BOUND.as_secs_f64()),
            ("lateness", self.lateness.as_secs_f64()),
        ];
        for (name, seconds) in seconds {
            command.arg(format!("--{name}-seconds={seconds}"));
        }
        command.arg(format!("--outstanding-limit={OUTSTANDING_MAX}"));
        command
    }
}

/// Assignments that somebody will look at again.
async fn due(database: &mut PgConnection) -> Vec<String> {
    let due = "SELECT target, principal_id FROM assignments \
         WHERE next_attempt_at IS NOT NULL OR lease_holder IS NOT NULL OR pending_write IS NOT NULL";
    let rows = sqlx::query(due).fetch_all(database).await;
    let rows = rows.expect("rows");
    let rows = rows.iter().map(|row| {
        let (target, principal): (String, String) = (row.get(0), row.get(1));
        format!("to be looked at: {principal} on {target}")
    });
    rows.collect()
}
