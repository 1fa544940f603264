//! What is recorded of policy sets: their texts by hash, when each was loaded, and what did not load.
//! Which set is in force, and what it decides, is not known here.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

/// The texts of a policy set: every file by its name, the table of expected decisions among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyTexts(pub BTreeMap<String, String>);

impl PolicyTexts {
    /// The one text that is kept and hashed: JSON by RFC 8785, an object of names and texts.
    ///
    /// # Errors
    /// Only if the serializer fails, for which texts give it no cause.
    pub fn to_canonical_json(&self) -> Result<String, serde_json::Error> {
        serde_json_canonicalizer::to_string(&self.0)
    }

    /// Hex sha256 of the canonical text. Unlike a set's version it also tells tables apart.
    ///
    /// # Errors
    /// As `to_canonical_json`.
    pub fn content_hash(&self) -> Result<String, serde_json::Error> {
        let hash = digest(&SHA256, self.to_canonical_json()?.as_bytes());
        let bytes = hash.as_ref().iter();
        Ok(bytes.map(|byte| format!("{byte:02x}")).collect())
    }

    /// The names of the files in which two sets differ, sorted.
    #[must_use]
    pub fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let differs = |name: &&String| self.0.get(*name) != other.0.get(*name);
        let both = self.0.keys().chain(other.0.keys());
        let mut names: Vec<&str> = both.filter(differs).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// On what occasion a set was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadedBy {
    /// Usher began to serve.
    Start,
    /// The files changed while it served.
    Reload,
}

impl LoadedBy {
    /// Every occasion.
    pub const ALL: [Self; 2] = [Self::Start, Self::Reload];

    /// The word of events and of the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "usher at start",
            Self::Reload => "reload",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == word)
    }
}

/// A set that is about to be in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLoad {
    /// What answers and grants name the set by.
    pub version: String,
    /// What it was made from.
    pub texts: PolicyTexts,
    /// The occasion.
    pub loaded_by: LoadedBy,
    /// When.
    pub loaded_at: Timestamp,
    /// The folder of its files; none for a built-in set, and in records of earlier versions.
    pub directory: Option<String>,
}

/// Texts that do not load; those in force stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRefusal {
    /// The hash of what could be read of them.
    pub content_hash: String,
    /// How many problems were told.
    pub problem_count: usize,
    /// When they were first seen.
    pub refused_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, &str)]) -> PolicyTexts {
        let files = files.iter();
        let files = files.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        PolicyTexts(files.collect())
    }

    #[test]
    fn the_hash_tells_every_text_and_name_apart() {
        let hash = |files| texts(files).content_hash().unwrap();
        let one = hash(&[("a.cedar", "x"), ("tests.toml", "y")]);
        assert_eq!(one, hash(&[("tests.toml", "y"), ("a.cedar", "x")]));
        assert_eq!(one.len(), 64);
        for other in [
            hash(&[("a.cedar", "x")]),
            hash(&[("a.cedar", "x"), ("tests.toml", "")]),
            hash(&[("a.cedar", "y"), ("tests.toml", "x")]),
            hash(&[("b.cedar", "x"), ("tests.toml", "y")]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn the_files_that_differ_are_named() {
        let before = texts(&[("a", "1"), ("b", "1"), ("gone", "1")]);
        let after = texts(&[("a", "1"), ("b", "2"), ("new", "1")]);
        assert_eq!(before.differing(&after), ["b", "gone", "new"]);
        assert_eq!(before.differing(&before), Vec::<&str>::new());
    }
}
