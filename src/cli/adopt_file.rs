//! A CSV file of assignments to take over, read whole before anything is sent: every row fits, or the
//! file is refused with what is wrong, line by line. It asks nobody, and guesses nothing.

use std::collections::HashMap;

use super::adopt_columns::{Column, Header};
use super::adopt_quotes::quote_problem;
use crate::domain::report::unguarded;
use crate::grpc::AdoptionWish;
use crate::policy::parse_duration;

/// Rows of one file: each takes a few operations of AWS's 20 a second, so these take half an hour.
pub(super) const ROWS_MAX: usize = 5000;
/// The largest file, in bytes: that many rows with a paragraph in each.
pub(super) const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Problems that are told; more are counted.
const PROBLEMS_TOLD_MAX: usize = 50;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const UTF_16_MARKS: [&[u8]; 2] = [b"\xFE\xFF", b"\xFF\xFE"];

/// What a file says.
#[derive(Debug)]
pub(super) struct Sheet {
    /// The instance that a report names; none in a file of one's own.
    pub(super) instance: Option<String>,
    /// The rows.
    pub(super) rows: Vec<SheetRow>,
}

/// A row.
#[derive(Debug)]
pub(super) struct SheetRow {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// What it says.
    pub(super) wish: AdoptionWish,
}

/// What is wrong with a file, in its order.
#[derive(Debug, Default)]
pub(super) struct Problems {
    told: Vec<String>,
    more: usize,
}

