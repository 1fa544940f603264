//! Page tokens: sealed, so that a caller can neither read nor change one, and bound to the caller,
//! to whom it acts for and to everything else that was asked. They carry a place, never a right.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{AppError, CallContext};

/// The longest token that is looked at, in characters: AWS's own tokens, which some of ours carry,
/// have at most 65,535 (aws-api.md §2).
const TOKEN_CHARACTERS_MAX: usize = 100_000;
/// Bytes of a nonce of AES-GCM.
const NONCE_BYTES: usize = 12;

/// Which page of which list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The method and a hash of everything asked but page size and token.
    pub list: String,
    /// Rows wanted, clamped already.
    pub size: usize,
    /// The token as sent; empty for the first page.
    pub token: String,
}

/// Seals and opens tokens.
#[derive(Clone)]
pub struct PageTokens {
    key: Arc<RandomizedNonceKey>,
}

impl PageTokens {
    /// Takes the key from the store: 32 bytes.
    ///
    /// # Errors
    /// `Internal` when the key has another length.
    pub fn new(key: &[u8]) -> Result<Self, AppError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| {
            AppError::Internal("the page token key is not 32 bytes long".to_owned())
        })?;
        Ok(Self { key: Arc::new(key) })
    }

    /// Seals a place in a list.
    ///
    /// # Errors
    /// `Internal` when the cipher fails.
    pub fn seal(
        &self,
        context: &CallContext,
        request: &PageRequest,
        place: &str,
    ) -> Result<String, AppError> {
        let mut sealed = place.as_bytes().to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(binding(context, request)), &mut sealed)
            .map_err(|_| AppError::Internal("a page token could not be sealed".to_owned()))?;
        let mut token = nonce.as_ref().to_vec();
        token.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Opens the token of a request; none on the first page.
    ///
    /// # Errors
    /// `PageTokenInvalid` for anything that this caller did not get for this very list.
    pub fn open(
        &self,
        context: &CallContext,
        request: &PageRequest,
    ) -> Result<Option<String>, AppError> {
        if request.token.is_empty() {
            return Ok(None);
        }
        if request.token.len() > TOKEN_CHARACTERS_MAX {
            return Err(AppError::PageTokenInvalid);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(&request.token)
            .map_err(|_| AppError::PageTokenInvalid)?;
        let (nonce, sealed) = bytes
            .split_at_checked(NONCE_BYTES)
            .ok_or(AppError::PageTokenInvalid)?;
        let nonce =
            Nonce::try_assume_unique_for_key(nonce).map_err(|_| AppError::PageTokenInvalid)?;
        let mut sealed = sealed.to_vec();
        let place = self
            .key
            .open_in_place(nonce, Aad::from(binding(context, request)), &mut sealed)
            .map_err(|_| AppError::PageTokenInvalid)?;
        String::from_utf8(place.to_vec())
            .map(Some)
            .map_err(|_| AppError::PageTokenInvalid)
    }
}

fn binding(context: &CallContext, request: &PageRequest) -> String {
    let (caller, subject) = (context.caller.as_str(), context.subject.as_str());
    format!("{caller}\0{subject}\0{}", request.list)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::domain::{Authenticated, CallerName, Identity};

    fn by(caller: &str, subject: &str) -> CallContext {
        let caller = CallerName::parse(caller).unwrap();
        let authenticated = Authenticated {
            caller: Identity::Developer(caller.clone()),
            on_behalf_of: None,
            subject_proof: None,
        };
        let subject = CallerName::parse(subject).unwrap();
        CallContext::new(caller, subject, authenticated, Instant::now())
    }

    fn request(list: &str, token: &str) -> PageRequest {
        PageRequest {
            list: list.to_owned(),
            size: 10,
            token: token.to_owned(),
        }
    }

    #[test]
    fn a_token_opens_only_for_its_caller_and_its_list() {
        let tokens = PageTokens::new(&[7; 32]).unwrap();
        let alice = by("service:portal", "for:alice");
        let others = [
            by("service:portal", "for:bob"),
            by("service:tickets", "for:alice"),
            by("alice", "alice"),
        ];
        let token = tokens.seal(&alice, &request("list", ""), "place").unwrap();
        assert!(!token.contains("place"));
        assert_eq!(
            tokens
                .open(&alice, &request("list", &token))
                .unwrap()
                .as_deref(),
            Some("place")
        );
        for other in &others {
            assert!(tokens.open(other, &request("list", &token)).is_err());
        }
        assert!(tokens.open(&alice, &request("other", &token)).is_err());
        assert!(tokens.open(&alice, &request("list", "")).unwrap().is_none());
    }

    #[test]
    fn garbage_and_flipped_bits_are_refused() {
        let tokens = PageTokens::new(&[7; 32]).unwrap();
        let alice = by("alice", "alice");
        let token = tokens.seal(&alice, &request("list", ""), "place").unwrap();
        for position in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(
                tokens.open(&alice, &request("list", &changed)).is_err(),
                "{position}"
            );
        }
        for garbage in ["x", "%%%", "AAAA", &"A".repeat(200_000)] {
            assert!(tokens.open(&alice, &request("list", garbage)).is_err());
        }
    }
}
