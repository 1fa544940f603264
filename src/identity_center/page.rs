//! Pages of AWS lists. A page may be short, empty or without its list while a token is set: only
//! the token says whether there is more (aws-api.md §3).

use std::future::Future;

use crate::domain::{ErrorKind, Failure, Operation};

/// AWS's opaque token for the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub String);

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows; possibly none although there is a next page.
    pub items: Vec<T>,
    /// The next page's token; none on the last page.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// The page with every row turned into something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}

/// More pages than any list can have within AWS's quotas: 200,000 users (aws-api.md §4) in pages
/// of 100 are 2,000; the rest is room for short and empty pages.
const PAGES_MAX: usize = 20_000;

/// Reads every page of a list.
///
/// # Errors
/// What a page fails with; `Unexpected` when AWS gives the same token twice in a row or more pages
/// than `PAGES_MAX`, since the list would be cut or endless without anybody noticing.
pub async fn collect_pages<T, F>(
    operation: Operation,
    mut read: impl FnMut(Option<PageToken>) -> F,
) -> Result<Vec<T>, Failure>
where
    F: Future<Output = Result<Page<T>, Failure>>,
{
    let mut items = Vec::new();
    walk_pages(operation, &mut read, |page| {
        items.extend(page);
        false
    })
    .await?;
    Ok(items)
}

/// Whether a row that fits is in the list; pages are read until it is found, or all of them.
pub(super) async fn is_in_pages<T, F, E>(
    operation: Operation,
    mut read: impl FnMut(Option<PageToken>) -> F,
    fits: impl Fn(&T) -> bool,
) -> Result<bool, E>
where
    F: Future<Output = Result<Page<T>, E>>,
    E: From<Failure>,
{
    walk_pages(operation, &mut read, |page| page.iter().any(&fits)).await
}

/// Shows every page to `is_enough`, until it says so; whether it did.
async fn walk_pages<T, F, E>(
    operation: Operation,
    read: &mut impl FnMut(Option<PageToken>) -> F,
    mut is_enough: impl FnMut(Vec<T>) -> bool,
) -> Result<bool, E>
where
    F: Future<Output = Result<Page<T>, E>>,
    E: From<Failure>,
{
    let mut token: Option<PageToken> = None;
    for _ in 0..PAGES_MAX {
        let page = read(token.clone()).await?;
        if is_enough(page.items) {
            return Ok(true);
        }
        match page.next {
            None => return Ok(false),
            next if next == token => break,
            next => token = next,
        }
    }
    Err(Failure::new(ErrorKind::Unexpected, operation).into())
}
