//! Awaiting states of grants and of the simulated AWS, and reading its call log.

use std::time::Duration;

use tokio::time::Instant;
use usher::grpc::pb::{Grant, GrantState};
use usher::simulator::{Assignment, CallEffect, CallRecord};

use super::{TestService, Triple};

/// How long a state is awaited before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two looks at a state.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks again and again until something is found, or panics with `what` and the last `why_not`.
pub async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(why_not) if Instant::now() >= give_up_at => {
                panic!("waited {PATIENCE:?} for {what}: {why_not}")
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

impl TestService {
    /// Every grant that the store holds.
    pub async fn all_grants(&self) -> Vec<Grant> {
        super::all_grants(&self.running().channel).await
    }

    /// Awaits a state of a grant.
    pub async fn until_state(&self, grant_id: &str, wanted: GrantState) -> Grant {
        until(&format!("{grant_id} to be {wanted:?}"), || async {
            let grant = self.grant(grant_id).await;
            if grant.state() == wanted {
                Ok(grant)
            } else {
                Err(format!("{grant:#?}"))
            }
        })
        .await
    }

    /// Awaits that the simulated AWS truly has, or has not, an assignment.
    pub async fn until_assigned(&self, triple: &Triple, wanted: bool) {
        until(&format!("{triple:?} to be assigned: {wanted}"), || async {
            if self.is_assigned(triple) == wanted {
                Ok(())
            } else {
                Err("it is not so".to_owned())
            }
        })
        .await;
    }

    /// Awaits that the simulator has seen so many calls of an operation.
    pub async fn until_called(&self, operation: &str, times: usize) {
        until(&format!("{times} {operation}"), || async {
            let seen = self.calls(operation).len();
            if seen >= times {
                Ok(())
            } else {
                Err(format!("{seen} were seen"))
            }
        })
        .await;
    }

    /// Whether the assignment truly stands in the simulated AWS, whatever reads show.
    #[must_use]
    pub fn is_assigned(&self, triple: &Triple) -> bool {
        self.simulator.world().is_assigned(
            &triple.application_arn,
            triple.kind,
            &triple.principal_id,
        )
    }

    /// Makes or removes an assignment behind Usher's back.
    pub fn set_assigned(&self, triple: &Triple, wanted: bool) {
        let row = Assignment {
            application_arn: triple.application_arn.clone(),
            principal_type: triple.kind,
            principal_id: triple.principal_id.clone(),
        };
        self.simulator.edit_world(|world| {
            world.assignments.retain(|other| *other != row);
            if wanted {
                world.assignments.push(row);
            }
        });
    }

    /// The calls of one operation so far, oldest first.
    #[must_use]
    pub fn calls(&self, operation: &str) -> Vec<CallRecord> {
        let mut calls = self.simulator.calls();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// How many calls of one operation changed the world.
    #[must_use]
    pub fn effects(&self, operation: &str) -> usize {
        let calls = self.calls(operation);
        calls
            .iter()
            .filter(|call| call.effect == CallEffect::Applied)
            .count()
    }
}
