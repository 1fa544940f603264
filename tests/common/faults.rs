//! What AWS and the network may do wrong to whatever reads or writes one assignment.

use fastrand::Rng;
use usher::domain::Operation;
use usher::simulator::{Fault, FaultAction};

/// Calls go wrong in so many ways at one time.
const KINDS_OF_FAULTS: usize = 7;
/// How often each kind hits a call. Three FAILED in a row fail a grant, which is lawful and so stays
/// rare.
const FAULT_PROBABILITY: f64 = 0.05;

/// Every kind of fault that the simulator scripts and that a correct AWS or network may show.
fn actions() -> Vec<FaultAction> {
    vec![
        FaultAction::Throttle,
        FaultAction::InternalError {
            after_effect: false,
        },
        FaultAction::InternalError { after_effect: true },
        FaultAction::Conflict,
        FaultAction::AccessDenied,
        FaultAction::ExpiredCredentials,
        FaultAction::Error {
            code: "InternalServerException".to_owned(),
            message: "unexpected".to_owned(),
            http_status: Some(503),
            members: serde_json::Map::new(),
            after_effect: true,
        },
        FaultAction::DropBeforeEffect,
        FaultAction::DropAfterEffect,
        FaultAction::DelayBeforeEffect { milliseconds: 1300 },
        FaultAction::DelayAfterEffect { milliseconds: 1300 },
        FaultAction::EffectLater { milliseconds: 400 },
        FaultAction::LateVisibility { milliseconds: 900 },
        FaultAction::TruncateReply { bytes: 1 },
        FaultAction::AsyncFailed { reason: None },
        FaultAction::AsyncFailed {
            reason: Some("the account is being changed".to_owned()),
        },
        FaultAction::AsyncDelay { milliseconds: 900 },
    ]
}

/// Whether a fault means anything to an operation. AWS answers a read with no ConflictException; a
/// read that cannot be understood is told as an internal fault, which no other test should take for
/// right.
fn fits(action: &FaultAction, operation: Operation) -> bool {
    let name = operation.name();
    match action {
        FaultAction::AsyncFailed { .. } | FaultAction::AsyncDelay { .. } => {
            operation.is_write() && name.ends_with("AccountAssignment")
        }
        FaultAction::Conflict | FaultAction::TruncateReply { .. } => operation.is_write(),
        _ => name.contains("Assignment") && !name.contains("Configuration"),
    }
}

/// Some kinds of faults by the seed, on whatever reads or writes one assignment.
#[must_use]
pub fn faults(rng: &mut Rng) -> Vec<Fault> {
    let mut actions = actions();
    rng.shuffle(&mut actions);
    let mut faults = Vec::new();
    for action in actions.into_iter().take(KINDS_OF_FAULTS) {
        for operation in Operation::ALL {
            if fits(&action, *operation) {
                let fault = Fault::new(operation.name(), action.clone());
                faults.push(fault.probability(FAULT_PROBABILITY));
            }
        }
    }
    faults
}
