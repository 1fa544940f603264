//! What is counted, and the admin port that tells it in Prometheus's text form.
//!
//! Counters are atomics that their part of the service owns; a part that has something to tell is a
//! `Source`. Nothing here is global, so that several services live in one process, as in tests. No
//! name of a person, no id and no token is ever a label: only words of the code.

mod admin;
mod config;
mod instruments;
mod page;

use std::sync::Arc;

pub use admin::AdminPort;
pub use config::MetricsConfig;
pub use instruments::{Counter, Histogram};
pub use page::{Family, Kind, Page};

/// A part of the service that has something to tell.
pub trait Source: Send + Sync {
    /// Writes what it counts by now. It is called at every scrape and only reads memory: it waits
    /// for nothing, asks neither the store nor AWS, and holds a lock for moments at most.
    fn tell(&self, page: &mut Page);
}

/// Everything that one service tells.
#[derive(Clone, Default)]
pub struct Metrics {
    sources: Vec<Arc<dyn Source>>,
}

impl Metrics {
    /// Adds a part. Each has families of its own: a family that two tell would stand twice.
    pub fn add(&mut self, source: Arc<dyn Source>) {
        self.sources.push(source);
    }

    /// The page as it is now.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = Page::default();
        for source in &self.sources {
            source.tell(&mut page);
        }
        page.into_text()
    }
}
