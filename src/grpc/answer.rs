//! What every method does around its use case: the call's scope in, the status table out.

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::pb::ErrorReason;
use super::status::{status, status_of};
use crate::app::{AppError, CallContext};
use crate::domain::{Authenticated, CallerName, Identity};

/// What the gate found out about a call; every method finds it among the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct CallScope {
    /// The id that answers and logs carry.
    pub(super) call_id: String,
    /// Who calls, if the method needs to know: the name that calls are counted by, and what is known.
    pub(super) caller: Option<(CallerName, Authenticated)>,
    /// When the call ends.
    pub(super) deadline: Instant,
}

/// A request taken apart: who asks, and what.
pub(super) fn take_apart<T>(request: Request<T>) -> Result<(CallContext, String, T), Status> {
    let (_, mut extensions, message) = request.into_parts();
    let scope = extensions.remove::<CallScope>();
    let Some(CallScope {
        call_id,
        caller: Some((caller, authenticated)),
        deadline,
    }) = scope
    else {
        // INVARIANT: the gate stands before every service; without it nobody is let in.
        return Err(status(
            ErrorReason::CredentialMissing,
            "",
            "no caller is known for this call",
            &[],
            |_| {},
        ));
    };
    let subject = subject_of(&caller, &authenticated);
    let caller = caller_of(caller, &authenticated);
    let context = CallContext::new(caller, subject, authenticated, deadline);
    Ok((context, call_id, message))
}

/// Who calls: the service, where a person's token comes over its connection.
fn caller_of(name: CallerName, authenticated: &Authenticated) -> CallerName {
    let Identity::Person {
        service: Some(service),
        ..
    } = &authenticated.caller
    else {
        return name;
    };
    let service = Identity::Service(service.clone()).to_string();
    CallerName::parse(&service).unwrap_or(name)
}

/// For whom the caller acts, as far as its credentials and headers tell.
fn subject_of(caller: &CallerName, authenticated: &Authenticated) -> CallerName {
    let told = match (&authenticated.subject_proof, &authenticated.on_behalf_of) {
        (Some(person), _) => format!("person:{}:{}", person.issuer, person.subject),
        (None, Some(text)) => format!("for:{text}"),
        (None, None) => return caller.clone(),
    };
    CallerName::parse(&told).unwrap_or_else(|_| caller.clone())
}

/// Runs a unary use case and maps its refusal through the table.
pub(super) async fn answer<T, R, F>(
    request: Request<T>,
    use_case: impl FnOnce(CallContext, T) -> F,
) -> Result<Response<R>, Status>
where
    F: Future<Output = Result<R, AppError>>,
{
    let (context, call_id, message) = take_apart(request)?;
    let deadline = context.deadline;
    match use_case(context, message).await {
        Ok(answer) => Ok(Response::new(answer)),
        Err(error) => Err(status_of(&in_time(error, deadline), &call_id)),
    }
}

/// A read of AWS that ended with the caller's time is the caller's deadline, not AWS's silence.
fn in_time(error: AppError, deadline: Instant) -> AppError {
    match error {
        AppError::AwsUnavailable | AppError::BudgetExhausted { .. }
            if Instant::now() >= deadline =>
        {
            AppError::DeadlineExceeded
        }
        error => error,
    }
}
