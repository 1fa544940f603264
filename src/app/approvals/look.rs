//! What Usher does with wishes by itself: a start that has come is checked once more and carried out,
//! and what nobody agreed to in time, or nobody can agree to any more, lapses with its reason.
//!
//! Nothing is stuck: whatever waits has a time at which it is looked at again.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decide::carried_out;
use super::opening::Opening;
use super::record::{Tried, moved};
use super::wish::Wish;
use crate::app::subject::Reading;
use crate::app::{App, AppError};
use crate::domain::approval::could_be_paid;
use crate::domain::{
    Actor, EventKind, Grant, GrantState, Instance, Justification, Path, Review, Transition,
};
use crate::identity_center::{Call, Class, Demand};
use crate::store::Duty;

const NOBODY_IN_TIME: &str = "nobody agreed in time";
const FROZEN_TOO_LONG: &str =
    "nobody agreed in time, or it was frozen until then: an operator has frozen new access";
const NOBODY_CAN: &str = "nobody is left who could agree: NO_ELIGIBLE_APPROVER";
const NOT_IN_TIME: &str = "it could not be checked again at its start, since AWS did not answer";
/// Groups that a reason names at most.
const MISSING_NAMED_MAX: usize = 5;
/// And characters of their names.
const MISSING_CHARACTERS_MAX: usize = 500;
/// How long the reads behind one look may take.
const LOOK_TIME: Duration = Duration::from_secs(20);
/// Looks in a row without an answer of AWS after which a round ends.
const UNANSWERED_MAX: u32 = 3;
/// How soon a look is repeated that AWS did not answer.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);

impl App {
    /// Looks at what waits, until stopped. Each instance is looked at by itself: one that does not answer
    /// keeps nobody waiting on another.
    ///
    /// # Cancellation
    /// Cancel by the token; what is being looked at comes to its commit first.
    pub async fn look_at_wishes(&self, stop: CancellationToken) {
        let pause = Duration::try_from_secs_f64(self.parts.approvals.poll_seconds);
        let pause = pause.unwrap_or(Duration::from_secs(1));
        let (mut looking, mut looked_at) = (FuturesUnordered::new(), BTreeSet::new());
        while !stop.is_cancelled() {
            for instance in self.parts.instances.all() {
                if looked_at.insert(instance.arn.clone()) {
                    let stop = &stop;
                    looking.push(async move {
                        let look = self.look_at_due(&instance, stop);
                        let is_more = self.duties.run(Duty::Wishes, look).await;
                        if !is_more.unwrap_or(false) {
                            rest(pause, stop).await;
                        }
                        instance.arn.clone()
                    });
                }
            }
            tokio::select! {
                Some(instance) = looking.next() => {
                    looked_at.remove(&instance);
                }
                // Instances come and go.
                () = rest(pause, &stop) => {}
            }
        }
        while looking.next().await.is_some() {}
    }

