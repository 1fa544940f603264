//! Pages of what the last collection found: all pages of a list from the same one, whatever is collected meanwhile.
//! Nothing here asks AWS.

use std::time::Duration;

use jiff::Timestamp;

use super::page_token::PageRequest;
use super::permission::LOOKED_AT_MAX;
use super::report::is_young;
use super::{App, AppError, CallContext};
use crate::audit::lists_all;
use crate::domain::facts::{CollectionId, Fact, FactKey, FactKind};
use crate::domain::{Instance, InvalidValue};
use crate::store::{FactRange, StoreError};

/// Where a page begins: in which collection, behind which fact.
pub(super) struct Place {
    pub(super) collection: CollectionId,
    /// When the oldest fact of it was read.
    pub(super) read_at: Timestamp,
    pub(super) after: Option<FactKey>,
}

/// One page of a list of what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What there is, in the order of the list.
    pub rows: Vec<T>,
    /// The next page's token; empty on the last page.
    pub next_page_token: String,
    /// When the oldest fact used was read from AWS.
    pub as_of: Timestamp,
}

/// How a list of what there is may be answered.
pub(super) struct Listing<'a> {
    pub(super) context: &'a CallContext,
    pub(super) instance: &'a Instance,
    pub(super) page: &'a PageRequest,
    /// What the page's token says; none on the first page.
    pub(super) place: Option<&'a str>,
    /// How old the facts may be; none for those of the last collection, whenever that was.
    pub(super) max_age: Option<Duration>,
}

impl Place {
    pub(super) fn write(&self, after: &FactKey) -> String {
        let read_at = self.read_at.as_microsecond();
        let id = self.collection.0;
        format!("{id}\n{read_at}\n{}\n{}", after.key, after.second)
    }

    /// Reads what `write` wrote of facts of a kind.
    pub(super) fn read(kind: FactKind, text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '\n');
        let collection = CollectionId(parts.next()?.parse().ok()?);
        let read_at = parts.next()?.parse().ok()?;
        let read_at = Timestamp::from_microsecond(read_at).ok()?;
        let after = FactKey {
            kind,
            key: parts.next()?.to_owned(),
            second: parts.next()?.to_owned(),
        };
        Some(Self {
            collection,
            read_at,
            after: Some(after),
        })
    }
}

impl App {
    /// One page of the facts of a kind, as far as `read` makes rows of them; none where the last collection does
    /// not answer: there is none, it is too old, or it lacks some.
    ///
    /// # Errors
    /// `PageTokenInvalid` where the collection of the first page was forgotten since.
    pub(super) async fn page_of_facts<T>(
        &self,
        listing: &Listing<'_>,
        kind: FactKind,
        read: impl Fn(Fact) -> Result<Option<T>, InvalidValue>,
    ) -> Result<Option<Listed<T>>, AppError> {
        let Some(place) = self.place_in_facts(listing, kind).await? else {
            return Ok(None);
        };
        let (store, size) = (&self.parts.store, listing.page.size);
        let range = FactRange::Kinds(vec![kind]);
        let (mut rows, mut after, mut looked_at) = (Vec::new(), place.after.clone(), 0);
        let next = loop {
            let wanted = size - rows.len() + 1;
            let facts = store.facts(place.collection, &range, after.as_ref(), wanted);
            let mut facts = facts.await.map_err(forgotten)?;
            let is_last = facts.len() < wanted;
            facts.truncate(wanted - 1);
            looked_at += facts.len();
            if let Some(last) = facts.last() {
                after = Some(last.fact.key.clone());
            }
            for kept in facts {
                let row = read(kept.fact);
                rows.extend(row.map_err(|problem| StoreError::Corrupt(problem.to_string()))?);
            }
            if is_last {
                break None;
            }
            if rows.len() == size || looked_at >= LOOKED_AT_MAX {
                break after;
            }
        };
        let next_page_token = match next {
            Some(after) => {
                let next = place.write(&after);
                self.page_tokens
                    .seal(listing.context, listing.page, &next)?
            }
            None => String::new(),
        };
        Ok(Some(Listed {
            rows,
            next_page_token,
            as_of: place.read_at,
        }))
    }

    async fn place_in_facts(
        &self,
        listing: &Listing<'_>,
        kind: FactKind,
    ) -> Result<Option<Place>, AppError> {
        if let Some(sealed) = listing.place {
            // Else the list began where AWS was asked.
            return Ok(Place::read(kind, sealed));
        }
        let now = self.parts.clock.now();
        let instance = &listing.instance.arn;
        let last = self.parts.store.collection_at(instance, now).await?;
        let last = last.filter(|last| {
            let is_young = |max_age| is_young(last, max_age, now);
            lists_all(&last.record, kind) && listing.max_age.is_none_or(is_young)
        });
        Ok(last.map(|last| Place {
            collection: last.id,
            read_at: last.record.read_from(),
            after: None,
        }))
    }
}

/// The collection of a page is not there any more.
pub(super) fn forgotten(error: StoreError) -> AppError {
    match error {
        StoreError::Stale => AppError::PageTokenInvalid,
        error => error.into(),
    }
}
