//! Tokens that are let in, and all that look like one.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tonic::Code;

use crate::bench::{Bench, Client, check_refused};
use crate::forged::forged;
use crate::signer::{ISSUER, Key, key_set};

/// Persons by their user name, and services of a cluster, both from one file of keys.
pub(crate) fn issuers(jwks_file: &std::path::Path) -> String {
    let file = jwks_file.display();
    format!(
        r#"
        [authentication]
        refresh_seconds = 1
        refresh_gap_seconds_min = 1
        [[authentication.issuers]]
        name = "corp"
        issuer = "{ISSUER}"
        audiences = ["usher", "usher-test"]
        algorithms = ["ES256", "RS256"]
        jwks_file = "{file}"
        callers = "PERSONS"
        match_by = "USER_NAME"
        match_claim = "preferred_username"
        clients = {{ "portal-web" = "portal", "tickets-web" = "tickets" }}
        [[authentication.issuers]]
        name = "cluster"
        issuer = "https://kubernetes.default.svc"
        audiences = ["usher"]
        algorithms = ["ES256"]
        jwks_file = "{file}"
        callers = "SERVICES"
        clients = {{ "system:serviceaccount:web:portal" = "portal" }}
        [[authentication.issuers]]
        name = "mail"
        issuer = "https://mail.example.com"
        audiences = ["usher"]
        algorithms = ["ES256"]
        jwks_file = "{file}"
        callers = "PERSONS"
        match_by = "EMAIL"
        match_claim = "email"
        "#
    )
}

