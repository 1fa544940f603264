//! A collection as facts, and facts as the collection that they were.
//!
//! `write` and `read` are pure, and one undoes the other. `history` takes a collection into the store
//! in small steps and reads it back page by page. Of what nobody could see nothing is said: it becomes
//! gaps, within which the store leaves everything as it was.

mod history;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use history::{Findings, commit, load};
pub use read::CollectionReader;
pub use write::{assignments, facts, gaps, gaps_of, is_listed, lists_all, record};
