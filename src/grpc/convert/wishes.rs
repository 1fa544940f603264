//! What people say of grants, between the wire and the use cases.

use jiff::Timestamp;

use super::answers::{duration, named_principal, timestamp};
use super::fields::{Fields, hash_of};
use crate::app::{
    AppError, Cancel, Decide, DecideKind, Extend, ExtendOutcome, NamedPrincipal, WhoMayAgree,
};
use crate::domain::text::check_user_name;
use crate::domain::{
    ApprovalStep, Extension, Grant, GrantId, Justification, Path, PrincipalStatus, RequestId,
    Review, ReviewDecision, Ticket,
};
use crate::grpc::pb;

/// The hash, in hex, of what an agreement names: sha256.
const DIGEST_CHARACTERS: usize = 64;

pub(in crate::grpc) fn approve(message: pb::ApproveGrantRequest) -> Result<Decide, AppError> {
    let content = pb::ApproveGrantRequest {
        request_id: String::new(),
        ..message.clone()
    };
    let said = Said {
        kind: DecideKind::Approve,
        content_hash: hash_of("ApproveGrant", &content),
        grant_id: message.grant_id,
        digest: message.digest,
        reason: message.reason,
        request_id: message.request_id,
        attested_approver: message.attested_approver,
    };
    said.parse()
}

pub(in crate::grpc) fn deny(message: pb::DenyGrantRequest) -> Result<Decide, AppError> {
    let content = pb::DenyGrantRequest {
        request_id: String::new(),
        ..message.clone()
    };
    let said = Said {
        kind: DecideKind::Deny,
        content_hash: hash_of("DenyGrant", &content),
        grant_id: message.grant_id,
        digest: message.digest,
        reason: message.reason,
        request_id: message.request_id,
        attested_approver: message.attested_approver,
    };
    said.parse()
}

/// An agreement or an objection as it was sent.
struct Said {
    kind: DecideKind,
    grant_id: String,
    digest: String,
    reason: String,
    request_id: String,
    attested_approver: String,
    content_hash: String,
}

impl Said {
    fn parse(self) -> Result<Decide, AppError> {
        let mut fields = Fields::default();
        let grant_id = fields.take("grant_id", GrantId::parse(&self.grant_id));
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_digest = self.digest.len() == DIGEST_CHARACTERS && self.digest.bytes().all(is_hex);
        let may_miss = self.kind == DecideKind::Deny && self.digest.is_empty();
        if !is_digest && !may_miss {
            fields.refuse(
                "digest",
                "is required: the `digest` of the grant, or of its `extension`, that was looked at",
            );
        }
        let reason = match self.kind {
            DecideKind::Approve => fields.take("reason", Justification::parse(&self.reason)),
            DecideKind::Deny => required_reason(&mut fields, &self.reason),
        };
        if !self.attested_approver.is_empty() {
            fields.take(
                "attested_approver",
                check_user_name(&self.attested_approver),
            );
        }
        let request_id = request_id(&mut fields, &self.request_id);
        let decide = grant_id.zip(reason).map(|(grant_id, reason)| Decide {
            kind: self.kind,
            grant_id,
            digest: self.digest,
            reason,
            attested_approver: self.attested_approver,
            request_id,
            content_hash: self.content_hash,
        });
        fields.finish(decide)
    }
}

pub(in crate::grpc) fn cancel(message: pb::CancelGrantRequest) -> Result<Cancel, AppError> {
    let mut fields = Fields::default();
    let content = pb::CancelGrantRequest {
        request_id: String::new(),
        ..message.clone()
    };
    let grant_id = fields.take("grant_id", GrantId::parse(&message.grant_id));
    let reason = fields.take("reason", Justification::parse(&message.reason));
    let request_id = request_id(&mut fields, &message.request_id);
    let cancel = grant_id.zip(reason).map(|(grant_id, reason)| Cancel {
        grant_id,
        reason,
        finding: None,
        request_id,
        content_hash: hash_of("CancelGrant", &content),
    });
    fields.finish(cancel)
}

pub(in crate::grpc) fn review(message: pb::ReviewGrantRequest) -> Result<Cancel, AppError> {
    let mut fields = Fields::default();
    let content = pb::ReviewGrantRequest {
        request_id: String::new(),
        ..message.clone()
    };
    let grant_id = fields.take("grant_id", GrantId::parse(&message.grant_id));
    let finding = match pb::ReviewDecision::try_from(message.decision) {
        Ok(pb::ReviewDecision::Justified) => Some(ReviewDecision::Justified),
        Ok(pb::ReviewDecision::NotJustified) => Some(ReviewDecision::NotJustified),
        _ => {
            let problem = "must be REVIEW_DECISION_JUSTIFIED or REVIEW_DECISION_NOT_JUSTIFIED";
            fields.refuse("decision", problem);
            None
        }
    };
    let reason = required_reason(&mut fields, &message.reason);
    let request_id = request_id(&mut fields, &message.request_id);
    let cancel = grant_id.zip(reason).map(|(grant_id, reason)| Cancel {
        grant_id,
        reason,
        finding,
        request_id,
        content_hash: hash_of("ReviewGrant", &content),
    });
    fields.finish(cancel)
}

