//! One PostgreSQL server as a child process: its programs found, run by a user whom PostgreSQL accepts, and the
//! signals that all of its processes get.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program of PostgreSQL's may take to end.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// PostgreSQL's programs, and who runs them: it refuses root.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// User and group in place of root.
    other: Option<(u32, u32)>,
}

impl Programs {
    /// Finds them as tests/postgresql/start.sh does: by `pg_config`, else the newest of Debian's.
    pub(crate) fn find() -> Self {
        let asked = output_of(Command::new("pg_config").arg("--bindir")).map(PathBuf::from);
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter();
        let versions = versions.flatten().flatten();
        let mut installed: Vec<PathBuf> = versions.map(|it| it.path().join("bin")).collect();
        installed.sort_by_key(|folder| version_of(folder));
        let all = asked.into_iter().chain(installed.into_iter().rev());
        let mut usable = all.filter(|folder| folder.join("initdb").is_file());
        let folder = usable.next();
        let folder =
            folder.expect("the tests need a PostgreSQL server (Debian: apt install postgresql)");
        let other = rustix::process::geteuid().is_root().then(nobody);
        Self { folder, other }
    }

    /// Lets who runs the programs own a directory.
    pub(crate) fn give(&self, directory: &Path) {
        if let Some((user, group)) = self.other {
            std::os::unix::fs::chown(directory, Some(user), Some(group)).expect("a new owner");
        }
    }

    /// A program, run by who may.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
        command
    }

    /// Runs a program to its end, which must be good.
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) {
        let output = self.command(name).args(arguments).output();
        let output = output.expect("a program of PostgreSQL's");
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?}: {problem}");
    }
}

fn version_of(folder: &Path) -> u32 {
    let name = folder.parent().and_then(Path::file_name);
    let name = name.map(|name| name.to_string_lossy().into_owned());
    name.and_then(|name| name.parse().ok()).unwrap_or_default()
}

fn nobody() -> (u32, u32) {
    let number = |option| {
        let text = output_of(Command::new("id").args([option, "nobody"]));
        text.and_then(|text| text.parse().ok())
    };
    let (user, group) = (number("-u"), number("-g"));
    let both = user.zip(group);
    both.expect("PostgreSQL does not run as root, and there is no user `nobody`")
}

fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// A server that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct PostgresProcess {
    child: Child,
    stopped: Vec<Pid>,
}

impl PostgresProcess {
    /// Starts the server of a data directory. It is not ready yet.
    pub(crate) fn start(programs: &Programs, data: &Path, log: &Path) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log);
        let log = log.expect("a log file");
        let mut command = programs.command("postgres");
        command
            .arg("-D")
            .arg(data)
            .stdout(Stdio::null())
            .stderr(log);
        Self {
            child: command.spawn().expect("a PostgreSQL server"),
            stopped: Vec::new(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Tells the postmaster how to end, and awaits the end: INT is a fast shutdown, QUIT an immediate one, KILL
    /// none at all.
    pub(crate) fn end(&mut self, signal: Signal) {
        self.resume();
        let others = children_of(self.pid());
        if kill_process(self.pid(), signal).is_err() && !self.has_ended() {
            panic!("the postmaster cannot be told to end");
        }
        let give_up_at = Instant::now() + ENDED_WITHIN;
        while !self.has_ended() {
            assert!(Instant::now() < give_up_at, "the postmaster does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        // What a killed postmaster leaves ends by itself, and holds its shared memory until then.
        while others.iter().any(|pid| is_alive(*pid)) {
            assert!(Instant::now() < give_up_at, "the backends do not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGSTOP to every process of it.
    pub(crate) fn stop(&mut self) {
        // The postmaster first: it makes no further ones.
        self.stopped.push(self.pid());
        kill_process(self.pid(), Signal::STOP).expect("a signal");
        for child in children_of(self.pid()) {
            self.stopped.push(child);
            kill_process(child, Signal::STOP).ok();
        }
    }

    /// SIGCONT to each that was stopped.
    pub(crate) fn resume(&mut self) {
        for pid in self.stopped.drain(..).rev() {
            kill_process(pid, Signal::CONT).ok();
        }
    }
}

impl Drop for PostgresProcess {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.end(Signal::QUIT);
        }
    }
}

/// The parent and the state of a process, as /proc tells them.
fn parent_and_state(pid: &str) -> Option<(i32, char)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let children = names.filter(|name| {
        parent_and_state(name).is_some_and(|(of, _)| of == parent.as_raw_nonzero().get())
    });
    let pids = children.filter_map(|name| name.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}

fn is_alive(pid: Pid) -> bool {
    let found = parent_and_state(&pid.as_raw_nonzero().to_string());
    found.is_some_and(|(_, state)| state != 'Z')
}
