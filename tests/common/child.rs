//! `usher serve` as a child process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::SHORT_TIMES;

/// How long a child may take to listen, or to refuse.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Times of the log at which each of its commits is passed within seconds.
const LOG: &str = "[log]\nhead_interval_seconds = 1\nlease_seconds = 1\n";

/// How often a child is started that AWS is too slow for.
const STARTS_MAX: usize = 4;

/// Where children live: a data directory, an empty home, a configuration with short times.
pub struct Place {
    directory: tempfile::TempDir,
    endpoint_url: String,
}

impl Place {
    /// A place whose children talk to this endpoint.
    #[must_use]
    pub fn new(endpoint_url: String) -> Self {
        Self::configured(endpoint_url, SHORT_TIMES)
    }

    /// The same for children that may have so many asynchronous changes under way.
    #[must_use]
    pub fn with_outstanding_max(endpoint_url: String, outstanding_max: usize) -> Self {
        let section = "[reconciler]\n";
        let limit = format!("{LOG}{section}outstanding_changes_max = {outstanding_max}\n");
        Self::configured(endpoint_url, &SHORT_TIMES.replacen(section, &limit, 1))
    }

    /// The same with a section more in the configuration.
    #[must_use]
    pub fn with_section(endpoint_url: String, section: &str) -> Self {
        Self::configured(endpoint_url, &format!("{SHORT_TIMES}{section}"))
    }

    fn configured(endpoint_url: String, configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("home")).expect("a home");
        std::fs::write(directory.path().join("usher.toml"), configuration).expect("a file");
        Self {
            directory,
            endpoint_url,
        }
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Has children start with policies that do not load; answers what mends that.
    pub fn break_policies(&self) -> impl FnOnce() + use<> {
        let folder = self.directory.path().join("policies");
        std::fs::create_dir(&folder).expect("a directory");
        std::fs::write(folder.join("all.cedar"), "nothing of Cedar").expect("a file");
        let file = self.directory.path().join("usher.toml");
        let mended = std::fs::read_to_string(&file).expect("a file");
        let section = format!("\n[policy]\ndirectory = \"{}\"\n", folder.display());
        std::fs::write(&file, format!("{mended}{section}")).expect("a file");
        move || std::fs::write(file, mended).expect("a file")
    }

    /// Has children look at beneficiaries all the time, to whom the first that goes is a mass change.
    pub fn watch_beneficiaries(&self) {
        let file = self.directory.path().join("usher.toml");
        let before = std::fs::read_to_string(&file).expect("a file");
        let section = "[beneficiaries]\nlook_seconds = 0.1\ndescribes_per_second_max = 1000.0\n\
             mass_change_share_max = 0.0\nmass_change_principals_min = 1\n";
        std::fs::write(&file, format!("{before}{section}")).expect("a file");
    }

    /// Has children collect facts as soon as they serve.
    pub fn collect_at_once(&self) {
        let file = self.directory.path().join("usher.toml");
        let before = std::fs::read_to_string(&file).expect("a file");
        let section = "[audit]\ncollect_after_start_seconds = 0\n";
        std::fs::write(&file, format!("{before}{section}")).expect("a file");
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("stderr.log")
    }

    /// `usher` in an environment that holds nothing of this machine's.
    pub fn usher(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.directory.path().join("home"))
            .env("AWS_ENDPOINT_URL", &self.endpoint_url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "simulated")
            .env("AWS_SECRET_ACCESS_KEY", "simulated")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("USHER_DATA_DIR", self.data())
            .env("USHER_CONFIG", self.directory.path().join("usher.toml"))
            .stdin(Stdio::null());
        command
    }

    /// Starts `usher serve --dev` and waits until it listens.
    pub async fn serve(&self) -> Server {
        let begun = self.begin(&[]).await;
        begun.unwrap_or_else(|end| panic!("{end:?}: {}", self.last_log_lines()))
    }

    /// Starts `usher serve --dev` with more arguments, again where the simulated AWS was too slow for
    /// its first reads: a machine under load, and short times. Answers how it ended when it does not
    /// come to listening.
    pub async fn begin(&self, more: &[&str]) -> Result<Server, ExitStatus> {
        for _ in 0..STARTS_MAX {
            let begun = self.begin_once(more).await;
            let told = self.last_log_lines();
            let last = told.lines().last().unwrap_or_default();
            let too_slow = last.starts_with("usher: ") && last.contains("did not answer in time");
            if begun.is_ok() || !too_slow || begun.as_ref().is_err_and(|end| was_killed(*end)) {
                return begun;
            }
        }
        self.begin_once(more).await
    }

    async fn begin_once(&self, more: &[&str]) -> Result<Server, ExitStatus> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("a log file");
        let mut child = self
            .usher(&["serve", "--dev", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the usher binary");
        let out = child.stdout.take().expect("its standard output");
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).map(|_| line)
        });
        let line = tokio::time::timeout(START_TIME_MAX, line).await;
        let line = line.expect("it says something in time").expect("no panic");
        let line = line.expect("readable output");
        if line.is_empty() {
            let ended = wait(&mut child, START_TIME_MAX);
            return Err(ended.expect("who closes its output ends"));
        }
        let address = line.trim().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{line:?}: {}", self.last_log_lines()));
        Ok(Server {
            address: address.parse().expect("an address"),
            child,
        })
    }

    /// The end of what the children wrote to standard error.
    pub fn last_log_lines(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(40);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    /// Runs `usher` with arguments that make it end by itself. Answers its exit code and what it
    /// wrote to standard error.
    pub fn run_to_end(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut child = self
            .usher(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the usher binary");
        let status = wait(&mut child, START_TIME_MAX);
        let status = status.unwrap_or_else(|| {
            drop(child.kill());
            panic!("usher {arguments:?} did not end");
        });
        let mut text = String::new();
        let mut stderr = child.stderr.take().expect("its standard error");
        stderr.read_to_string(&mut text).expect("readable output");
        (status.code(), text)
    }
}

/// A child that listens. Dropping it kills it.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// SIGKILL, and its end awaited.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.expect("the kill command").success());
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// Awaits its end.
    pub async fn end_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let give_up_at = Instant::now() + time;
        loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => return Some(status),
                None if Instant::now() >= give_up_at => return None,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let give_up_at = Instant::now() + time;
    loop {
        match child.try_wait().expect("a child") {
            Some(status) => return Some(status),
            None if Instant::now() >= give_up_at => return None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Whether it ended by SIGKILL and by nothing else.
#[must_use]
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

/// What a file holds, to see that it was left as it is.
pub fn bytes_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}
