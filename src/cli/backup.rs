//! `usher backup`: a copy of the SQLite store in one file, made while the service serves. It must never leave
//! a file under the wanted name that was not verified whole, and never write over one unasked.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::CommandError;
use super::log::told;
use super::serve::print_line;
use crate::decision_log::{Known, Looked, Place, verify};
use crate::store::{CopyFacts, SqliteStore};
use crate::telemetry::{self, LogFormat};

/// Arguments of `usher backup`.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// The data directory of the service, which may run
    #[arg(long, env = "USHER_DATA_DIR", default_value = "usher-data")]
    data_dir: PathBuf,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
    /// Take the place of a file that is there
    #[arg(long)]
    force: bool,
}

/// Writes the backup, and says what is in it.
pub(super) async fn run(args: &BackupArgs) -> Result<(), CommandError> {
    telemetry::start(LogFormat::Text, "warn").map_err(CommandError)?;
    refuse_to_overwrite(args)?;
    let unfinished = Unfinished::begin(&args.out)?;
    SqliteStore::copy_database(&args.data_dir, &unfinished.path)
        .await
        .map_err(|error| CommandError::from_error(&error))?;
    let (facts, looked) = look_at(&unfinished.path, &Known::default()).await?;
    let lines = told(&looked);
    refuse_to_overwrite(args)?;
    let length = unfinished.finish(&args.out)?;
    print_line(&format!(
        "{}: {} grants, {} events, the log ends at position {}, schema {}, {length} bytes",
        args.out.display(),
        facts.grants,
        facts.events,
        facts.log_end.position,
        facts.schema_version,
    ));
    for line in lines {
        print_line(&line);
    }
    Ok(())
}

/// Looks at a copy of a database and verifies its log.
///
/// # Errors
/// A sentence: it is no copy of usher's database that is whole, or its log is not.
pub(super) async fn look_at(
    file: &Path,
    known: &Known,
) -> Result<(CopyFacts, Looked), CommandError> {
    let facts = SqliteStore::examine_copy(file).await;
    let facts = facts.map_err(|error| CommandError::from_error(&error))?;
    let looked = verify(&Place::Database(file.to_owned()), known).await;
    let looked = looked.map_err(|error| CommandError::from_error(&error))?;
    if looked.chain.is_err() || looked.bad_head.is_some() {
        return Err(CommandError(format!(
            "the decision log in it is not whole; `usher log verify` on the data directory or the file tells \
             more:\n{}",
            told(&looked).join("\n")
        )));
    }
    Ok((facts, looked))
}

fn refuse_to_overwrite(args: &BackupArgs) -> Result<(), CommandError> {
    if args.force || fs::symlink_metadata(&args.out).is_err() {
        return Ok(());
    }
    Err(CommandError(format!(
        "{} is there already; choose another name, or say --force; it was left as it is",
        args.out.display()
    )))
}

/// A backup without its name. It is taken away again unless it is finished.
struct Unfinished {
    path: PathBuf,
    /// Keeps another backup from writing to it.
    file: File,
}

impl Unfinished {
    /// An empty file beside the one that is wanted. What an interrupted backup left there is thrown away.
    fn begin(out: &Path) -> Result<Self, CommandError> {
        let mut name = out.as_os_str().to_owned();
        name.push(".unfinished");
        let path = PathBuf::from(name);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(|error| problem("written", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(CommandError(format!(
                    "another backup writes to {} now; wait for it, or choose another name",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(problem("locked", &path, &error)),
        }
        let emptied = file.set_len(0);
        emptied.map_err(|error| problem("written", &path, &error))?;
        Ok(Self { path, file })
    }

    /// Gives it its name, for good. Answers its length in bytes.
    fn finish(self, out: &Path) -> Result<u64, CommandError> {
        let folder = match out.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let length = self.file.metadata().map(|data| data.len());
        let named = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, out))
            .and_then(|()| File::open(folder))
            .and_then(|folder| folder.sync_all());
        named.map_err(|error| problem("written", out, &error))?;
        length.map_err(|error| problem("read", out, &error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Once it has its name, nothing is there any more.
        drop(fs::remove_file(&self.path));
    }
}

fn problem(action: &str, path: &Path, error: &io::Error) -> CommandError {
    CommandError(format!(
        "{} cannot be {action} ({error}); check its folder and the room on the disk",
        path.display()
    ))
}
