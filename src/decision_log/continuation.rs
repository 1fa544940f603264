//! What an export of the decision log knows that a backup does not: how the log went on, and which grants
//! were touched. It must never take an export of another log for the continuation of this one.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::look::{LookError, each_record};
use crate::domain::log::{Link, LogHash, LogRecord};
use crate::domain::log_verify::{Fault, Verifier};
use crate::domain::{AssignmentKey, InstanceArn, PrincipalId, PrincipalKind, PrincipalRef, Target};
use crate::store::LogCopy;

/// What happened behind a backup's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// Where the backup's log ends.
    pub from: Link,
    /// Where the export ends.
    pub end: Link,
    /// Events of the export that the backup does not know.
    pub lost_count: u64,
    /// How many of them name no grant, by kind.
    pub without_grant: BTreeMap<String, u64>,
    /// The grants that they name, by id.
    pub grants: Vec<LostGrant>,
}

/// A grant that the lost events name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostGrant {
    /// Its id.
    pub id: String,
    /// The assignment; none where the events do not tell it in a way that this version reads.
    pub key: Option<AssignmentKey>,
    /// Its state in the backup; none where the backup does not know it at all.
    pub known_state: Option<String>,
    /// What happened to it, in order, by kind.
    pub kinds: Vec<String>,
    /// When the last of that happened.
    pub last_at: Option<Timestamp>,
}

/// Why an export does not tell how the log of a backup went on: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoContinuation {
    /// It has other records.
    #[error(
        "the export {path} is not of this backup's log, or one of them was changed: they differ at \
         position {position}; name the export of the service that the backup is of", path = .path.display()
    )]
    OtherLog {
        /// The export.
        path: PathBuf,
        /// Where they differ first, as far as is known.
        position: u64,
    },
    /// It is damaged.
    #[error(
        "the export {path} is not whole at position {position}; `usher log verify` tells more; name \
         another export", path = .path.display()
    )]
    NotWhole {
        /// The export.
        path: PathBuf,
        /// The first bad record.
        position: u64,
    },
    /// It begins too late.
    #[error(
        "the export {path} begins at position {first}, and the backup's log ends at {end}: what lies \
         between is in neither; name an export that begins earlier", path = .path.display()
    )]
    Gap {
        /// The export.
        path: PathBuf,
        /// Its first record.
        first: u64,
        /// Where the backup's log ends.
        end: u64,
    },
}

/// The place at which the log of a database went on after it was restored last; none where it was not.
///
/// # Errors
/// `Store`.
pub async fn restored_from(place: &Path) -> Result<Option<Link>, LookError> {
    let mut copy = LogCopy::open(place).await?;
    let body = copy.last_restore().await?;
    copy.close().await?;
    let event: Option<serde_json::Value> = body.and_then(|body| serde_json::from_str(&body).ok());
    Ok(event.and_then(|event| {
        let position = event.get("backup_position")?.as_u64()?;
        let hash = LogHash::from_hex(event.get("backup_hash")?.as_str()?)?;
        Some(Link { position, hash })
    }))
}

/// Compares an export with the database of a backup, or of a store that was restored from one, whose own
/// log ended at `from`.
///
/// # Errors
/// `NoContinuation` where the export does not go with it; where one of them cannot be read.
pub async fn continuation(
    place: &Path,
    from: Link,
    export: &Path,
) -> Result<Continuation, LookError> {
    let mut copy = LogCopy::open(place).await?;
    let mut known: HashMap<String, u64> = HashMap::new();
    for body in copy.bodies_behind(from.position).await? {
        *known.entry(body).or_default() += 1;
    }
    let first = first_record(export)?;
    let begin = match &first {
        None => Link::BEGINNING,
        Some(first) => begin_of(&mut copy, first, from, export).await?,
    };
    let mut verifier = Verifier::new(begin.position, Some(begin.hash), &[from]);
    let (mut last, mut lost) = (begin, Lost::default());
    each_record(export, |record| match record {
        None => verifier.take_unreadable(),
        Some(record) => {
            verifier.take(&record);
            last = record.link();
            if record.position > from.position {
                match known.get_mut(&record.body).filter(|left| **left > 0) {
                    Some(left) => *left -= 1,
                    None => lost.take(&record.body),
                }
            }
        }
    })?;
    judge(&mut copy, verifier, from, last, export).await?;
    let mut grants = Vec::with_capacity(lost.grants.len());
    for (id, mut grant) in lost.grants {
        grant.known_state = copy.grant_state(&id).await?;
        grants.push(grant);
    }
    copy.close().await?;
    Ok(Continuation {
        from,
        end: last,
        lost_count: lost.count,
        without_grant: lost.without_grant,
        grants,
    })
}

