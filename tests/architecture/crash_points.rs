//! A new commit of the store or a new write to AWS cannot be forgotten as a crash point: the
//! places are read from the source and compared with the enumeration.

use std::collections::BTreeSet;

use usher::crash_points::{CrashPoint, StoreCommit};
use usher::domain::Operation;

use crate::tokens::{Kind, Token, tokens};
use crate::tree::{File, expect_none, files};

/// The commits of opening and of copying, which are no methods of `Store`.
const OF_OPENING: [&str; 4] = ["finish_database", "migrate", "clear_leases", "copy"];

/// Functions of a file with their tokens, from `fn` to the next `fn` or the end.
fn functions(text: &str) -> Vec<(String, Vec<Token>)> {
    let tokens = tokens(text);
    let starts: Vec<usize> = (0..tokens.len())
        .filter(|&at| tokens[at].is_word("fn"))
        .filter(|&at| {
            tokens
                .get(at + 1)
                .is_some_and(|name| name.kind == Kind::Word)
        })
        .collect();
    let ends = starts.iter().copied().skip(1).chain([tokens.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&from, to)| (tokens[from + 1].text.clone(), tokens[from..to].to_vec()))
        .collect()
}

/// Whether the words and signs stand one after the other.
fn holds(tokens: &[Token], wanted: &[&str]) -> bool {
    tokens.windows(wanted.len()).any(|window| {
        let mut pairs = window.iter().zip(wanted);
        pairs.all(|(token, wanted)| token.kind != Kind::Text && token.text == *wanted)
    })
}

fn sources(folder: &str) -> Vec<File> {
    let mut files = files(&["src"]);
    files.retain(|file| {
        let is_test = file.module.iter().any(|name| name.ends_with("tests"));
        file.path.starts_with(folder) && !is_test
    });
    files
}

/// `record_grant` as the enumeration writes it: `RecordGrant`.
fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

/// What is wrong with how a function of the store writes.
fn write_violations(path: &str, name: &str, tokens: &[Token]) -> Vec<String> {
    let mut violations = Vec::new();
    let own = [
        "self",
        ".",
        "write",
        "(",
        "StoreCommit",
        "::",
        &camel(name),
        ",",
    ];
    if holds(tokens, &["self", ".", "write", "("]) && !holds(tokens, &own) {
        violations.push(format!("{path}: `{name}` writes under another name"));
    }
    let commits = holds(tokens, &["transaction", ".", "commit", "("]);
    let before = holds(tokens, &["CrashPoint", "::", "BeforeCommit"]);
    let after = holds(tokens, &["CrashPoint", "::", "AfterCommit"]);
    if (commits || OF_OPENING.contains(&name) && name != "finish_database") && !(before && after) {
        violations.push(format!(
            "{path}: `{name}` commits and has not both crash points"
        ));
    }
    violations
}

#[test]
fn every_commit_of_the_store_is_a_crash_point() {
    let mut violations = Vec::new();
    let mut written = BTreeSet::new();
    for file in sources("src/store/") {
        for (name, tokens) in functions(&file.text) {
            violations.extend(write_violations(&file.path, &name, &tokens));
            if holds(&tokens, &["self", ".", "write", "("]) {
                written.insert(name);
            }
        }
    }
    expect_none(
        &violations,
        "Give the write its own StoreCommit (src/crash_points.rs), and put both points around a commit.",
    );
    let known: BTreeSet<String> = StoreCommit::ALL
        .into_iter()
        .map(|commit| commit.name().to_owned())
        .filter(|name| !OF_OPENING.contains(&name.as_str()))
        .collect();
    assert_eq!(
        written, known,
        "StoreCommit::ALL and the writes of the store"
    );
    let traits =
        ["mod", "log", "brake", "facts", "readings"].map(|name| format!("src/store/{name}.rs"));
    let traits = traits.map(|path| sources(&path).remove(0));
    let methods: BTreeSet<String> = traits
        .iter()
        .flat_map(|file| functions(&file.text))
        .map(|(name, _)| name)
        .collect();
    let lost: Vec<_> = written.difference(&methods).collect();
    assert!(lost.is_empty(), "{lost:?} are no methods of Store");
}

#[test]
fn every_write_to_aws_is_a_crash_point() {
    let doors: Vec<String> = sources("src/identity_center/")
        .into_iter()
        .flat_map(|file| functions(&file.text))
        .filter(|(_, tokens)| holds(tokens, &["inner", ".", "call", "("]))
        .map(|(name, tokens)| {
            let before = holds(
                &tokens,
                &[
                    "reach",
                    "(",
                    "operation",
                    ",",
                    "CrashPoint",
                    "::",
                    "BeforeSend",
                ],
            );
            let after = holds(
                &tokens,
                &[
                    "reach",
                    "(",
                    "operation",
                    ",",
                    "CrashPoint",
                    "::",
                    "AfterAnswer",
                ],
            );
            assert!(before && after, "`{name}` sends without its crash points");
            name
        })
        .collect();
    assert_eq!(doors, ["send"], "requests leave by one door");
    let names: BTreeSet<String> = CrashPoint::all()
        .into_iter()
        .map(CrashPoint::name)
        .collect();
    let writes = Operation::ALL
        .iter()
        .filter(|operation| operation.is_write());
    for operation in writes {
        for place in ["before_send", "after_answer"] {
            let name = format!("aws.{}.{place}", operation.name());
            assert!(names.contains(&name), "{name}");
        }
    }
}

#[test]
fn a_forgotten_crash_point_is_found() {
    let wrong = |text: &str| {
        let functions = functions(text);
        let found = functions
            .iter()
            .flat_map(|(name, tokens)| write_violations("a.rs", name, tokens));
        found.count()
    };
    assert_eq!(wrong("fn a_b() { self.write(StoreCommit::AB, f) }"), 0);
    assert_eq!(wrong("fn a_c() { self.write(StoreCommit::AB, f) }"), 1);
    assert_eq!(wrong("fn a_c() { self.write(other, f) }"), 1);
    assert_eq!(wrong("fn migrate() { transaction.commit() }"), 1);
    assert_eq!(
        wrong("fn f() { transaction.commit(); g(CrashPoint::BeforeCommit) }"),
        1
    );
}
