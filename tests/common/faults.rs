//! What AWS and the network may do wrong to whatever reads or writes one assignment.

use fastrand::Rng;
use usher::domain::Operation;
use usher::simulator::{Fault, FaultAction};

/// Calls go wrong in so many ways at one time.
const KINDS_OF_FAULTS: usize = 6;
/// How often each kind hits a call.
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
    ]
}

/// Some kinds of faults by the seed, on whatever reads or writes one assignment.
#[must_use]
pub fn faults(rng: &mut Rng) -> Vec<Fault> {
    let mut actions = actions();
    rng.shuffle(&mut actions);
    let mut faults = Vec::new();
    for action in actions.into_iter().take(KINDS_OF_FAULTS) {
        for operation in Operation::ALL {
            let name = operation.name();
            let of_one = name.contains("Assignment") && !name.contains("Configuration");
            // AWS answers a read with no ConflictException; a read that cannot be understood is told
            // as an internal fault, which no other test should take for right.
            let of_writes = matches!(
                action,
                FaultAction::Conflict | FaultAction::TruncateReply { .. }
            );
            if of_one && (operation.is_write() || !of_writes) {
                let fault = Fault::new(name, action.clone());
                faults.push(fault.probability(FAULT_PROBABILITY));
            }
        }
    }
    faults
}
