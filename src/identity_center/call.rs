//! Attempts and retries. Reads are tried again where waiting can help; writes never are.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep, timeout_at};

use super::Call;
use super::attempt::{ATTEMPT, Attempt, Progress};
use super::config::AwsConfig;
use super::connector::Guard;
use super::failure::{Rejection, milliseconds, rejection, unusable};
use crate::domain::{ErrorKind, Failure, Operation};

/// An output of the SDK and the attempt that fetched it.
#[derive(Debug)]
pub(super) struct Reply<T> {
    pub(super) output: T,
    attempt: Arc<Attempt>,
    guard: Arc<Guard>,
}

impl<T> Reply<T> {
    /// AWS's answer as it came.
    pub(super) fn body(&self) -> bytes::Bytes {
        self.attempt
            .answer()
            .map(|answer| answer.body)
            .unwrap_or_default()
    }

    /// The failure that this reply is when it lacks something.
    pub(super) fn unusable(&self, missing: &'static str) -> Failure {
        let failure = unusable(&self.attempt, missing);
        let metrics = self.guard.metrics();
        metrics.failed(self.attempt.operation, failure.kind);
        failure
    }
}

/// Makes attempts through the guard.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) guard: Arc<Guard>,
    pub(super) config: AwsConfig,
}

impl Caller {
    /// Makes a read, again and again until it succeeds, waiting cannot help, the attempts or the retry
    /// budget are used up, or the deadline leaves no room.
    pub(super) async fn read<T, E, F>(
        &self,
        operation: Operation,
        call: Call,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<Reply<T>, Rejection>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        T: Send,
    {
        let mut failed_attempts = 0;
        let mut last: Option<Rejection> = None;
        loop {
            let rejected = match self.attempt(operation, call, send()).await {
                Ok(reply) => return Ok(reply),
                Err(rejected) => rejected,
            };
            if rejected.failure.kind == ErrorKind::BudgetExhausted {
                // Why there was a retry at all says more than that there was no room for it; of a
                // throttle, "not before" is all there is to say.
                return Err(last
                    .filter(|earlier| earlier.failure.kind != ErrorKind::Throttled)
                    .unwrap_or(rejected));
            }
            failed_attempts += 1;
            let wait = self.wait_before_next(&rejected.failure, failed_attempts);
            if !waiting_can_help(rejected.failure.kind)
                || failed_attempts >= self.config.read_attempts_max
                || Instant::now() + wait + self.config.read_time_min() > call.deadline
                || !self.guard.budget().may_retry(operation.quota_bucket())
            {
                return Err(rejected);
            }
            last = Some(rejected);
            sleep(wait).await;
        }
    }

    /// Makes a write: one attempt.
    pub(super) async fn write<T, E>(
        &self,
        operation: Operation,
        call: Call,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> Result<Reply<T>, Rejection>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let reply = self.attempt(operation, call, send).await?;
        // The SDK does not look at the body of an empty output: a proxy's page would pass.
        let body = reply.body();
        if body.is_empty() || is_json_object(&body) {
            Ok(reply)
        } else {
            Err(Rejection::new(reply.unusable("an empty JSON body")))
        }
    }

    async fn attempt<T, E>(
        &self,
        operation: Operation,
        call: Call,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> Result<Reply<T>, Rejection>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let attempt = Attempt::new(operation, call);
        // Boxed: the SDK's futures are many kilobytes.
        let scoped = ATTEMPT.scope(Arc::clone(&attempt), Box::pin(send));
        let Ok(result) = timeout_at(call.deadline, scoped).await else {
            match attempt.progress() {
                // Credentials were still being fetched: nothing has left for AWS.
                Progress::NotSent => attempt.set(Progress::NotReached),
                Progress::AssumingRole => attempt.set(Progress::RoleNotAssumed(Failure::new(
                    ErrorKind::RoleNotAssumed,
                    Operation::AssumeRole,
                ))),
                _ => {}
            }
            return Err(self.reject(&attempt, rejection(&attempt, None)));
        };
        match result {
            Ok(output) => {
                tracing::trace!(operation = operation.name(), "AWS answered");
                Ok(Reply {
                    output,
                    attempt,
                    guard: Arc::clone(&self.guard),
                })
            }
            Err(error) => {
                let service_error = error
                    .as_service_error()
                    .map(|error| error as &dyn ProvideErrorMetadata);
                let rejected = rejection(&attempt, service_error);
                tracing::debug!(
                    operation = operation.name(),
                    kind = rejected.failure.kind.as_str(),
                    cause = told_cause(operation, &error).map(tracing::field::display),
                    "an attempt failed"
                );
                Err(self.reject(&attempt, rejected))
            }
        }
    }

    /// Tells the budget of a throttle, and metrics and the log of everything. Too many changes under way are
    /// no reason for others to wait: whoever asked for one more comes back later.
    fn reject(&self, attempt: &Attempt, mut rejected: Rejection) -> Rejection {
        let metrics = self.guard.metrics();
        metrics.failed(attempt.operation, rejected.failure.kind);
        let is_throttle_of_rate = rejected.is_throttle_of_rate();
        let failure = &mut rejected.failure;
        if is_throttle_of_rate {
            let asked = failure.retry_after_milliseconds.map(Duration::from_millis);
            let bucket = attempt.operation.quota_bucket();
            let pause = self.guard.budget().penalize(bucket, asked);
            failure.retry_after_milliseconds = Some(milliseconds(pause));
        }
        let operation = attempt.operation.name();
        let kind = failure.kind.as_str();
        let aws_request_id = failure.aws_request_id.as_str();
        if needs_an_operator(failure.kind) {
            tracing::warn!(operation, kind, aws_request_id, "AWS operation failed");
        } else {
            tracing::debug!(operation, kind, aws_request_id, "AWS operation failed");
        }
        rejected
    }

    /// Backoff with jitter, or as long as AWS asks for. After a throttle the budget makes the wait.
    fn wait_before_next(&self, failure: &Failure, failed_attempts: u32) -> Duration {
        let jitter = 0.5 + fastrand::f64() / 2.0;
        let backoff = self.config.backoff(failed_attempts).mul_f64(jitter);
        match failure.retry_after_milliseconds {
            Some(asked) if failure.kind != ErrorKind::Throttled => {
                backoff.max(Duration::from_millis(asked))
            }
            _ => backoff,
        }
    }
}

/// The cause of a failure for the log. Of an AssumeRole none: an answer that cannot be read may hold
/// the credentials, and the SDK shows answers whole.
fn told_cause<E: Error>(operation: Operation, error: E) -> Option<DisplayErrorContext<E>> {
    (operation != Operation::AssumeRole).then_some(DisplayErrorContext(error))
}

fn waiting_can_help(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::ConnectionLost
            | ErrorKind::NotReached
    )
}

fn needs_an_operator(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AccessDenied
            | ErrorKind::CredentialsInvalid
            | ErrorKind::RoleNotAssumed
            | ErrorKind::NotReached
            | ErrorKind::Unexpected
    )
}

/// Whether a body is a JSON object, however empty.
pub(super) fn is_json_object(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failed_assume_role_is_not_told() {
        let cause = || std::io::Error::other("an answer with a secret");
        assert!(told_cause(Operation::AssumeRole, cause()).is_none());
        let told = told_cause(Operation::DescribeUser, cause()).unwrap();
        assert!(told.to_string().contains("an answer with a secret"));
    }
}
