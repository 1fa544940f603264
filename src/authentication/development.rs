//! Development tokens, signed with a key that lies in the data directory, so that whoever can read
//! that directory can make one. They are accepted with `--dev` only.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header};

use super::problem::CredentialProblem;
use super::token_header::points_to_a_key;
use crate::domain::CallerName;

/// The file of the key, in the data directory.
const KEY_FILE: &str = "development-token.key";
/// Bytes of the key: as many as HMAC-SHA256 uses.
const KEY_BYTES: usize = 32;
const ISSUER: &str = "usher-development";
const AUDIENCE: &str = "usher";
/// How far clocks may differ, in seconds.
const LEEWAY_SECONDS: u64 = 5;
/// The longest life of a development token, in seconds: a month.
pub const TOKEN_SECONDS_MAX: u64 = 31 * 86_400;

/// The data directory's key could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the token key {path}: {problem}", path = .path.display())]
pub struct KeyError {
    path: PathBuf,
    problem: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
}

/// Makes and checks development tokens.
pub struct DevelopmentTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl DevelopmentTokens {
    /// Opens the key of a data directory, and makes it at the first time (mode 0600).
    ///
    /// # Errors
    /// When the file cannot be read or made, or is not a key.
    pub fn open(data_directory: &Path) -> Result<Self, KeyError> {
        let path = data_directory.join(KEY_FILE);
        let key = read_or_make_key(&path).map_err(|problem| KeyError { path, problem })?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "nbf", "exp"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        Ok(Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
        })
    }

    /// Whether a server has made its key in this directory.
    #[must_use]
    pub fn has_key(data_directory: &Path) -> bool {
        data_directory.join(KEY_FILE).is_file()
    }

    /// Signs a token for a subject.
    ///
    /// # Errors
    /// A sentence, when the life is zero or longer than `TOKEN_SECONDS_MAX`, or signing fails.
    pub fn sign(
        &self,
        subject: &CallerName,
        now_seconds: u64,
        life_seconds: u64,
    ) -> Result<String, String> {
        if life_seconds == 0 || life_seconds > TOKEN_SECONDS_MAX {
            return Err(format!(
                "a development token lives 1 second to {} days",
                TOKEN_SECONDS_MAX / 86_400
            ));
        }
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.to_string(),
            iat: now_seconds,
            nbf: now_seconds,
            exp: now_seconds + life_seconds,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|error| error.to_string())
    }

    /// The caller that a token proves.
    pub(super) fn verify(&self, token: &str) -> Result<CallerName, CredentialProblem> {
        let invalid = CredentialProblem::invalid;
        // Our tokens are signed by the one key there is; a header that points to another is not ours.
        let foreign = decode_header(token)
            .is_ok_and(|header| header.kid.is_some() || points_to_a_key(&header));
        if foreign {
            return Err(invalid("the token's header names a key or an extension"));
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => CredentialProblem::expired(),
                ErrorKind::ImmatureSignature => invalid("the token is not valid yet"),
                _ => invalid("the token is not one of this server's"),
            })?;
        CallerName::parse(&decoded.claims.sub)
            .map_err(|_| invalid("the token's subject is not a usable name"))
    }
}

fn read_or_make_key(path: &Path) -> Result<Vec<u8>, String> {
    if !path.exists() {
        make_key(path)?;
    }
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!(
            "may be read by others, and whoever reads it can make tokens; run: chmod 600 {}",
            path.display()
        ));
    }
    let key = std::fs::read(path).map_err(|error| error.to_string())?;
    if key.len() == KEY_BYTES {
        Ok(key)
    } else {
        Err("is not a key of 32 bytes; remove it to have a new one made".to_owned())
    }
}

/// Makes the key beside its place and links it there, so that of two makers one wins and nobody
/// ever reads half a key.
fn make_key(path: &Path) -> Result<(), String> {
    // Where the store lies elsewhere nobody has made the directory yet.
    if let Some(directory) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(directory);
        made.map_err(|error| error.to_string())?;
    }
    let mut key = [0_u8; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| "no random bytes are to be had".to_owned())?;
    let beside = path.with_extension(format!("new-{}", uuid::Uuid::new_v4().simple()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()))
        .and_then(|()| match std::fs::hard_link(&beside, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    drop(std::fs::remove_file(&beside));
    written.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::ProblemKind;

    fn now() -> u64 {
        jsonwebtoken::get_current_timestamp()
    }

    #[test]
    fn a_token_proves_its_subject_and_only_with_its_key() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tokens = DevelopmentTokens::open(ours.path()).unwrap();
        let alice = CallerName::parse("alice").unwrap();
        let token = tokens.sign(&alice, now(), 60).unwrap();
        let again = DevelopmentTokens::open(ours.path()).unwrap();
        assert_eq!(again.verify(&token), Ok(alice.clone()));
        let other = DevelopmentTokens::open(theirs.path()).unwrap();
        assert!(other.verify(&token).is_err());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        DevelopmentTokens::open(directory.path()).unwrap();
        let key = directory.path().join(KEY_FILE);
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = DevelopmentTokens::open(directory.path()).err().unwrap();
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_valid_token_is_refused_with_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let tokens = DevelopmentTokens::open(directory.path()).unwrap();
        let alice = CallerName::parse("alice").unwrap();
        let expired = tokens.sign(&alice, now() - 1000, 60).unwrap();
        let early = tokens.sign(&alice, now() + 1000, 60).unwrap();
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
        let cases = [
            (expired.as_str(), ProblemKind::Expired),
            (early.as_str(), ProblemKind::Invalid),
            (unsigned, ProblemKind::Invalid),
            ("", ProblemKind::Invalid),
        ];
        for (token, kind) in cases {
            assert_eq!(tokens.verify(token).unwrap_err().kind, kind, "{token:.40}");
        }
        assert!(tokens.sign(&alice, now(), 0).is_err());
    }
}
