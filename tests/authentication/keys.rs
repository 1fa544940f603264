//! Keys that come, go, and cannot be read: a token ends with its key, a new key is found at once,
//! and an endpoint that does wrong harms nobody for a bounded time.

use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Code;

use crate::bench::{Bench, Client, check_refused};
use crate::endpoint::{Endpoint, Manner};
use crate::pki::{Authority, server};
use crate::signer::{ISSUER, Key, key_set};
use crate::tokens::issuers;

fn fetched(endpoint: &Endpoint, times: &str) -> String {
    format!(
        "[authentication]\nfetch_timeout_seconds = 1\njwks_bytes_max = 65536\n{times}\n\
         [[authentication.issuers]]\nname = \"corp\"\nissuer = \"{ISSUER}\"\naudiences = [\"usher\"]\n\
         jwks_url = \"{}\"\ncallers = \"PERSONS\"\nmatch_by = \"USER_NAME\"\nmatch_claim = \"preferred_username\"\n",
        endpoint.url()
    )
}

fn good(keys: &[&Key]) -> Manner {
    Manner::Answers(200, key_set(keys))
}

/// Calls until the answer is as expected.
async fn until(client: &Client, token: &str, expected: (Code, &str)) {
    let started = Instant::now();
    loop {
        let answer = client.list_as(token).await;
        if (answer.code(), answer.reason().as_str()) == expected {
            return;
        }
        let waited = started.elapsed();
        assert!(
            waited < Duration::from_secs(60),
            "{:?} after {waited:?}",
            answer.status()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_went_ends_its_tokens_and_a_new_one_is_found_at_once() {
    let files = tempfile::tempdir().unwrap();
    let jwks = files.path().join("keys.json");
    let (old, new) = (Key::new("old"), Key::new("new"));
    std::fs::write(&jwks, key_set(&[&old])).unwrap();
    let bench = Bench::start(&issuers(&jwks)).await;
    let client = bench.plain().await;
    let (old_token, new_token) = (old.token(json!({})), new.token(json!({})));
    assert_eq!(client.list_as(&old_token).await.code(), Code::Ok);
    let refused = client.list_as(&new_token).await;
    check_refused(
        "before",
        &refused,
        Code::Unauthenticated,
        "CREDENTIAL_INVALID",
    );
    // As a projected volume changes: another file in the same place.
    crate::pki::put(key_set(&[&old, &new]).as_bytes(), &jwks);
    until(&client, &new_token, (Code::Ok, "")).await;
    assert_eq!(
        client.list_as(&old_token).await.code(),
        Code::Ok,
        "while both are there"
    );
    crate::pki::put(key_set(&[&new]).as_bytes(), &jwks);
    until(
        &client,
        &old_token,
        (Code::Unauthenticated, "CREDENTIAL_INVALID"),
    )
    .await;
    assert_eq!(client.list_as(&new_token).await.code(), Code::Ok);
    // A file that is no key set, or is gone, takes no key away.
    crate::pki::put(b"{\"keys\": [", &jwks);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(
        client
            .list_as(&new.token(json!({"sub": "u-2"})))
            .await
            .code(),
        Code::Ok
    );
    std::fs::remove_file(&jwks).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(
        client
            .list_as(&new.token(json!({"sub": "u-3"})))
            .await
            .code(),
        Code::Ok
    );
    drop(client);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_on_whatever_their_endpoint_does() {
    let key = Key::new("key-1");
    let elsewhere = Endpoint::start(good(&[&Key::new("evil")])).await;
    let endpoint = Endpoint::start(good(&[&key])).await;
    let times = "refresh_seconds = 1\nrefresh_gap_seconds_min = 1";
    let bench = Bench::start(&fetched(&endpoint, times)).await;
    let client = bench.plain().await;
    let manners = [
        Manner::HangsUp,
        Manner::Silent,
        Manner::Drips,
        Manner::Endless,
        Manner::Redirects(elsewhere.url()),
        Manner::Answers(500, key_set(&[])),
        Manner::Answers(200, "<html>sign in</html>".to_owned()),
        Manner::Answers(200, "{\"keys\": []}".to_owned()),
        Manner::Answers(200, " ".repeat(70_000)),
    ];
    for (at, manner) in manners.into_iter().enumerate() {
        endpoint.set(manner.clone());
        // The second look begins when the first has ended.
        endpoint.asked_more(2).await;
        let started = Instant::now();
        let answer = client
            .list_as(&key.token(json!({"sub": format!("u-{at}")})))
            .await;
        assert_eq!(answer.code(), Code::Ok, "{manner:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{manner:?}");
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect is not followed");
    drop(client);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_a_token_is_neither_good_nor_bad_until_the_issuer_is_back() {
    let key = Key::new("key-1");
    let endpoint = Endpoint::start(Manner::HangsUp).await;
    let times = "refresh_seconds = 1\nrefresh_gap_seconds_min = 1\nstale_seconds_max = 2";
    let bench = Bench::start(&fetched(&endpoint, times)).await;
    let client = bench.plain().await;
    let token = key.token(json!({}));
    let answer = client.list_as(&token).await;
    check_refused(
        "at the start",
        &answer,
        Code::Unavailable,
        "ISSUER_UNAVAILABLE",
    );
    assert!(answer.details().retry_info().is_some());
    endpoint.set(good(&[&key]));
    until(&client, &token, (Code::Ok, "")).await;
    // Also a token that was verified goes when its key is too old.
    endpoint.set(Manner::Silent);
    until(&client, &token, (Code::Unavailable, "ISSUER_UNAVAILABLE")).await;
    endpoint.set(good(&[&key]));
    until(&client, &token, (Code::Ok, "")).await;
    drop(client);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_with_a_new_key_ask_its_issuer_once() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let endpoint = Endpoint::start(good(&[&old])).await;
    let times = "refresh_seconds = 300\nrefresh_gap_seconds_min = 2";
    let bench = Bench::start(&fetched(&endpoint, times)).await;
    let client = bench.plain().await;
    assert_eq!(client.list_as(&old.token(json!({}))).await.code(), Code::Ok);
    let before = endpoint.asked();
    endpoint.set(good(&[&old, &new]));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let tokens: Vec<String> = (0..20)
        .map(|at| new.token(json!({"sub": format!("u-{at}")})))
        .collect();
    let calls = tokens.iter().map(|token| client.list_as(token));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.code(), Code::Ok, "{:?}", answer.status());
    }
    assert_eq!(endpoint.asked(), before + 1, "all waited for one look");
    // Invented keys cost the issuer nothing more within the gap.
    let invented = Key::new("invented").token(json!({}));
    for _ in 0..50 {
        let answer = client.list_as(&invented).await;
        check_refused(
            "invented",
            &answer,
            Code::Unauthenticated,
            "CREDENTIAL_INVALID",
        );
    }
    assert!(
        endpoint.asked() <= before + 2,
        "{} looks",
        endpoint.asked() - before
    );
    drop(client);
    bench.end().await;
}

/// An https endpoint counts by its certificate: of the configured CA, and for the name that is asked.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_over_tls_from_whom_the_authority_names() {
    let files = tempfile::tempdir().unwrap();
    let trusted = Authority::new(files.path(), "trusted");
    let other = Authority::new(files.path(), "other");
    let key = Key::new("key-1");
    for (what, certificate, expected) in [
        (
            "the right one",
            trusted.issue("right", "DNS:localhost"),
            (Code::Ok, ""),
        ),
        (
            "another authority's",
            other.issue("foreign", "DNS:localhost"),
            (Code::Unavailable, "ISSUER_UNAVAILABLE"),
        ),
        (
            "another name's",
            trusted.issue("elsewhere", "DNS:elsewhere.example"),
            (Code::Unavailable, "ISSUER_UNAVAILABLE"),
        ),
    ] {
        let endpoint = Endpoint::start_secure(good(&[&key]), server(&certificate)).await;
        let config = format!(
            "[authentication]\nfetch_timeout_seconds = 2\n[[authentication.issuers]]\nname = \"corp\"\n\
             issuer = \"{ISSUER}\"\naudiences = [\"usher\"]\njwks_url = \"https://localhost:{}/keys\"\n\
             ca_file = \"{}\"\ncallers = \"PERSONS\"\nmatch_by = \"USER_NAME\"\n\
             match_claim = \"preferred_username\"\n",
            endpoint.address.port(),
            trusted.certificate().display(),
        );
        let bench = Bench::start(&config).await;
        let client = bench.plain().await;
        let answer = client.list_as(&key.token(json!({}))).await;
        assert_eq!(
            (answer.code(), answer.reason().as_str()),
            expected,
            "{what}"
        );
        drop(client);
        bench.end().await;
    }
}
