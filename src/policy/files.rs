//! Reads a folder of policies, within bounds: the only place of `policy` that touches the file
//! system. It reads and never writes.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::config::PolicyBounds;
use super::problem::{PolicyFile, PolicyProblem, PolicyRules};
use super::table::run_table;
use super::{PolicySet, table};

/// The table of expected decisions beside the policies; every load runs it.
pub const TABLE_FILE: &str = "tests.toml";

/// Loads the policies of a folder, and runs its table of expected decisions where there is one.
///
/// # Errors
/// Everything that is wrong: files, policies, and rows that are decided otherwise.
pub fn load_directory(
    directory: &Path,
    rules: &PolicyRules,
) -> Result<PolicySet, Vec<PolicyProblem>> {
    let files = read_directory(directory, &rules.bounds)?;
    let table = read_table(directory, &rules.bounds)?;
    load_texts(&files, table.as_deref(), rules)
}

/// Loads policies from their texts, and runs their table of expected decisions where there is one.
///
/// # Errors
/// As `load_directory`, but for what cannot be read.
pub fn load_texts(
    files: &[PolicyFile],
    table: Option<&str>,
    rules: &PolicyRules,
) -> Result<PolicySet, Vec<PolicyProblem>> {
    let set = PolicySet::load(files, rules)?;
    let Some(text) = table else {
        return Ok(set);
    };
    let results = run_table(&set, text).map_err(|problem| vec![problem])?;
    let problems = table::problems(&results);
    if problems.is_empty() {
        Ok(set)
    } else {
        Err(problems)
    }
}

/// The table of expected decisions of a folder; none where it has none.
///
/// # Errors
/// It is there and cannot be read.
pub fn read_table(
    directory: &Path,
    bounds: &PolicyBounds,
) -> Result<Option<String>, Vec<PolicyProblem>> {
    let path = directory.join(TABLE_FILE);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let text = read_text(&path, bounds.file_bytes_max);
    text.map(Some)
        .map_err(|sentence| vec![PolicyProblem::of_file(TABLE_FILE, sentence)])
}

/// The `*.cedar` files of a folder, sorted by name. Hidden files are not read; what only looks like a
/// policy file refuses, since its forbids would be missing in silence.
///
/// # Errors
/// What cannot be read, is too large, or is no text.
pub fn read_directory(
    directory: &Path,
    bounds: &PolicyBounds,
) -> Result<Vec<PolicyFile>, Vec<PolicyProblem>> {
    let shown = directory.display().to_string();
    let refuse = |sentence: String| vec![PolicyProblem::of_file(&shown, sentence)];
    let entries = fs::read_dir(directory).map_err(|error| {
        refuse(format!(
            "is not a folder that can be read ({error}); `usher policy init` makes one"
        ))
    })?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(refuse("has a file whose name is not UTF-8".to_owned()));
        };
        if name.starts_with('.') {
            continue;
        }
        if let Some(sentence) = misnamed(&directory.join(&name), &name) {
            return Err(vec![PolicyProblem::of_file(&name, sentence)]);
        }
        if name.ends_with(".cedar") {
            names.push(name);
        }
        if names.len() > bounds.files_max {
            return Err(refuse(format!(
                "has more than {} policy files",
                bounds.files_max
            )));
        }
    }
    if names.is_empty() {
        return Err(refuse(
            "has no *.cedar file; write one, or begin with `usher policy init`".to_owned(),
        ));
    }
    names.sort();
    let mut files = Vec::new();
    let mut problems = Vec::new();
    let mut left = bounds.bytes_max;
    for name in names {
        match read_text(&directory.join(&name), bounds.file_bytes_max.min(left)) {
            Ok(text) => {
                left -= text.len();
                files.push(PolicyFile { name, text });
            }
            Err(sentence) => problems.push(PolicyProblem::of_file(&name, sentence)),
        }
    }
    if problems.is_empty() {
        Ok(files)
    } else {
        Err(problems)
    }
}

/// What is wrong with an entry that somebody may take for a part of the set, and is none.
fn misnamed(path: &Path, name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    if path.is_dir() {
        let holds_policies = |entry: fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().to_lowercase();
            !name.starts_with('.') && name.contains(".cedar")
        };
        let mut entries = fs::read_dir(path).ok()?.flatten();
        return entries.any(holds_policies).then_some(
            "is a folder with policies, which are not read; put them beside the others",
        );
    }
    if lower.contains(".cedar") && !name.ends_with(".cedar") {
        return Some("is not read, since it does not end in `.cedar`; rename it, or take it away");
    }
    let is_table = [TABLE_FILE, "test.toml"].contains(&lower.as_str()) && name != TABLE_FILE;
    is_table.then_some("is not read; the table of expected decisions is called tests.toml")
}

/// A file of text, of at most so many bytes.
///
/// # Errors
/// A sentence: why not.
pub fn read_text(path: &Path, bytes_max: usize) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    // A pipe or a device would keep the reader for ever.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() > bytes_max {
        return Err(format!(
            "is larger than the {bytes_max} bytes that are left for it"
        ));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}
