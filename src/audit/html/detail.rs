//! The rows that a page lists, kept until its top can be written: bounded, and small where cells
//! repeat, as they do when a group's members reach many targets. Never holds a cell twice.

use std::collections::HashMap;
use std::sync::Arc;

use super::markup::Html;

/// Rows that a page lists. More would not be read by anybody, and browsers grow slow with them.
pub(super) const ROWS_MAX: usize = 50_000;
/// Bytes of different cells that are kept, each with what keeping it costs. With the 50,000 rows of
/// eight small numbers (at most 3.2 MB) a page's detail takes at most 29 MB of memory.
const CELL_BYTES_MAX: usize = 24 * 1024 * 1024;
/// What keeping a cell costs beside its text: two counters, a place in the list and in the map.
const CELL_OVERHEAD: usize = 128;

/// The rows of a page, as cells.
#[derive(Debug, Default)]
pub(super) struct Detail {
    headings: &'static [&'static str],
    /// The cells' places in `texts`, row after row.
    rows: Vec<u32>,
    texts: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
    bytes: usize,
    is_full: bool,
    seen: u64,
}

impl Detail {
    /// No rows yet, of a cell below each heading; one that begins with `#` is over numbers.
    pub(super) fn new(headings: &'static [&'static str]) -> Self {
        Self {
            headings,
            ..Self::default()
        }
    }

    /// Takes a row, if there is room. Once a row found none, no later one is taken: what is listed is
    /// the beginning of the report.
    pub(super) fn add(&mut self, cells: impl FnOnce() -> Vec<Html>) {
        self.seen += 1;
        self.is_full |= self.row_count() >= ROWS_MAX || self.bytes >= CELL_BYTES_MAX;
        if self.is_full {
            return;
        }
        let cells = cells();
        debug_assert_eq!(cells.len(), self.headings.len());
        for cell in cells {
            let place = self.place(cell);
            self.rows.push(place);
        }
    }

    fn place(&mut self, cell: Html) -> u32 {
        let text: Arc<str> = cell.into_string().into();
        if let Some(place) = self.places.get(&text) {
            return *place;
        }
        // There are fewer cells than rows times columns, far below the bound of the number.
        let place = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.bytes += text.len() + CELL_OVERHEAD;
        self.texts.push(Arc::clone(&text));
        self.places.insert(text, place);
        place
    }

    /// How many rows it holds.
    pub(super) fn row_count(&self) -> usize {
        self.rows
            .len()
            .checked_div(self.headings.len())
            .unwrap_or(0)
    }

    /// How many rows came.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The headings.
    pub(super) fn headings(&self) -> &'static [&'static str] {
        self.headings
    }

    /// A row as markup: its first cell is its heading.
    pub(super) fn write_row(&self, row: usize, page: &mut String) {
        let cells = self.rows.chunks(self.headings.len().max(1)).nth(row);
        page.push_str("<tr>");
        let cells = self.headings.iter().zip(cells.into_iter().flatten());
        for (at, (heading, place)) in cells.enumerate() {
            page.push_str(match (at, heading.starts_with('#')) {
                (0, _) => "<th scope=\"row\">",
                (_, true) => "<td class=\"n\">",
                (_, false) => "<td>",
            });
            page.push_str(self.texts.get(*place as usize).map_or("", |text| text));
        }
        page.push('\n');
    }

    /// The bytes that it holds.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.rows.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Html {
        let mut html = Html::default();
        html.text(text);
        html
    }

    #[test]
    fn equal_cells_are_kept_once() {
        let mut detail = Detail::new(&["A", "#B"]);
        for number in 0..1_000 {
            detail.add(|| vec![cell("the same"), cell(&(number % 10).to_string())]);
        }
        assert_eq!((detail.row_count(), detail.seen()), (1_000, 1_000));
        assert_eq!(detail.texts.len(), 11);
        let mut page = String::new();
        detail.write_row(12, &mut page);
        assert_eq!(page, "<tr><th scope=\"row\">the same<td class=\"n\">2\n");
    }

    #[test]
    fn a_million_long_rows_stay_within_the_bound() {
        let mut detail = Detail::new(&[""; 7]);
        let long = "x".repeat(290);
        for number in 0..1_000_000_u32 {
            detail.add(|| {
                (0..7)
                    .map(|at| cell(&format!("{number}.{at}{long}")))
                    .collect()
            });
        }
        assert_eq!(detail.seen(), 1_000_000);
        assert!(detail.row_count() > 5_000 && detail.row_count() < ROWS_MAX);
        assert!(detail.bytes() < 29_000_000, "{}", detail.bytes());
    }
}
