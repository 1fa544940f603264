//! The decision log as a chain: each record holds an event, its place, and the hash of the record
//! before it. What is said about one place says so about everything before it.
//!
//! ```text
//!   {"body":<event>,"position":N,"previous_hash":"<hex>"}      canonical JSON (RFC 8785)
//!   hash = sha256 of these bytes; the next record's previous_hash
//! ```
//! A record travels as one such line with its `hash` beside. Nothing here stores or signs.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// The length of a hash in bytes.
const HASH_LENGTH: usize = 32;

/// A hash of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogHash([u8; HASH_LENGTH]);

/// A place in the chain: what everything after it continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link {
    /// The place; the first record has 1.
    pub position: u64,
    /// The hash of the record there.
    pub hash: LogHash,
}

/// One record of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its place.
    pub position: u64,
    /// The hash of the record before it.
    pub previous_hash: LogHash,
    /// Its own hash, as it is told.
    pub hash: LogHash,
    /// The event, in canonical JSON.
    pub body: String,
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoRecord(pub &'static str);

impl LogHash {
    /// Reads 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads 64 digits of lower-case hex, its only form.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).and_then(|bytes| Self::from_bytes(&bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for LogHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&to_hex(&self.0))
    }
}

impl Link {
    /// What the first record of all continues.
    pub const BEGINNING: Self = Self {
        position: 0,
        hash: LogHash([0; HASH_LENGTH]),
    };
}

impl LogRecord {
    /// The record that puts an event behind a place.
    #[must_use]
    pub fn after(previous: &Link, body: String) -> Self {
        let position = previous.position + 1;
        Self {
            position,
            previous_hash: previous.hash,
            hash: hash_at(position, &previous.hash, &body),
            body,
        }
    }

    /// Its place.
    #[must_use]
    pub fn link(&self) -> Link {
        Link {
            position: self.position,
            hash: self.hash,
        }
    }

    /// Whether its hash is that of what it holds.
    #[must_use]
    pub fn is_itself(&self) -> bool {
        self.would_be_at(self.position)
    }

    /// Whether its hash is that of what it holds, had it this place.
    #[must_use]
    pub fn would_be_at(&self, position: u64) -> bool {
        hash_at(position, &self.previous_hash, &self.body) == self.hash
    }

    /// Whether another record's event is what was hashed here.
    #[must_use]
    pub fn is_of(&self, body: &str) -> bool {
        hash_at(self.position, &self.previous_hash, body) == self.hash
    }

    /// The record as a line.
    #[must_use]
    pub fn to_line(&self) -> String {
        let (body, hash) = (&self.body, self.hash);
        let (position, previous) = (self.position, self.previous_hash);
        format!(
            "{{\"body\":{body},\"hash\":\"{hash}\",\"position\":{position},\"previous_hash\":\"{previous}\"}}"
        )
    }

    /// Reads a line, which has exactly one form: a changed byte is a change, also where it would mean
    /// the same to a reader of JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_line(line: &str) -> Result<Self, NoRecord> {
        let value: serde_json::Value =
            serde_json::from_str(line).map_err(|_| NoRecord("it is not JSON"))?;
        let members = value.as_object().ok_or(NoRecord("it is not an object"))?;
        let text = |name| members.get(name).and_then(serde_json::Value::as_str);
        let hash = |name| {
            text(name)
                .and_then(LogHash::from_hex)
                .ok_or(NoRecord("a hash is missing or is none"))
        };
        let body = members.get("body").ok_or(NoRecord("it has no body"))?;
        let record = Self {
            position: members
                .get("position")
                .and_then(serde_json::Value::as_u64)
                .filter(|position| *position > 0)
                .ok_or(NoRecord("its position is missing or is none"))?,
            previous_hash: hash("previous_hash")?,
            hash: hash("hash")?,
            body: serde_json_canonicalizer::to_string(body)
                .map_err(|_| NoRecord("its body cannot be read"))?,
        };
        if record.to_line() == line {
            Ok(record)
        } else {
            Err(NoRecord("it is not in canonical form"))
        }
    }
}

fn hash_at(position: u64, previous: &LogHash, body: &str) -> LogHash {
    let text =
        format!("{{\"body\":{body},\"position\":{position},\"previous_hash\":\"{previous}\"}}");
    let mut hash = [0; HASH_LENGTH];
    // INVARIANT: SHA-256 has 32 bytes.
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    LogHash(hash)
}

/// Bytes as lower-case hex.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Reads lower-case hex.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| Some(digit(&pair[0])? << 4 | digit(&pair[1])?);
    rest.is_empty()
        .then(|| pairs.iter().map(byte).collect())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_line_without_it() {
        let record = LogRecord::after(&Link::BEGINNING, "{\"kind\":\"a\"}".to_owned());
        let text = format!(
            "{{\"body\":{{\"kind\":\"a\"}},\"position\":1,\"previous_hash\":\"{}\"}}",
            "0".repeat(64)
        );
        let hash = to_hex(digest(&SHA256, text.as_bytes()).as_ref());
        assert_eq!(record.hash.to_string(), hash);
        let mut line: serde_json::Value = serde_json::from_str(&record.to_line()).unwrap();
        assert_eq!(line.as_object_mut().unwrap().remove("hash").unwrap(), hash);
        assert_eq!(serde_json_canonicalizer::to_string(&line).unwrap(), text);
    }

    #[test]
    fn a_line_has_one_form() {
        let first = LogRecord::after(&Link::BEGINNING, "{\"kind\":\"a\"}".to_owned());
        let second = LogRecord::after(&first.link(), "{\"kind\":\"b\"}".to_owned());
        let line = second.to_line();
        assert_eq!(LogRecord::from_line(&line), Ok(second));
        for other in [
            line.replace(":2", ": 2"),
            line.replace("\"kind\":\"b\"", "\"kind\":\"c\",\"kind\":\"b\""),
            line.replace('b', "\\u0062"),
            line.replace(":2", ":2.0"),
            line.replace(":2", ":-2"),
            line.to_uppercase(),
            format!("{line} "),
            line[1..].to_owned(),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(LogRecord::from_line(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn hex_is_read_in_one_form() {
        assert_eq!(from_hex(&to_hex(&[0, 1, 0xfe])), Some(vec![0, 1, 0xfe]));
        for wrong in ["0", "0G", "0A", "é"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
