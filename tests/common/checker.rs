//! Hands a history to the independent checker (tests/history_checker/check.py) and fails with what
//! it finds. Judges nothing itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use usher::simulator::Simulator;

use super::asked::{Journal, Key};

/// Everything that a history is judged by. The store's process has ended.
pub struct Evidence<'a> {
    /// Its log and its world.
    pub simulator: &'a Simulator,
    /// The data directory.
    pub data: PathBuf,
    /// What clients were told.
    pub journal: &'a Journal,
    /// The assignments that stood before Usher.
    pub standing: Vec<Key>,
    /// Ends are acted on within so long.
    pub end_bound: Duration,
    /// A write may leave so long after what it was decided by has changed.
    pub lateness: Duration,
    /// From when to when nobody could work, in epoch seconds.
    pub outages: Vec<(f64, f64)>,
    /// Asynchronous changes that may be under way at one time.
    pub outstanding_max: usize,
}

impl Evidence<'_> {
    /// Runs the checker. Answers its summary line; panics with its violations and where the
    /// evidence lies.
    #[must_use]
    pub fn check(&self, what: &str) -> String {
        let folder = tempfile::tempdir().expect("a directory");
        let output = self
            .write(folder.path())
            .output()
            .expect("python3 on the path");
        let told = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let kept = folder.keep();
            copy_store(&self.data, &kept);
            let problem = String::from_utf8_lossy(&output.stderr);
            panic!(
                "{what}: {told}\n{problem}\nthe evidence: {}",
                kept.display()
            );
        }
        told
    }

    fn write(&self, folder: &Path) -> Command {
        let log = json!({"calls": self.simulator.calls(), "dropped": 0});
        let standing: Vec<_> = self.standing.iter().map(Key::to_json).collect();
        let files = [
            ("log", log.to_string()),
            ("world", json!(self.simulator.world()).to_string()),
            ("answers", self.journal.to_lines()),
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
        command
            .arg("--store")
            .arg(self.data.join("usher.sqlite3"))
            .arg(format!(
                "--end-bound-seconds={}",
                self.end_bound.as_secs_f64()
            ))
            .arg(format!(
                "--lateness-seconds={}",
                self.lateness.as_secs_f64()
            ))
            .arg(format!("--outstanding-limit={}", self.outstanding_max));
        for (from, to) in &self.outages {
            command.arg(format!("--outage={from}:{to}"));
        }
        command
    }
}

fn copy_store(data: &Path, folder: &Path) {
    for entry in std::fs::read_dir(data).expect("a directory").flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("a copy");
    }
}
