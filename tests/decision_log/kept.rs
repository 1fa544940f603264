//! What is kept and what is not: old events go from the beginning and the rest still verifies, names are
//! erased and the log does not change, and a log that is served can be looked at.

use std::collections::BTreeSet;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use usher::grpc::pb::EventFilter;

use super::common::{revoke_of, until};
use super::support::{config, events_of, listed, service, service_with, usher_log, verified};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_behind_a_checkpoint_verifies_by_heads_that_lie_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let heads = folder.path().join("heads.jsonl");
    let mut config = config();
    config.log.heads_file = Some(heads.clone());
    config.log.retention_days = Some(1.0);
    config.log.removal_batch_max = 2;
    let mut service = service_with(config).await;
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    let grant = service.assign(triple.assign()).await;
    let before = until("the events of the grant", || async {
        let mut client = events_of(&service, "tester").await;
        let events = listed(&mut client, EventFilter::default(), 0).await;
        let is_there = events.iter().any(|event| event.kind == "grant_activated");
        is_there
            .then_some(events)
            .ok_or_else(|| "not yet".to_owned())
    })
    .await;
    service.clock.advance(jiff::SignedDuration::from_hours(25));
    let is_gone = || async {
        let mut client = events_of(&service, "tester").await;
        let left = listed(&mut client, EventFilter::default(), 0).await;
        let first = left.first().map(|event| event.position);
        let last_old = before.last().unwrap().position;
        first
            .is_none_or(|first| first > last_old)
            .then_some(())
            .ok_or_else(|| format!("{first:?} is there"))
    };
    until("the old events to be gone", is_gone).await;
    service.revoke(revoke_of(&grant.id)).await;
    service.stop().await;
    let heads = heads.to_str().unwrap();
    let (code, said) = verified(service.data.path(), &["--head", heads]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("positions 1 to"), "{said}");
    // The export begins behind the checkpoint, which the heads elsewhere know.
    let data = service.data.path().to_str().unwrap();
    let export = folder.path().join("export.jsonl");
    std::fs::write(&export, usher_log(&["export", "--data-dir", data]).stdout).unwrap();
    let (code, said) = verified(&export, &["--head", heads]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        verified(&export, &[]).0,
        3,
        "where nobody knows the checkpoint"
    );
    // A log without its beginning and without a checkpoint is one with records removed.
    let copy = folder.path().join("copy.sqlite3");
    std::fs::copy(service.data.path().join("usher.sqlite3"), &copy).unwrap();
    let options = SqliteConnectOptions::new().filename(&copy);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let statement = "DELETE FROM log_heads WHERE kind = 'checkpoint'";
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let (code, said) = verified(&copy, &[]);
    assert!(
        code == 3 && said.contains("position 1 was removed"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_erased_and_the_log_still_verifies() {
    let mut service = service().await;
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    service.assign(triple.assign()).await;
    service.stop().await;
    let database = std::fs::read(service.data.path().join("usher.sqlite3")).unwrap();
    let holds = |bytes: &[u8]| bytes.windows(9).any(|window| window == b"anna.berg");
    assert!(holds(&database), "the name stands beside the log");
    let data = service.data.path().to_str().unwrap();
    let erase = ["erase-names", "--data-dir", data, &triple.principal_id];
    let said = usher_log(&erase).stdout;
    assert_eq!(String::from_utf8(said).unwrap(), "1 names erased\n");
    let (code, said) = verified(service.data.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let exported = usher_log(&["export", "--data-dir", data]).stdout;
    assert!(!holds(&exported), "the log has no name to erase");
    let nowhere = usher_log(&["erase-names", "--data-dir", "nowhere", "id"]);
    assert_eq!(nowhere.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_served_can_be_looked_at_and_goes_on() {
    let service = service().await;
    let triple = service.user_on("anna.berg", "Amazon Redshift");
    let mut lengths = BTreeSet::new();
    for _ in 0..3 {
        let grant = service.assign(triple.assign()).await;
        service.revoke(revoke_of(&grant.id)).await;
        let (code, said) = verified(service.data.path(), &[]);
        assert_eq!(code, 0, "{said}");
        let data = service.data.path().to_str().unwrap();
        let exported = usher_log(&["export", "--data-dir", data]).stdout;
        lengths.insert(exported.iter().filter(|byte| **byte == b'\n').count());
    }
    assert!(lengths.len() > 1, "{lengths:?}");
    let data = service.data.path().to_str().unwrap();
    let erase = usher_log(&["erase-names", "--data-dir", data, "id"]);
    assert_eq!(
        erase.status.code(),
        Some(1),
        "who erases wants the store alone"
    );
}
