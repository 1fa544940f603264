//! The way of one call once its bytes are read: log, refusals, quota, faults, waiting, effect,
//! reply. A call that has begun goes on when its client hangs up, as it would at AWS.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::admission::{check_signature, may_pass};
use super::call_log::{CallEffect, CallOutcome, CallRecord};
use super::credentials::{Identity, Signature, identify};
use super::failure::{Failure, Service};
use super::faults::{Ending, Plan, Target, omit_members};
use super::operations::{self, Beginning, Context, Operation};
use super::query_protocol;
use super::settings::Settings;
use super::state::{Shared, State};

/// A call as the wire told it.
pub(super) struct Call {
    /// `None` when nobody could tell.
    pub(super) service: Option<Service>,
    pub(super) operation: String,
    /// The body, if it was a JSON object (or a form).
    pub(super) input: Option<Map<String, Value>>,
    pub(super) attempt: Option<u32>,
    /// `None` without a signature.
    pub(super) signature: Option<Signature>,
    /// What came beside the signature of temporary credentials.
    pub(super) session_token: Option<String>,
}

/// What goes back.
pub(super) enum Answer {
    Reply(Reply),
    /// The connection ends.
    Drop,
}

/// An HTTP reply.
pub(super) struct Reply {
    pub(super) http_status: u16,
    pub(super) content_type: &'static str,
    pub(super) request_id: String,
    pub(super) body: Vec<u8>,
}

/// A call that has been let in or refused.
struct Admitted {
    sequence: u64,
    service: Service,
    request_id: String,
    decision: Result<Admission, Failure>,
    half_latency: Duration,
}

/// A call that has been let in.
#[derive(Clone)]
struct Admission {
    operation: &'static Operation,
    plan: Plan,
    identity: Identity,
}

/// Answers a call, with its effect, in its time.
pub(super) async fn serve(shared: Arc<Shared>, call: Call) -> Answer {
    let admitted = admit(&shared, &call);
    let Admitted {
        sequence,
        service,
        request_id,
        decision,
        half_latency,
    } = admitted;
    pause(half_latency).await;
    let admission = match decision {
        Ok(admission) => admission,
        Err(failure) => {
            pause(half_latency).await;
            return refuse(&shared, sequence, service, request_id, &failure);
        }
    };
    let plan = &admission.plan;
    pause(Duration::from_millis(plan.delay_before_milliseconds)).await;
    let input = call.input.unwrap_or_default();
    let happens = match &plan.ending {
        Ending::Natural => true,
        Ending::Error { after_effect, .. } | Ending::Drop { after_effect } => *after_effect,
        Ending::Later { .. } => false,
    };
    let result = happens.then(|| apply(&shared, sequence, &admission, &input));
    if let Ending::Later { milliseconds } = plan.ending {
        let wait = Duration::from_millis(milliseconds);
        apply_later(&shared, sequence, admission.clone(), input, wait);
    }
    pause(Duration::from_millis(plan.delay_after_milliseconds) + half_latency).await;
    match (&plan.ending, result) {
        (Ending::Error { failure, .. }, _) => {
            refuse(&shared, sequence, service, request_id, failure)
        }
        (Ending::Natural, Some(Err(failure))) => {
            refuse(&shared, sequence, service, request_id, &failure)
        }
        (Ending::Natural, Some(Ok(reply))) => {
            shared
                .state()
                .log
                .update(sequence, |record| record.outcome = CallOutcome::Ok);
            let operation = admission.operation.name;
            Answer::Reply(success((service, operation), plan, request_id, reply))
        }
        _ => {
            shared
                .state()
                .log
                .update(sequence, |record| record.outcome = CallOutcome::Dropped);
            Answer::Drop
        }
    }
}

