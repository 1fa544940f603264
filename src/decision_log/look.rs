//! Looks at a decision log that lies somewhere: a data directory, a copy of the database, an export.
//! Needs no service and no network, changes nothing, and tells what it could not know.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::continuation::NoContinuation;
use super::{KEY_SECRET, heads_file};
use crate::domain::log::{Link, LogHash, LogRecord};
use crate::domain::log_head::{HeadKind, LogHead, LogKey, LogSigner};
use crate::domain::log_verify::{BadRecord, Verifier, Whole};
use crate::store::{LogCopy, StoreError};

/// Records that are read at once.
const RECORDS_AT_ONCE: usize = 1000;
/// The longest line of an export that is read, in bytes: an event has less than a hundredth of it.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// The largest file of heads that is read, in bytes: two centuries of weeks, one head a minute in the
/// last of them.
const HEADS_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Where a log lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a data directory, or in a copy of its database.
    Database(PathBuf),
    /// In an export.
    File {
        /// The file.
        path: PathBuf,
        /// After which place it was begun, as the export was asked.
        after: u64,
    },
}

/// What is known from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Heads and checkpoints.
    pub heads: Vec<LogHead>,
    /// The public key that signs them.
    pub key: Option<LogKey>,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Whether the chain is whole, or its first bad record.
    pub chain: Result<Whole, BadRecord>,
    /// What its first record continues.
    pub after: u64,
    /// The first head that its key did not sign, and whether it came from elsewhere.
    pub bad_head: Option<(LogHead, bool)>,
    /// The last place that a head from elsewhere knows.
    pub anchored_until: Option<u64>,
    /// By which key signatures were checked.
    pub key: CheckedBy,
    /// Events that are committed and not chained.
    pub unchained_count: u64,
}

/// By which key signatures were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckedBy {
    /// One from elsewhere.
    Given,
    /// The one that lies in the database, with which whoever can change the database can sign.
    Database,
    /// None.
    Nobody,
}

