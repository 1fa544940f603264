//! What is read of a token before it is verified: which key and algorithm it names, and which
//! issuer it says it is of. Nothing of this is believed.

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, Header, decode_header};
use serde::Deserialize;

use super::problem::CredentialProblem;

/// The types of tokens that are meant for access; a logout token of the same issuer is none.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// What a token says of itself.
pub(super) struct Claimed {
    pub(super) key_id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
}

#[derive(Deserialize)]
struct Addressed {
    iss: String,
    aud: Audiences,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

/// Whether the header tells where the key is to be found, or asks for an extension: nobody but the
/// configuration says which keys count.
pub(super) fn points_to_a_key(header: &Header) -> bool {
    header.jku.is_some()
        || header.jwk.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || header.crit.is_some()
}

/// Reads a token without believing it.
pub(super) fn read(token: &str) -> Result<Claimed, CredentialProblem> {
    let invalid = CredentialProblem::invalid;
    let header =
        decode_header(token).map_err(|_| invalid("the credential is no signed token (JWT)"))?;
    if points_to_a_key(&header) {
        return Err(invalid("the token's header names a key or an extension"));
    }
    let is_access = header.typ.as_ref().is_none_or(|typ| {
        TYPES
            .iter()
            .any(|expected| typ.eq_ignore_ascii_case(expected))
    });
    if !is_access
        || header.enc.is_some()
        || header.zip.is_some()
        || header
            .extras
            .get::<bool>("b64")
            .is_ok_and(|b64| b64.is_some())
    {
        return Err(invalid("the token is of a type that proves no access"));
    }
    let addressed: Addressed = insecure_decode_claims(token)
        .map_err(|_| invalid("the token names no issuer or no audience"))?;
    Ok(Claimed {
        key_id: header.kid,
        algorithm: header.alg,
        issuer: addressed.iss,
        audiences: match addressed.aud {
            Audiences::One(audience) => vec![audience],
            Audiences::Several(audiences) => audiences,
        },
    })
}

/// The `iss` of a token, without believing it.
pub(super) fn issuer_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    insecure_decode_claims::<Issued>(token)
        .ok()
        .map(|issued| issued.iss)
}
