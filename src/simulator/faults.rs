//! Scripted faults: which calls they hit and what they do to them. Pure: `calls` on the wire are
//! bent elsewhere, by the plan made here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::failure::{Failure, Service};
use super::fault_action::FaultAction;
use super::operations::is_asynchronous;

/// Faults that may stand at one time.
pub(super) const FAULTS_AT_MOST: usize = 1_000;

/// A fault and the calls that it hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// An operation's name, or `*` for each.
    pub operation: String,
    /// Members of the input that must be equal, for example `ApplicationArn`; empty fits all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub input: BTreeMap<String, Value>,
    /// Fitting calls that are let pass first.
    #[serde(default)]
    pub skip: u64,
    /// Calls that are hit before the fault is spent; absent is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Share of fitting calls that are hit, 0 to 1, drawn from the settings' seed.
    #[serde(default = "always")]
    pub probability: f64,
    /// What happens.
    pub action: FaultAction,
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// A fault that hits every call of an operation for ever; narrow it with the methods below.
    pub fn new(operation: &str, action: FaultAction) -> Fault {
        Fault {
            operation: operation.to_owned(),
            input: BTreeMap::new(),
            skip: 0,
            times: None,
            probability: 1.0,
            action,
        }
    }

    /// Hits so many calls, then no more.
    pub fn times(mut self, times: u64) -> Fault {
        self.times = Some(times);
        self
    }

    /// Lets so many fitting calls pass first.
    pub fn skip(mut self, skip: u64) -> Fault {
        self.skip = skip;
        self
    }

    /// Hits only this share of the fitting calls.
    pub fn probability(mut self, probability: f64) -> Fault {
        self.probability = probability;
        self
    }

    /// Hits only calls whose input has this member with this value.
    pub fn only_if(mut self, member: &str, value: impl Into<Value>) -> Fault {
        self.input.insert(member.to_owned(), value.into());
        self
    }

    fn fits(&self, operation: &str, input: &Map<String, Value>) -> bool {
        (self.operation == "*" || self.operation == operation)
            && (is_asynchronous(operation) || !self.action.is_asynchronous())
            && self
                .input
                .iter()
                .all(|(member, value)| input.get(member) == Some(value))
    }
}

/// How a call ends when a fault decides it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Ending {
    /// As AWS would end it.
    #[default]
    Natural,
    /// With an error, the effect done or not.
    Error {
        failure: Failure,
        after_effect: bool,
    },
    /// Without a reply.
    Drop { after_effect: bool },
    /// Without a reply, and the effect after this time.
    Later { milliseconds: u64 },
}

/// Everything that the faults do to one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Kinds of the faults that hit, for the log.
    pub(super) kinds: Vec<String>,
    pub(super) ending: Ending,
    pub(super) delay_before_milliseconds: u64,
    pub(super) delay_after_milliseconds: u64,
    pub(super) visibility_milliseconds: Option<u64>,
    pub(super) asynchronous_milliseconds: Option<u64>,
    /// Whether the operation ends FAILED, and with which reason.
    pub(super) asynchronous_failure: Option<Option<String>>,
    pub(super) omitted_members: Vec<String>,
    pub(super) reply_bytes_at_most: Option<usize>,
}

/// What of a call matters to faults.
pub(super) struct Target<'a> {
    pub(super) service: Service,
    pub(super) operation: &'a str,
    pub(super) input: &'a Map<String, Value>,
    pub(super) caller_arn: &'a str,
    /// What an AccessDenied message names.
    pub(super) resource: &'a str,
    pub(super) retry_after_seconds: Option<u32>,
}

/// A fault with what it has done.
#[derive(Clone, Debug, Serialize)]
pub struct FaultState {
    /// The fault as it was added.
    #[serde(flatten)]
    pub fault: Fault,
    /// Calls that fitted.
    pub fitted: u64,
    /// Calls that were hit.
    pub hit: u64,
    #[serde(skip)]
    random: fastrand::Rng,
}

/// The faults that stand.
#[derive(Default)]
pub(super) struct Faults {
    standing: Vec<FaultState>,
}

impl Faults {
    /// Adds one; the oldest gives way when there are too many.
    pub(super) fn add(&mut self, fault: Fault, seed: u64) {
        if self.standing.len() >= FAULTS_AT_MOST {
            self.standing.remove(0);
        }
        let seed = seed
            .wrapping_mul(1_000_003)
            .wrapping_add(self.standing.len() as u64);
        let random = fastrand::Rng::with_seed(seed);
        self.standing.push(FaultState {
            fault,
            fitted: 0,
            hit: 0,
            random,
        });
    }

