//! The command as people type it: its flags, what it prints, and what it refuses.

use std::path::Path;
use std::process::Command;

use crate::fill::filled;
use crate::postgresql::Database;

/// Runs `usher copy` to its end: whether it succeeded, and what it said on both outputs.
fn run(directory: &Path, url: Option<&str>, arguments: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.arg("copy").args(arguments).env_clear();
    command.env("USHER_DATA_DIR", directory);
    if let Some(url) = url {
        command.env("USHER_POSTGRES_URL", url);
    }
    let done = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.success(), text(done.stdout), text(done.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usher_copy_tells_what_it_copied_and_where_the_log_ends() {
    let (directory, database) = (filled().await, Database::new().await);
    let url = Some(database.options.url.as_str());
    let flags = ["--from", "sqlite", "--to", "postgres"];
    let (is_done, told, problem) = run(directory.path(), url, &flags);
    assert!(is_done, "{problem}");
    let grants = told.lines().find(|line| line.starts_with("grants "));
    assert_eq!(
        grants.unwrap().split_whitespace().nth(1),
        Some("9"),
        "{told}"
    );
    assert!(
        told.contains("the decision log verifies up to position 11"),
        "{told}"
    );
    assert!(
        told.contains("Start every service with [postgres]"),
        "{told}"
    );
    let (is_done, _, problem) = run(directory.path(), url, &flags);
    assert!(!is_done && problem.contains("is not empty"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usher_copy_reads_the_configuration_and_goes_one_way_only() {
    let (directory, database) = (filled().await, Database::new().await);
    for (arguments, wanted) in [
        (
            ["--from", "postgres", "--to", "sqlite"].as_slice(),
            "no other way",
        ),
        (&["--from", "sqlite", "--to", "mysql"], "no other way"),
        (&[], "no PostgreSQL database is named"),
    ] {
        let (is_done, _, problem) = run(directory.path(), None, arguments);
        assert!(!is_done && problem.contains(wanted), "{problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
    let file = directory.path().join("usher.toml");
    let section = format!("[postgres]\nurl = \"{}\"\n", database.options.url);
    std::fs::write(&file, section).unwrap();
    let config = file.to_str().unwrap();
    let (is_done, _, problem) = run(directory.path(), None, &["--config", config]);
    assert!(is_done, "{problem}");
}