/// Waits, if there is anything to wait for: the timer rounds even nothing up to a millisecond.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Writes the call into the log and decides, in one moment, whether it may go on and what the
/// faults do to it. Only calls of a known operation cost quota.
fn admit(shared: &Shared, call: &Call) -> Admitted {
    let now_seconds = shared.now_seconds();
    let request_id = uuid::Uuid::new_v4().to_string();
    let mut state = shared.state();
    let record = CallRecord {
        sequence: 0,
        time_seconds: now_seconds,
        service: call
            .service
            .map(Service::name)
            .unwrap_or_default()
            .to_owned(),
        operation: call.operation.clone(),
        input: call.input.clone().map_or(Value::Null, Value::Object),
        account_id: String::new(),
        region: call.signature.as_ref().map(|row| row.region.clone()),
        attempt: call.attempt,
        request_id: request_id.clone(),
        outcome: CallOutcome::InFlight,
        error_code: None,
        throttled: false,
        effect: CallEffect::None,
        effect_time_seconds: None,
        faults: Vec::new(),
        asynchronous: None,
    };
    let capacity = state.settings.log_capacity;
    let sequence = state.log.add(record, capacity);
    let latency = state.settings.latency_milliseconds;
    let jitter = state.settings.jitter_milliseconds;
    let latency = latency.saturating_add(state.jitter.u64(0..=jitter));
    let half_latency = Duration::from_micros(latency.saturating_mul(500));
    let decision = decide(&mut state, call, sequence, now_seconds);
    // Errors of unknown services are told in the JSON form.
    let service = call.service.unwrap_or(Service::SsoAdmin);
    Admitted {
        sequence,
        service,
        request_id,
        decision,
        half_latency,
    }
}

fn decide(
    state: &mut State,
    call: &Call,
    sequence: u64,
    now_seconds: f64,
) -> Result<Admission, Failure> {
    let found = call
        .service
        .and_then(|service| operations::find(service, &call.operation));
    let Some(operation) = found else {
        let code = match call.service {
            Some(Service::Sts) => "InvalidAction",
            _ => "UnknownOperationException",
        };
        return Err(Failure::new(
            code,
            format!("Could not find operation {}.", call.operation),
        ));
    };
    if state.switches.signature_required {
        let signed_for = call.signature.as_ref().map(|row| row.service.as_str());
        check_signature(operation.service, signed_for)?;
    }
    let presented = (call.signature.as_ref(), call.session_token.as_deref());
    let service = operation.service;
    let identity = identify(
        &state.store,
        &state.sessions,
        service,
        presented,
        now_seconds,
    )?;
    state.log.update(sequence, |record| {
        record.account_id.clone_from(&identity.caller.account_id);
    });
    if !may_pass(state, call, operation, &identity, now_seconds) {
        state.log.update(sequence, |record| record.throttled = true);
        let seconds = state.settings.throttle_retry_after_seconds;
        return Err(Failure::throttled(operation.service, seconds));
    }
    let Some(input) = &call.input else {
        return Err(Failure::serialization(
            "The request body is not a JSON object.",
        ));
    };
    let plan = state.faults.plan(&Target {
        service: operation.service,
        operation: operation.name,
        input,
        caller_arn: &identity.caller.arn,
        resource: resource_of(input),
        retry_after_seconds: state.settings.throttle_retry_after_seconds,
    });
    state
        .log
        .update(sequence, |record| record.faults.clone_from(&plan.kinds));
    Ok(Admission {
        operation,
        plan,
        identity,
    })
}

/// What an AccessDenied message names: the nearest thing that the input names.
fn resource_of(input: &Map<String, Value>) -> &str {
    let members = [
        "ApplicationArn",
        "PermissionSetArn",
        "InstanceArn",
        "IdentityStoreId",
        "RoleArn",
    ];
    (members
        .iter()
        .find_map(|member| input.get(*member)?.as_str()))
    .unwrap_or("*")
}

