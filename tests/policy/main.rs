//! Policies from outside: folders, the command line, and everything that must not load.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test says no"
)]

mod decisions;
mod examples;
mod refused;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use usher::policy::{PolicyFile, PolicyProblem, PolicyRules, PolicySet};

/// A permit with what stands before it.
pub(crate) fn permit(annotations: &str) -> String {
    format!("{annotations} permit (principal, action == Usher::Action::\"Request\", resource);")
}

/// Loads one file.
pub(crate) fn load(text: &str) -> Result<PolicySet, Vec<PolicyProblem>> {
    let file = PolicyFile {
        name: "a.cedar".to_owned(),
        text: text.to_owned(),
    };
    PolicySet::load(&[file], &PolicyRules::default())
}

/// The folder of an example.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/policies")
        .join(name)
}

/// Runs `usher policy` with these arguments.
pub(crate) fn usher_policy(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_usher"))
        .arg("policy")
        .args(arguments)
        .output()
        .unwrap()
}

/// What it wrote where.
pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}