    /// Looks at what is due; answers whether there may be more. What is too late comes first, since it
    /// wants nothing of AWS, then starts. Where AWS does not answer for several in a row, the others are
    /// left to the next round.
    async fn look_at_due(&self, instance: &Instance, stop: &CancellationToken) -> bool {
        let limit = self.parts.approvals.looks_at_once_max;
        let now = self.parts.clock.now();
        let due = self
            .parts
            .store
            .grants_to_look_at(&instance.arn, now, limit);
        let mut due = match due.await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error, "what waits cannot be read; it is tried again");
                return false;
            }
        };
        due.sort_by_key(|grant| (!is_over(grant, now), grant.state != GrantState::Scheduled));
        let mut unanswered = 0;
        for grant in &due {
            if stop.is_cancelled() || unanswered == UNANSWERED_MAX {
                return false;
            }
            unanswered = match self.look_at(instance, grant).await {
                true => 0,
                false => unanswered + 1,
            };
        }
        due.len() == limit
    }

    /// Looks at one; answers whether AWS answers.
    async fn look_at(&self, instance: &Instance, grant: &Grant) -> bool {
        let id = grant.id.as_str();
        let Err(Tried::Refused(error)) = self.try_looking(instance, grant).await else {
            // Done, or somebody decided meanwhile: what is due then is seen by the next look.
            return true;
        };
        tracing::warn!(grant.id = id, error = %error, "a grant that waits could not be looked at; it is tried again");
        if let Err(Tried::Refused(error)) = self.look_later(grant, AGAIN_AFTER).await {
            tracing::error!(grant.id = id, error = %error, "nor be put off");
        }
        !error.is_for_want_of_aws()
    }

    async fn try_looking(&self, instance: &Instance, grant: &Grant) -> Result<(), Tried> {
        let now = self.parts.clock.now();
        let Some(wish) = Wish::of(grant) else {
            return Ok(());
        };
        if grant.state == GrantState::Scheduled {
            return self.start(instance, &wish, now).await;
        }
        if is_over(grant, now) {
            let is_frozen = self.is_kept_by_freeze(instance, &wish).await?;
            let why = if is_frozen {
                FROZEN_TOO_LONG
            } else {
                NOBODY_IN_TIME
            };
            return self.lapse(&wish, why).await;
        }
        let reading = self.reading();
        let interested = self.interested_in(instance, &wish, reading).await?;
        let policy = self.parts.policy.current();
        let paths = self.paths_asked(&policy, instance, &wish, reading).await?;
        let candidates = self.candidates(instance, &paths, &interested, reading);
        let candidates = candidates.await?;
        // As it was, and as it is by now: what pays only one of both opens nothing.
        let can_be = |stored: &Path| {
            let mut both = paths.iter().filter(|it| it.policy == stored.policy);
            both.all(|path| could_be_paid(&path.steps, &candidates.approvers))
        };
        if !wish.paths.iter().any(can_be) {
            return self.lapse(&wish, &nobody_can(&candidates.missing)).await;
        }
        // Who joined a group, or whom policy lets off, may have made it fit since.
        let reviews = self.reviews_of(grant).await?;
        let of = (reviews.as_slice(), &interested);
        let opening = self.opening(&policy, instance, &wish, of, reading).await?;
        if let (
            Opening::Opens {
                policies,
                policy_version,
            },
            true,
        ) = (opening, self.may_write())
        {
            return self.carry_out(&wish, policies, policy_version).await;
        }
        let pause = SignedDuration::from_secs(self.parts.approvals.look_again_seconds);
        self.look_later(grant, pause).await
    }

    /// A start that has come: checked once more, then carried out or ended.
    async fn start(
        &self,
        instance: &Instance,
        wish: &Wish<'_>,
        now: Timestamp,
    ) -> Result<(), Tried> {
        let reading = self.reading();
        let opening = async {
            let interested = self.interested_in(instance, wish, reading).await?;
            let reviews = self.reviews_of(wish.grant).await?;
            let of = (reviews.as_slice(), &interested);
            let policy = self.parts.policy.current();
            self.opening(&policy, instance, wish, of, reading).await
        };
        let opening = match opening.await {
            Ok(opening) => opening,
            Err(error) if self.is_too_late(wish, now) => {
                tracing::error!(grant.id = wish.grant.id.as_str(), error = %error, "a start is given up");
                return self.deny(wish, NOT_IN_TIME).await;
            }
            Err(error) => return Err(error.into()),
        };
        match opening {
            Opening::Opens {
                policies,
                policy_version,
            } if self.may_write() => self.carry_out(wish, policies, policy_version).await,
            Opening::Opens { .. } => Err(AppError::ReadOnly.into()),
            Opening::Shut(why) => self.deny(wish, why).await,
        }
    }

    fn is_too_late(&self, wish: &Wish<'_>, now: Timestamp) -> bool {
        let grace = SignedDuration::from_secs(self.parts.approvals.start_grace_seconds);
        let start = wish.grant.start_asked_at;
        start.is_none_or(|start| now.duration_since(start) > grace)
    }

    async fn carry_out(
        &self,
        wish: &Wish<'_>,
        policies: Vec<String>,
        policy_version: String,
    ) -> Result<(), Tried> {
        let (transition, kind) = carried_out(wish, policies.clone(), policy_version);
        self.move_on(wish.grant, transition, Some(kind), &policies)
            .await
    }

    async fn lapse(&self, wish: &Wish<'_>, why: &str) -> Result<(), Tried> {
        let (transition, kind) = if wish.round > 0 {
            (Transition::DropExtension, EventKind::ExtensionLapsed)
        } else {
            (
                Transition::Lapse {
                    reason: sentence(why),
                },
                EventKind::Lapsed,
            )
        };
        self.move_on(wish.grant, transition, Some(kind), &[]).await
    }

    async fn deny(&self, wish: &Wish<'_>, why: &str) -> Result<(), Tried> {
        let transition = Transition::Deny {
            by: None,
            reason: sentence(why),
        };
        self.move_on(wish.grant, transition, Some(EventKind::Denied), &[])
            .await
    }

    async fn look_later(&self, grant: &Grant, pause: SignedDuration) -> Result<(), Tried> {
        let now = self.parts.clock.now();
        let later = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        let lapses_at = Wish::of(grant).and_then(|wish| wish.lapses_at);
        let later = lapses_at
            .filter(|at| *at > now)
            .map_or(later, |at| at.min(later));
        self.move_on(grant, Transition::LookAt(later), None, &[])
            .await
    }

    async fn move_on(
        &self,
        grant: &Grant,
        transition: Transition,
        kind: Option<EventKind>,
        policies: &[String],
    ) -> Result<(), Tried> {
        let now = self.parts.clock.now();
        let kinds: Vec<EventKind> = kind.into_iter().collect();
        let decision = moved(grant, transition, &kinds, &Actor::Usher, policies, now)?;
        self.record_decision(decision, None).await.map(drop)
    }

    /// What reviewers said of a grant.
    pub(super) async fn reviews_of(&self, grant: &Grant) -> Result<Vec<Review>, AppError> {
        let reviews = self
            .parts
            .store
            .reviews(std::slice::from_ref(&grant.id))
            .await?;
        Ok(reviews.into_iter().map(|(_, review)| review).collect())
    }

    fn reading(&self) -> Reading {
        Reading {
            max_age: self.default_max_age().min(crate::app::asker::FRESH),
            call: Call {
                deadline: Instant::now() + LOOK_TIME,
                demand: Demand::usher(Class::Grant),
            },
        }
    }
}

/// Whether it is too late to agree to what a grant waits for.
fn is_over(grant: &Grant, now: Timestamp) -> bool {
    let wish = Wish::of(grant).filter(|_| grant.state != GrantState::Scheduled);
    let lapses_at = wish.and_then(|wish| wish.lapses_at);
    lapses_at.is_some_and(|at| at <= now)
}

/// Waits, unless stopped.
async fn rest(pause: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// Why nobody can agree, with the groups that are missing or empty, as far as a reason holds them.
fn nobody_can(missing: &[String]) -> String {
    let named = missing.iter().take(MISSING_NAMED_MAX).map(String::as_str);
    match named.collect::<Vec<_>>().join(", ") {
        groups if groups.is_empty() => NOBODY_CAN.to_owned(),
        groups => {
            let groups: String = groups.chars().take(MISSING_CHARACTERS_MAX).collect();
            format!("{NOBODY_CAN}, groups that are missing or empty: {groups}")
        }
    }
}

/// Usher's own words as a reason.
fn sentence(text: &str) -> Justification {
    Justification::parse(text).unwrap_or_default()
}
