//! A backup while calls come and go: everything that was answered before it began is in it, it verifies, and
//! nobody waited for it. And a backup of what kill -9 left.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use usher::simulator::{PrincipalType, World};

use super::common::child::Place;
use super::common::targets::{add_user, empty_world};
use super::common::{TokenChannel, Triple, connect, in_time, until};
use super::support::{DATABASE, Elsewhere, access, assign, end, run, simulator, text};

/// Callers at once.
const CALLERS: usize = 6;
/// Users on each of the applications.
const USERS: usize = 400;
/// Backups of one load.
const BACKUPS: usize = 3;
/// The longest that a call may take while a backup is made: the machine is shared, and a backup that kept the
/// writer out would take longer than this.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Rows that make the database so large that a backup takes its time: some 60 MB.
const BALLAST: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) \
     INSERT INTO names (kind, id, name, seen_at) SELECT 'USER', 'ballast-' || i, hex(randomblob(120)), 0 FROM n";

/// A world with many users, and each of them on an application by turns.
fn many() -> (World, Vec<Triple>) {
    let mut world = empty_world();
    let applications: Vec<String> = world
        .applications
        .iter()
        .map(|application| application.application_arn.clone())
        .collect();
    let triples = (0..USERS).map(|number| Triple {
        kind: PrincipalType::User,
        principal_id: add_user(&mut world, number),
        application_arn: applications[number % applications.len()].clone(),
    });
    let triples = triples.collect();
    (world, triples)
}

#[derive(Default)]
struct Answered {
    grants: BTreeSet<String>,
    longest: Duration,
}

/// Calls Assign again and again, until it is told to stop.
fn load(
    channel: &TokenChannel,
    triples: &[Triple],
    stop: &CancellationToken,
) -> (JoinSet<()>, Arc<Mutex<Answered>>) {
    let answered = Arc::new(Mutex::new(Answered::default()));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let mine: Vec<Triple> = triples
            .iter()
            .skip(caller)
            .step_by(CALLERS)
            .cloned()
            .collect();
        let (mut client, stop) = (access(channel), stop.clone());
        let answered = Arc::clone(&answered);
        callers.spawn(async move {
            for triple in mine.iter().cycle() {
                if stop.is_cancelled() {
                    return;
                }
                let began = Instant::now();
                let answer = client.assign(in_time(triple.assign())).await;
                let grant = answer.expect("an answer").into_inner().grant;
                let mut answered = answered.lock().expect("no panic");
                answered.grants.insert(grant.expect("a grant").id);
                answered.longest = answered.longest.max(began.elapsed());
            }
        });
    }
    (callers, answered)
}

async fn fatten(database: &Path) {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let done = sqlx::query(BALLAST).execute(&mut connection).await;
    done.unwrap();
    connection.close().await.unwrap();
}

async fn grants_in(file: &Path) -> BTreeSet<String> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .immutable(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let rows = sqlx::query("SELECT id FROM grants")
        .fetch_all(&mut connection)
        .await;
    let rows = rows.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_has_every_grant_that_was_answered_before_it() {
    let (world, triples) = many();
    let simulator = simulator(world).await;
    let (place, elsewhere) = (Place::new(simulator.endpoint_url()), Elsewhere::new());
    end(place.serve().await).await;
    fatten(&place.data().join(DATABASE)).await;
    let server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    let stop = CancellationToken::new();
    let (mut callers, answered) = load(&channel, &triples, &stop);
    let count = || answered.lock().expect("no panic").grants.len();
    let mut meanwhile = 0;
    for number in 0..BACKUPS {
        let before = count();
        until("some more answers", || async {
            match count() - before {
                0..20 => Err(format!("{} of {before}", count())),
                _ => Ok(()),
            }
        })
        .await;
        let before = answered.lock().expect("no panic").grants.clone();
        let file = elsewhere.path(&format!("backup-{number}.sqlite3"));
        let told = run(&place, &["backup", "--out", text(&file)]).good();
        meanwhile += count() - before.len();
        let held = grants_in(&file).await;
        assert!(
            before.is_subset(&held),
            "grants that were answered are lost"
        );
        assert!(
            told.contains(&format!(": {} grants, ", held.len())),
            "{told}"
        );
        assert!(told.contains("whole: "), "{told}");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        run(&place, &["log", "verify", text(&file)]).good();
    }
    assert!(meanwhile > BACKUPS, "a backup keeps nobody waiting");
    let after = count();
    until("calls to go on", || async {
        match count() - after {
            0 => Err("none was answered".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    stop.cancel();
    while let Some(caller) = callers.join_next().await {
        caller.expect("no panic");
    }
    let longest = answered.lock().expect("no panic").longest;
    println!("figure backup_answers_meanwhile {meanwhile}");
    println!(
        "figure backup_longest_answer_seconds {:.3}",
        longest.as_secs_f64()
    );
    assert!(longest < ANSWER_MAX, "a call took {longest:?}");
    let wanted: Vec<String> = (0..BACKUPS)
        .map(|number| format!("backup-{number}.sqlite3"))
        .collect();
    assert_eq!(elsewhere.names(), wanted, "nothing else is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_what_kill_9_left_has_all_of_it() {
    let (world, triples) = many();
    let simulator = simulator(world).await;
    let (place, elsewhere) = (Place::new(simulator.endpoint_url()), Elsewhere::new());
    let mut server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    let mut given = BTreeSet::new();
    for triple in &triples[..5] {
        given.insert(assign(&channel, triple, Duration::from_secs(20)).await.id);
    }
    server.kill();
    let log = place.data().join("usher.sqlite3-wal");
    let before = std::fs::read(&log).unwrap();
    assert!(!before.is_empty(), "a kill leaves a log");
    let file = elsewhere.backup(&place, "backup.sqlite3");
    assert_eq!(grants_in(&file).await, given);
    assert_eq!(std::fs::read(&log).unwrap(), before, "it only reads");
    // The service starts as ever.
    drop(place.serve().await);
}
