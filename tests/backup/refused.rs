//! What backup and restore refuse, with a sentence that helps, leaving everything as it is.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use usher::simulator::World;

use super::common::child::{Place, bytes_of};
use super::common::connect;
use super::support::{DATABASE, Elsewhere, LONG, assign, end, run, simulator, text, user_on};

/// Changes a database with the program that everybody has for it.
async fn change(file: &Path, statements: &str) {
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let statements = AssertSqlSafe(statements.to_owned());
    let done = sqlx::raw_sql(statements).execute(&mut connection).await;
    done.unwrap();
    connection.close().await.unwrap();
}

/// A service that gave somebody something and has ended. Answers where.
async fn rested(endpoint: String, user: &str, simulator: &usher::simulator::Simulator) -> Place {
    let place = Place::new(endpoint);
    let server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    let triple = user_on(simulator, user, "Amazon Redshift");
    assign(&channel, &triple, LONG).await;
    drop(channel);
    end(server).await;
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_not_restored() {
    let simulator = simulator(World::demo()).await;
    let first = rested(simulator.endpoint_url(), "bilal.khan", &simulator).await;
    let elsewhere = Elsewhere::new();
    let backup = elsewhere.backup(&first, "backup.sqlite3");
    let whole = bytes_of(&backup);
    let named = |name: &str, bytes: &[u8]| {
        let path = elsewhere.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let list = named("list", b"this is a shopping list, not a database");
    let cut = named("cut", &whole[..whole.len() / 2]);
    let mut scribbled = whole.clone();
    scribbled[8192..].fill(0xA5);
    let scribbled = named("scribbled", &scribbled);
    let mut cases = vec![
        (list, "is no database"),
        (elsewhere.path("nothing"), "is not there"),
        (cut, "damaged"),
        (scribbled, "damaged"),
    ];
    for (name, statements, wanted) in [
        ("foreign", "PRAGMA application_id = 7", "another program"),
        ("later", "PRAGMA user_version = 99", "later version"),
        (
            "edited",
            "UPDATE events SET body = replace(body, 'tester', 'texter')",
            "was edited",
        ),
        (
            "removed",
            "DELETE FROM events WHERE position = 2",
            "was removed",
        ),
    ] {
        let path = named(name, &whole);
        change(&path, statements).await;
        cases.push((path, wanted));
    }
    let place = Place::new(simulator.endpoint_url());
    for (path, wanted) in &cases {
        run(&place, &["restore", "--from", text(path)]).refused(&[wanted]);
        assert!(!place.data().exists(), "{wanted}: nothing is made");
    }
    run(&place, &["restore", "--from", text(&backup)]).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_restored_over_a_database() {
    let simulator = simulator(World::demo()).await;
    let first = rested(simulator.endpoint_url(), "bilal.khan", &simulator).await;
    let elsewhere = Elsewhere::new();
    let backup = elsewhere.backup(&first, "backup.sqlite3");
    let restore = ["restore", "--from", text(&backup)];
    let database = first.data().join(DATABASE);
    let before = bytes_of(&database);
    run(&first, &restore).refused(&["is there already", "move it away"]);
    assert_eq!(bytes_of(&database), before);
    let server = first.serve().await;
    run(&first, &restore).refused(&["in use by another usher"]);
    end(server).await;
    // What the last commits of a lost database lie in is not overlooked.
    std::fs::rename(&database, elsewhere.path("moved")).unwrap();
    let log = first.data().join(format!("{DATABASE}-wal"));
    std::fs::write(&log, "commits").unwrap();
    run(&first, &restore).refused(&["-wal is there"]);
    std::fs::remove_file(&log).unwrap();
    run(&first, &restore).good();
    run(&first, &["restore", "--plan"]).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_does_not_continue_the_backup_is_refused() {
    let simulator = simulator(World::demo()).await;
    let first = rested(simulator.endpoint_url(), "bilal.khan", &simulator).await;
    let other = rested(simulator.endpoint_url(), "anna.berg", &simulator).await;
    let elsewhere = Elsewhere::new();
    let early = elsewhere.export(&first, "early.jsonl", &[]);
    let backup = elsewhere.backup(&first, "backup.sqlite3");
    let of_other = elsewhere.export(&other, "other.jsonl", &[]);
    let server = first.serve().await;
    let channel = connect(server.address, &first.data(), "tester").await;
    let triple = user_on(&simulator, "carla.mendes", "Amazon Redshift");
    assign(&channel, &triple, LONG).await;
    drop(channel);
    end(server).await;
    let late = elsewhere.export(&first, "late.jsonl", &[]);
    let text_of = |path: &Path| std::fs::read_to_string(path).unwrap();
    let behind = text_of(&early).lines().count();
    let lines: Vec<String> = text_of(&late).lines().map(str::to_owned).collect();
    let with = |name: &str, lines: &[String]| {
        let path = elsewhere.path(name);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        path
    };
    let gap = with("gap.jsonl", &lines[behind + 1..]);
    let mut holed = lines.clone();
    holed.remove(behind + 1);
    let holed = with("holed.jsonl", &holed);
    let place = Place::new(simulator.endpoint_url());
    for (export, wanted) in [
        (&of_other, "is not of this backup's log"),
        (&gap, "what lies between is in neither"),
        (&holed, "is not whole at position"),
        (&backup, "is not whole at position 1"),
        (&elsewhere.path("nothing"), "cannot be read"),
    ] {
        let restore = ["restore", "--from", text(&backup), "--log", text(export)];
        run(&place, &restore).refused(&[wanted]);
        assert!(!place.data().exists(), "{wanted}: nothing is made");
    }
    // One that begins where the backup ends will do; one that is older tells nothing.
    for (export, wanted) in [
        (&with("tail.jsonl", &lines[behind..]), "which name 1 grants"),
        (&early, "continues nothing"),
    ] {
        let place = Place::new(simulator.endpoint_url());
        let restore = ["restore", "--from", text(&backup), "--log", text(export)];
        let told = run(&place, &restore).good();
        assert!(told.contains(wanted), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_writes_over_nothing_unasked_and_leaves_no_half() {
    let simulator = simulator(World::demo()).await;
    let place = rested(simulator.endpoint_url(), "bilal.khan", &simulator).await;
    let elsewhere = Elsewhere::new();
    let file = elsewhere.path("backup.sqlite3");
    std::fs::write(&file, "mine").unwrap();
    let backup = ["backup", "--out", text(&file)];
    run(&place, &backup).refused(&["is there already", "--force"]);
    assert_eq!(bytes_of(&file), b"mine");
    // What an interrupted one left is in nobody's way.
    std::fs::write(elsewhere.path("backup.sqlite3.unfinished"), "half").unwrap();
    run(&place, &[backup.as_slice(), &["--force"]].concat()).good();
    assert_eq!(elsewhere.names(), ["backup.sqlite3"]);
    let nowhere = elsewhere.path("no/folder");
    run(&place, &["backup", "--out", text(&nowhere)]).refused(&["cannot be written"]);
    let empty = Place::new(simulator.endpoint_url());
    let other = elsewhere.path("other");
    run(&empty, &["backup", "--out", text(&other)]).refused(&["there is no database"]);
    assert!(!empty.data().exists());
    let database = place.data().join(DATABASE);
    change(&database, "DELETE FROM events WHERE position = 2").await;
    run(&place, &["backup", "--out", text(&other)]).refused(&["not whole", "was removed"]);
    assert_eq!(elsewhere.names(), ["backup.sqlite3"]);
}