pub(in crate::grpc) fn extend(message: pb::ExtendGrantRequest) -> Result<Extend, AppError> {
    let mut fields = Fields::default();
    let content = pb::ExtendGrantRequest {
        request_id: String::new(),
        ..message.clone()
    };
    let grant_id = fields.take("grant_id", GrantId::parse(&message.grant_id));
    if message.duration.is_none() {
        fields.refuse(
            "duration",
            "is required: how much longer than its present end",
        );
    }
    let duration = fields.grant_duration("duration", message.duration);
    let justification = fields.take(
        "justification",
        Justification::parse(&message.justification),
    );
    let ticket = fields.take("ticket", Ticket::parse(&message.ticket));
    let request_id = request_id(&mut fields, &message.request_id);
    let extend = (|| {
        Some(Extend {
            grant_id: grant_id?,
            duration: duration?,
            justification: justification?,
            ticket: ticket?,
            request_id,
            content_hash: hash_of("ExtendGrant", &content),
            validate_only: message.validate_only,
        })
    })();
    fields.finish(extend)
}

pub(super) fn request_id(fields: &mut Fields, text: &str) -> Option<RequestId> {
    if text.is_empty() {
        None
    } else {
        fields.take("request_id", RequestId::parse(text))
    }
}

pub(super) fn required_reason(fields: &mut Fields, text: &str) -> Option<Justification> {
    if text.trim().is_empty() {
        fields.refuse("reason", "is required: say why");
        return None;
    }
    fields.take("reason", Justification::parse(text))
}

/// What ExtendGrant answers.
pub(in crate::grpc) fn extend_response(outcome: ExtendOutcome) -> pb::ExtendGrantResponse {
    let (paths, end_at): (Vec<Path>, Option<Timestamp>) = match outcome.preview {
        Some((paths, end_at)) => (paths, Some(end_at)),
        None => (Vec::new(), None),
    };
    pb::ExtendGrantResponse {
        grant: Some(super::grant(*outcome.grant)),
        paths: paths.into_iter().map(policy_path).collect(),
        end_time: end_at.map(timestamp),
    }
}

pub(super) fn policy_path(path: Path) -> pb::PolicyPath {
    let step = |step: ApprovalStep| pb::ApprovalStep {
        approval_count: i32::try_from(step.count).unwrap_or(i32::MAX),
        approvers: step.approvers.iter().map(ToString::to_string).collect(),
    };
    pb::PolicyPath {
        steps: path.steps.into_iter().map(step).collect(),
        duration_max: path.duration_max.map(duration),
        policy: path.policy,
    }
}

pub(super) fn eligible_approver(who: WhoMayAgree) -> pb::EligibleApprover {
    let principal = NamedPrincipal {
        reference: who.principal,
        name: who.name,
        status: PrincipalStatus::Unknown,
    };
    pb::EligibleApprover {
        principal: Some(named_principal(principal)),
        stands_for: who.stands_for,
    }
}

pub(super) fn review_said((review, name): (Review, String)) -> pb::Review {
    let decision = match review.decision {
        ReviewDecision::Approved => pb::ReviewDecision::Approved,
        ReviewDecision::Denied => pb::ReviewDecision::Denied,
        ReviewDecision::Justified => pb::ReviewDecision::Justified,
        ReviewDecision::NotJustified => pb::ReviewDecision::NotJustified,
    };
    pb::Review {
        reviewer: review.reviewer.to_string(),
        reviewer_name: name,
        decision: decision.into(),
        caller: review.caller.to_string(),
        vouched_by: review.vouched_by.unwrap_or_default(),
        extension: i32::try_from(review.round).unwrap_or(i32::MAX),
        digest: review.digest,
        reason: review.reason.to_string(),
        time: Some(timestamp(review.at)),
    }
}

pub(super) fn extension(extension: Extension) -> pb::Extension {
    pb::Extension {
        end_time: Some(timestamp(extension.end_at)),
        digest: extension.digest,
        requested_by: extension.requester.caller.to_string(),
        subject: extension.requester.subject.to_string(),
        justification: extension.justification.to_string(),
        ticket: extension.ticket.to_string(),
        paths: extension.paths.into_iter().map(policy_path).collect(),
        lapse_time: Some(timestamp(extension.lapses_at)),
    }
}

pub(super) fn break_glass(grant: &Grant) -> pb::BreakGlass {
    match (grant.break_glass, grant.review_due) {
        (false, _) => pb::BreakGlass::No,
        (true, true) => pb::BreakGlass::Unreviewed,
        (true, false) => pb::BreakGlass::Reviewed,
    }
}
