//! The headers in which credentials come, read strictly: each at most once, bounded, in ASCII.
//! Headers in which proxies tell who calls (`x-forwarded-…`) are not read here or anywhere: whoever
//! reaches the port can write them.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::problem::CredentialProblem;
use crate::domain::text::{CALLER_NAME_CHARACTERS_MAX, check_user_name};

/// For whom a service acts.
pub(super) const ON_BEHALF_OF: &str = "usher-on-behalf-of";
/// The longest name in it: behind `for:` it is a subject's name, by which request ids are kept.
const ON_BEHALF_OF_CHARACTERS_MAX: usize = CALLER_NAME_CHARACTERS_MAX - "for:".len();
/// The token of the one for whom it acts.
pub(super) const SUBJECT_TOKEN: &str = "usher-subject-token";

/// The bearer token of a call; none without the header.
pub(super) fn bearer(
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Option<&str>, CredentialProblem> {
    let invalid = CredentialProblem::invalid;
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid("several authorization headers were sent; send one"));
    }
    if value.len() > bytes_max {
        return Err(invalid("the credential is longer than allowed"));
    }
    let text = value
        .to_str()
        .map_err(|_| invalid("the credential has characters outside ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(invalid("the authorization scheme is not Bearer")),
    }
}

/// The subject's own token; none without the header.
pub(super) fn subject_token(
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Option<&str>, CredentialProblem> {
    single(headers, SUBJECT_TOKEN, bytes_max)
}

/// For whom the caller says to act; none without the header.
pub(super) fn on_behalf_of(
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Option<&str>, CredentialProblem> {
    let Some(name) = single(headers, ON_BEHALF_OF, bytes_max)? else {
        return Ok(None);
    };
    let is_short = name.chars().count() <= ON_BEHALF_OF_CHARACTERS_MAX;
    match check_user_name(name) {
        Ok(()) if is_short => Ok(Some(name)),
        _ => Err(CredentialProblem::invalid(
            "the header names nobody: it is empty, too long, or has control characters",
        )
        .of_header(ON_BEHALF_OF)),
    }
}

/// Which of the headers is there by which a caller acts for somebody else.
pub(super) fn acting_header(headers: &HeaderMap) -> Option<&'static str> {
    [ON_BEHALF_OF, SUBJECT_TOKEN]
        .into_iter()
        .find(|name| headers.contains_key(*name))
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<&'a str>, CredentialProblem> {
    let invalid = |message| Err(CredentialProblem::invalid(message).of_header(name));
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return invalid("the header was sent several times; send it once");
    }
    if value.len() > bytes_max {
        return invalid("the header is longer than allowed");
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => invalid("the header has characters outside ASCII; name a user by id instead"),
    }
}
