//! The index of names: which rows of a store bear a name, whatever its case. Whether case counts is
//! decided by who asks.

use std::collections::{BTreeMap, BTreeSet};

/// What a name names, in the index of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameKind {
    UserName,
    Email,
    GroupName,
}

/// Ids by kind, store and lower-case name.
#[derive(Default)]
pub(super) struct Names {
    ids: BTreeMap<(NameKind, String, String), BTreeSet<String>>,
}

impl Names {
    /// Ids that bear the name in any case.
    pub(super) fn ids(&self, kind: NameKind, store: &str, name: &str) -> Option<&BTreeSet<String>> {
        self.ids.get(&key(kind, store, name))
    }

    pub(super) fn add(&mut self, kind: NameKind, store: &str, name: &str, id: &str) {
        self.ids
            .entry(key(kind, store, name))
            .or_default()
            .insert(id.to_owned());
    }

    pub(super) fn remove(&mut self, kind: NameKind, store: &str, name: &str, id: &str) {
        let key = key(kind, store, name);
        if let Some(ids) = self.ids.get_mut(&key) {
            ids.remove(id);
            if ids.is_empty() {
                self.ids.remove(&key);
            }
        }
    }
}

fn key(kind: NameKind, store: &str, name: &str) -> (NameKind, String, String) {
    (kind, store.to_owned(), name.to_lowercase())
}
