//! Who calls: what a Signature Version 4 header and a session token tell, and the sessions that
//! AssumeRole gave. The signature itself is never checked (aws-api.md §1); knows no operation.

use std::collections::BTreeMap;

use super::failure::{Failure, Service};
use super::store::Store;
use super::world::Caller;

/// Sessions remembered; beyond it the one that ends first is forgotten.
const SESSIONS_AT_MOST: usize = 10_000;
/// What AWS begins the ids of temporary access keys with.
const TEMPORARY_KEY: &str = "ASIA";
/// The letters of AWS's ids.
const ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The credential scope of a signed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) access_key_id: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Signature {
    /// Reads `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
    pub(super) fn read(authorization: &str) -> Option<Signature> {
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let mut parts = rest.split(',').map(str::trim);
        let scope = parts.find_map(|part| part.strip_prefix("Credential="))?;
        let mut parts = scope.rsplitn(5, '/');
        let terminator = parts.next()?;
        let (service, region) = (parts.next()?, parts.next()?);
        let (_date, access_key_id) = (parts.next()?, parts.next()?);
        (terminator == "aws4_request").then(|| Signature {
            access_key_id: access_key_id.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

/// Who AWS takes the client of one call for, and where it calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    pub(super) caller: Caller,
    /// The Region that the call was signed for; `None` without a signature.
    pub(super) region: Option<String>,
}

/// What AssumeRole answers.
pub(super) struct SessionCredentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: String,
}

struct Session {
    caller: Caller,
    token: String,
    ends_at_seconds: f64,
}

/// The sessions that AssumeRole gave, ended ones among them.
#[derive(Default)]
pub(super) struct Sessions {
    by_key: BTreeMap<String, Session>,
}

impl Sessions {
    /// Begins a session of `caller` with fresh credentials.
    pub(super) fn begin(&mut self, caller: Caller, ends_at_seconds: f64) -> SessionCredentials {
        if self.by_key.len() >= SESSIONS_AT_MOST {
            let ends = |session: &Session| session.ends_at_seconds;
            let first = (self.by_key.iter())
                .min_by(|(_, one), (_, two)| ends(one).total_cmp(&ends(two)))
                .map(|(key, _)| key.clone());
            first.and_then(|key| self.by_key.remove(&key));
        }
        let mut random = fastrand::Rng::new();
        let mut text =
            |length: usize| -> String { (0..length).map(|_| random.alphanumeric()).collect() };
        let (secret_access_key, session_token) = (text(40), text(356));
        let access_key_id = loop {
            let id = format!("{TEMPORARY_KEY}{}", id_letters(random.u128(..)));
            if !self.by_key.contains_key(&id) {
                break id;
            }
        };
        let session = Session {
            caller,
            token: session_token.clone(),
            ends_at_seconds,
        };
        self.by_key.insert(access_key_id.clone(), session);
        SessionCredentials {
            access_key_id,
            secret_access_key,
            session_token,
        }
    }

    fn caller(
        &self,
        service: Service,
        access_key_id: &str,
        token: Option<&str>,
        now_seconds: f64,
    ) -> Result<Caller, Failure> {
        let session = (self.by_key.get(access_key_id))
            .filter(|session| token == Some(session.token.as_str()))
            .ok_or_else(|| Failure::unknown_credentials(service))?;
        if session.ends_at_seconds <= now_seconds {
            return Err(Failure::expired_credentials().of(service));
        }
        Ok(session.caller.clone())
    }
}

/// Sixteen letters of AWS's ids, from a number.
pub(super) fn id_letters(number: u128) -> String {
    (0..16)
        .filter_map(|at| ID_LETTERS.get(usize::try_from((number >> (at * 5)) & 31).ok()?))
        .map(|letter| char::from(*letter))
        .collect()
}

/// Who makes a call. Keys that nobody lists, and calls without a signature, are the world's caller;
/// temporary keys are checked, as their end is what a client has to survive.
pub(super) fn identify(
    store: &Store,
    sessions: &Sessions,
    service: Service,
    (signature, token): (Option<&Signature>, Option<&str>),
    now_seconds: f64,
) -> Result<Identity, Failure> {
    let key = signature.map_or("", |signature| signature.access_key_id.as_str());
    let caller = match store.callers.get(key) {
        Some(row) => Caller {
            account_id: row.account_id.clone(),
            arn: row.arn.clone(),
            user_id: row.user_id.clone(),
            delegated_administrator: false,
        },
        None if key.starts_with(TEMPORARY_KEY) => {
            sessions.caller(service, key, token, now_seconds)?
        }
        None => store.caller.clone(),
    };
    Ok(Identity {
        caller,
        region: signature.map(|signature| signature.region.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_scope_is_read_as_the_sdks_write_it() {
        let header = "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/sso/aws4_request, \
                      SignedHeaders=host, Signature=00";
        let read = Signature::read(header).expect("a scope");
        assert_eq!(
            (
                read.access_key_id.as_str(),
                read.region.as_str(),
                read.service.as_str()
            ),
            ("AK", "us-east-1", "sso")
        );
        for bad in [
            "Bearer x",
            "AWS4-HMAC-SHA256 Credential=AK",
            "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/sso/aws5_request",
        ] {
            assert_eq!(Signature::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_session_is_its_key_with_its_token_until_its_end() {
        let mut sessions = Sessions::default();
        let given = sessions.begin(Caller::default(), 100.0);
        let (key, token) = (given.access_key_id.as_str(), given.session_token.as_str());
        let ask = |service, key: &str, token, now_seconds| {
            let answer = sessions.caller(service, key, token, now_seconds);
            answer.map(|_| ()).map_err(|failure| failure.code)
        };
        assert_eq!(ask(Service::SsoAdmin, key, Some(token), 99.0), Ok(()));
        let refused = |code: &str| Err(code.to_owned());
        assert_eq!(
            ask(Service::SsoAdmin, key, Some(token), 100.0),
            refused("ExpiredTokenException")
        );
        assert_eq!(
            ask(Service::SsoAdmin, key, Some("other"), 1.0),
            refused("UnrecognizedClientException")
        );
        assert_eq!(
            ask(Service::Sts, key, None, 1.0),
            refused("InvalidClientTokenId")
        );
        assert_eq!(
            ask(Service::SsoAdmin, "ASIANOBODY", Some(token), 1.0),
            refused("UnrecognizedClientException")
        );
    }

    #[test]
    fn the_sessions_are_bounded_and_the_first_to_end_goes() {
        let mut sessions = Sessions::default();
        let first = sessions.begin(Caller::default(), 1.0);
        let second = sessions.begin(Caller::default(), 3.0);
        for _ in 2..=SESSIONS_AT_MOST {
            sessions.begin(Caller::default(), 2.0 + 2.0);
        }
        assert_eq!(sessions.by_key.len(), SESSIONS_AT_MOST);
        assert!(!sessions.by_key.contains_key(&first.access_key_id));
        assert!(sessions.by_key.contains_key(&second.access_key_id));
    }
}
