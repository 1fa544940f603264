//! Which part of the crate may name which: the arrows of docs/architecture.md.

#[cfg(test)]
mod snippets;

use crate::paths::named_paths;
use crate::tree::{File, expect_none, files};

/// Stands for every layer.
const ALL: &[&str] = &["*"];

/// Each layer with what it may name beside itself: a whole layer, or one item of it.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &[]),
    // Beside the layers: the two that act outside of the process say where they are.
    ("crash_points", &["domain"]),
    ("simulator", &[]),
    ("telemetry", &[]),
    ("metrics", &[]),
    ("policy", &["domain"]),
    ("authentication", &["clock", "domain"]),
    ("budget", &["domain"]),
    (
        "identity_center",
        &["budget", "metrics", "crash_points", "domain"],
    ),
    ("store", &["budget", "crash_points", "domain"]),
    ("decision_log", &["store", "clock", "domain"]),
    (
        "directory",
        &["identity_center", "store", "clock", "domain"],
    ),
    (
        "audit",
        &["directory", "identity_center", "store", "clock", "domain"],
    ),
    (
        "app",
        &[
            "audit",
            "decision_log",
            "directory",
            "identity_center",
            "store",
            "policy",
            "clock",
            "domain",
        ],
    ),
    (
        "reconciler",
        &["identity_center", "store", "policy", "clock", "domain"],
    ),
    (
        "grpc",
        &[
            "app",
            "authentication",
            "metrics",
            "domain",
            // What a report asks and answers is the audit's own words.
            "audit",
            // How a request names things, what a name may mean, and an event of a timeline.
            "directory::AccountQuery",
            "directory::ApplicationQuery",
            "directory::Candidate",
            "directory::PermissionSetQuery",
            "directory::PrincipalQuery",
            "directory::TargetQuery",
            "store::StoredEvent",
        ],
    ),
    (
        // Each part owns its settings; this one reads them from one file.
        "config",
        &[
            "app",
            "audit",
            "authentication",
            "budget",
            "decision_log",
            "directory",
            "domain",
            "grpc",
            "identity_center",
            "metrics",
            "policy",
            "reconciler",
            "store",
        ],
    ),
    ("cli", ALL),
    ("main", ALL),
    ("lib", &[]),
];

/// Foreign crates that belong to some layers only. A name that ends with `*` is a beginning.
const FOREIGN: &[(&str, &[&str])] = &[
    ("tonic", &["grpc"]),
    ("tonic_*", &["grpc"]),
    ("prost", &["grpc"]),
    ("prost_*", &["grpc"]),
    ("sqlx", &["store"]),
    ("sqlx_*", &["store"]),
    ("aws_config", &["identity_center"]),
    ("aws_credential_types", &["identity_center"]),
    ("aws_runtime", &["identity_center"]),
    ("aws_sdk_*", &["identity_center"]),
    ("aws_sigv4", &["identity_center"]),
    ("aws_smithy_*", &["identity_center"]),
    ("aws_types", &["identity_center"]),
    ("cedar_*", &["policy"]),
    ("jsonwebtoken", &["authentication"]),
    ("reqwest", &["authentication"]),
    ("webpki", &["authentication"]),
    ("tokio_rustls", &["authentication", "grpc"]),
];

/// What makes I/O or waits, and is therefore not in `domain`.
const NOT_IN_DOMAIN: &[&str] = &[
    "tokio",
    "tokio_*",
    "futures_util",
    "async_trait",
    "tracing",
    "hyper",
    "http",
];
const NOT_IN_DOMAIN_STD: &[&str] = &["fs", "io", "net", "process", "thread", "env"];

/// Who may ask the system what time it is. Everybody else gets the time as an argument or has a
/// `Clock`; the simulator, which is not part of the service, has its own.
const CLOCK_READERS: &[&str] = &[
    "src/clock.rs",
    // The library of tokens reads it, and the tests beside the code.
    "src/authentication/development.rs",
    "src/cli/",
    "src/simulator/state.rs",
];

