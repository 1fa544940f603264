//! Signed places of the decision log. A head says how far the chain had come and with what hash: a copy
//! of it that lies elsewhere shows later that nothing before it was changed and nothing cut. A checkpoint
//! says the same of the last record that was removed by its age. Pure: keys are arguments.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use jiff::Timestamp;

use super::log::{Link, LogHash, from_hex, to_hex};

/// The length of a key's seed and of a public key in bytes.
const KEY_LENGTH: usize = 32;
/// Bytes of the public key's hash that name a key.
const KEY_ID_LENGTH: usize = 8;

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeadKind {
    /// The end of the chain at the time.
    Head,
    /// The last record that was removed by its age.
    Checkpoint,
}

/// A place of the chain, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// What it says.
    pub kind: HeadKind,
    /// The place.
    pub link: Link,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The key that signed it.
    pub key_id: String,
    /// The signature: 64 bytes over `signed_text`.
    pub signature: Vec<u8>,
}

/// A public key of heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey([u8; KEY_LENGTH]);

/// Signs heads.
#[derive(Debug)]
pub struct LogSigner {
    pair: Ed25519KeyPair,
    key: LogKey,
}

impl HeadKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Head, Self::Checkpoint];

    /// The word of the signed text and of the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Checkpoint => "checkpoint",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The members of a line, sorted as canonical JSON wants them.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    hash: String,
    key_id: String,
    kind: String,
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    time_microseconds: String,
}

impl LogHead {
    fn line(&self, signature: Option<String>) -> Line {
        Line {
            hash: self.link.hash.to_string(),
            key_id: self.key_id.clone(),
            kind: self.kind.as_str().to_owned(),
            position: self.link.position,
            signature,
            time_microseconds: self.signed_at.as_microsecond().to_string(),
        }
    }

    /// The canonical JSON that is signed.
    ///
    /// # Errors
    /// Only if the serializer fails, which these plain values give it no cause for.
    pub fn signed_text(&self) -> Result<String, serde_json::Error> {
        serde_json_canonicalizer::to_string(&self.line(None))
    }

    /// The head as a line: the signed text with its signature, in hex.
    ///
    /// # Errors
    /// As for `signed_text`.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json_canonicalizer::to_string(&self.line(Some(to_hex(&self.signature))))
    }

    /// Reads a line; none where it is no head.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let line: Line = serde_json::from_str(line).ok()?;
        let microseconds = line.time_microseconds.parse().ok()?;
        Some(Self {
            kind: HeadKind::from_word(&line.kind)?,
            link: Link {
                position: line.position,
                hash: LogHash::from_hex(&line.hash)?,
            },
            signed_at: Timestamp::from_microsecond(microseconds).ok()?,
            key_id: line.key_id,
            signature: from_hex(&line.signature?)?,
        })
    }
}

impl LogKey {
    /// Reads 64 digits of hex.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text)?.try_into().ok().map(Self)
    }

    /// The key in hex.
    #[must_use]
    pub fn to_hex(&self) -> String {
        to_hex(&self.0)
    }

    /// What heads name the key by: the beginning of its hash.
    #[must_use]
    pub fn id(&self) -> String {
        let hash = digest(&SHA256, &self.0);
        to_hex(hash.as_ref().get(..KEY_ID_LENGTH).unwrap_or_default())
    }

    /// Whether this key signed the head.
    #[must_use]
    pub fn has_signed(&self, head: &LogHead) -> bool {
        let Ok(text) = head.signed_text() else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        head.key_id == self.id() && key.verify(text.as_bytes(), &head.signature).is_ok()
    }
}

impl LogSigner {
    /// The signer of a seed of 32 bytes; none for another length.
    #[must_use]
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let key = LogKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, key })
    }

    /// The public half.
    #[must_use]
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// Signs a place.
    ///
    /// # Errors
    /// As for `LogHead::signed_text`.
    pub fn sign(
        &self,
        kind: HeadKind,
        link: Link,
        signed_at: Timestamp,
    ) -> Result<LogHead, serde_json::Error> {
        let mut head = LogHead {
            kind,
            link,
            signed_at,
            key_id: self.key.id(),
            signature: Vec::new(),
        };
        let text = head.signed_text()?;
        head.signature = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::log::LogRecord;

    fn head(signer: &LogSigner) -> LogHead {
        let record = LogRecord::after(&Link::BEGINNING, "{}".to_owned());
        let at = Timestamp::from_microsecond(1_800_000_000_000_001).unwrap();
        signer.sign(HeadKind::Head, record.link(), at).unwrap()
    }

    #[test]
    fn a_head_is_good_by_its_key_alone_and_as_it_was_signed() {
        let signer = LogSigner::from_seed(&[7; 32]).unwrap();
        let signed = head(&signer);
        assert!(signer.key().has_signed(&signed));
        let other = LogSigner::from_seed(&[8; 32]).unwrap();
        assert!(!other.key().has_signed(&signed));
        let mut changed = signed.clone();
        changed.link.position = 2;
        assert!(!signer.key().has_signed(&changed));
        let mut changed = signed.clone();
        changed.kind = HeadKind::Checkpoint;
        assert!(!signer.key().has_signed(&changed));
        let mut changed = signed;
        changed.signature[0] ^= 1;
        assert!(!signer.key().has_signed(&changed));
        assert!(LogSigner::from_seed(&[7; 31]).is_none());
    }

    #[test]
    fn a_head_and_a_key_are_read_as_they_were_written() {
        let signer = LogSigner::from_seed(&[7; 32]).unwrap();
        let signed = head(&signer);
        let line = signed.to_line().unwrap();
        assert_eq!(LogHead::from_line(&line), Some(signed));
        assert!(line.starts_with("{\"hash\":\""), "{line}");
        assert_eq!(
            LogKey::from_hex(&signer.key().to_hex()).as_ref(),
            Some(signer.key())
        );
        for wrong in ["", "{}", &line.replace("\"head\"", "\"tail\"")] {
            assert_eq!(LogHead::from_line(wrong), None);
        }
    }
}
