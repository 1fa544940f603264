//! Tells people what the brake stops: a running service in its log, again and again, and `usher
//! check` once. Changes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::check::Findings;
use crate::domain::{Brake, Freeze, Freezes, Frozen, MassChangeState};
use crate::identity_center::Instances;
use crate::store::{Store, StoreError};

/// How often what is frozen is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Says again and again what is frozen and how much waits: a forgotten freeze of revocations keeps
/// access that nobody wants.
pub(super) async fn warn_of_brakes(store: Arc<dyn Store>, instances: Instances) {
    loop {
        for instance in instances.arns() {
            match store.brake(&instance).await {
                Ok(brake) => warn_of(&brake),
                Err(error) => tracing::warn!(error = %error, "the brake could not be read"),
            }
        }
        tokio::time::sleep(TOLD_EVERY).await;
    }
}

fn warn_of(brake: &Brake) {
    for (what, freeze, waiting) in frozen(brake) {
        tracing::warn!(
            instance.arn = %brake.instance_arn,
            scope = what.as_str(),
            since = %freeze.since,
            by = %freeze.by,
            waiting,
            "changes of AWS are frozen"
        );
    }
}

/// What is frozen, with how many assignments wait for it.
fn frozen(brake: &Brake) -> impl Iterator<Item = (Frozen, &Freeze, u64)> {
    let grants = brake.freezes.grants.as_ref();
    let revocations = brake.freezes.revocations.as_ref();
    let grants = grants.map(|freeze| (Frozen::Grants, freeze, brake.grants_waiting));
    let revocations =
        revocations.map(|freeze| (Frozen::Revocations, freeze, brake.revocations_waiting));
    grants.into_iter().chain(revocations)
}

/// Tells what is stopped, of every instance, and what has been since the store was restored.
pub(super) fn tell_brakes(
    findings: &mut Findings,
    brakes: Result<Vec<Brake>, StoreError>,
    everywhere: Result<Freezes, StoreError>,
) {
    let (brakes, everywhere) = match (brakes, everywhere) {
        (Ok(brakes), Ok(everywhere)) => (brakes, everywhere),
        (Err(problem), _) | (_, Err(problem)) => {
            findings.not_tried("brake", &problem.to_string());
            return;
        }
    };
    let restored = everywhere.grants.or(everywhere.revocations);
    if let Some(freeze) = &restored {
        findings.warn(
            "brake: the store was restored from a backup",
            &format!(
                "since {} every instance is frozen until Unfreeze there, also one that is found later{}",
                freeze.since,
                in_brackets(freeze.reason.as_str())
            ),
        );
    }
    if brakes.is_empty() && restored.is_none() {
        findings.good("brake: nothing is frozen or held");
    }
    for brake in &brakes {
        let arn = &brake.instance_arn;
        for (what, freeze, waiting) in frozen(brake) {
            findings.warn(
                &format!("brake: {} are frozen on {arn}", what.as_str()),
                &format!(
                    "since {} by {}, {waiting} assignments wait for Unfreeze{}",
                    freeze.since,
                    freeze.by,
                    in_brackets(freeze.reason.as_str())
                ),
            );
        }
        for change in &brake.mass_changes {
            let told = match change.state {
                MassChangeState::Held => {
                    "nobody loses access by it until ConfirmMassChange names it"
                }
                _ => "confirmed; it is carried out at the next look",
            };
            findings.warn(
                &format!("brake: mass change {} on {arn}", change.id),
                &format!(
                    "{} of {} beneficiaries were disabled or deleted by {}; {told}",
                    change.gone.len(),
                    change.watched_count,
                    change.found_at
                ),
            );
        }
    }
}

/// A reason after a sentence, on one line.
fn in_brackets(reason: &str) -> String {
    if reason.is_empty() {
        return String::new();
    }
    let words: Vec<&str> = reason.split_whitespace().collect();
    format!(" ({})", words.join(" "))
}
