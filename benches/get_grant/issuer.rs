//! An issuer of tokens: one key, its public set in a file, and tokens as identity providers send them.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

pub(crate) struct Issuer {
    key: EncodingKey,
    file: PathBuf,
}

impl Issuer {
    pub(crate) fn new(place: &Path) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
        let document = document.expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).expect("a key");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}]});
        let file = place.join("keys.json");
        std::fs::write(&file, keys.to_string()).expect("a file");
        Self {
            key: EncodingKey::from_ec_der(document.as_ref()),
            file,
        }
    }

    /// What the server's configuration says of it.
    pub(crate) fn configuration(&self) -> String {
        format!(
            "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"https://login.example.com\"\n\
             audiences = [\"usher\"]\njwks_file = \"{}\"\ncallers = \"PERSONS\"\n\
             match_by = \"USER_NAME\"\nmatch_claim = \"sub\"\n",
            self.file.display()
        )
    }

    /// A token of 0.6 KB, good for an hour.
    pub(crate) fn token(&self, user: &str) -> String {
        let now = jsonwebtoken::get_current_timestamp();
        let claims = json!({
            "iss": "https://login.example.com", "aud": "usher", "sub": user, "iat": now,
            "nbf": now, "exp": now + 3600, "groups": vec!["a-group-of-the-directory"; 8],
        });
        let header = Header {
            kid: Some("k".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &claims, &self.key).expect("a token")
    }
}
