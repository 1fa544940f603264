//! Whether a chain is whole: goes over its records in their order, compares them with what is known from elsewhere, and names
//! the first bad record and what was done to it. Pure; it believes nothing but hashes.

use std::collections::BTreeMap;

use super::log::{Link, LogHash, LogRecord};

/// What was done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is not a record at all.
    Unreadable,
    /// It does not hold what was hashed.
    Edited,
    /// It is not there, nor are those after it up to a place.
    Removed {
        /// The last one that is missing.
        until: u64,
    },
    /// Another stands in its place, and it stands elsewhere.
    Reordered,
    /// It, or some before it, were changed and hashed anew: what comes after does not continue it, or
    /// an anchor knows another hash.
    Rewritten,
    /// It is not there, nor is anything after it, and an anchor knows of them.
    Cut {
        /// How far the anchor knows the chain.
        until: u64,
    },
}

/// The first bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BadRecord {
    /// Its place.
    pub position: u64,
    /// What was done to it.
    pub fault: Fault,
}

/// A chain without a bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// How many records it has.
    pub count: u64,
    /// The last one; what it was to continue, where there is none.
    pub end: Link,
}

/// A record that is not right, and what the rest of the chain tells about it.
#[derive(Debug)]
enum Suspect {
    /// Nothing more is to be learnt.
    Known(BadRecord),
    /// Records are missing here, unless they come later.
    Gap { position: u64, until: u64 },
    /// Another record than the one that was hashed.
    Odd(Odd),
}

#[derive(Debug)]
struct Odd {
    record: LogRecord,
    /// It is a whole record of another place.
    is_moved: bool,
    /// Its event belongs to another place.
    is_swapped: bool,
    /// The record that it continues comes later.
    has_original: bool,
}

/// Goes over a chain.
#[derive(Debug)]
pub struct Verifier {
    /// How many records were right.
    count: u64,
    /// The place that was right last.
    position: u64,
    /// The hash there; none where the first record is believed what it continues.
    hash: Option<LogHash>,
    /// What is known from elsewhere.
    anchors: BTreeMap<u64, Vec<LogHash>>,
    suspect: Option<Suspect>,
}

impl Verifier {
    /// A chain that continues a place, whose hash may be unknown, and goes through anchors. An anchor
    /// that lies before its beginning says nothing of it.
    #[must_use]
    pub fn new(after: u64, hash: Option<LogHash>, anchors: &[Link]) -> Self {
        let mut known: BTreeMap<u64, Vec<LogHash>> = BTreeMap::new();
        for anchor in anchors {
            known.entry(anchor.position).or_default().push(anchor.hash);
        }
        let suspect = hash
            .filter(|hash| is_contradicted(&known, after, hash))
            .map(|_| self::known(after, Fault::Rewritten));
        Self {
            count: 0,
            position: after,
            hash,
            anchors: known,
            suspect,
        }
    }

    /// The next record, in the order in which they are kept.
    pub fn take(&mut self, record: &LogRecord) {
        match &mut self.suspect {
            None => self.suspect = self.judge(record),
            Some(suspect) => suspect.learn(record),
        }
    }

    /// What should be the next record is none.
    pub fn take_unreadable(&mut self) {
        if self.suspect.is_none() {
            self.suspect = Some(known(self.position + 1, Fault::Unreadable));
        }
    }

    fn judge(&mut self, record: &LogRecord) -> Option<Suspect> {
        let position = self.position + 1;
        if record.position > position {
            let until = record.position.saturating_sub(1);
            return Some(Suspect::Gap { position, until });
        }
        if record.position < position {
            return Some(known(record.position, Fault::Reordered));
        }
        if !record.is_itself() {
            return Some(Suspect::Odd(Odd {
                record: record.clone(),
                is_moved: record.would_be_at(position + 1),
                is_swapped: false,
                has_original: false,
            }));
        }
        if self.hash.is_some_and(|hash| hash != record.previous_hash) {
            // It was hashed after another record than the one that stands before it now.
            let place = if self.count == 0 {
                position
            } else {
                position - 1
            };
            return Some(known(place, Fault::Rewritten));
        }
        if is_contradicted(&self.anchors, position, &record.hash) {
            return Some(known(position, Fault::Rewritten));
        }
        self.count += 1;
        self.position = position;
        self.hash = Some(record.hash);
        None
    }

    /// What came of it.
    ///
    /// # Errors
    /// The first bad record.
    pub fn finish(self) -> Result<Whole, BadRecord> {
        if let Some(suspect) = self.suspect {
            return Err(suspect.verdict());
        }
        if let Some((until, _)) = self.anchors.last_key_value()
            && *until > self.position
        {
            return Err(BadRecord {
                position: self.position + 1,
                fault: Fault::Cut { until: *until },
            });
        }
        Ok(Whole {
            count: self.count,
            end: Link {
                position: self.position,
                hash: self.hash.unwrap_or(Link::BEGINNING.hash),
            },
        })
    }
}

/// Whether an anchor knows another hash there.
fn is_contradicted(anchors: &BTreeMap<u64, Vec<LogHash>>, position: u64, hash: &LogHash) -> bool {
    let known = anchors.get(&position);
    known.is_some_and(|known| known.iter().any(|known| known != hash))
}

fn known(position: u64, fault: Fault) -> Suspect {
    Suspect::Known(BadRecord { position, fault })
}

impl Suspect {
    fn learn(&mut self, later: &LogRecord) {
        match self {
            Self::Known(_) => {}
            Self::Gap { position, .. } => {
                if later.position == *position {
                    *self = known(later.position, Fault::Reordered);
                }
            }
            Self::Odd(odd) => {
                odd.is_moved |= odd.record.would_be_at(later.position);
                odd.is_swapped |= later.is_of(&odd.record.body);
                odd.has_original |= later.hash == odd.record.previous_hash;
            }
        }
    }

    fn verdict(self) -> BadRecord {
        match self {
            Self::Known(bad) => bad,
            Self::Gap { position, until } => BadRecord {
                position,
                fault: Fault::Removed { until },
            },
            Self::Odd(odd) => {
                let position = odd.record.position;
                let fault = if odd.is_swapped || odd.is_moved && odd.has_original {
                    Fault::Reordered
                } else if odd.is_moved {
                    Fault::Removed { until: position }
                } else {
                    Fault::Edited
                };
                BadRecord { position, fault }
            }
        }
    }
}

#[cfg(test)]
#[path = "log_verify_tests.rs"]
mod tests;
