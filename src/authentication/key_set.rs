//! A key set (JWKS, RFC 7517) as it is read: only public keys that verify signatures, each with the
//! algorithms that fit it. A key that is not public is not taken, whatever it says of itself.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// What only a private or a symmetric key has.
const SECRET_PARTS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// The longest key id, in bytes.
const KEY_ID_BYTES_MAX: usize = 1024;
/// Bytes of an RSA modulus: 2048 to 8192 bits. Shorter ones can be broken, longer ones take long.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// One key that verifies.
pub(super) struct VerificationKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) decoding: DecodingKey,
}

/// The usable keys of one answer.
pub(super) struct KeySet {
    pub(super) keys: Vec<VerificationKey>,
    /// Tells whether another answer says the same.
    pub(super) digest: [u8; 32],
    /// Keys that were left out, each with why.
    pub(super) left_out: Vec<&'static str>,
}

/// What a set says about the key of a token.
pub(super) enum Lookup<'a> {
    /// These may have signed it.
    Keys(Vec<&'a VerificationKey>),
    /// The set has no key of that id: it may have been added since.
    UnknownId,
    /// The token names no key, and the set has several.
    IdMissing,
    /// The key is of another kind than the algorithm.
    WrongKind,
}

impl KeySet {
    /// Reads a set of at most so many keys. One without any usable key is no set: an issuer that
    /// serves it by mistake would lock out everybody.
    pub(super) fn parse(bytes: &[u8], keys_max: usize) -> Result<Self, String> {
        let document: Value =
            serde_json::from_slice(bytes).map_err(|_| "it is not JSON".to_owned())?;
        let listed = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("it has no list `keys`")?;
        if listed.len() > keys_max {
            return Err(format!(
                "it has {} keys; at most {keys_max} are read",
                listed.len()
            ));
        }
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        for key in listed {
            match read_key(key) {
                Ok(key) => keys.push(key),
                Err(problem) => left_out.push(problem),
            }
        }
        if keys.is_empty() {
            let why = left_out
                .first()
                .map_or(String::new(), |why| format!(": {why}"));
            return Err(format!("it has no usable key{why}"));
        }
        Ok(Self {
            keys,
            digest: sha256(bytes),
            left_out,
        })
    }

    /// The keys that may have signed a token of this header.
    pub(super) fn lookup(&self, id: Option<&str>, algorithm: Algorithm) -> Lookup<'_> {
        let named: Vec<&VerificationKey> = match id {
            None if self.keys.len() > 1 => return Lookup::IdMissing,
            None => self.keys.iter().collect(),
            Some(id) => self
                .keys
                .iter()
                .filter(|key| key.id.as_deref() == Some(id))
                .collect(),
        };
        if named.is_empty() {
            return Lookup::UnknownId;
        }
        let fitting: Vec<_> = named
            .into_iter()
            .filter(|key| key.algorithms.contains(&algorithm))
            .collect();
        if fitting.is_empty() {
            Lookup::WrongKind
        } else {
            Lookup::Keys(fitting)
        }
    }
}

/// A SHA-256 as bytes.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

fn read_key(value: &Value) -> Result<VerificationKey, &'static str> {
    let fields = value.as_object().ok_or("a key is no object")?;
    if fields.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err("a key is symmetric");
    }
    if SECRET_PARTS.iter().any(|part| fields.contains_key(*part)) {
        return Err("a key is private; its issuer must not show it");
    }
    let jwk: Jwk = serde_json::from_value(value.clone()).map_err(|_| "a key cannot be read")?;
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return Err("a key is not for signatures");
    }
    if (jwk.common.key_operations.as_ref())
        .is_some_and(|operations| !operations.contains(&KeyOperations::Verify))
    {
        return Err("a key is not for verifying");
    }
    if (jwk.common.key_id.as_ref()).is_some_and(|id| id.len() > KEY_ID_BYTES_MAX) {
        return Err("a key's id is too long");
    }
    let mut algorithms = algorithms_of(&jwk)?;
    if let Some(said) = jwk.common.key_algorithm {
        algorithms.retain(|algorithm| said == key_algorithm(*algorithm));
        if algorithms.is_empty() {
            return Err("a key's algorithm does not fit its kind");
        }
    }
    Ok(VerificationKey {
        decoding: DecodingKey::from_jwk(&jwk).map_err(|_| "a key cannot be read")?,
        id: jwk.common.key_id,
        algorithms,
    })
}

