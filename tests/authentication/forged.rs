//! Tokens with right claims under wrong signatures and headers.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::signer::{Key, claims, unsigned};

/// Each alone, with what is wrong with it.
pub(crate) fn forged(key: &Key, other: &Key) -> Vec<(&'static str, String)> {
    let mut forged = wrong_algorithms(key);
    forged.extend(wrong_headers(key));
    forged.extend(wrong_signatures(key, other));
    forged
}

fn wrong_algorithms(key: &Key) -> Vec<(&'static str, String)> {
    let good = claims(json!({}));
    let token = key.token(json!({}));
    let signature = token.rsplit('.').next().unwrap();
    let symmetric = |secret: &[u8]| {
        let header = Header {
            kid: Some(key.id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        jsonwebtoken::encode(&header, &good, &EncodingKey::from_secret(secret)).unwrap()
    };
    let jwk = key.public_jwk().to_string();
    let under =
        |algorithm: &str| unsigned(&json!({"alg": algorithm, "kid": "key-1"}), &good, signature);
    let none = unsigned(&json!({"alg": "none", "kid": "key-1"}), &good, "");
    vec![
        ("alg none", none),
        ("alg NONE", under("NONE")),
        (
            "no alg",
            unsigned(&json!({"kid": "key-1"}), &good, signature),
        ),
        ("HS256 with the public point", symmetric(&key.public)),
        ("HS256 with the public JWK", symmetric(jwk.as_bytes())),
        ("HS256 with nothing", symmetric(b"")),
        ("RS256 on a key of EC", under("RS256")),
        ("ES384", under("ES384")),
    ]
}

fn wrong_headers(key: &Key) -> Vec<(&'static str, String)> {
    let good = claims(json!({}));
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = key.header();
        change(&mut header);
        key.sign(&header, &good)
    };
    let named = |id: &str| with(&|header| header.kid = Some(id.to_owned()));
    let elsewhere = || Some("https://evil.example/keys".to_owned());
    let stranger = Key::new("key-1");
    let own_key: jsonwebtoken::jwk::Jwk = serde_json::from_value(stranger.public_jwk()).unwrap();
    let own_key = Header {
        jwk: Some(own_key),
        ..stranger.header()
    };
    vec![
        ("the other key's id", named("key-2")),
        ("an unknown key id", named("key-9")),
        ("a path as key id", named("../../dev/null")),
        ("no key id", with(&|header| header.kid = None)),
        ("jku", with(&|header| header.jku = elsewhere())),
        ("jwk", stranger.sign(&own_key, &good)),
        ("x5u", with(&|header| header.x5u = elsewhere())),
        (
            "x5c",
            with(&|header| header.x5c = Some(vec!["AAAA".to_owned()])),
        ),
        (
            "crit",
            with(&|header| header.crit = Some(vec!["b64".to_owned()])),
        ),
        (
            "a logout token",
            with(&|header| header.typ = Some("logout+jwt".to_owned())),
        ),
    ]
}

fn wrong_signatures(key: &Key, other: &Key) -> Vec<(&'static str, String)> {
    let token = key.token(json!({}));
    let (content, signature) = token.rsplit_once('.').unwrap();
    let others = other.token(json!({}));
    let others_signature = others.rsplit('.').next().unwrap();
    let header: Value = json!({"alg": "ES256", "kid": "key-1"});
    let root = claims(json!({"sub": "root"}));
    vec![
        ("a stranger's key", Key::new("key-1").token(json!({}))),
        ("other claims", unsigned(&header, &root, signature)),
        (
            "another's signature",
            format!("{content}.{others_signature}"),
        ),
        ("no signature", format!("{content}.")),
        ("cut", token[..token.len() - 2].to_owned()),
        ("five parts", format!("{token}.a.b")),
        ("nothing", String::new()),
    ]
}
