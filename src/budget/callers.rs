//! Callers as the queue knows them: a hash of the name, since only turns are counted by it. The names are
//! kept beside, for people who ask who waits; nothing is decided by them.

use std::hash::Hasher;
use std::sync::{Arc, LazyLock};

use moka::sync::Cache;

/// Names that are remembered, the last used ones: more callers than that wait at no time.
const NAMES_MAX: u64 = 10_000;

static NAMES: LazyLock<Cache<CallerKey, Arc<str>>> = LazyLock::new(|| Cache::new(NAMES_MAX));

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerKey(u64);

impl CallerKey {
    /// Usher itself.
    pub(super) const USHER: Self = Self(0);

    /// The key of a caller. Two names with one key would only take their turns together.
    pub(super) fn of(name: &str) -> Self {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let key = Self(hasher.finish());
        if !NAMES.contains_key(&key) {
            NAMES.insert(key, name.into());
        }
        key
    }

    /// The name; empty for one that has not been heard of for long.
    pub(super) fn name(self) -> String {
        if self == Self::USHER {
            return "usher".to_owned();
        }
        NAMES.get(&self).as_deref().unwrap_or_default().to_owned()
    }
}

/// Keys are hashes already: they need not be hashed again, a thousand times for each who asks.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
