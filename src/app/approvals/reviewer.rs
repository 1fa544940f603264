//! Who a reviewer is, and whether it may say anything to a wish. A service never agrees to what it
//! carried itself without a person's word.

use std::sync::Arc;

use super::approvers::{Interested, name_of_user, vouched};
use super::decide::{Decide, DecideKind};
use super::wish::Wish;
use crate::app::asker::Asker;
use crate::app::subject::Reading;
use crate::app::{App, AppError};
use crate::domain::approval::helps;
use crate::domain::{
    ApprovalStep, Approver, Grant, GrantState, Instance, Requester, Review, ReviewDecision,
};
use crate::policy::{Action, Scene, Subject};

/// Who says it.
pub(super) struct Reviewer {
    pub(super) asker: Asker,
    /// The service that vouches for the person.
    pub(super) vouched_by: Option<String>,
}

impl Reviewer {
    /// Whether a word is this one's, said in the same way: a person's own word and a service's for that
    /// person stand for different approvers, and neither takes the other's place.
    fn has_said(&self, review: &Review) -> bool {
        review.reviewer == self.asker.subject && review.vouched_by == self.vouched_by
    }

    /// The word as it is recorded.
    pub(super) fn says(
        &self,
        request: &Decide,
        round: u32,
        digest: String,
        now: jiff::Timestamp,
    ) -> Review {
        Review {
            reviewer: self.asker.subject.clone(),
            caller: self.asker.caller.clone(),
            decision: match request.kind {
                DecideKind::Approve => ReviewDecision::Approved,
                DecideKind::Deny => ReviewDecision::Denied,
            },
            subject_proven: self.asker.scene.subject_proven,
            service: self.asker.scene.service.clone(),
            vouched_by: self.vouched_by.clone(),
            round,
            digest,
            reason: request.reason.clone(),
            at: now,
        }
    }
}

impl App {
    /// Who says it. A service that carried the wish needs a person for what it says of it, and the
    /// person's own word where it speaks for one: else it could agree to what it asked for itself.
    pub(super) async fn reviewer_of(
        &self,
        asker: &Asker,
        instance: &Instance,
        request: &Decide,
        grant: &Grant,
        reading: Reading,
    ) -> Result<Reviewer, AppError> {
        let Subject::Service(service) = &asker.scene.subject else {
            if !request.attested_approver.is_empty() {
                let problem = "is for services that call for themselves; leave it out";
                return Err(AppError::field("attested_approver", problem));
            }
            check_own_word(asker, grant)?;
            return Ok(Reviewer {
                asker: asker.clone(),
                vouched_by: None,
            });
        };
        if request.attested_approver.is_empty() {
            check_own_word(asker, grant)?;
            return Ok(Reviewer {
                asker: asker.clone(),
                vouched_by: None,
            });
        }
        let text = request.attested_approver.as_str();
        let user = self
            .user_called(&asker.policy, Some(instance), text, reading)
            .await?;
        let user = user.ok_or_else(|| AppError::PrincipalNotFound {
            query: text.to_owned(),
        })?;
        let name = name_of_user(&user.id);
        let name = name.ok_or_else(|| AppError::Internal("a user's id is no name".to_owned()))?;
        Ok(Reviewer {
            asker: Asker {
                policy: Arc::clone(&asker.policy),
                scene: Scene {
                    subject: Subject::User(user),
                    service: Some(service.clone()),
                    subject_proven: false,
                    now: asker.scene.now,
                },
                caller: asker.caller.clone(),
                subject: name,
            },
            vouched_by: Some(service.clone()),
        })
    }

    /// Refuses who may not say anything to this wish.
    pub(super) async fn check_reviewer(
        &self,
        reviewer: &Reviewer,
        instance: &Instance,
        wish: &Wish<'_>,
        (reviews, interested): (&[Review], &Interested),
        kind: DecideKind,
        reading: Reading,
    ) -> Result<(), AppError> {
        let asker = &reviewer.asker;
        let keys = self.keys_of_subject(asker, instance, reading).await?;
        if interested.has(&asker.subject, &keys) {
            return Err(AppError::SelfApproval);
        }
        let approver = self
            .approver(asker, instance, wish, interested, reading)
            .await?;
        let Some(approver) = approver else {
            let resource = self.grant_resource(asker, wish.grant).await;
            let decision = asker
                .policy
                .decide(&asker.scene, Action::Approve, &resource);
            self.permitted(asker, Action::Approve, &resource, decision)?;
            return Err(AppError::NotAnApprover);
        };
        let approver = vouched(approver, reviewer.vouched_by.as_deref());
        let of = (reviews, interested);
        let policy = &asker.policy;
        let agreed = self.agreed(policy, instance, wish, of, reading).await?;
        let counts = |steps: &[ApprovalStep]| match kind {
            DecideKind::Approve => helps(steps, &agreed, &approver),
            // Whoever is asked at all may object, whosever turn it is.
            DecideKind::Deny => approver.counts_for_any(steps),
        };
        if wish.paths.iter().any(|path| counts(&path.steps)) {
            Ok(())
        } else {
            Err(AppError::NotAnApprover)
        }
    }

