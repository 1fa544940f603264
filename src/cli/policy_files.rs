//! A folder of policies read once: the texts that are loaded are the texts that are recorded.

use std::path::Path;

use crate::domain::PolicyTexts;
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

/// Files as they are recorded.
pub(super) fn texts_of(files: &[PolicyFile]) -> PolicyTexts {
    let files = files.iter();
    let files = files.map(|file| (file.name.clone(), file.text.clone()));
    PolicyTexts(files.collect())
}
