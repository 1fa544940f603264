//! One sending of one call to a replica. Beside what one process may say, a replica may say that the database is gone
//! or the time is up.

use std::time::Duration;

use usher::grpc::pb::access_service_client::AccessServiceClient;

use super::common::TokenChannel;
use super::common::asked::{Asked, Journal};

/// After these a client knows nothing, or that nothing was recorded; in both cases it may ask again. A connection that
/// broke, or a deadline that passed at the client, has no reason.
const MAY_BE_ASKED_AGAIN: [&str; 9] = [
    "",
    "AWS_UNAVAILABLE",
    "AWS_BUDGET_EXHAUSTED",
    "USHER_ROLE_LACKS_PERMISSION",
    "USHER_CREDENTIALS_INVALID",
    "STORE_UNAVAILABLE",
    "SHUTTING_DOWN",
    "DEADLINE_EXCEEDED",
    "CALLER_CONCURRENCY_LIMITED",
];

/// Sends a call and keeps what was told.
pub(crate) async fn send(
    asked: &mut Asked,
    channel: TokenChannel,
    call_time: Duration,
    answers: &Journal,
) {
    let client = AccessServiceClient::new(channel);
    let sent = asked.send_within(client, call_time, &MAY_BE_ASKED_AGAIN, answers);
    sent.await;
}
