//! The documents agree with the code where both say the same, and lead nowhere that is not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use usher::grpc::TABLE;
use usher::simulator::Switches;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Markdown file that we wrote: at the top, and below docs and deploy.
fn documents() -> Vec<PathBuf> {
    let mut found = markdown_in(root(), false);
    for folder in ["docs", "deploy"] {
        found.extend(markdown_in(&root().join(folder), true));
    }
    found.sort();
    found
}

fn markdown_in(folder: &Path, deeper: bool) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && deeper {
            found.extend(markdown_in(&path, true));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

/// The targets of `[text](target)`; code blocks and code spans hold none.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect();
        for (at, _) in prose.match_indices("](") {
            let target = &prose[at + 2..];
            links.extend(target.split(')').next().map(str::to_owned));
        }
    }
    links
}

/// What a heading is called in a link: GitHub's way, as far as our headings need it.
fn anchors(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect()
        })
        .collect()
}

/// What is wrong with a link of a document.
fn broken(document: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap_or(document).join(path),
    };
    if !target.exists() {
        return Some(format!("{}: {link} is not there", document.display()));
    }
    let known = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
    (!known).then(|| format!("{}: {link} names no heading", document.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    assert!(documents.len() > 5, "{documents:?}");
    let broken: Vec<String> = documents
        .iter()
        .flat_map(|document| {
            let links = links(&read(document));
            links
                .into_iter()
                .filter_map(|link| broken(document, &link))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let text =
        "[a](docs/errors.md) `[b](code)` [c](docs/none.md) [d](#nowhere)\n```\n[e](code)\n```";
    assert_eq!(links(text), ["docs/errors.md", "docs/none.md", "#nowhere"]);
    let document = root().join("docs/errors.md");
    assert_eq!(broken(&document, "errors.md#errors"), None);
    assert!(broken(&document, "none.md").is_some());
    assert!(broken(&document, "#nowhere").is_some());
}

/// `FailedPrecondition` as gRPC writes it: `FAILED_PRECONDITION`.
fn upper_snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}

#[test]
fn the_error_table_is_the_one_of_the_code() {
    let text = read(&root().join("docs/errors.md"));
    let written: BTreeSet<String> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split(" | ").take(3).collect::<Vec<_>>().join(" | "))
        .collect();
    let coded: BTreeSet<String> = TABLE
        .iter()
        .map(|row| {
            let name = row.reason.as_str_name();
            let reason = name.strip_prefix("ERROR_REASON_").unwrap_or(name);
            let code = upper_snake(&format!("{:?}", row.code));
            format!("| `{reason}` | {code} | {}", row.remedy)
        })
        .collect();
    let missing: Vec<_> = coded.difference(&written).collect();
    let stale: Vec<_> = written.difference(&coded).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/errors.md lacks {missing:#?} and has in their place {stale:#?}"
    );
}

#[test]
fn every_switch_of_the_simulator_is_told() {
    let switches = serde_json::to_value(Switches::default()).unwrap();
    let names: Vec<&String> = switches.as_object().unwrap().keys().collect();
    assert!(!names.is_empty());
    for document in ["docs/aws-facts.md", "docs/simulator.md"] {
        let text = read(&root().join(document));
        for name in &names {
            assert!(
                text.contains(&format!("`{name}`")),
                "{document} does not name the switch `{name}`"
            );
        }
    }
}

/// The text of every file below a folder of the tree.
fn everything_in(folder: &str) -> String {
    let mut text = String::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path
                .extension()
                .is_some_and(|end| end == "rs" || end == "py")
            {
                text.push_str(&read(&path));
            }
        }
    }
    text
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let code = everything_in("tests") + &everything_in("src");
    let promises = read(&root().join("docs/promises.md"));
    let named = promises.split('`').skip(1).step_by(2).filter(|name| {
        name.len() > 12
            && name
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    });
    let lost: Vec<&str> = named
        .filter(|name| !name.chars().any(char::is_uppercase))
        .filter(|name| !name.contains("validate_only"))
        .filter(|name| {
            !code.contains(&format!("fn {name}(")) && !code.contains(&format!("def {name}("))
        })
        .collect();
    assert!(lost.is_empty(), "docs/promises.md names no test: {lost:?}");
}
