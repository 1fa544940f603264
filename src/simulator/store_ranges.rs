//! Walks through keyed rows from a place on, which is what pages are cut from. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::store::{Key, key};

/// Rows of a store with ids after the given one.
pub(super) fn rows_after<'a, T>(
    rows: &'a BTreeMap<Key, T>,
    store: &str,
    id: Option<&str>,
) -> impl Iterator<Item = &'a T> {
    let from = match id {
        Some(id) => Bound::Excluded(key(store, id)),
        None => Bound::Included(key(store, "")),
    };
    let store = store.to_owned();
    rows.range((from, Bound::Unbounded))
        .take_while(move |((of, _), _)| *of == store)
        .map(|(_, row)| row)
}

/// Links of `of`, beyond all links to `after`.
pub(super) fn links_after<'a>(
    links: &'a BTreeSet<(String, String, String)>,
    of: &str,
    after: Option<&str>,
) -> impl Iterator<Item = &'a (String, String, String)> + use<'a> {
    let first = (
        of.to_owned(),
        after.unwrap_or_default().to_owned(),
        String::new(),
    );
    let (of, after) = (of.to_owned(), after.map(str::to_owned));
    links
        .range(first..)
        .take_while(move |(first, _, _)| *first == of)
        .filter(move |(_, second, _)| Some(second) != after.as_ref())
}
