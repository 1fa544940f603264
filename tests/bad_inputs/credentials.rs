//! Who is not let in: missing, foreign, forged, expired and early credentials, and those who say
//! that they are somebody else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tonic::Code;

use crate::bench::{Bench, CALLER, assign, with};
use crate::check::{Refusal, check_answer, refusal};
use crate::wire::{Answer, GRPC, encode, frame};

const MISSING: Refusal<'_> = refusal(Code::Unauthenticated, "CREDENTIAL_MISSING");
const INVALID: Refusal<'_> = refusal(Code::Unauthenticated, "CREDENTIAL_INVALID");
const EXPIRED: Refusal<'_> = refusal(Code::Unauthenticated, "CREDENTIAL_EXPIRED");
const ASSIGN: &str = "AccessService/Assign";

fn body() -> Bytes {
    frame(&encode(ASSIGN, &assign()))
}

async fn assign_with(bench: &Bench, credentials: &[&str]) -> Answer {
    let mut headers = GRPC.to_vec();
    headers.extend(credentials.iter().map(|value| ("authorization", *value)));
    bench.raw(ASSIGN, &headers, body()).await
}

/// Claims that are right, with some replaced; null takes one away.
fn claims(changes: Value) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    let right = json!({
        "iss": "usher-development", "aud": "usher", "sub": "mallory", "iat": now, "nbf": now,
        "exp": now + 600,
    });
    let mut claims = with(right, changes);
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

fn signed(header: &Header, claims: &Value, key: &[u8]) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key)).unwrap()
}

/// A token of any parts, without a signature that fits.
fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_credential_nothing_is_done() {
    let bench = Bench::demo().await;
    let before = bench.footprint().await;
    check_answer("none", &assign_with(&bench, &[]).await, MISSING);
    let good = format!("Bearer {}", bench.token("mallory"));
    let long = format!("Bearer {}", "A".repeat(9000));
    let cut = &good[..good.len() - 1];
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "bearer x.y.z",
        "Negotiate abc",
        &good["Bearer ".len()..],
        &long,
        cut,
        "Bearer ..",
        "Bearer null",
        "Bearer eyJhbGciOiJIUzI1NiJ9..",
    ] {
        check_answer(
            &format!("{value:.30}"),
            &assign_with(&bench, &[value]).await,
            INVALID,
        );
    }
    let twice = assign_with(&bench, &[&good, &good]).await;
    check_answer("two credentials", &twice, INVALID);
    let huge = format!("Bearer {}", "A".repeat(64 * 1024));
    let answer = assign_with(&bench, &[&huge]).await;
    let too_large = refusal(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    check_answer("a credential of 64 KiB", &answer, too_large);
    assert_eq!(bench.footprint().await, before);
}

/// Right claims under wrong signatures and headers.
fn forged(key: &[u8]) -> Vec<(&'static str, String)> {
    let hs256 = Header::new(Algorithm::HS256);
    let good = claims(json!({}));
    let token = signed(&hs256, &good, key);
    let signature = token.rsplit('.').next().unwrap_or_default();
    let under = |header: Value| unsigned(&header, &good, signature);
    let with_header = |change: fn(&mut Header)| {
        let mut header = hs256.clone();
        change(&mut header);
        signed(&header, &good, key)
    };
    let other_subject = claims(json!({"sub": "root"}));
    let elsewhere = || Some("https://evil.example/keys".to_owned());
    vec![
        ("alg none", unsigned(&json!({"alg": "none"}), &good, "")),
        ("alg None", under(json!({"alg": "None", "typ": "JWT"}))),
        ("no alg", under(json!({"typ": "JWT"}))),
        ("RS256", under(json!({"alg": "RS256"}))),
        ("HS512", signed(&Header::new(Algorithm::HS512), &good, key)),
        ("another key", signed(&hs256, &good, &[7; 32])),
        ("a word as key", signed(&hs256, &good, b"usher")),
        ("an empty key", signed(&hs256, &good, b"")),
        (
            "another subject",
            unsigned(&json!({"alg": "HS256"}), &other_subject, signature),
        ),
        (
            "kid",
            with_header(|header| header.kid = Some("../../etc/passwd".to_owned())),
        ),
        (
            "jku",
            with_header(|header| header.jku = Some("https://evil.example".to_owned())),
        ),
        (
            "x5u",
            signed(
                &Header {
                    x5u: elsewhere(),
                    ..hs256.clone()
                },
                &good,
                key,
            ),
        ),
        (
            "crit",
            with_header(|header| header.crit = Some(vec!["b64".to_owned()])),
        ),
    ]
}

