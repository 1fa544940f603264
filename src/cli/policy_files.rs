//! A folder of policies read once: the texts that are loaded are the texts that are recorded. And which
//! recorded set stands in for a folder that does not load.

use std::path::Path;

use crate::domain::{PolicyLoad, PolicyTexts};
use crate::policy::{
    PolicyFile, PolicyProblem, PolicyRules, PolicySet, TABLE_FILE, load_texts, read_directory,
    read_table,
};

/// What a folder held when it was read.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct PolicyFolder {
    files: Vec<PolicyFile>,
    table: Option<String>,
    unreadable: Vec<PolicyProblem>,
}

impl PolicyFolder {
    /// Reads a folder.
    pub(super) fn read(directory: &Path, rules: &PolicyRules) -> Self {
        let bounds = &rules.bounds;
        let mut folder = Self::default();
        match read_directory(directory, bounds) {
            Ok(files) => folder.files = files,
            Err(problems) => folder.unreadable.extend(problems),
        }
        match read_table(directory, bounds) {
            Ok(table) => folder.table = table,
            Err(problems) => folder.unreadable.extend(problems),
        }
        folder
    }

    /// A folder as it was recorded.
    fn of_record(texts: &PolicyTexts) -> Self {
        let files = texts.0.iter().filter(|(name, _)| *name != TABLE_FILE);
        let files = files.map(|(name, text)| PolicyFile {
            name: name.clone(),
            text: text.clone(),
        });
        Self {
            files: files.collect(),
            table: texts.0.get(TABLE_FILE).cloned(),
            unreadable: Vec::new(),
        }
    }

    /// The set that the texts are.
    pub(super) fn load(&self, rules: &PolicyRules) -> Result<PolicySet, Vec<PolicyProblem>> {
        if !self.unreadable.is_empty() {
            return Err(self.unreadable.clone());
        }
        load_texts(&self.files, self.table.as_deref(), rules)
    }

    /// The texts as they are recorded.
    pub(super) fn texts(&self) -> PolicyTexts {
        let mut texts = texts_of(&self.files);
        if let Some(table) = &self.table {
            texts.0.insert(TABLE_FILE.to_owned(), table.clone());
        }
        texts
    }

    /// The table of expected decisions.
    pub(super) fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }
}

/// The set that stands in for a folder whose files do not load: the one that was in force last, if it
/// was this folder's, still loads like any other, table and all, and still decides as it did. So a
/// start goes on with what a running process would have kept, and with nothing else.
///
/// # Errors
/// Why there is none, for a sentence.
pub(super) fn stand_in(
    last: Option<&PolicyLoad>,
    directory: &Path,
    rules: &PolicyRules,
) -> Result<PolicySet, &'static str> {
    let recorded = last.filter(|last| last.directory.is_some());
    let recorded = recorded.filter(|last| last.directory == place_of(directory));
    let recorded = recorded.ok_or("no set of this folder is known to have been in force last")?;
    let set = PolicyFolder::of_record(&recorded.texts).load(rules);
    let set = set.map_err(|_| "the set that was in force last does not load any more")?;
    // Not only the texts decide: a permit without a maximum has the configured one.
    if set.version() != recorded.version {
        return Err("the set that was in force last would not decide as it did");
    }
    Ok(set)
}

/// A folder as it is recorded: where it is configured to be, whatever links lead there.
pub(super) fn place_of(directory: &Path) -> Option<String> {
    let place = std::path::absolute(directory).ok()?;
    place.to_str().map(str::to_owned)
}

/// Files as they are recorded.
pub(super) fn texts_of(files: &[PolicyFile]) -> PolicyTexts {
    let files = files.iter();
    let files = files.map(|file| (file.name.clone(), file.text.clone()));
    PolicyTexts(files.collect())
}
