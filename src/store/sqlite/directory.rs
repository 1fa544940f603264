//! The data directory: who holds it, and whether the database in it is Usher's and readable.
//!
//! Everything here refuses before it changes. A database that is foreign, damaged or of a later
//! version is left exactly as it was found.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// The database in the directory.
pub(super) const DATABASE_FILE: &str = "usher.sqlite3";
/// A database that is being made: it gets its name when it is complete.
const UNFINISHED_FILE: &str = "usher.sqlite3.new";
/// Locked while the directory is in use. Empty; it stays when Usher ends.
const LOCK_FILE: &str = "usher.lock";

/// The mark of Usher's databases in SQLite's header: "USHR".
pub(super) const APPLICATION_ID: u32 = 0x5553_4852;

/// The first bytes of every SQLite database that is not empty.
pub(super) const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Where SQLite's header holds the application id, in bytes from the start.
const APPLICATION_ID_OFFSET: usize = 68;
/// The length of SQLite's header in bytes.
const HEADER_LENGTH: usize = 100;

/// A data directory that is ours as long as the lock is held.
pub(super) struct DataDirectory {
    /// Where it is, without links and relative parts.
    path: PathBuf,
    /// Held while the directory is in use. Two processes on one database would each believe to be
    /// the only writer, and leases could not be cleared at the start.
    pub(super) lock: File,
}

/// Who has a directory that is only read.
pub(super) enum Held {
    /// A service.
    Served,
    /// Nobody, as long as this is kept.
    Free(#[expect(dead_code, reason = "it holds the lock until it is dropped")] Option<File>),
}

impl DataDirectory {
    /// Makes the directory if it is missing, and locks it.
    pub(super) fn lock(directory: &Path) -> Result<Self, StoreError> {
        let name = directory.display();
        make_directory(directory)?;
        let path = fs::canonicalize(directory)
            .map_err(|error| access_problem("use the data directory", directory, &error))?;
        if path.to_str().is_none() {
            return Err(unusable(format!(
                "the data directory {name} has a name that is not UTF-8; choose another"
            )));
        }
        let lock_path = path.join(LOCK_FILE);
        let lock = private_file()
            .create(true)
            .open(&lock_path)
            .map_err(|error| access_problem("write", &lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(unusable(format!(
                "the data directory {name} is in use by another usher; stop it, or choose another \
                 directory"
            ))),
            Err(TryLockError::Error(error)) => Err(access_problem("lock", &lock_path, &error)),
        }
    }

    /// Whether a running service has the directory. Nothing is made.
    pub(super) fn is_in_use(directory: &Path) -> bool {
        let Ok(lock) = File::open(directory.join(LOCK_FILE)) else {
            return false;
        };
        matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Keeps services out while the directory is only read; none where a service has it, and its own lock
    /// keeps others out. Nothing is made: where there is no lock yet, nothing is held.
    pub(super) fn hold(directory: &Path) -> Result<Held, StoreError> {
        let path = directory.join(LOCK_FILE);
        let lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held::Free(None)),
            Err(error) => return Err(access_problem("read", &path, &error)),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(Held::Free(Some(lock))),
            Err(TryLockError::WouldBlock) => Ok(Held::Served),
            Err(TryLockError::Error(error)) => Err(access_problem("lock", &path, &error)),
        }
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    /// Looks at the database without opening it. Answers whether there is one.
    pub(super) fn has_database(&self) -> Result<bool, StoreError> {
        let path = self.database();
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.refuse_orphans().map(|()| false);
            }
            Err(error) => return Err(access_problem("read and write", &path, &error)),
        };
        let mut header = [0_u8; HEADER_LENGTH];
        let readable = file.read_exact(&mut header);
        if readable.is_err() || !header.starts_with(SQLITE_MAGIC) {
            return Err(unusable(format!(
                "{} is not a database, or is damaged; restore it from a backup, or name another \
                 data directory; it was left as it is",
                path.display()
            )));
        }
        let mark = header
            .get(APPLICATION_ID_OFFSET..APPLICATION_ID_OFFSET + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_be_bytes);
        if mark != Some(APPLICATION_ID) {
            return Err(unusable(format!(
                "{} is a database of another program; name another data directory; it was left as \
                 it is",
                path.display()
            )));
        }
        Ok(true)
    }

    /// Refuses what lies beside a database that is missing: a new one would take it for its own
    /// log, and it may hold the last commits of the lost one.
    fn refuse_orphans(&self) -> Result<(), StoreError> {
        for suffix in ["-wal", "-shm", "-journal"] {
            let path = self.companion(suffix);
            let found = path.try_exists();
            if found.map_err(|error| access_problem("read", &path, &error))? {
                return Err(unusable(format!(
                    "{} is there, but the database it belongs to is missing; put {DATABASE_FILE} \
                     back beside it or restore a backup, or move the file away to start anew; it \
                     was left as it is",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// A file of SQLite's beside the database: `-wal`, `-shm` or `-journal`.
    pub(super) fn companion(&self, suffix: &str) -> PathBuf {
        self.path.join(format!("{DATABASE_FILE}{suffix}"))
    }

    /// An empty file for a new database. What an interrupted attempt left is thrown away.
    pub(super) fn begin_database(&self) -> Result<PathBuf, StoreError> {
        let path = self.path.join(UNFINISHED_FILE);
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let left = self.path.join(format!("{UNFINISHED_FILE}{suffix}"));
            match fs::remove_file(&left) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(access_problem("remove", &left, &error)),
            }
        }
        private_file()
            .create_new(true)
            .open(&path)
            .map_err(|error| access_problem("write", &path, &error))?;
        Ok(path)
    }

    /// Syncs what was written to a database that has no name yet.
    pub(super) fn sync_database(&self, unfinished: &Path) -> Result<(), StoreError> {
        File::open(unfinished)
            .and_then(|file| file.sync_all())
            .map_err(|error| access_problem("write", &self.path, &error))
    }

    /// Gives the finished database its name, for good: a name survives power loss when the
    /// directory is synced too.
    pub(super) fn finish_database(&self, unfinished: &Path) -> Result<(), StoreError> {
        fs::rename(unfinished, self.database())
            .and_then(|()| File::open(&self.path))
            .and_then(|directory| directory.sync_all())
            .map_err(|error| access_problem("write", &self.path, &error))
    }
}

/// Makes the directory and those above it that are missing, each for good: a name survives power
/// loss when the directory that holds it is synced.
fn make_directory(directory: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => unusable(format!(
                "the data directory {} is a file, or lies below one; name a directory",
                directory.display()
            )),
            _ => access_problem("make the data directory", directory, &error),
        })?;
    for made in missing {
        let parent = match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(|error| access_problem("write", parent, &error))?;
    }
    Ok(())
}

/// The sentence for a file that is Usher's and cannot be used as it is.
pub(super) fn unusable(sentence: String) -> StoreError {
    StoreError::Unusable(sentence)
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn access_problem(action: &str, path: &Path, error: &io::Error) -> StoreError {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "usher may not; give its user the right, or choose another directory"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "it is on a read-only file system; choose a directory that can be written"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; make room and start again"
        }
        _ => "check the path and the disk",
    };
    unusable(format!(
        "cannot {action} {}: {help} ({error})",
        path.display()
    ))
}
