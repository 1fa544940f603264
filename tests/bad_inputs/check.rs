//! The one way in which refusals are checked: code, details, nothing written, nothing leaked, and a
//! server that goes on.

use serde_json::Value;
use tonic::Code;

use crate::bench::{Bench, CALLER};
use crate::wire::{Answer, encode, frame};

/// Texts of AWS, of the store or of the code, which no caller may see.
const INTERNAL_TEXTS: [&str; 10] = [
    "Exception",
    "SELECT ",
    "INSERT ",
    "sqlite",
    "sqlx",
    "panicked",
    "smithy",
    ".rs:",
    "not authorized",
    "aws_sdk",
];
/// The headers of an answer must fit the smallest limit in use: 8 KiB, of grpcio and of Java.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// How a call is refused.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) code: Code,
    pub(crate) reason: &'static str,
    /// The fields that BadRequest blames, in order.
    pub(crate) fields: &'a [&'a str],
}

pub(crate) const fn refusal(code: Code, reason: &'static str) -> Refusal<'static> {
    Refusal {
        code,
        reason,
        fields: &[],
    }
}

/// INVALID_ARGUMENT that blames exactly these fields.
pub(crate) const fn invalid<'a>(fields: &'a [&'a str]) -> Refusal<'a> {
    Refusal {
        code: Code::InvalidArgument,
        reason: "FIELD_INVALID",
        fields,
    }
}

/// Makes a call that must be refused.
pub(crate) async fn check(
    bench: &Bench,
    what: &str,
    method: &str,
    message: Value,
    expected: Refusal<'_>,
) {
    check_bytes(bench, what, method, &encode(method, &message), expected).await;
}

pub(crate) async fn check_bytes(
    bench: &Bench,
    what: &str,
    method: &str,
    message: &[u8],
    expected: Refusal<'_>,
) {
    let before = bench.footprint().await;
    let answer = bench.send(CALLER, method, &[], frame(message)).await;
    check_answer(what, &answer, expected);
    let after = bench.footprint().await;
    assert_eq!(before, after, "{what}: something was written");
}

/// Checks what a refusal shows.
pub(crate) fn check_answer(what: &str, answer: &Answer, expected: Refusal<'_>) {
    let (status, details) = (answer.status(), answer.details());
    let told = format!(
        "{what}: {:?} {} {details:?}",
        status.code(),
        status.message()
    );
    assert_eq!(status.code(), expected.code, "{told}");
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo: {told}"));
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (expected.reason, "usher"),
        "{told}"
    );
    let call_id = answer
        .headers
        .get("usher-call-id")
        .and_then(|id| id.to_str().ok());
    let request = details
        .request_info()
        .unwrap_or_else(|| panic!("no RequestInfo: {told}"));
    assert_eq!(Some(request.request_id.as_str()), call_id, "{told}");
    let blamed: Vec<&str> = details.bad_request().map_or_else(Vec::new, |request| {
        request
            .field_violations
            .iter()
            .map(|each| each.field.as_str())
            .collect()
    });
    assert_eq!(blamed, expected.fields, "{told}");
    assert!(!status.message().is_empty(), "{told}");
    for text in INTERNAL_TEXTS {
        assert!(!told[what.len()..].contains(text), "leaks {text}: {told}");
    }
    let size: usize = answer
        .headers
        .iter()
        .chain(&answer.trailers)
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum();
    assert!(size < HEADER_BYTES_MAX, "{size} bytes of headers: {what}");
}

/// The seconds of RetryInfo, which must be there and not zero.
pub(crate) fn retry_seconds(answer: &Answer) -> f64 {
    let details = answer.details();
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    let seconds = retry
        .unwrap_or_else(|| panic!("no RetryInfo: {:?}", answer.status()))
        .as_secs_f64();
    assert!(seconds > 0.0);
    seconds
}
