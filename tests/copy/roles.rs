//! deploy/postgresql/roles.sql: the role that it prepares can do all that a service does, and cannot change or delete
//! an event, by whatever way.

use std::path::Path;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use usher::domain::log_head::HeadKind;
use usher::store::{LogStore as _, PostgresOptions, PostgresStore, Store as _, prepare_postgres};

use crate::common::*;
use crate::fill::{self, fill, sign};
use crate::postgresql::Database;

/// A database of an owner who is no superuser, and a service role on it.
struct Prepared {
    owner: PostgresOptions,
    service: PostgresOptions,
}

async fn execute(options: &PostgresOptions, sql: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&options.url).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await;
    connection.close().await.unwrap();
    done.map(drop)
}

impl Prepared {
    async fn new() -> Self {
        let database = Database::empty().await.options;
        let name = database.url.split(['/', '?']).nth(3).unwrap();
        let (owner, service) = (format!("{name}_owner"), format!("{name}_service"));
        for sql in [
            format!("CREATE ROLE {owner} LOGIN"),
            format!("CREATE ROLE {service} LOGIN"),
            format!("ALTER DATABASE {name} OWNER TO {owner}"),
        ] {
            execute(&database, sql).await.unwrap();
        }
        let of = |role: &str| PostgresOptions {
            url: database.url.replace("usher@", &format!("{role}@")),
            ..database.clone()
        };
        let prepared = Self {
            owner: of(&owner),
            service: of(&service),
        };
        prepare_postgres(&prepared.owner).await.unwrap();
        prepared.run_roles(&service);
        prepared
    }

    /// Runs the file as its first lines say.
    fn run_roles(&self, service: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postgresql/roles.sql");
        let done = Command::new("psql")
            .args(["--quiet", "--no-psqlrc", "--set"])
            .arg(format!("service={service}"))
            .arg("--file")
            .arg(file)
            .arg(&self.owner.url)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && told.is_empty(), "{told}");
    }

    /// How many events there are, by the owner's count.
    async fn events(&self) -> i64 {
        let mut connection = PgConnection::connect(&self.owner.url).await.unwrap();
        let count = "SELECT COUNT(*) FROM events";
        let count = sqlx::query_scalar(count).fetch_one(&mut connection).await;
        connection.close().await.unwrap();
        count.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_role_serves_and_forgets_behind_a_checkpoint() {
    let prepared = Prepared::new().await;
    let store = PostgresStore::open(&prepared.service).await.unwrap();
    // Grants, decisions, a freeze, facts, readings, the log with heads and a checkpoint.
    fill(&store).await;
    let before = prepared.events().await;
    let held = fill::lease(&store, "sequencer", 1).await;
    while store.chain_events(&held, 9).await.unwrap().count > 0 {}
    let state = store.log_state().await.unwrap();
    let checkpoint = sign(HeadKind::Checkpoint, state.end);
    let forgotten = store.forget_log(&held, &checkpoint).await.unwrap();
    assert_eq!(i64::try_from(forgotten).unwrap(), before);
    assert_eq!(prepared.events().await, 0);
    record(&store, grant(40, &key(40, 40))).await;
    store.close().await;
    // Once more does no harm: it is run after every migration.
    let service = prepared.service.url.split(['/', '@']).nth(2).unwrap();
    prepared.run_roles(service);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_role_changes_and_deletes_no_event() {
    let prepared = Prepared::new().await;
    let store = PostgresStore::open(&prepared.service).await.unwrap();
    fill(&store).await;
    let before = prepared.events().await;
    for refused in [
        "UPDATE events SET body = '{}'",
        "DELETE FROM events",
        "TRUNCATE events CASCADE",
        "UPDATE chained_events SET latest_at = 0",
        "DELETE FROM chained_events",
        "TRUNCATE chained_events",
        "DROP TABLE events CASCADE",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "INSERT INTO schema_versions VALUES (99)",
        "DELETE FROM schema_versions",
    ] {
        let told = execute(&prepared.service, refused.to_owned()).await;
        let told = told.unwrap_err().to_string();
        let is_refused = told.contains("permission denied") || told.contains("must be owner");
        assert!(is_refused, "{refused}: {told}");
    }
    // Nothing is forgotten without a checkpoint at that very place.
    let told = execute(&prepared.service, "SELECT forget_events(9)".to_owned()).await;
    let told = told.unwrap_err().to_string();
    assert!(told.contains("no checkpoint stands at 9"), "{told}");
    assert_eq!(prepared.events().await, before);
    store.close().await;
}

/// What runs with the owner's rights uses the owner's tables alone: a table of the session's own in their place would
/// run the session's triggers with those rights.
const BESIDE: &str = "CREATE TEMPORARY TABLE log_heads (kind text, position bigint, hash bytea); \
     CREATE TEMPORARY TABLE chained_events (position bigint, hash bytea, sequence bigint); \
     GRANT ALL ON pg_temp.log_heads, pg_temp.chained_events TO PUBLIC; \
     INSERT INTO pg_temp.log_heads VALUES ('checkpoint', 9, ''); \
     INSERT INTO pg_temp.chained_events VALUES (9, '', 1); \
     CREATE FUNCTION pg_temp.take_all() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN DELETE FROM public.chained_events; DELETE FROM public.events; RETURN NULL; END $$; \
     CREATE TRIGGER take_all BEFORE DELETE ON pg_temp.chained_events \
     FOR EACH ROW EXECUTE FUNCTION pg_temp.take_all(); \
     SELECT forget_events(9)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_a_session_of_its_own_give_the_service_role_nothing() {
    let prepared = Prepared::new().await;
    let store = PostgresStore::open(&prepared.service).await.unwrap();
    fill(&store).await;
    let before = prepared.events().await;
    let told = execute(&prepared.service, BESIDE.to_owned()).await;
    assert_eq!(prepared.events().await, before, "events are gone");
    let told = told.unwrap_err().to_string();
    assert!(told.contains("no checkpoint stands at 9"), "{told}");
    store.close().await;
}
