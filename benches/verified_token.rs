//! What it costs to know a caller again whose token was verified before: the target is 5 µs.
//!
//! A plain program: `cargo bench --bench verified_token`. It prints figures and asserts nothing.

#![expect(clippy::unwrap_used, reason = "a program for the terminal")]

use std::time::Instant;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use usher::authentication::{AuthenticationConfig, Authenticator};
use usher::clock::Clock;

/// The median of batches is told: a neighbour that takes the core for a while is not measured.
const BATCHES: usize = 201;
const ROUNDS: u32 = 1000;
const TARGET_MICROSECONDS: u32 = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let files = tempfile::tempdir().unwrap();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let random = aws_lc_rs::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}]});
    let file = files.path().join("keys.json");
    std::fs::write(&file, keys.to_string()).unwrap();
    let config: AuthenticationConfig = toml::from_str(&format!(
        "[[issuers]]\nname = \"corp\"\nissuer = \"i\"\naudiences = [\"usher\"]\njwks_file = \"{}\"\n\
         callers = \"PERSONS\"\nmatch_by = \"USER_NAME\"\nmatch_claim = \"sub\"\n",
        file.display()
    ))
    .unwrap();
    let authenticator = Authenticator::start(&config, None, Clock::system())
        .await
        .unwrap();
    let now = jsonwebtoken::get_current_timestamp();
    // Some 1.2 KB, as identity providers send them with a few groups.
    let claims = json!({"iss": "i", "aud": "usher", "sub": "anna.berg", "nbf": now, "exp": now + 3600,
        "groups": vec!["a-group-of-the-company-directory"; 20]});
    let header = Header {
        kid: Some("k".to_owned()),
        ..Header::new(Algorithm::ES256)
    };
    let token = jsonwebtoken::encode(
        &header,
        &claims,
        &EncodingKey::from_ec_der(document.as_ref()),
    )
    .unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert(
        http::header::AUTHORIZATION,
        format!("Bearer {token}").parse().unwrap(),
    );

    let started = Instant::now();
    authenticator.authenticate(None, &headers).await.unwrap();
    let first = started.elapsed().as_secs_f64() * 1e6;
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            authenticator.authenticate(None, &headers).await.unwrap();
        }
        batches.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
    }
    batches.sort_by(f64::total_cmp);
    let hit = batches[BATCHES / 2];
    println!("figure verified_token_bytes {} bytes", token.len());
    println!("figure verified_token_first_microseconds {first:.1} us");
    println!("figure verified_token_hit_microseconds {hit:.2} us target {TARGET_MICROSECONDS}");
}