fn layer(file: &File) -> &str {
    file.module.first().map_or("lib", String::as_str)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

fn arrow_violations(file: &File) -> Vec<String> {
    let own = layer(file);
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == own) else {
        return vec![format!("{}: the layer `{own}` is not in ARROWS", file.path)];
    };
    let mut violations = Vec::new();
    for path in named_paths(&file.module, &file.text) {
        if !matches!(path.segments[0].as_str(), "crate" | "usher") || *allowed == ALL {
            continue;
        }
        let place = format!("{}:{}", file.path, path.line);
        let wanted = path.segments.get(1).map_or("", String::as_str);
        if wanted == own {
            continue;
        }
        if !ARROWS.iter().any(|(name, _)| *name == wanted) {
            violations.push(format!(
                "{place}: `{}` names no layer",
                path.segments.join("::")
            ));
            continue;
        }
        let item = path.segments.get(2).map_or("", String::as_str);
        let fits = allowed
            .iter()
            .any(|arrow| *arrow == wanted || *arrow == format!("{wanted}::{item}"));
        if !fits {
            violations.push(format!(
                "{place}: {own} may not name `{}`",
                path.segments[1..].join("::")
            ));
        }
    }
    violations
}

fn foreign_violations(file: &File) -> Vec<String> {
    let own = layer(file);
    let mut violations = Vec::new();
    for path in named_paths(&file.module, &file.text) {
        let name = path.segments[0].as_str();
        let owner = FOREIGN.iter().find(|(pattern, _)| matches(pattern, name));
        if let Some((_, owners)) = owner
            && !owners.contains(&own)
        {
            violations.push(format!(
                "{}:{}: `{name}` belongs to {} alone",
                file.path,
                path.line,
                owners.join(", ")
            ));
        }
    }
    violations
}

fn domain_violations(file: &File) -> Vec<String> {
    if layer(file) != "domain" {
        return Vec::new();
    }
    // A test of the domain may read how long it shall run.
    let is_test = file.module.iter().any(|name| name == "tests");
    let mut violations = Vec::new();
    for path in named_paths(&file.module, &file.text) {
        let first = path.segments[0].as_str();
        let second = path.segments.get(1).map_or("", String::as_str);
        let foreign = NOT_IN_DOMAIN.iter().any(|pattern| matches(pattern, first));
        let system = first == "std" && NOT_IN_DOMAIN_STD.contains(&second) && !is_test;
        if foreign || system {
            violations.push(format!(
                "{}:{}: domain names `{}`",
                file.path,
                path.line,
                path.segments.join("::")
            ));
        }
    }
    violations
}

fn clock_violations(file: &File) -> Vec<String> {
    let is_domain = layer(file) == "domain";
    if CLOCK_READERS
        .iter()
        .any(|reader| file.path.starts_with(reader))
    {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for path in named_paths(&file.module, &file.text) {
        let [.., kind, function] = path.segments.as_slice() else {
            continue;
        };
        let reads = function == "now"
            && (matches!(
                kind.as_str(),
                "Timestamp" | "SystemTime" | "Zoned" | "Utc" | "Local"
            ) || is_domain && kind == "Instant");
        if reads {
            violations.push(format!("{}:{}: `{kind}::now`", file.path, path.line));
        }
    }
    violations
}

fn all(rule: fn(&File) -> Vec<String>) -> Vec<String> {
    files(&["src"]).iter().flat_map(rule).collect()
}

#[test]
fn layers_name_only_what_is_below_them() {
    expect_none(
        &all(arrow_violations),
        "The arrows are the table ARROWS in tests/architecture/layers.rs and the picture in docs/architecture.md. \
         Move the code to the layer that may know both sides, or pass the value in.",
    );
}

#[test]
fn foreign_crates_stay_in_their_layer() {
    expect_none(
        &all(foreign_violations),
        "Translate at the border: each of these crates is known to one layer, so that it can be exchanged there.",
    );
}

#[test]
fn domain_does_no_input_or_output() {
    expect_none(
        &all(domain_violations),
        "The domain is pure. Do the work outside and pass the result in.",
    );
}

#[test]
fn the_clock_is_read_in_one_place() {
    expect_none(
        &all(clock_violations),
        "Take the time as an argument, or from `crate::clock::Clock`: tests and the demonstration set it ahead.",
    );
}

#[test]
fn the_arrows_never_turn_back() {
    // What has no arrow to a layer that is left can be taken away; a circle stays.
    let mut left: Vec<_> = ARROWS.iter().filter(|(_, arrows)| *arrows != ALL).collect();
    while let Some(free) = left.iter().position(|(_, arrows)| {
        !arrows.iter().any(|arrow| {
            let target = arrow.split("::").next();
            left.iter().any(|(name, _)| Some(*name) == target)
        })
    }) {
        left.remove(free);
    }
    assert!(left.is_empty(), "a circle among {left:?}");
}
