//! The crate's own files, read once for every rule.

use std::path::{Path, PathBuf};

/// A file: its path from the crate's root, with `/`, and its text.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The module that the file is, for example store, sqlite, rows; none for lib.rs. A file of
    /// tests/ counts its target as the crate.
    pub(crate) fn module(&self) -> Vec<&str> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let mut names: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
        if matches!(names.last(), Some(&"mod" | &"lib")) {
            names.pop();
        }
        names
    }
}

#[cfg(test)]
pub(crate) fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// Every .rs file under these folders of the crate.
pub(crate) fn files(folders: &[&str]) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "no source files under {folders:?}");
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let inside = path.strip_prefix(root).unwrap_or(&path);
            File {
                path: inside.to_string_lossy().replace('\\', "/"),
                text,
            }
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Fails with every violation and with what to do.
pub(crate) fn expect_none(violations: &[String], remedy: &str) {
    assert!(
        violations.is_empty(),
        "\n{} violation(s):\n  {}\n{remedy}\n",
        violations.len(),
        violations.join("\n  ")
    );
}
