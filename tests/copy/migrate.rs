//! `usher migrate`: of many at once one does it; what is another program's or of a later version is refused and left.

use std::process::{Command, Stdio};

use crate::postgresql::Database;

fn migrate(database: &Database) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .arg("migrate")
        .env_clear()
        .env("USHER_POSTGRES_URL", &database.options.url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The sentence with which it refuses.
fn refusal(database: &Database) -> String {
    let done = migrate(database).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(!told.contains("postgres://"), "{told}");
    told
}

#[tokio::test]
async fn of_eight_usher_migrate_at_once_one_migrates() {
    let database = Database::empty().await;
    let begun: Vec<_> = (0..8)
        .map(|_| migrate(&database).spawn().unwrap())
        .collect();
    let (mut migrated, mut already) = (0, 0);
    for child in begun {
        let done = child.wait_with_output().unwrap();
        let told = String::from_utf8(done.stdout).unwrap();
        let problem = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{told}{problem}");
        migrated += usize::from(told.starts_with("schema 0 -> "));
        already += usize::from(told.contains(" already"));
    }
    assert_eq!((migrated, already), (1, 7));
    let versions = "SELECT COUNT(*) - MAX(version) FROM schema_versions";
    assert_eq!(database.count(versions).await, 0, "each version once");
}

#[tokio::test]
async fn a_database_of_another_program_is_not_migrated() {
    let database = Database::empty().await;
    database.execute("CREATE TABLE theirs (x bigint)").await;
    let told = refusal(&database);
    assert!(
        told.contains("tables of something else; name an empty database"),
        "{told}"
    );
    let tables = "SELECT relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace \
         WHERE nspname = 'public' AND relkind = 'r'";
    assert_eq!(database.texts(tables).await, ["theirs"]);
}

#[tokio::test]
async fn a_database_of_a_later_version_is_not_migrated() {
    let database = Database::new().await;
    let later = "INSERT INTO schema_versions (version) VALUES (999)";
    database.execute(later).await;
    let told = refusal(&database);
    assert!(
        told.contains("later version of usher (schema 999"),
        "{told}"
    );
    assert!(told.contains("left as it is"), "{told}");
}