/// Why a log cannot be looked at: a sentence.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is no head.
    #[error("line {line} of {path} is no head of a decision log", path = .path.display())]
    NoHead {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// What is read cannot be written on.
    #[error("it cannot be written: {0}")]
    Write(io::Error),
    /// A record that cannot be exported.
    #[error("the record of position {0} cannot be read; `usher log verify` tells more")]
    Unreadable(u64),
    /// No service has made the key yet.
    #[error("no service has used this database yet, so that it has no key")]
    NoKey,
    /// An export that does not tell how the log of a backup went on.
    #[error(transparent)]
    NoContinuation(#[from] NoContinuation),
}

/// Reads a file of heads, as `log.heads_file` names one.
///
/// # Errors
/// `Read`, `NoHead`.
pub fn read_heads(path: &Path) -> Result<Vec<LogHead>, LookError> {
    let refuse = |source| LookError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(refuse)?;
    let mut bounded = file.take(HEADS_BYTES_MAX);
    bounded.read_to_string(&mut text).map_err(refuse)?;
    heads_file::parse(&text).map_err(|line| LookError::NoHead {
        path: path.to_owned(),
        line,
    })
}

/// Where the log of a database ends, by its own word.
///
/// # Errors
/// `Store`.
pub async fn database_end(place: &Path) -> Result<Link, LookError> {
    let mut copy = LogCopy::open(place).await?;
    let end = copy.end().await?;
    copy.close().await?;
    Ok(end)
}

/// The public key of a database.
///
/// # Errors
/// `Store`, `NoKey`.
pub async fn database_key(place: &Path) -> Result<LogKey, LookError> {
    let mut copy = LogCopy::open(place).await?;
    let key = key_of(&mut copy).await?;
    copy.close().await?;
    key.ok_or(LookError::NoKey)
}

async fn key_of(copy: &mut LogCopy) -> Result<Option<LogKey>, StoreError> {
    let seed = copy.secret(KEY_SECRET).await?;
    let signer = seed.and_then(|seed| LogSigner::from_seed(&seed));
    Ok(signer.map(|signer| signer.key().clone()))
}

/// Whether the log at a place is whole, as far as the place and what is known tell.
///
/// # Errors
/// Where it cannot be looked at. A bad record is an answer.
pub async fn verify(place: &Place, known: &Known) -> Result<Looked, LookError> {
    match place {
        Place::Database(path) => verify_database(path, known).await,
        Place::File { path, after } => verify_file(path, *after, known),
    }
}

async fn verify_database(path: &Path, known: &Known) -> Result<Looked, LookError> {
    let mut copy = LogCopy::open(path).await?;
    let own_heads = copy.heads().await?;
    let own_key = key_of(&mut copy).await?;
    let (key, checked_by) = match (&known.key, own_key) {
        (Some(key), _) => (Some(key.clone()), CheckedBy::Given),
        (None, Some(key)) => (Some(key), CheckedBy::Database),
        (None, None) => (None, CheckedBy::Nobody),
    };
    let checkpoint = own_heads
        .iter()
        .rfind(|head| head.kind == HeadKind::Checkpoint);
    let beginning = checkpoint.map_or(Link::BEGINNING, |checkpoint| checkpoint.link);
    // The database's own words are anchors too: who removes records and not these is found.
    let mut anchors = links(&own_heads);
    anchors.extend(links(&known.heads));
    anchors.push(copy.end().await?);
    let mut verifier = Verifier::new(beginning.position, Some(beginning.hash), &anchors);
    let mut after = beginning.position;
    loop {
        let records = copy.records(after, RECORDS_AT_ONCE).await?;
        for record in &records {
            match record {
                Ok(record) => verifier.take(record),
                Err(_) => verifier.take_unreadable(),
            }
        }
        match records.last() {
            Some(Ok(record)) => after = record.position,
            Some(Err(position)) => after = *position,
            None => break,
        }
    }
    let unchained_count = copy.count_unchained().await?;
    copy.close().await?;
    let own = own_heads.iter().map(|head| (head, false));
    let foreign = known.heads.iter().map(|head| (head, true));
    let unsigned = |head: &LogHead| key.as_ref().is_some_and(|key| !key.has_signed(head));
    let bad_head = own.chain(foreign).find(|(head, _)| unsigned(head));
    Ok(Looked {
        chain: verifier.finish(),
        after: beginning.position,
        bad_head: bad_head.map(|(head, is_foreign)| (head.clone(), is_foreign)),
        anchored_until: anchored_until(known, beginning.position),
        key: checked_by,
        unchained_count,
    })
}

/// Tells the records of an export one after the other; none for a line that is no record.
pub(super) fn each_record(
    path: &Path,
    mut tell: impl FnMut(Option<LogRecord>),
) -> Result<(), LookError> {
    let refuse = |source| LookError::Read {
        path: path.to_owned(),
        source,
    };
    let mut lines = BufReader::new(File::open(path).map_err(refuse)?);
    loop {
        let mut line = Vec::new();
        let mut bounded = lines.by_ref().take(LINE_BYTES_MAX);
        if bounded.read_until(b'\n', &mut line).map_err(refuse)? == 0 {
            return Ok(());
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = std::str::from_utf8(text).ok();
        tell(text.and_then(|text| LogRecord::from_line(text).ok()));
    }
}

fn verify_file(path: &Path, after: u64, known: &Known) -> Result<Looked, LookError> {
    let mut verifier: Option<Verifier> = None;
    let mut begins_after = after;
    each_record(path, |record| {
        let verifier = verifier.get_or_insert_with(|| {
            let begin = beginning_of_file(after, record.as_ref(), known);
            begins_after = begin.0;
            Verifier::new(begin.0, begin.1, &links(&known.heads))
        });
        match record {
            Some(record) => verifier.take(&record),
            None => verifier.take_unreadable(),
        }
    })?;
    let empty = || {
        let begin = beginning_of_file(after, None, known);
        Verifier::new(begin.0, begin.1, &links(&known.heads))
    };
    let unsigned = |head: &&LogHead| (known.key.as_ref()).is_some_and(|key| !key.has_signed(head));
    Ok(Looked {
        chain: verifier.unwrap_or_else(empty).finish(),
        after: begins_after,
        bad_head: known
            .heads
            .iter()
            .find(unsigned)
            .map(|it| (it.clone(), true)),
        anchored_until: anchored_until(known, begins_after),
        key: match known.key {
            Some(_) => CheckedBy::Given,
            None => CheckedBy::Nobody,
        },
        unchained_count: 0,
    })
}

/// After which place an export begins, and with which hash there: after a checkpoint that is known, or
/// where it was asked to. What comes after the very beginning continues it.
fn beginning_of_file(
    after: u64,
    first: Option<&LogRecord>,
    known: &Known,
) -> (u64, Option<LogHash>) {
    let is_checkpoint = |head: &&LogHead| head.kind == HeadKind::Checkpoint;
    if after > 0 {
        let mut heads = known.heads.iter();
        let anchor = heads.find(|head| head.link.position == after);
        return (after, anchor.map(|head| head.link.hash));
    }
    let mut checkpoints = known.heads.iter().filter(is_checkpoint);
    let begin = match first.map(|first| first.position.saturating_sub(1)) {
        Some(before) => checkpoints.find(|head| head.link.position == before),
        // Of nothing that is left, the newest tells how much there was.
        None => checkpoints.max_by_key(|head| head.link.position),
    };
    let link = begin.map_or(Link::BEGINNING, |head| head.link);
    (link.position, Some(link.hash))
}

fn links(heads: &[LogHead]) -> Vec<Link> {
    heads.iter().map(|head| head.link).collect()
}

/// The last place after the beginning that a head from elsewhere knows.
fn anchored_until(known: &Known, after: u64) -> Option<u64> {
    let positions = known.heads.iter().map(|head| head.link.position);
    positions.filter(|position| *position >= after).max()
}

/// Writes the records after a place, a line each, as they lie there. Answers how many.
///
/// # Errors
/// Where they cannot be read or written.
pub async fn export(
    place: &Path,
    after: u64,
    mut write: impl FnMut(&str) -> io::Result<()>,
) -> Result<u64, LookError> {
    let mut copy = LogCopy::open(place).await?;
    let (mut after, mut count) = (after, 0);
    loop {
        let records = copy.records(after, RECORDS_AT_ONCE).await?;
        if records.is_empty() {
            break;
        }
        for record in records {
            let record = record.map_err(LookError::Unreadable)?;
            write(&record.to_line()).map_err(LookError::Write)?;
            after = record.position;
            count += 1;
        }
    }
    copy.close().await?;
    Ok(count)
}
