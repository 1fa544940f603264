//! The report as one HTML page, for people: what is in it at a glance, then its rows.
//!
//! `markup` makes every text harmless. While rows stream, `access` (or `plain`) counts and `detail`
//! keeps the first of them, both bounded: a page takes at most 60 MB of memory however many rows a
//! report has. `document` then writes the page in pieces. page.css and page.js stand in it as they
//! are; nothing that others wrote ever stands in a script.
//!
//! A page asks for nothing: it has no link outside, and its policy forbids any. It needs no
//! JavaScript to be read.

mod about;
mod access;
mod cells;
mod change_cells;
mod detail;
mod document;
mod finding_cells;
mod findings;
mod markup;
mod people;
mod plain;
mod reasons;
mod section;
mod sections;
mod since;
mod top;
mod words;

use super::answer::Summary;
use crate::domain::report::{
    ChangeRow, DuplicateUserRow, FindingRow, InstanceRow, ReportRow, Row, View,
};
pub(super) use about::{About, Records};
use detail::Detail;
pub(super) use document::Document;
use markup::Html;
use section::Glance;

/// A row that a page can count and show.
pub(super) trait PageRow: ReportRow {
    /// What the rows amount to.
    type Counts: Default + Send;

    /// What stands over the cells; a heading that begins with `#` is over numbers.
    fn headings(view: View) -> &'static [&'static str];

    /// Counts this row. Rows come in the order of the report.
    fn count(&self, counts: &mut Self::Counts, about: &About);

    /// Its cells, one below each heading.
    fn page_cells(&self, about: &About) -> Vec<Html>;

    /// What a page says before its rows; no further row comes.
    fn glance(counts: Self::Counts, about: &About, summary: &Summary) -> Glance;
}

/// A page to be.
pub(super) struct Page<R: PageRow> {
    about: About,
    counts: R::Counts,
    detail: Detail,
}

impl<R: PageRow> Page<R> {
    /// A page without rows yet.
    pub(super) fn new(about: About) -> Self {
        Self {
            counts: R::Counts::default(),
            detail: Detail::new(R::headings(about.view)),
            about,
        }
    }

    /// Counts a row, and keeps it if there is room.
    pub(super) fn push(&mut self, row: &R) {
        row.count(&mut self.counts, &self.about);
        self.detail.add(|| row.page_cells(&self.about));
    }

    /// The page, with what the summary says; of that all but the sha256 must be known.
    pub(super) fn finish(self, summary: &Summary) -> Document {
        let glance = R::glance(self.counts, &self.about, summary);
        Document::new(&self.about, &glance, self.detail, summary)
    }

    /// The bytes that its rows take.
    #[cfg(test)]
    pub(super) fn detail_bytes(&self) -> usize {
        self.detail.bytes()
    }
}

impl PageRow for Row {
    type Counts = access::Access;

    fn headings(view: View) -> &'static [&'static str] {
        match view {
            View::Assignments => &cells::OF_ASSIGNMENTS,
            _ => &cells::OF_ACCESS,
        }
    }

    fn count(&self, counts: &mut Self::Counts, about: &About) {
        counts.count(self, about);
    }

    fn page_cells(&self, about: &About) -> Vec<Html> {
        cells::of(self, about)
    }

    fn glance(mut counts: Self::Counts, about: &About, summary: &Summary) -> Glance {
        counts.end();
        sections::glance(&counts, about, summary)
    }
}

impl PageRow for InstanceRow {
    type Counts = plain::Instances;

    fn headings(_: View) -> &'static [&'static str] {
        &plain::OF_INSTANCES
    }

    fn count(&self, counts: &mut Self::Counts, _: &About) {
        counts.count(self);
    }

    fn page_cells(&self, _: &About) -> Vec<Html> {
        plain::instance_cells(self)
    }

    fn glance(counts: Self::Counts, _: &About, summary: &Summary) -> Glance {
        counts.glance(summary)
    }
}

impl PageRow for DuplicateUserRow {
    type Counts = plain::Duplicates;

    fn headings(_: View) -> &'static [&'static str] {
        &plain::OF_DUPLICATE_USERS
    }

    fn count(&self, counts: &mut Self::Counts, _: &About) {
        counts.count(self);
    }

    fn page_cells(&self, _: &About) -> Vec<Html> {
        plain::duplicate_cells(self)
    }

    fn glance(counts: Self::Counts, about: &About, summary: &Summary) -> Glance {
        counts.glance(about, summary)
    }
}

impl PageRow for FindingRow {
    type Counts = finding_cells::FindingCounts;

    fn headings(_: View) -> &'static [&'static str] {
        &finding_cells::OF_FINDINGS
    }

    fn count(&self, counts: &mut Self::Counts, _: &About) {
        counts.count(self);
    }

    fn page_cells(&self, _: &About) -> Vec<Html> {
        finding_cells::finding_cells(self)
    }

    fn glance(counts: Self::Counts, _: &About, summary: &Summary) -> Glance {
        counts.glance(summary)
    }
}

impl PageRow for ChangeRow {
    type Counts = change_cells::ChangeCounts;

    fn headings(_: View) -> &'static [&'static str] {
        &change_cells::OF_CHANGES
    }

    fn count(&self, counts: &mut Self::Counts, _: &About) {
        counts.count(self);
    }

    fn page_cells(&self, _: &About) -> Vec<Html> {
        change_cells::change_cells(self)
    }

    fn glance(counts: Self::Counts, _: &About, summary: &Summary) -> Glance {
        counts.glance(summary)
    }
}