fn first_record(export: &Path) -> Result<Option<LogRecord>, LookError> {
    let (mut first, mut is_begun) = (None, false);
    each_record(export, |record| {
        if !is_begun {
            (first, is_begun) = (record, true);
        }
    })?;
    if is_begun && first.is_none() {
        return Err(NoContinuation::NotWhole {
            path: export.to_owned(),
            position: 1,
        }
        .into());
    }
    Ok(first)
}

/// What the first record of an export is to continue, as the database knows it.
async fn begin_of(
    copy: &mut LogCopy,
    first: &LogRecord,
    from: Link,
    export: &Path,
) -> Result<Link, LookError> {
    let before = first.position.saturating_sub(1);
    if before > from.position {
        return Err(NoContinuation::Gap {
            path: export.to_owned(),
            first: first.position,
            end: from.position,
        }
        .into());
    }
    let believed = Link {
        position: before,
        hash: first.previous_hash,
    };
    Ok(match before {
        0 => Link::BEGINNING,
        _ if before == from.position => from,
        // What retention has removed there, the export alone knows.
        _ => link_at(copy, before).await?.unwrap_or(believed),
    })
}

/// What the database has at a place.
async fn link_at(copy: &mut LogCopy, position: u64) -> Result<Option<Link>, LookError> {
    let mut records = copy.records(position.saturating_sub(1), 1).await?;
    let record = records.pop().and_then(Result::ok);
    let link = record.map(|record| record.link());
    Ok(link.filter(|link| link.position == position))
}

/// Refuses an export that is not whole, or not of this log.
async fn judge(
    copy: &mut LogCopy,
    verifier: Verifier,
    from: Link,
    last: Link,
    export: &Path,
) -> Result<(), LookError> {
    let path = export.to_owned();
    let Err(bad) = verifier.finish() else {
        return Ok(());
    };
    let position = bad.position;
    match bad.fault {
        // It ends before the backup does: then its end is to be in the backup.
        Fault::Cut { .. } => {
            let same = match last.position {
                0 => Some(Link::BEGINNING),
                position => link_at(copy, position).await?,
            };
            if same.is_none_or(|same| same == last) {
                return Ok(());
            }
            let position = last.position;
            Err(NoContinuation::OtherLog { path, position }.into())
        }
        Fault::Rewritten if position <= from.position + 1 => {
            Err(NoContinuation::OtherLog { path, position }.into())
        }
        _ => Err(NoContinuation::NotWhole { path, position }.into()),
    }
}

#[derive(Default)]
struct Lost {
    count: u64,
    without_grant: BTreeMap<String, u64>,
    grants: BTreeMap<String, LostGrant>,
}

impl Lost {
    fn take(&mut self, body: &str) {
        self.count += 1;
        let event: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let word = |name: &str| event.get(name).and_then(serde_json::Value::as_str);
        let kind = word("kind").unwrap_or("unreadable").to_owned();
        let Some(id) = word("grant_id") else {
            *self.without_grant.entry(kind).or_default() += 1;
            return;
        };
        let grant = self.grants.entry(id.to_owned());
        let grant = grant.or_insert_with(|| LostGrant {
            id: id.to_owned(),
            key: None,
            known_state: None,
            kinds: Vec::new(),
            last_at: None,
        });
        grant.key = grant.key.take().or_else(|| {
            key_of(
                word("instance_arn")?,
                (word("principal_type")?, word("principal_id")?),
                (word("target_kind")?, word("target")?),
            )
        });
        grant.kinds.push(kind);
        let at = word("at_microseconds").and_then(|at| at.parse().ok());
        grant.last_at = at.and_then(|at| Timestamp::from_microsecond(at).ok());
    }
}

fn key_of(
    instance_arn: &str,
    principal: (&str, &str),
    target: (&str, &str),
) -> Option<AssignmentKey> {
    Some(AssignmentKey {
        instance_arn: InstanceArn::parse(instance_arn).ok()?,
        principal: PrincipalRef {
            kind: PrincipalKind::from_aws(principal.0)?,
            id: PrincipalId::parse(principal.1).ok()?,
        },
        target: Target::from_parts(target.0, target.1).ok()?,
    })
}
