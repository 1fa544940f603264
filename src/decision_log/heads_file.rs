//! Heads as lines of a file that is to be elsewhere. Only ever appends.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::domain::log_head::LogHead;

/// Appends a head, for good once it returns.
pub(super) fn append(path: &Path, head: &LogHead) -> io::Result<()> {
    let mut line = head.to_line().map_err(io::Error::other)?;
    line.push('\n');
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

/// The heads of a file's text; the number of the first line that is none.
pub(super) fn parse(text: &str) -> Result<Vec<LogHead>, usize> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| LogHead::from_line(line).ok_or(number + 1))
        .collect()
}
