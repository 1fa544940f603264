//! Rows as CSV, JSON Lines, a page or batches: in pieces of bounded size, hashed as they go.
//!
//! The pieces of a text join without separators. Only CSV is guarded against spreadsheets; JSON
//! Lines keep the text as it is. Every line of JSON has every key, and every value is a string. A
//! page (`html`) comes at the end, since its top sums up all rows.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};

use super::answer::Summary;
use super::html::{About, Document, Page, PageRow};
use crate::domain::report::{Format, guarded};

/// A piece of text is cut at the first row beyond this. A row has a few kilobytes at most, so a
/// piece stays far below gRPC's message limit of 4 MiB, and a slow reader holds little.
const PIECE_BYTES: usize = 32 * 1024;
/// A batch is cut at the first row with which its cells have so many bytes: with long cells long
/// before it nears gRPC's message limit of 4 MiB.
const BATCH_BYTES: usize = 256 * 1024;
/// Rows in a batch: about as many bytes as a piece of text with rows of the usual length.
const BATCH_ROWS: usize = 200;

/// A finished piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<R> {
    /// A batch of rows, never empty.
    Rows(Vec<R>),
    /// Text, never empty: whole lines, but for a page.
    Text(String),
}

/// That a row could not be written as CSV. The writer's target is memory, so this tells of a fault
/// in the writer, never of a row.
#[derive(Debug, thiserror::Error)]
#[error("a row could not be written: {0}")]
pub struct FormatError(String);

/// Writes rows.
pub(super) struct Encoder<R: PageRow> {
    form: Form<R>,
    hash: Context,
}

/// What is left when all rows are written: its pieces, and then the hash.
pub(super) struct Ending<R> {
    rest: Rest<R>,
    hash: Context,
}

enum Rest<R> {
    Piece(Option<Piece<R>>),
    Page(Document),
}

enum Form<R: PageRow> {
    /// The rows themselves; the text is for the hash alone.
    Rows {
        batch: Vec<R>,
        bytes: usize,
        text: String,
    },
    Csv(Box<csv::Writer<Vec<u8>>>, usize),
    JsonLines(String),
    Html(Box<Page<R>>),
}

impl<R: PageRow> Encoder<R> {
    /// A writer; of CSV, with the header row written already. Only a page tells what it is about.
    ///
    /// # Errors
    /// `FormatError` as it says.
    pub(super) fn new(format: Format, about: &About) -> Result<Self, FormatError> {
        let form = match format {
            Format::Rows => Form::Rows {
                batch: Vec::new(),
                bytes: 0,
                text: String::new(),
            },
            Format::Csv => {
                let mut writer = csv_writer();
                writer.write_record(R::COLUMNS).map_err(FormatError::of)?;
                Form::Csv(Box::new(writer), 0)
            }
            Format::JsonLines => Form::JsonLines(String::new()),
            Format::Html => Form::Html(Box::new(Page::new(about.clone()))),
        };
        Ok(Self {
            form,
            hash: Context::new(&SHA256),
        })
    }

    /// Writes a row, and gives the piece that it filled.
    ///
    /// # Errors
    /// `FormatError` as it says.
    pub(super) fn push(&mut self, row: R) -> Result<Option<Piece<R>>, FormatError> {
        match &mut self.form {
            Form::Rows { batch, bytes, text } => {
                text.clear();
                write_json_line(text, &row);
                self.hash.update(text.as_bytes());
                *bytes += row.cells().iter().map(|cell| cell.len()).sum::<usize>();
                batch.push(row);
                if batch.len() < BATCH_ROWS && *bytes < BATCH_BYTES {
                    return Ok(None);
                }
                *bytes = 0;
                Ok(Some(Piece::Rows(std::mem::take(batch))))
            }
            Form::Csv(writer, written) => {
                for cell in row.cells() {
                    *written += cell.len() + 1;
                    let cell = guarded(cell);
                    writer.write_field(cell.as_ref()).map_err(FormatError::of)?;
                }
                (writer.write_record(None::<&[u8]>)).map_err(FormatError::of)?;
                if *written < PIECE_BYTES {
                    return Ok(None);
                }
                *written = 0;
                let full = std::mem::replace(writer, Box::new(csv_writer()));
                self.finish_csv(*full).map(Some)
            }
            Form::JsonLines(text) => {
                write_json_line(text, &row);
                if text.len() < PIECE_BYTES {
                    return Ok(None);
                }
                self.hash.update(text.as_bytes());
                Ok(Some(Piece::Text(std::mem::take(text))))
            }
            Form::Html(page) => {
                page.push(&row);
                Ok(None)
            }
        }
    }

    /// Gives what is left. A page says what the summary does; of that all but the sha256 must be
    /// known.
    ///
    /// # Errors
    /// `FormatError` as it says.
    pub(super) fn finish(mut self, summary: &Summary) -> Result<Ending<R>, FormatError> {
        let form = std::mem::replace(&mut self.form, Form::JsonLines(String::new()));
        let piece = match form {
            Form::Rows { batch, .. } => Piece::Rows(batch),
            Form::Csv(writer, _) => self.finish_csv(*writer)?,
            Form::JsonLines(text) => {
                self.hash.update(text.as_bytes());
                Piece::Text(text)
            }
            Form::Html(page) => {
                return Ok(Ending {
                    rest: Rest::Page(page.finish(summary)),
                    hash: self.hash,
                });
            }
        };
        Ok(Ending {
            rest: Rest::Piece(Some(piece).filter(|piece| !piece.is_empty())),
            hash: self.hash,
        })
    }

    fn finish_csv(&mut self, writer: csv::Writer<Vec<u8>>) -> Result<Piece<R>, FormatError> {
        let bytes = writer.into_inner().map_err(FormatError::of)?;
        self.hash.update(&bytes);
        String::from_utf8(bytes)
            .map(Piece::Text)
            .map_err(FormatError::of)
    }
}

impl<R> Ending<R> {
    /// The sha256 in hex, once every piece was taken: of the text, and for rows of the same rows as
    /// JSON Lines.
    pub(super) fn sha256(self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.hash.finish().as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

impl<R> Iterator for Ending<R> {
    type Item = Piece<R>;

    fn next(&mut self) -> Option<Piece<R>> {
        match &mut self.rest {
            Rest::Piece(piece) => piece.take(),
            Rest::Page(document) => {
                let text = document.next()?;
                self.hash.update(text.as_bytes());
                Some(Piece::Text(text))
            }
        }
    }
}

impl<R> Piece<R> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Rows(rows) => rows.is_empty(),
            Self::Text(text) => text.is_empty(),
        }
    }
}

impl FormatError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// RFC 4180: commas, CRLF, quotes where they are needed and doubled inside.
fn csv_writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new())
}

fn write_json_line<R: PageRow>(text: &mut String, row: &R) {
    for (place, (column, cell)) in R::COLUMNS.iter().zip(row.cells()).enumerate() {
        let before = if place == 0 { '{' } else { ',' };
        // Writing to a string cannot fail.
        let _ = write!(text, "{before}\"{column}\":");
        if cell.is_empty() {
            text.push_str("\"\"");
        } else {
            let _ = write!(text, "{}", serde_json::Value::from(cell));
        }
    }
    text.push_str("}\n");
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
