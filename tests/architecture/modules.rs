//! The tree of modules as `mod` declarations make it, from the roots of each target on.

use std::collections::BTreeMap;

use crate::tokens::{Kind, Token, tokens};
use crate::tree::File;

/// What the declarations lead to.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// Each file that is compiled, with its module: store, sqlite, rows.
    pub(crate) of_file: BTreeMap<String, Vec<String>>,
    /// Files that no declaration leads to, and declarations that lead nowhere.
    pub(crate) violations: Vec<String>,
}

/// Follows every declaration.
pub(crate) fn walk(files: &[File]) -> Modules {
    let mut modules = Modules::default();
    let mut open: Vec<(&File, Vec<String>)> = files
        .iter()
        .filter(|file| is_root(&file.path))
        .map(|file| (file, file.module.clone()))
        .collect();
    while let Some((file, module)) = open.pop() {
        if modules
            .of_file
            .insert(file.path.clone(), module.clone())
            .is_some()
        {
            continue;
        }
        for (name, places) in declarations(file) {
            let child = files.iter().find(|file| places.contains(&file.path));
            match child {
                Some(child) => {
                    let mut module = module.clone();
                    module.push(name);
                    open.push((child, module));
                }
                None => modules.violations.push(format!(
                    "{}: declares {}, which is not there",
                    file.path, places[0]
                )),
            }
        }
    }
    for file in files {
        if !modules.of_file.contains_key(&file.path) {
            modules
                .violations
                .push(format!("{}: no `mod` declares it", file.path));
        }
    }
    modules
}

fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["src", name] => matches!(*name, "lib.rs" | "main.rs"),
        ["tests", _] | ["tests", _, "main.rs"] => true,
        _ => false,
    }
}

/// Each `mod name;` of a file with the places where its file may be.
fn declarations(file: &File) -> Vec<(String, Vec<String>)> {
    let tokens = tokens(&file.text);
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let owns_folder = is_root(&file.path) || name == "mod.rs";
    let children = if owns_folder {
        folder.to_owned()
    } else {
        file.path.trim_end_matches(".rs").to_owned()
    };
    let mut declared = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let (Some(name), Some(end)) = (tokens.get(at + 1), tokens.get(at + 2)) else {
            continue;
        };
        if !token.is_word("mod") || name.kind != Kind::Word || !end.is_sign(";") {
            continue;
        }
        let places = match path_attribute(&tokens[..at]) {
            Some(path) => vec![joined(folder, path)],
            None => vec![
                format!("{children}/{}.rs", name.text),
                format!("{children}/{}/mod.rs", name.text),
            ],
        };
        declared.push((name.text.clone(), places));
    }
    declared
}

/// The text of `#[path = "…"]` right before a declaration, `pub` and the like between.
fn path_attribute(before: &[Token]) -> Option<&str> {
    let end = before
        .iter()
        .rposition(|token| token.is_sign(";") || token.is_sign("}"));
    let item = &before[end.map_or(0, |end| end + 1)..];
    let at = item.iter().position(|token| token.is_word("path"))?;
    item.get(at + 2)
        .filter(|token| token.kind == Kind::Text)
        .map(|token| token.text.as_str())
}

fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[test]
fn declarations_are_followed_and_lost_files_found() {
    use crate::tree::file;

    let tree = [
        file("src/lib.rs", "pub mod a; #[cfg(test)] mod gone;"),
        file("src/a/mod.rs", "mod b; // mod lost;"),
        file(
            "src/a/b.rs",
            "mod c;\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;",
        ),
        file("src/a/b/c.rs", ""),
        file("src/a/b_tests.rs", ""),
        file("src/a/lost.rs", ""),
        file(
            "tests/one/main.rs",
            "#[path = \"../common/mod.rs\"]\npub(crate) mod common;",
        ),
        file("tests/common/mod.rs", "mod x;"),
        file("tests/common/x.rs", ""),
    ];
    let modules = walk(&tree);
    assert_eq!(
        modules.violations,
        [
            "src/lib.rs: declares src/gone.rs, which is not there",
            "src/a/lost.rs: no `mod` declares it"
        ]
    );
    assert_eq!(modules.of_file["src/a/b/c.rs"], ["a", "b", "c"]);
    assert_eq!(modules.of_file["src/a/b_tests.rs"], ["a", "b", "tests"]);
}
