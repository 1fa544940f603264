//! A million stored grants, of which a hundred thousand stand: how long the store takes to open, what a pass of the
//! reconciler costs, and a page of ListGrants, on both stores.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::Connection as _;
use usher::domain::{GrantState, InstanceArn};
use usher::store::{
    ClaimLimit, GrantFilter, Holder, OfEachKind, PostgresOptions, PostgresStore, SqliteOptions,
    SqliteStore, Store,
};

use super::cluster::Cluster;
use super::milliseconds;

const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
/// Rows are made by the database itself, in the words that both understand; `{numbers}` counts from 0.
const ASSIGNMENTS: &str = "INSERT INTO assignments (instance_arn, target_kind, target, principal_type, principal_id, \
     standing, create_acknowledged, create_seen, failed_attempts, version, next_attempt_at, end_due_at) \
     SELECT 'arn:aws:sso:::instance/ssoins-1234567890abcdef', 'APPLICATION', \
     'arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-' || substr('0000000000000000' || (n % 1000), -16), \
     'USER', '04261254-0000-4a5a-9d53-' || substr('000000000000' || n, -12), 'NO', 1, 1, 0, 1, \
     CASE WHEN n % 10 = 0 THEN 4102444800000000 END, CASE WHEN n % 10 = 0 THEN 4102444800000000 END FROM ";
const GRANTS: &str = "INSERT INTO grants (id, instance_arn, target_kind, target, principal_type, principal_id, state, \
     people_count, requested_by, subject, justification, ticket, policies, policy_version, duration_microseconds, \
     created_at, started_at, end_at, ended_at, ending_kind, ending_reason, ending_at, version) \
     SELECT 'grant_' || substr('00000000000000000000000000000000' || n, -32), \
     'arn:aws:sso:::instance/ssoins-1234567890abcdef', 'APPLICATION', \
     'arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-' || substr('0000000000000000' || (n % 1000), -16), \
     'USER', '04261254-0000-4a5a-9d53-' || substr('000000000000' || n, -12), \
     CASE WHEN n % 10 = 0 THEN 'ACTIVE' ELSE 'EXPIRED' END, 1, 'portal', 'alice', 'INC-42', '', '[]', '1', 3600000000, \
     1700000000000000 + n, 1700000000000000 + n, CASE WHEN n % 10 = 0 THEN 4102444800000000 ELSE 1700003600000000 + n END, \
     CASE WHEN n % 10 = 0 THEN NULL ELSE 1700003600000000 + n END, \
     CASE WHEN n % 10 = 0 THEN NULL ELSE 'EXPIRED' END, CASE WHEN n % 10 = 0 THEN NULL ELSE '' END, \
     CASE WHEN n % 10 = 0 THEN NULL ELSE 1700003600000000 + n END, 3 FROM ";
const OF_SQLITE: &str = "(WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999999) \
     SELECT n FROM numbers)";
const OF_POSTGRES: &str = "generate_series(0, 999999) AS numbers (n)";

pub(crate) async fn run(cluster: &Cluster, options: &PostgresOptions) {
    let mut connection = cluster.connect().await;
    for statement in [
        "TRUNCATE assignments, grants, reviews, events, waiting_events, chained_events".to_owned(),
        format!("{ASSIGNMENTS}{OF_POSTGRES}")
            .replace("substr(", "right(")
            .replace(", -16)", ", 16)")
            .replace(", -12)", ", 12)")
            .replace(", -32)", ", 32)"),
        format!("{GRANTS}{OF_POSTGRES}")
            .replace("substr(", "right(")
            .replace(", -16)", ", 16)")
            .replace(", -12)", ", 12)")
            .replace(", -32)", ", 32)"),
        "ANALYZE".to_owned(),
    ] {
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await;
        made.expect("rows");
    }
    connection.close().await.expect("an end");
    let began = Instant::now();
    let store = PostgresStore::open(options).await.expect("a store");
    measure("PostgreSQL", began.elapsed(), Arc::new(store)).await;

    let place = tempfile::tempdir().expect("a directory");
    fill_sqlite(place.path()).await;
    let began = Instant::now();
    let store = SqliteStore::open(place.path(), SqliteOptions::default()).await;
    measure("SQLite", began.elapsed(), Arc::new(store.expect("a store"))).await;
}

async fn fill_sqlite(place: &Path) {
    let store = SqliteStore::open(place, SqliteOptions::default()).await;
    store.expect("a store").close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.join("usher.sqlite3"));
    let connection = sqlx::SqliteConnection::connect_with(&options).await;
    let mut connection = connection.expect("a connection");
    for statement in [
        format!("{ASSIGNMENTS}{OF_SQLITE}"),
        format!("{GRANTS}{OF_SQLITE}"),
    ] {
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await;
        made.expect("rows");
    }
    connection.close().await.expect("an end");
}

async fn measure(name: &str, opened: Duration, store: Arc<dyn Store>) {
    let instance = InstanceArn::parse(INSTANCE).expect("an ARN");
    let limit = ClaimLimit {
        claims_max: OfEachKind::all(8),
        outstanding_max: 10,
        kept_for_ends: 1,
    };
    let instances = [instance.clone()];
    let mut passes = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        let now = Timestamp::now();
        let holder = Holder("bench".to_owned());
        let claims = store.claim_due(&holder, &instances, now, now, limit).await;
        assert!(claims.expect("claims").is_empty(), "nothing is due");
        store
            .next_due_at(&instances, now, limit)
            .await
            .expect("a time");
        passes.push(began.elapsed());
    }
    let filters = [
        GrantFilter {
            instance: Some(instance.clone()),
            ..GrantFilter::default()
        },
        GrantFilter {
            instance: Some(instance),
            states: vec![GrantState::Active],
            ..GrantFilter::default()
        },
    ];
    let mut pages = Vec::new();
    for filter in &filters {
        let mut after = None;
        for _ in 0..300 {
            let began = Instant::now();
            let page = store
                .grants(filter, after.as_ref(), 100)
                .await
                .expect("a page");
            pages.push(began.elapsed());
            after = page.last().map(|grant| grant.id.clone());
        }
    }
    println!(
        "{name}, 1,000,000 grants, 100,000 active: opened in {:.2} s (target 2), a pass with nothing due p50 {:.2} ms, p99 {:.2} ms, a page of 100 grants p50 {:.2} ms, p99 {:.2} ms (target 20)",
        opened.as_secs_f64(),
        milliseconds(&mut passes, 0.5),
        milliseconds(&mut passes, 0.99),
        milliseconds(&mut pages, 0.5),
        milliseconds(&mut pages, 0.99),
    );
    store.close().await;
}
