//! Certificates that change while calls come: none is lost, and a bad file changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Code;

use crate::bench::{Bench, SERVER_NAME};
use crate::certificates::{PORTAL, Secured, secured};
use crate::pki::{Authority, client, install, put};

/// Waits until a client that trusts only this CA and shows a certificate of the other gets through.
async fn served(bench: &Bench, servers: &Authority, clients: &Authority) {
    let pair = clients.issue("waiting", PORTAL);
    let config = client(&[servers], Some(&pair));
    let started = Instant::now();
    loop {
        if let Some(connection) = bench.secure(&config).await
            && connection.list(&[]).await.code() == Code::Ok
        {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the new files are not in force"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_change_under_load_lose_no_call() {
    let Secured {
        bench,
        servers,
        clients,
        installed,
        client_ca,
        key,
        files,
    } = secured("").await;
    let new_servers = Authority::new(files.path(), "new-servers");
    let new_clients = Authority::new(files.path(), "new-clients");
    let portal = clients.issue("portal", PORTAL);
    let config = client(&[&servers, &new_servers], Some(&portal));
    let standing = bench.secure(&config).await.unwrap();
    assert_eq!(standing.list(&[]).await.code(), Code::Ok);

    let (done, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let token = format!("Bearer {}", key.token(json!({})));
    let without = client(&[&servers, &new_servers], None);
    let load = async {
        // New connections with tokens, and old ones with a certificate whose CA goes.
        while !done.load(Ordering::SeqCst) {
            let connection = bench.secure(&without).await.expect("a connection");
            let answer = connection.list(&[("authorization", &token)]).await;
            assert_eq!(answer.code(), Code::Ok, "{:?}", answer.status());
            assert_eq!(standing.list(&[]).await.code(), Code::Ok);
            calls.fetch_add(2, Ordering::SeqCst);
        }
    };
    let changing = async {
        install(
            &new_servers.issue("server", &format!("DNS:{SERVER_NAME}")),
            &installed,
        );
        std::fs::copy(new_clients.certificate(), client_ca.with_extension("next")).unwrap();
        std::fs::rename(client_ca.with_extension("next"), &client_ca).unwrap();
        served(&bench, &new_servers, &new_clients).await;

        // Files that are no use: the new ones stay in force.
        let key_before = std::fs::read(&installed.key).unwrap();
        let foreign = std::fs::read(&portal.key).unwrap();
        for bad in [b"no key".as_slice(), b"", &foreign] {
            put(bad, &installed.key);
            tokio::time::sleep(Duration::from_millis(1500)).await;
            served(&bench, &new_servers, &new_clients).await;
        }
        put(&key_before, &installed.key);
        std::fs::write(&client_ca, "no certificate").unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        served(&bench, &new_servers, &new_clients).await;
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(load, changing);
    assert!(calls.load(Ordering::SeqCst) >= 10, "{calls:?} calls");
    // A new connection with a certificate of the old CA gets nowhere.
    let reached = match bench.secure(&config).await {
        Some(connection) => connection.list(&[]).await.http_status,
        None => 0,
    };
    assert_eq!(reached, 0);
    drop(standing);
    bench.end().await;
}