/// Carries the operation out on the world.
fn apply(
    shared: &Shared,
    sequence: u64,
    admission: &Admission,
    input: &Map<String, Value>,
) -> Result<Value, Failure> {
    let now_seconds = shared.now_seconds();
    let mut state = shared.state();
    let state = &mut *state;
    let lag = (admission.plan)
        .visibility_milliseconds
        .unwrap_or(state.settings.visibility_milliseconds);
    let beginning = Beginning {
        sequence,
        milliseconds: (admission.plan.asynchronous_milliseconds)
            .unwrap_or_else(|| asynchronous_milliseconds(&state.settings, &mut state.jitter)),
        failure: admission.plan.asynchronous_failure.clone(),
        begun: None,
    };
    let mut context = Context {
        operation: admission.operation,
        store: &mut state.store,
        visibility: &mut state.visibility,
        sessions: &mut state.sessions,
        identity: &admission.identity,
        account_visibility: &mut state.account_visibility,
        asynchronous: &mut state.asynchronous,
        beginning,
        settings: &state.settings,
        switches: &state.switches,
        now_seconds,
        visibility_milliseconds: lag,
        changed: false,
    };
    let result = context.run(input);
    let changed = context.changed;
    let begun = context.beginning.begun;
    // The only quota that is known inside an operation is that of operations in progress.
    let throttled = (result.as_ref()).is_err_and(|failure| failure.code == "ThrottlingException");
    state.log.update(sequence, |record| {
        record.throttled |= throttled;
        record.effect = match (changed, &begun) {
            (true, _) => CallEffect::Applied,
            (false, Some(_)) => CallEffect::Later,
            (false, None) => CallEffect::None,
        };
        record.asynchronous = begun;
        record.effect_time_seconds = changed.then_some(now_seconds);
    });
    result
}

/// How long an account assignment operation takes that begins now.
fn asynchronous_milliseconds(settings: &Settings, jitter: &mut fastrand::Rng) -> u64 {
    let most = settings.asynchronous_jitter_milliseconds;
    // Nothing is drawn where nothing is spread, so that latencies keep to their seed.
    let more = if most > 0 { jitter.u64(0..=most) } else { 0 };
    settings.asynchronous_milliseconds.saturating_add(more)
}

fn apply_later(
    shared: &Arc<Shared>,
    sequence: u64,
    admission: Admission,
    input: Map<String, Value>,
    wait: Duration,
) {
    shared
        .state()
        .log
        .update(sequence, |record| record.effect = CallEffect::Later);
    let of_task = Arc::clone(shared);
    shared.tasks.spawn(async move {
        tokio::select! {
            () = of_task.ending.cancelled() => {}
            // The client has long gone: only the log hears how it ended.
            () = tokio::time::sleep(wait) => {
                if let Err(failure) = apply(&of_task, sequence, &admission, &input) {
                    let mut state = of_task.state();
                    state.log.update(sequence, |record| record.error_code = Some(failure.code));
                }
            }
        }
    });
}

fn refuse(
    shared: &Shared,
    sequence: u64,
    service: Service,
    request_id: String,
    failure: &Failure,
) -> Answer {
    shared.state().log.update(sequence, |record| {
        record.outcome = CallOutcome::Error;
        record.error_code = Some(failure.code.clone());
    });
    let (body, content_type) = failure.body(service, &request_id);
    Answer::Reply(Reply {
        http_status: failure.http_status,
        content_type,
        request_id,
        body,
    })
}

fn success(
    (service, operation): (Service, &str),
    plan: &Plan,
    request_id: String,
    mut reply: Value,
) -> Reply {
    omit_members(&mut reply, &plan.omitted_members);
    let (mut body, content_type) = match (service, &reply) {
        (Service::Sts, reply) => {
            let body = query_protocol::reply_body(operation, reply, &request_id);
            (body.into_bytes(), "text/xml")
        }
        (_, Value::Null) => (Vec::new(), super::JSON_CONTENT_TYPE),
        (_, reply) => (reply.to_string().into_bytes(), super::JSON_CONTENT_TYPE),
    };
    if let Some(bytes) = plan.reply_bytes_at_most {
        body.truncate(bytes);
    }
    Reply {
        http_status: 200,
        content_type,
        request_id,
        body,
    }
}