/// What a key of this kind can verify.
fn algorithms_of(jwk: &Jwk) -> Result<Vec<Algorithm>, &'static str> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(parameters) => {
            let modulus = URL_SAFE_NO_PAD
                .decode(&parameters.n)
                .map_err(|_| "a key cannot be read")?;
            let modulus = modulus.len() - modulus.iter().take_while(|byte| **byte == 0).count();
            if MODULUS_BYTES.contains(&modulus) {
                Ok(RSA.to_vec())
            } else {
                Err("an RSA key has less than 2048 or more than 8192 bits")
            }
        }
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => Ok(vec![Algorithm::ES256]),
            EllipticCurve::P384 => Ok(vec![Algorithm::ES384]),
            _ => Err("a key is on a curve that is not known"),
        },
        AlgorithmParameters::OctetKeyPair(parameters) => match parameters.curve {
            EllipticCurve::Ed25519 => Ok(vec![Algorithm::EdDSA]),
            _ => Err("a key is on a curve that is not known"),
        },
        _ => Err("a key is of a kind that is not known"),
    }
}

fn key_algorithm(algorithm: Algorithm) -> KeyAlgorithm {
    match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::RS384 => KeyAlgorithm::RS384,
        Algorithm::RS512 => KeyAlgorithm::RS512,
        Algorithm::PS256 => KeyAlgorithm::PS256,
        Algorithm::PS384 => KeyAlgorithm::PS384,
        Algorithm::PS512 => KeyAlgorithm::PS512,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::ES384 => KeyAlgorithm::ES384,
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
        _ => KeyAlgorithm::UNKNOWN_ALGORITHM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ed25519(id: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id,
               "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn parse(keys: &[Value]) -> Result<KeySet, String> {
        KeySet::parse(json!({"keys": keys}).to_string().as_bytes(), 3)
    }

    #[test]
    fn secret_and_unfit_keys_are_left_out() {
        let with = |name: &str, value: Value| {
            let mut key = ed25519("b");
            key[name] = value;
            key
        };
        let unfit = [
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "b"}),
            with("d", json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")),
            with("use", json!("enc")),
            with("key_ops", json!(["sign"])),
            with("alg", json!("HS256")),
            with("alg", json!("RS256")),
            with("crv", json!("X25519")),
            with("kid", json!("k".repeat(2000))),
            json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB"}),
            json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
            json!("text"),
        ];
        for key in unfit {
            assert!(parse(std::slice::from_ref(&key)).is_err(), "{key}");
            let set = parse(&[ed25519("a"), key.clone()]).unwrap();
            assert_eq!((set.keys.len(), set.left_out.len()), (1, 1), "{key}");
        }
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for text in ["", "<html>", "[]", "{}", "{\"keys\": {}}", "{\"keys\": []}"] {
            assert!(KeySet::parse(text.as_bytes(), 3).is_err(), "{text}");
        }
        let four: Vec<Value> = ["a", "b", "c", "d"].map(ed25519).to_vec();
        assert!(parse(&four).is_err_and(|problem| problem.contains("at most 3")));
        assert!(parse(&four[..3]).is_ok());
    }

    #[test]
    fn a_key_is_found_by_its_id_and_only_for_its_algorithm() {
        let one = parse(&[ed25519("a")]).unwrap();
        let two = parse(&[ed25519("a"), ed25519("b")]).unwrap();
        let eddsa = Algorithm::EdDSA;
        assert!(matches!(one.lookup(None, eddsa), Lookup::Keys(_)));
        assert!(matches!(
            one.lookup(None, Algorithm::RS256),
            Lookup::WrongKind
        ));
        assert!(matches!(one.lookup(Some("b"), eddsa), Lookup::UnknownId));
        assert!(matches!(two.lookup(None, eddsa), Lookup::IdMissing));
        assert!(matches!(two.lookup(Some("b"), eddsa), Lookup::Keys(keys) if keys.len() == 1));
        assert!(matches!(
            two.lookup(Some("b"), Algorithm::HS256),
            Lookup::WrongKind
        ));
    }
}
