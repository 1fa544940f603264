//! Who has the database and changes the log is found: each way of doing it is done to a copy, with the
//! program that everybody has for it, and `usher log verify` names the first bad record.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::common::{TestService, revoke_of};
use super::support::{config, service_with, usher_log, verified};

/// Moves whole records.
const SWAP: &str = "UPDATE events SET position = -4 WHERE position = 4; \
    UPDATE events SET position = 4 WHERE position = 6; \
    UPDATE events SET position = 6 WHERE position = -4;";
/// Moves what they hold.
const SWAP_BODIES: &str = "CREATE TABLE b AS SELECT position AS p, body AS t FROM events; \
    UPDATE events SET body = (SELECT t FROM b WHERE p = 11 - position) WHERE position IN (4, 7);";
/// Removes a record, and gives those after it new places.
const CLOSE_UP: &str = "DELETE FROM events WHERE position = 3; \
    UPDATE events SET position = -position + 1 WHERE position > 3; \
    UPDATE events SET position = -position WHERE position < 0;";
/// What is done to the database, with the word and the place of the first bad record.
const DEEDS: [(&str, &str, u64); 8] = [
    (
        "edited",
        "UPDATE events SET body = replace(body, 'actor', 'acter') WHERE position = 5;",
        5,
    ),
    (
        "edited",
        "UPDATE events SET body = body || ' ' WHERE position = 5;",
        5,
    ),
    (
        "unreadable",
        "UPDATE events SET hash = x'00' WHERE position = 5;",
        5,
    ),
    ("removed", "DELETE FROM events WHERE position = 3;", 3),
    ("removed", "DELETE FROM events WHERE position <= 3;", 1),
    ("removed", CLOSE_UP, 3),
    ("reordered", SWAP, 4),
    ("reordered", SWAP_BODIES, 4),
];

/// A database in which much happened, at rest, with the heads that were sent elsewhere.
struct Rested {
    folder: tempfile::TempDir,
    service: TestService,
}