    pub(super) fn clear(&mut self) {
        self.standing.clear();
    }

    pub(super) fn list(&self) -> &[FaultState] {
        &self.standing
    }

    /// What happens to this call. Faults are asked in the order in which they were added; the
    /// first that ends the call wins and later ones that would end it are not spent.
    pub(super) fn plan(&mut self, target: &Target<'_>) -> Plan {
        let mut plan = Plan::default();
        for state in &mut self.standing {
            let fault = &state.fault;
            if !fault.fits(target.operation, target.input) {
                continue;
            }
            let ending = ending_of(&fault.action, target);
            if ending.is_some() && plan.ending != Ending::Natural {
                continue;
            }
            state.fitted += 1;
            let spent = fault.times.is_some_and(|times| state.hit >= times);
            if state.fitted <= fault.skip || spent || state.random.f64() >= fault.probability {
                continue;
            }
            state.hit += 1;
            plan.kinds.push(fault.action.kind().to_owned());
            if let Some(ending) = ending {
                plan.ending = ending;
            }
            plan.bend(&fault.action);
        }
        plan
    }
}

impl Plan {
    fn bend(&mut self, action: &FaultAction) {
        match action {
            FaultAction::DelayBeforeEffect { milliseconds } => {
                self.delay_before_milliseconds += milliseconds;
            }
            FaultAction::DelayAfterEffect { milliseconds } => {
                self.delay_after_milliseconds += milliseconds;
            }
            FaultAction::LateVisibility { milliseconds } => {
                self.visibility_milliseconds = Some(*milliseconds);
            }
            FaultAction::AsyncFailed { reason } => {
                self.asynchronous_failure = Some(reason.clone());
            }
            FaultAction::AsyncDelay { milliseconds } => {
                self.asynchronous_milliseconds = Some(*milliseconds);
            }
            FaultAction::OmitReplyMembers { members } => {
                self.omitted_members.extend(members.iter().cloned());
            }
            FaultAction::TruncateReply { bytes } => self.reply_bytes_at_most = Some(*bytes),
            _ => {}
        }
    }
}

fn ending_of(action: &FaultAction, target: &Target<'_>) -> Option<Ending> {
    let error = |failure| {
        Some(Ending::Error {
            failure,
            after_effect: false,
        })
    };
    match action {
        FaultAction::Throttle => error(Failure::throttled(
            target.service,
            target.retry_after_seconds,
        )),
        FaultAction::InternalError { after_effect } => Some(Ending::Error {
            failure: Failure::internal(target.service),
            after_effect: *after_effect,
        }),
        FaultAction::Conflict if target.service == Service::IdentityStore => error(
            Failure::conflict("The resource is being changed by another request.")
                .with("Reason", "CONCURRENT_MODIFICATION"),
        ),
        FaultAction::Conflict => error(Failure::conflict(
            "An earlier write has not propagated yet. Retry with backoff.",
        )),
        FaultAction::AccessDenied => error(Failure::not_authorized(
            target.caller_arn,
            target.service,
            target.operation,
            target.resource,
        )),
        FaultAction::ExpiredCredentials => error(Failure::expired_credentials()),
        FaultAction::Error {
            code,
            message,
            http_status,
            members,
            after_effect,
        } => {
            let mut failure = Failure::new(code, message.clone());
            failure.http_status = http_status.unwrap_or(failure.http_status);
            failure.members = Box::new(members.clone());
            Some(Ending::Error {
                failure,
                after_effect: *after_effect,
            })
        }
        FaultAction::DropBeforeEffect => Some(Ending::Drop {
            after_effect: false,
        }),
        FaultAction::DropAfterEffect => Some(Ending::Drop { after_effect: true }),
        FaultAction::EffectLater { milliseconds } => Some(Ending::Later {
            milliseconds: *milliseconds,
        }),
        _ => None,
    }
}

/// Takes members out of a reply; see `FaultAction::OmitReplyMembers`.
pub(super) fn omit_members(reply: &mut Value, paths: &[String]) {
    for path in paths {
        omit(reply, path);
    }
}

fn omit(value: &mut Value, path: &str) {
    match value {
        Value::Array(rows) => rows.iter_mut().for_each(|row| omit(row, path)),
        Value::Object(members) => match path.split_once('.') {
            None => {
                members.remove(path);
            }
            Some((first, rest)) => {
                if let Some(inner) = members.get_mut(first) {
                    omit(inner, rest);
                }
            }
        },
        _ => {}
    }
}