/// The claims of a service account's token, as Kubernetes makes them.
pub(crate) fn service_account(changes: Value) -> Value {
    let mut all = json!({
        "iss": "https://kubernetes.default.svc", "aud": ["usher"], "azp": null,
        "preferred_username": null, "sub": "system:serviceaccount:web:portal",
        "kubernetes.io": {"namespace": "web", "serviceaccount": {"name": "portal", "uid": "u"}},
    });
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

struct Issuing {
    bench: Bench,
    client: Client,
    key: Key,
    other: Key,
    _files: tempfile::TempDir,
}

async fn issuing() -> Issuing {
    let files = tempfile::tempdir().unwrap();
    let (key, other) = (Key::new("key-1"), Key::new("key-2"));
    let jwks = files.path().join("keys.json");
    std::fs::write(&jwks, key_set(&[&key, &other])).unwrap();
    let bench = Bench::start(&issuers(&jwks)).await;
    Issuing {
        client: bench.plain().await,
        bench,
        key,
        other,
        _files: files,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_proves_the_person_or_the_service_that_it_names() {
    let Issuing {
        client,
        key,
        other,
        bench,
        _files,
        ..
    } = issuing().await;
    let bearer = |token: String| format!("bearer {token}");
    let email = json!({"iss": "https://mail.example.com", "email": "a@example.com", "email_verified": true});
    for (token, caller) in [
        (key.token(json!({})), "person:corp:u-1"),
        (other.token(json!({"sub": "u-2"})), "person:corp:u-2"),
        (
            key.token(json!({"aud": ["else", "usher-test"]})),
            "person:corp:u-1",
        ),
        (key.token(json!({"azp": "a stranger"})), "person:corp:u-1"),
        (key.token(email), "person:mail:u-1"),
        (key.token(service_account(json!({}))), "service:portal"),
    ] {
        let caller_seen = client.caller(&[("authorization", &bearer(token))]).await;
        assert_eq!(caller_seen, json!(caller));
    }
    drop(client);
    bench.end().await;
}

/// Wrong claims under a right signature.
fn wrong_claims() -> Vec<(&'static str, Value)> {
    let now = jsonwebtoken::get_current_timestamp();
    let mail = |change: Value| {
        let mut all = json!({"iss": "https://mail.example.com", "email": "a@example.com"});
        all["email_verified"] = change;
        all
    };
    vec![
        (
            "nbf in an hour",
            json!({"nbf": now + 3600, "exp": now + 7200}),
        ),
        ("no exp", json!({"exp": null})),
        ("no nbf", json!({"nbf": null})),
        ("no sub", json!({"sub": null})),
        ("no aud", json!({"aud": null})),
        ("no iss", json!({"iss": null})),
        ("exp as text", json!({"exp": "tomorrow"})),
        ("exp below zero", json!({"exp": -1})),
        ("another audience", json!({"aud": "payments"})),
        ("audiences of others", json!({"aud": ["payments", "USHER"]})),
        ("another issuer", json!({"iss": "https://evil.example"})),
        (
            "the issuer with a slash",
            json!({"iss": format!("{ISSUER}/")}),
        ),
        (
            "several issuers",
            json!({"iss": [ISSUER, "https://evil.example"]}),
        ),
        (
            "the issuer of development",
            json!({"iss": "usher-development"}),
        ),
        ("a blank subject", json!({"sub": " "})),
        ("a subject with controls", json!({"sub": "a\u{202e}b"})),
        ("a subject too long", json!({"sub": "a".repeat(256)})),
        ("a number as subject", json!({"sub": 7})),
        ("no user name", json!({"preferred_username": null})),
        ("a blank user name", json!({"preferred_username": " "})),
        ("an address that is not verified", mail(json!(false))),
        (
            "an address that is not verified, as text",
            mail(json!("false")),
        ),
        (
            "an unknown service account",
            service_account(json!({"sub": "system:serviceaccount:web:other"})),
        ),
        (
            "a person among the services",
            service_account(json!({"sub": "u-1"})),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_foreign_tokens_of_an_issuer_are_refused() {
    let Issuing {
        client,
        key,
        other,
        bench,
        _files,
        ..
    } = issuing().await;
    assert_eq!(client.list_as(&key.token(json!({}))).await.code(), Code::Ok);
    for (what, token) in forged(&key, &other) {
        check_refused(
            what,
            &client.list_as(&token).await,
            Code::Unauthenticated,
            "CREDENTIAL_INVALID",
        );
    }
    for (what, changes) in wrong_claims() {
        let answer = client.list_as(&key.token(changes)).await;
        check_refused(what, &answer, Code::Unauthenticated, "CREDENTIAL_INVALID");
    }
    let now = jsonwebtoken::get_current_timestamp();
    let expired = key.token(json!({"nbf": now - 7200, "exp": now - 3600}));
    check_refused(
        "expired",
        &client.list_as(&expired).await,
        Code::Unauthenticated,
        "CREDENTIAL_EXPIRED",
    );
    assert_eq!(client.list_as(&key.token(json!({}))).await.code(), Code::Ok);
    drop(client);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_no_credential_let_nobody_in() {
    let Issuing {
        client,
        key,
        bench,
        _files,
        ..
    } = issuing().await;
    let good = format!("Bearer {}", key.token(json!({})));
    let refused =
        |what, answer, reason| check_refused(what, &answer, Code::Unauthenticated, reason);
    let twice = [
        ("authorization", good.as_str()),
        ("authorization", good.as_str()),
    ];
    refused("twice", client.list(&twice).await, "CREDENTIAL_INVALID");
    let long = format!("Bearer {}", "A".repeat(9000));
    refused(
        "9 KB",
        client.list(&[("authorization", &long)]).await,
        "CREDENTIAL_INVALID",
    );
    let padded = key.token(json!({"groups": "g".repeat(9000)}));
    refused(
        "a good token of 9 KB",
        client.list_as(&padded).await,
        "CREDENTIAL_INVALID",
    );
    let spoofed = [
        ("x-forwarded-user", "anna.berg"),
        ("x-forwarded-client-cert", "URI=spiffe://example.org/portal"),
        ("x-ssl-client-s-dn", "CN=portal"),
        ("x-forwarded-authorization", good.as_str()),
        ("proxy-authorization", good.as_str()),
        ("x-amzn-oidc-data", "eyJhbGciOiJub25lIn0.e30."),
        ("cookie", "authorization=Bearer"),
    ];
    refused("spoofed", client.list(&spoofed).await, "CREDENTIAL_MISSING");
    let mut both = spoofed.to_vec();
    both.push(("authorization", &good));
    assert_eq!(client.caller(&both).await, json!("person:corp:u-1"));
    let huge = format!("Bearer {}", "A".repeat(64 * 1024));
    let answer = client.list(&[("authorization", &huge)]).await;
    check_refused(
        "64 KiB",
        &answer,
        Code::ResourceExhausted,
        "MESSAGE_TOO_LARGE",
    );
    assert_eq!(client.caller(&both).await, json!("person:corp:u-1"));
    drop(client);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_is_for_known_callers_and_health_for_everybody() {
    let Issuing {
        client,
        key,
        bench,
        _files,
        ..
    } = issuing().await;
    let good = format!("Bearer {}", key.token(json!({})));
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let stranger = client.ask(reflection, &[], b"\x3a\x00").await;
    check_refused(
        "reflection",
        &stranger,
        Code::Unauthenticated,
        "CREDENTIAL_MISSING",
    );
    let known = client
        .ask(reflection, &[("authorization", &good)], b"\x3a\x00")
        .await;
    assert_eq!(known.code(), Code::Ok);
    let health = client.ask("/grpc.health.v1.Health/Check", &[], b"").await;
    assert_eq!(health.code(), Code::Ok);
    drop(client);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_verified_still_ends_with_its_time() {
    let Issuing {
        client,
        key,
        bench,
        _files,
        ..
    } = issuing().await;
    let token = key.token(json!({}));
    assert_eq!(client.list_as(&token).await.code(), Code::Ok);
    // 600 s of life and 30 s of leeway.
    bench.clock.advance(SignedDuration::from_secs(620));
    assert_eq!(client.list_as(&token).await.code(), Code::Ok);
    bench.clock.advance(SignedDuration::from_secs(20));
    let late = client.list_as(&token).await;
    check_refused("late", &late, Code::Unauthenticated, "CREDENTIAL_EXPIRED");
    drop(client);
    bench.end().await;
}