impl Rested {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config();
        config.log.heads_file = Some(folder.path().join("heads.jsonl"));
        let mut service = service_with(config).await;
        for user in ["anna.berg", "bilal.khan"] {
            let triple = service.user_on(user, "Amazon Redshift");
            let grant = service.assign(triple.assign()).await;
            service.revoke(revoke_of(&grant.id)).await;
        }
        service.stop().await;
        Self { folder, service }
    }

    fn data(&self) -> &Path {
        self.service.data.path()
    }

    fn heads(&self) -> String {
        let path = self.folder.path().join("heads.jsonl");
        path.to_str().unwrap().to_owned()
    }

    fn key(&self) -> String {
        let data = self.data().to_str().unwrap();
        let output = usher_log(&["key", "--data-dir", data]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A copy of the database after these statements.
    async fn after(&self, name: &str, statements: &str) -> PathBuf {
        let copy = self.folder.path().join(format!("{name}.sqlite3"));
        std::fs::copy(self.data().join("usher.sqlite3"), &copy).unwrap();
        let options = SqliteConnectOptions::new().filename(&copy);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let statements = AssertSqlSafe(statements.to_owned());
        let done = sqlx::raw_sql(statements).execute(&mut connection).await;
        done.unwrap_or_else(|error| panic!("{name}: {error}"));
        connection.close().await.unwrap();
        copy
    }

    /// The export, as lines.
    fn export(&self, more: &[&str]) -> Vec<String> {
        let data = self.data().to_str().unwrap();
        let arguments = [&["export", "--data-dir", data], more].concat();
        let output = usher_log(&arguments);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn file(&self, name: &str, lines: &[String]) -> PathBuf {
        let path = self.folder.path().join(name);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        path
    }
}

async fn count(database: &Path) -> i64 {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let row = sqlx::query("SELECT COUNT(position) FROM events").fetch_one(&mut connection);
    row.await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_the_database_is_found_and_named() {
    let rested = Rested::new().await;
    let untouched = rested.after("untouched", "SELECT 1").await;
    let last = count(&untouched).await;
    assert!(last >= 9, "{last}");
    let (code, said) = verified(&untouched, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("positions 1 to {last}")), "{said}");
    assert!(said.contains("tail unanchored"), "{said}");
    let elsewhere = ["--head", &rested.heads(), "--key", &rested.key()].map(str::to_owned);
    let elsewhere = elsewhere.each_ref().map(String::as_str);
    let (code, said) = verified(&untouched, &elsewhere);
    assert_eq!(
        (code, said.contains("anchored: a head")),
        (0, true),
        "{said}"
    );
    for (number, (word, statements, position)) in DEEDS.into_iter().enumerate() {
        let copy = rested.after(&format!("deed{number}"), statements).await;
        let (code, said) = verified(&copy, &[]);
        let expected = format!("BAD: the record of position {position} was {word}")
            .replace("was unreadable", "is unreadable");
        assert!(
            code == 3 && said.contains(&expected),
            "{statements}: {said}"
        );
    }
    // The tail: while the database still says where the log ended, and when it says nothing any more.
    let cut = format!("DELETE FROM events WHERE position > {};", last - 2);
    let copy = rested.after("cut", &cut).await;
    assert_eq!(verified(&copy, &[]).0, 3);
    let quiet = format!(
        "{cut} DELETE FROM log_heads WHERE position > {0}; \
         UPDATE log_chain SET position = {0}, hash = (SELECT hash FROM events WHERE position = {0});",
        last - 2
    );
    let copy = rested.after("quiet", &quiet).await;
    let (code, said) = verified(&copy, &[]);
    assert!(code == 0 && said.contains("tail unanchored"), "{said}");
    let (code, said) = verified(&copy, &elsewhere);
    let expected = format!("position {} was cut", last - 1);
    assert!(code == 3 && said.contains(&expected), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_an_export_is_found_and_named() {
    let rested = Rested::new().await;
    let lines = rested.export(&[]);
    let said_of =
        |name: &str, lines: &[String], more: &[&str]| verified(&rested.file(name, lines), more);
    let (code, said) = said_of("whole", &lines, &[]);
    assert!(code == 0 && said.contains("tail unanchored"), "{said}");
    let mut other = lines.clone();
    other[4] = other[4].replace("actor", "acter");
    let (code, said) = said_of("edited", &other, &[]);
    assert!(
        code == 3 && said.contains("position 5 was edited"),
        "{said}"
    );
    let mut other = lines.clone();
    other[4].push(' ');
    let (code, said) = said_of("blank", &other, &[]);
    assert!(
        code == 3 && said.contains("position 5 is unreadable"),
        "{said}"
    );
    let mut other = lines.clone();
    other.drain(2..4);
    let (code, said) = said_of("removed", &other, &[]);
    assert!(
        code == 3 && said.contains("position 3 was removed, and those after it up to position 4"),
        "{said}"
    );
    let mut other = lines.clone();
    other.swap(2, 6);
    let (code, said) = said_of("reordered", &other, &[]);
    assert!(
        code == 3 && said.contains("position 3 was reordered"),
        "{said}"
    );
    let cut = &lines[..lines.len() - 2];
    let (code, said) = said_of("cut", cut, &["--head", &rested.heads()]);
    assert!(code == 3 && said.contains("was cut"), "{said}");
    assert_eq!(said_of("cut", cut, &[]).0, 0);
    // A part is whole as the part that it is, and not as more.
    let part = rested.export(&["--after", "4"]);
    assert_eq!(part, lines[4..]);
    assert_eq!(said_of("part", &part, &["--after", "4"]).0, 0);
    let (code, said) = said_of("part", &part, &[]);
    assert!(
        code == 3 && said.contains("position 1 was removed"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_count_by_their_key_and_what_is_no_log_is_told_in_a_sentence() {
    let rested = Rested::new().await;
    let heads = std::fs::read_to_string(rested.heads()).unwrap();
    assert!(heads.lines().count() >= 1);
    let forged = heads.replace("\"time_microseconds\":\"1", "\"time_microseconds\":\"2");
    let forged = rested.file("forged", &[forged.trim_end().to_owned()]);
    let forged = forged.to_str().unwrap();
    let (code, said) = verified(rested.data(), &["--head", forged]);
    assert!(
        code == 3 && said.contains("is not signed by this key"),
        "{said}"
    );
    let other_key = "ab".repeat(32);
    let (code, said) = verified(rested.data(), &["--key", &other_key]);
    assert!(
        code == 3 && said.contains("is not signed by this key"),
        "{said}"
    );
    let sentences = [
        (verified(rested.data(), &["--key", "short"]), "64 digits"),
        (
            verified(rested.data(), &["--head", "nowhere"]),
            "cannot be read",
        ),
        (verified(Path::new("nowhere.jsonl"), &[]), "cannot be read"),
        (verified(rested.folder.path(), &[]), "is no database"),
    ];
    for ((code, said), expected) in sentences {
        assert!(code == 1 && said.contains(expected), "{said}");
    }
    assert_eq!(verified(rested.data(), &["--after", "1"]).0, 2);
    // All of that changed nothing.
    let files = std::fs::read_dir(rested.data()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(
        !names
            .into_iter()
            .any(|name| name.ends_with("-wal") || name.ends_with("-shm"))
    );
}
