//! Tests of what only the inside of the SQLite store can reach.

use std::path::Path;

use tokio::sync::oneshot;

use super::*;
use crate::crash_points::StoreCommit;
use crate::domain::GrantState;
use crate::domain::grant::tests::grant;
use crate::store::sql::{Connection, Written, tables};
use crate::store::{GrantRequest, Store as _, StoreError};

fn request(number: u128) -> GrantRequest {
    GrantRequest {
        grant: grant(number, GrantState::Provisioning),
        request: None,
    }
}

pub(super) async fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, SqliteOptions::default())
        .await
        .unwrap()
}

/// Runs one statement on the writing connection.
async fn on_writer(store: &SqliteStore, sql: &'static str) -> Result<(), StoreError> {
    store
        .call(StoreCommit::RememberNames, move |connection| {
            Box::pin(async move {
                sqlx::raw_sql(sql).execute(connection).await?;
                Ok(Written::unchanged(()))
            })
        })
        .await
}

/// A call that holds the writer until it is told to go on, and when it does.
fn holding_the_writer(
    store: &SqliteStore,
    wait: oneshot::Receiver<()>,
) -> (
    impl Future<Output = Result<(), StoreError>>,
    oneshot::Receiver<()>,
) {
    let (started, has_started) = oneshot::channel::<()>();
    let held = store.call(StoreCommit::RememberNames, move |_| {
        Box::pin(async move {
            started.send(()).unwrap();
            wait.await.unwrap();
            Ok(Written::unchanged(()))
        })
    });
    (held, has_started)
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_the_writer_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    // SQLite then answers as it does when the disk is full.
    on_writer(&store, "PRAGMA max_page_count = 1")
        .await
        .unwrap();
    let mut number = 0;
    let failure = loop {
        number += 1;
        assert!(number < 10_000, "the database never filled up");
        if let Err(error) = store.record_grant(request(number)).await {
            break error;
        }
    };
    assert!(matches!(failure, StoreError::Unavailable(_)), "{failure:?}");
    let lost = grant(number, GrantState::Provisioning).id;
    assert_eq!(store.grant(&lost).await.unwrap(), None);
    on_writer(&store, "PRAGMA max_page_count = 100000")
        .await
        .unwrap();
    store.record_grant(request(number)).await.unwrap();
    assert!(store.grant(&lost).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn a_failed_commit_fails_the_whole_group_and_the_writer_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    // A foreign key that is checked at the commit, and fails there.
    let broken = "PRAGMA defer_foreign_keys = ON; \
        INSERT INTO grants (id, instance_arn, target_kind, target, principal_type, principal_id, \
        state, people_count, requested_by, subject, justification, ticket, policies, \
        policy_version, created_at, version) VALUES \
        ('grant_x', 'i', 'k', 't', 'p', 'p', 'ACTIVE', 1, 'r', 's', '', '', '[]', '', 0, 1)";
    // Queued together while the writer is held (one thread, no await point between): one group.
    let (go_on, wait) = oneshot::channel::<()>();
    let (held, has_started) = holding_the_writer(&store, wait);
    let others = async {
        has_started.await.unwrap();
        let release = async { go_on.send(()).unwrap() };
        tokio::join!(
            on_writer(&store, broken),
            store.record_grant(request(1)),
            release
        )
    };
    let (held, (broken, recorded, ())) = tokio::join!(held, others);
    held.unwrap();
    assert!(
        matches!(broken, Err(StoreError::Unavailable(_))),
        "{broken:?}"
    );
    assert!(
        matches!(recorded, Err(StoreError::Unavailable(_))),
        "{recorded:?}"
    );
    let id = grant(1, GrantState::Provisioning).id;
    assert_eq!(store.grant(&id).await.unwrap(), None);
    store.record_grant(request(1)).await.unwrap();
    assert!(store.grant(&id).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn a_failing_call_rolls_back_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    // The second has the id of the first: its record is changed before the grant is refused.
    let (first, second, third) = tokio::join!(
        store.record_grant(request(1)),
        store.record_grant(request(1)),
        store.record_grant(request(3)),
    );
    first.unwrap();
    assert!(second.is_err());
    third.unwrap();
    let key = grant(1, GrantState::Provisioning).assignment_key();
    let mut reader = store.sqlite_reader().await.unwrap();
    let record = tables::record(&mut Connection::Sqlite(&mut reader), &key)
        .await
        .unwrap()
        .unwrap();
    drop(reader);
    assert_eq!(record.version, 2, "the refused write left nothing");
    let events = store
        .grant_events(&grant(1, GrantState::Provisioning).id, 10)
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_full_queue_is_refused_after_the_wait() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        queued_writes_max: 1,
        wait_milliseconds: 20,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(directory.path(), options).await.unwrap();
    let (go_on, wait) = oneshot::channel::<()>();
    let (held, has_started) = holding_the_writer(&store, wait);
    let others = async {
        has_started.await.unwrap();
        let first = store.record_grant(request(1));
        let second = async {
            let refused = store.record_grant(request(2)).await;
            go_on.send(()).unwrap();
            refused
        };
        tokio::join!(first, second)
    };
    let (held, (first, second)) = tokio::join!(held, others);
    held.unwrap();
    first.unwrap();
    assert!(
        matches!(second, Err(StoreError::Unavailable(_))),
        "{second:?}"
    );
    store.close().await;
}

#[tokio::test]
async fn the_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    let store = open(&directory).await;
    store.record_grant(request(1)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
}
