//! Reads and writes the table: a section for each call or action, callers down, what it is about
//! across. It knows nothing of what the words mean.

use std::fmt;

const TEXT: &str = include_str!("who_may_do_what.md");

/// A call, or an action that no call asks, with its answers.
#[derive(Clone)]
pub(crate) struct Section {
    /// The heading.
    pub(crate) title: String,
    /// `AccessService/Assign`; none for an action alone.
    pub(crate) call: Option<String>,
    /// What policy is asked.
    pub(crate) actions: Vec<String>,
    /// What it is about: the columns.
    pub(crate) abouts: Vec<String>,
    /// Callers with a cell for each column.
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

/// Every section, in order.
pub(crate) fn sheet() -> Vec<Section> {
    let parts = TEXT.split("\n## ").skip(1);
    parts.map(section).collect()
}

fn section(text: &str) -> Section {
    let mut lines = text.lines();
    let title = lines.next().unwrap().trim().to_owned();
    let (call, actions) = match title.split_once(" asks ") {
        Some((call, actions)) => (Some(call.to_owned()), actions),
        None => (None, title.strip_prefix("Policy for ").unwrap()),
    };
    let actions = actions.split(", ").map(str::to_owned).collect();
    let mut rows = lines.filter(|line| line.starts_with('|')).map(cells);
    let abouts = rows.next().unwrap().split_off(1);
    let rows = rows.skip(1).map(|mut row| {
        let answers = row.split_off(1);
        (row.remove(0), answers)
    });
    Section {
        rows: rows.collect(),
        title,
        call,
        actions,
        abouts,
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_matches('|');
    inner
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

impl fmt::Display for Section {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n## {}\n", self.title)?;
        writeln!(out, "| who | {} |", self.abouts.join(" | "))?;
        writeln!(out, "|---|{}", "---|".repeat(self.abouts.len()))?;
        for (caller, cells) in &self.rows {
            writeln!(out, "| {caller} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}
