//! The crate's own files, read once for every rule.

use std::path::{Path, PathBuf};

use crate::modules::walk;

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Its path from the crate's root, with `/`.
    pub(crate) path: String,
    /// The module that it is, for example store, sqlite, rows; none for lib.rs.
    pub(crate) module: Vec<String>,
    /// Its text.
    pub(crate) text: String,
}

/// A file with the module that its path suggests. Declarations may give it another.
pub(crate) fn file(path: &str, text: &str) -> File {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let mut module: Vec<String> = inside
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if module
        .last()
        .is_some_and(|name| name == "mod" || name == "lib")
    {
        module.pop();
    }
    File {
        path: path.to_owned(),
        module,
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
    let mut files: Vec<File> = paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let inside = path.strip_prefix(root).unwrap_or(&path);
            file(&inside.to_string_lossy().replace('\\', "/"), &text)
        })
        .collect();
    let mut modules = walk(&files);
    for file in &mut files {
        if let Some(module) = modules.of_file.remove(&file.path) {
            file.module = module;
        }
    }
    files
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