    pub(super) async fn keys_of_subject(
        &self,
        asker: &Asker,
        instance: &Instance,
        reading: Reading,
    ) -> Result<Vec<String>, AppError> {
        let Some(user) = asker.user() else {
            return Ok(Vec::new());
        };
        let Reading { max_age, call } = reading;
        let record = self.parts.directory.user(instance, &user.id, max_age, call);
        Ok(record
            .await?
            .map(|user| self.keys_of(&user))
            .unwrap_or_default())
    }
}

/// Refuses the word of a service on what it carried, and without proof that of somebody for whom it calls:
/// it could agree to what it asked for itself.
pub(super) fn check_own_word(asker: &Asker, grant: &Grant) -> Result<(), AppError> {
    let carried = |service: &str| is_carried_by(grant, service);
    let scene = &asker.scene;
    match &scene.subject {
        Subject::Service(service) if carried(service) => {
            Err(AppError::ApproverNotProven { is_named: false })
        }
        _ if scene.service.as_deref().is_some_and(carried) && !scene.subject_proven => {
            Err(AppError::ApproverNotProven { is_named: true })
        }
        _ => Ok(()),
    }
}

/// Whether a service carried the grant's request, or that for more time.
fn is_carried_by(grant: &Grant, service: &str) -> bool {
    let carriers = [
        Some(&grant.requester),
        grant.extension.as_ref().map(|it| &it.requester),
    ];
    let is_by = |it: &Requester| {
        it.service.as_deref() == Some(service)
            || it.caller.as_str().strip_prefix("service:") == Some(service)
    };
    carriers.into_iter().flatten().any(is_by)
}

/// What a reviewer has said of a wish before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing, or what may still be taken back.
    Nothing,
    /// The same.
    Same,
    /// The same, with less proof of who said it.
    WithLessProof,
}

/// What a reviewer said before: the same word again changes nothing, but where it proves more; another
/// one comes too late, since it was acted on.
pub(super) fn said_before(
    reviewer: &Reviewer,
    grant: &Grant,
    request: &Decide,
    reviews: &[Review],
) -> Result<Said, AppError> {
    let is_open = grant.open_wish().is_some();
    let round = round_of(grant);
    let mine = |it: &&Review| reviewer.has_said(it) && it.round == round;
    let Some(said) = reviews.iter().find(mine) else {
        return Ok(Said::Nothing);
    };
    let is_same = match request.kind {
        DecideKind::Approve => said.decision == ReviewDecision::Approved,
        DecideKind::Deny => said.decision == ReviewDecision::Denied,
    };
    let is_over = matches!(
        grant.state,
        GrantState::Denied | GrantState::Cancelled | GrantState::Lapsed
    );
    if is_same && (request.kind == DecideKind::Deny || !is_over) {
        if !request.digest.is_empty() && request.digest != said.digest {
            return Err(AppError::DigestMismatch {
                digest: said.digest.clone(),
            });
        }
        let again = reviewer.says(request, round, said.digest.clone(), said.at);
        return Ok(if is_open && again.replaces(said) {
            Said::WithLessProof
        } else {
            Said::Same
        });
    }
    // Who agreed may still object while nothing has come of it.
    if request.kind == DecideKind::Deny && is_open {
        return Ok(Said::Nothing);
    }
    Err(AppError::StateForbids { state: grant.state })
}

/// What was said but for this word: of a reviewer who says the same again, the new word alone counts.
pub(super) fn said_beside(reviewer: &Reviewer, grant: &Grant, reviews: &[Review]) -> Vec<Review> {
    let round = round_of(grant);
    let is_beside = |it: &&Review| !reviewer.has_said(it) || it.round != round;
    reviews.iter().filter(is_beside).cloned().collect()
}

/// The wish that words are about: the one that is open, else the last one.
fn round_of(grant: &Grant) -> u32 {
    grant
        .open_wish()
        .map_or(grant.extension_count, |(round, _)| round)
}

/// Whether this one stands for anybody whom the wish asks.
pub(super) fn is_asked(approver: &Approver, wish: &Wish<'_>) -> bool {
    let mut paths = wish.paths.iter();
    paths.any(|path| approver.counts_for_any(&path.steps))
}
