//! How long a call may take: the time that its caller gave it, within what the server allows,
//! and when the answer is due so that it is Usher's own. Never waits.
//!
//! The transport reads the same header and has a timer of its own, outside everything of ours,
//! whose answer knows no reason and no call id. It must never come first.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Status;

use super::pb::ErrorReason;
use super::status::status;

/// How much before the deadline a call is answered: a tenth of its time, within these bounds. The
/// least is twice the millisecond that tokio's timer counts in.
const MARGIN_LEAST: Duration = Duration::from_millis(2);
const MARGIN_MOST: Duration = Duration::from_millis(20);

/// When a call has to be over.
pub(super) struct CallTime {
    /// When the caller stops waiting.
    pub(super) deadline: Instant,
    /// When the answer is given, come what may; before the deadline.
    pub(super) answer_by: Instant,
}

impl CallTime {
    /// The time of a call with these headers, at most `time_max` from now.
    ///
    /// Fails for a header that breaks the protocol, and with `DEADLINE_EXCEEDED` for a time too
    /// short to do anything in. Called before anything is awaited, the latter answer is given in
    /// the first poll, and so before the transport's timer.
    pub(super) fn of(
        headers: &HeaderMap,
        time_max: Duration,
        call_id: &str,
    ) -> Result<Self, Status> {
        let asked = grpc_timeout(headers).map_err(|()| malformed_timeout(call_id))?;
        let time = asked.map_or(time_max, |asked| asked.min(time_max));
        let margin = (time / 10).clamp(MARGIN_LEAST, MARGIN_MOST);
        if time <= margin {
            return Err(too_late(call_id));
        }
        let deadline = Instant::now() + time;
        Ok(Self {
            deadline,
            answer_by: deadline - margin,
        })
    }
}

pub(super) fn too_late(call_id: &str) -> Status {
    status(
        ErrorReason::DeadlineExceeded,
        call_id,
        "the deadline passed; a write that was recorded goes on, and a repeat with its request_id tells",
        &[],
        |_| {},
    )
}

fn malformed_timeout(call_id: &str) -> Status {
    status(
        ErrorReason::MessageMalformed,
        call_id,
        "the grpc-timeout header is not up to 8 digits and a unit",
        &[],
        |_| {},
    )
}

/// The caller's time, by the gRPC protocol: at most eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, ()> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| ())?;
    let (digits, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or(())?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    let number: u64 = digits.parse().map_err(|_| ())?;
    match unit {
        "H" => Ok(Some(Duration::from_secs(number * 3600))),
        "M" => Ok(Some(Duration::from_secs(number * 60))),
        "S" => Ok(Some(Duration::from_secs(number))),
        "m" => Ok(Some(Duration::from_millis(number))),
        "u" => Ok(Some(Duration::from_micros(number))),
        "n" => Ok(Some(Duration::from_nanos(number))),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_follow_the_protocol_or_are_refused() {
        let parse = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            grpc_timeout(&headers)
        };
        assert_eq!(parse("10S"), Ok(Some(Duration::from_secs(10))));
        assert_eq!(
            parse("99999999H"),
            Ok(Some(Duration::from_secs(99_999_999 * 3600)))
        );
        for wrong in ["", "S", "10", "10s", "-1S", "1.5S", "123456789S", "10 S"] {
            assert_eq!(parse(wrong), Err(()), "{wrong:?}");
        }
    }
}