impl Problems {
    fn note(&mut self, problem: String) {
        if self.told.len() < PROBLEMS_TOLD_MAX {
            self.told.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn of(problem: &str) -> Self {
        Self {
            told: vec![problem.to_owned()],
            more: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// One on each line.
    pub(super) fn text(&self) -> String {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        let lines: Vec<&str> = (self.told.iter().map(String::as_str))
            .chain(more.as_deref())
            .collect();
        lines.join("\n  ")
    }
}

/// Reads a file.
pub(super) fn read_sheet(bytes: &[u8]) -> Result<Sheet, Problems> {
    if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(Problems::of(
            "the file is UTF-16; save it as CSV in UTF-8 (in Excel: `CSV UTF-8`)",
        ));
    }
    // Excel writes one, and it says nothing.
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if let Some(problem) = quote_problem(bytes) {
        return Err(Problems::of(&problem));
    }
    let mut lines = Lines {
        bytes,
        at: 0,
        line: 1,
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut records = reader.byte_records();
    let header = match records.next() {
        None => {
            return Err(Problems::of(
                "the file is empty; its first line names the columns: user or group; application, or account and permission_set; owner, duration, justification, ticket",
            ));
        }
        Some(record) => read_header(&mut lines, record)?,
    };
    let (mut reading, mut problems) = (Reading::new(&header), Problems::default());
    for record in records {
        let Ok(record) = record else {
            // What is read is in memory, and rows may have any length.
            return Err(Problems::of("the file cannot be read as CSV"));
        };
        let line = lines.line_of(&record);
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        if reading.rows.len() == ROWS_MAX {
            problems.note(format!(
                "line {line}: the file has more than {ROWS_MAX} rows; split it, each part with the header"
            ));
            break;
        }
        reading.row(line, &record, &mut problems);
    }
    if reading.rows.is_empty() && problems.is_empty() {
        problems.note(
            "line 2: there is no row below the header; add one for each assignment".to_owned(),
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Sheet {
        instance: reading.instance,
        rows: reading.rows,
    })
}

fn read_header(
    lines: &mut Lines<'_>,
    record: Result<csv::ByteRecord, csv::Error>,
) -> Result<Header, Problems> {
    let record = record.map_err(|_| Problems::of("the file cannot be read as CSV"))?;
    let line = lines.line_of(&record);
    let names: Vec<String> = (record.iter())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    Header::read(&names).map_err(|found| {
        let mut problems = Problems::default();
        for problem in found {
            problems.note(format!("line {line}: {problem}"));
        }
        problems
    })
}

/// Lines of the text, counted as far as was asked. The reader's own count begins a row behind the
/// end of the one before, which may be some empty lines earlier.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line on which a record begins; records are asked for in their order.
    fn line_of(&mut self, record: &csv::ByteRecord) -> usize {
        let begin = record.position().map_or(0, csv::Position::byte);
        let begin = usize::try_from(begin).unwrap_or(usize::MAX);
        while let Some(byte) = self.bytes.get(self.at) {
            let is_break = matches!(byte, b'\r' | b'\n');
            if self.at >= begin && !is_break {
                break;
            }
            self.line += usize::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// The rows read so far.
struct Reading<'a> {
    header: &'a Header,
    instance: Option<String>,
    rows: Vec<SheetRow>,
    /// Where an assignment was named first.
    seen: HashMap<[String; 5], usize>,
}

impl<'a> Reading<'a> {
    fn new(header: &'a Header) -> Self {
        Self {
            header,
            instance: None,
            rows: Vec::new(),
            seen: HashMap::new(),
        }
    }

    fn row(&mut self, line: usize, record: &csv::ByteRecord, problems: &mut Problems) {
        let columns = &self.header.columns;
        if record.len() != columns.len() {
            problems.note(format!(
                "line {line}: it has {} cells, the header has {}; put a cell that holds a comma, a quote or a line break into quotes, and double each quote inside",
                record.len(),
                columns.len()
            ));
            return;
        }
        let (mut row, mut found) = (Row::default(), Vec::new());
        for (column, cell) in columns.iter().zip(record.iter()) {
            let Ok(text) = std::str::from_utf8(cell) else {
                if *column != Column::Ignored {
                    found.push((
                        *column,
                        "is not UTF-8; save the file as CSV in UTF-8".to_owned(),
                    ));
                }
                continue;
            };
            // Reports guard cells against spreadsheets; what a person wrote stays as it is.
            let text = if self.header.is_report {
                unguarded(text)
            } else {
                text.into()
            };
            if let Err(problem) = row.take(*column, &text) {
                found.push((*column, problem));
            }
        }
        if found.is_empty() {
            found = row.problems(self.header.is_report);
            found.extend(self.instance_problem(&row).map(|it| (Column::Instance, it)));
        }
        let mut is_wrong = !found.is_empty();
        for (column, problem) in found {
            problems.note(format!("line {line}, column {}: {problem}", column.name()));
        }
        if !is_wrong {
            for problem in row.wish.problems() {
                is_wrong = true;
                let (column, problem) = (problem.column, problem.problem);
                problems.note(format!("line {line}, column {column}: {problem}"));
            }
        }
        if let Some(first) = self.seen.get(&row.names()).filter(|_| !is_wrong) {
            problems.note(format!(
                "line {line}: the same assignment as on line {first}; keep one of them"
            ));
            return;
        }
        self.seen.insert(row.names(), line);
        self.rows.push(SheetRow {
            line,
            wish: row.wish,
        });
    }

    /// Keeps the instance of a report's first row, which must be that of all.
    fn instance_problem(&mut self, row: &Row) -> Option<String> {
        if !self.header.is_report {
            return None;
        }
        let first = self.instance.get_or_insert_with(|| row.instance.clone());
        (*first != row.instance).then(|| {
            format!("the rows before are of {first}; take the rows of one instance into a file")
        })
    }
}

/// A row's cells.
#[derive(Default)]
struct Row {
    wish: AdoptionWish,
    instance: String,
    path: String,
}

impl Row {
    fn take(&mut self, column: Column, text: &str) -> Result<(), String> {
        let cell = match column {
            Column::User => &mut self.wish.user,
            Column::Group => &mut self.wish.group,
            Column::Application => &mut self.wish.application,
            Column::Account => &mut self.wish.account,
            Column::PermissionSet => &mut self.wish.permission_set,
            Column::Owner => &mut self.wish.owner,
            Column::Justification => &mut self.wish.justification,
            Column::Ticket => &mut self.wish.ticket,
            Column::Instance => &mut self.instance,
            Column::Path => &mut self.path,
            Column::Ignored => return Ok(()),
            Column::Duration => {
                let text = text.trim();
                self.wish.duration = match (text, parse_duration(text)) {
                    ("", _) => None,
                    (_, Some(duration)) => Some(duration),
                    (_, None) => {
                        return Err(format!(
                            "`{text}` is not a whole number with s, m, h or d, such as 30d or 8h; leave it empty for no end"
                        ));
                    }
                };
                return Ok(());
            }
        };
        text.clone_into(cell);
        Ok(())
    }

    /// What does not go together.
    fn problems(&self, is_report: bool) -> Vec<(Column, String)> {
        let wish = &self.wish;
        let mut found = Vec::new();
        let mut note = |column, problem: &str| found.push((column, problem.to_owned()));
        match (wish.user.is_empty(), wish.group.is_empty()) {
            (true, true) if self.path == "OPEN_APPLICATION" => note(
                Column::Path,
                "everybody may enter the application, without an assignment; take the row out",
            ),
            (true, true) => note(
                Column::User,
                "it is empty, and group is too; fill in one of them",
            ),
            (false, false) if is_report => note(
                Column::User,
                "the row tells of one member of a group; take over what the group has: make the report with `usher audit --view assignments`",
            ),
            (false, false) => note(
                Column::Group,
                "user is filled in too; leave one of them empty",
            ),
            _ => {}
        }
        let of_account = !wish.account.is_empty() || !wish.permission_set.is_empty();
        match (wish.application.is_empty(), of_account) {
            (true, false) => note(
                Column::Application,
                "it is empty, and account is too; fill in application, or account and permission_set",
            ),
            (false, true) => note(
                Column::Application,
                "account or permission_set is filled in too; leave it or them empty",
            ),
            (true, true) if wish.account.is_empty() => {
                note(
                    Column::Account,
                    "it is empty, and permission_set is not; they go together",
                );
            }
            (true, true) if wish.permission_set.is_empty() => {
                note(
                    Column::PermissionSet,
                    "it is empty, and account is not; they go together",
                );
            }
            _ => {}
        }
        found
    }

    /// Which assignment it names, as it is written.
    fn names(&self) -> [String; 5] {
        let wish = &self.wish;
        let names = [
            &wish.user,
            &wish.group,
            &wish.application,
            &wish.account,
            &wish.permission_set,
        ];
        names.map(Clone::clone)
    }
}

#[cfg(test)]
#[path = "adopt_file_tests.rs"]
mod tests;