/// Wrong claims, each alone.
fn wrong_claims() -> Vec<(&'static str, Value)> {
    let now = jsonwebtoken::get_current_timestamp();
    vec![
        (
            "nbf in an hour",
            json!({"nbf": now + 3600, "exp": now + 7200}),
        ),
        ("no exp", json!({"exp": null})),
        ("no nbf", json!({"nbf": null})),
        ("no sub", json!({"sub": null})),
        ("another issuer", json!({"iss": "https://issuer.example"})),
        ("another audience", json!({"aud": "payments"})),
        ("no audience", json!({"aud": null})),
        ("a blank subject", json!({"sub": " "})),
        ("a subject with controls", json!({"sub": "alice\u{202e}"})),
        ("a subject too long", json!({"sub": "a".repeat(257)})),
        ("exp as text", json!({"exp": "tomorrow"})),
        ("exp below zero", json!({"exp": -1})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_foreign_tokens_are_refused() {
    let bench = Bench::demo().await;
    let key = std::fs::read(bench.data_directory.path().join("development-token.key")).unwrap();
    let hs256 = Header::new(Algorithm::HS256);
    let ours = |changes: Value| signed(&hs256, &claims(changes), &key);
    let try_token = |token: String| {
        let (bench, value) = (&bench, format!("Bearer {token}"));
        async move { assign_with(bench, &[&value]).await }
    };
    assert_eq!(
        try_token(ours(json!({}))).await.code(),
        Code::Ok,
        "the right claims are let in"
    );
    let before = bench.footprint().await;
    for (what, token) in forged(&key) {
        check_answer(what, &try_token(token).await, INVALID);
    }
    for (what, changes) in wrong_claims() {
        check_answer(what, &try_token(ours(changes)).await, INVALID);
    }
    let now = jsonwebtoken::get_current_timestamp();
    let expired = ours(json!({"nbf": now - 7200, "exp": now - 3600}));
    check_answer("expired", &try_token(expired).await, EXPIRED);
    assert_eq!(bench.footprint().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_somebody_else_by_a_header() {
    let bench = Bench::demo().await;
    let before = bench.footprint().await;
    for name in ["usher-on-behalf-of", "usher-subject-token"] {
        let answer = bench.send(CALLER, ASSIGN, &[(name, "root")], body()).await;
        check_answer(
            name,
            &answer,
            refusal(Code::PermissionDenied, "POLICY_DENIED"),
        );
    }
    assert_eq!(bench.footprint().await, before);
    let spoofed = [
        ("x-forwarded-user", "root"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-remote-user", "root"),
        ("x-amzn-oidc-identity", "root"),
        ("forwarded", "for=127.0.0.1"),
        ("usher-call-id", "mine"),
    ];
    let answer = bench.send(CALLER, ASSIGN, &spoofed, body()).await;
    let grant = &answer.ok(ASSIGN)["grant"];
    assert_eq!(
        (&grant["requested_by"], &grant["subject"]),
        (&json!(CALLER), &json!(CALLER))
    );
    assert_ne!(answer.headers["usher-call-id"], "mine");
    let only_spoofed = bench.raw(ASSIGN, &[GRPC, &spoofed].concat(), body()).await;
    check_answer("only spoofed headers", &only_spoofed, MISSING);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_is_not_told_to_strangers() {
    let bench = Bench::demo().await;
    let empty = frame(&[]);
    for path in [
        "/usher.v1.AccessService/Nothing",
        "/usher.v9.X/Y",
        "/",
        "/usher.v1.AccessService",
    ] {
        check_answer(path, &bench.raw(path, GRPC, empty.clone()).await, MISSING);
    }
    // Open with --dev: health, and reflection in both versions.
    let health = bench
        .raw("/grpc.health.v1.Health/Check", GRPC, empty.clone())
        .await;
    assert_eq!(
        (health.code(), health.body.as_slice()),
        (Code::Ok, &[0, 0, 0, 0, 2, 8, 1][..])
    );
    let unknown = frame(b"\x0a\x07nothing");
    let health = bench
        .raw("/grpc.health.v1.Health/Check", GRPC, unknown)
        .await;
    assert_eq!(health.code(), Code::NotFound);
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let list = bench.raw(&path, GRPC, frame(b"\x3a\x00")).await;
        assert_eq!(list.code(), Code::Ok, "{version}");
        assert!(String::from_utf8_lossy(&list.body).contains("usher.v1.AccessService"));
    }
}
