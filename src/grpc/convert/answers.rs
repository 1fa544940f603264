//! Answers of the use cases as messages of the wire.

use jiff::{SignedDuration, Timestamp};

use super::adoptions::adopted_from;
use super::timeline::grant_event;
use super::wishes::{break_glass, eligible_approver, extension, policy_path, review_said};
use crate::app::{
    AssignOutcome, AssignmentPage, AssignmentRow, AssignmentState, GrantView, NamedPrincipal,
    NamedTarget, Preview, RemainingPath, RevokeOutcome, Warning, WarningKind,
};
use crate::domain::report::Provenance;
use crate::domain::waiting::{Waiting, WaitingKind};
use crate::domain::{
    EndingKind, FailedAttempt, GrantState, PrincipalKind, PrincipalRef, PrincipalStatus, Standing,
    Target,
};
use crate::grpc::pb;

/// An instant on the wire.
pub(in crate::grpc) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    }
}

/// A length of time on the wire.
pub(in crate::grpc) fn duration(duration: SignedDuration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: duration.as_secs(),
        nanos: duration.subsec_nanos(),
    }
}

pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn principal_type(kind: PrincipalKind) -> pb::PrincipalType {
    match kind {
        PrincipalKind::User => pb::PrincipalType::User,
        PrincipalKind::Group => pb::PrincipalType::Group,
    }
}

fn principal_status(status: PrincipalStatus) -> pb::PrincipalStatus {
    match status {
        PrincipalStatus::Unknown => pb::PrincipalStatus::Unspecified,
        PrincipalStatus::Enabled => pb::PrincipalStatus::Enabled,
        PrincipalStatus::Disabled => pb::PrincipalStatus::Disabled,
        PrincipalStatus::Deleted => pb::PrincipalStatus::Deleted,
    }
}

pub(super) fn resolved_principal(
    reference: &PrincipalRef,
    name: String,
    status: PrincipalStatus,
) -> pb::ResolvedPrincipal {
    pb::ResolvedPrincipal {
        r#type: principal_type(reference.kind).into(),
        id: reference.id.to_string(),
        name,
        status: principal_status(status).into(),
    }
}

pub(super) fn named_principal(principal: NamedPrincipal) -> pb::ResolvedPrincipal {
    resolved_principal(&principal.reference, principal.name, principal.status)
}

pub(super) fn named_target(target: NamedTarget) -> pb::ResolvedTarget {
    match target.target {
        Target::Application(arn) => pb::ResolvedTarget {
            kind: pb::TargetKind::Application.into(),
            application_arn: arn.to_string(),
            application_name: target.name,
            ..pb::ResolvedTarget::default()
        },
        Target::AccountAccess(access) => pb::ResolvedTarget {
            kind: pb::TargetKind::Account.into(),
            account_id: access.account.to_string(),
            account_name: target.account_name,
            permission_set_arn: access.permission_set.to_string(),
            permission_set_name: target.name,
            ..pb::ResolvedTarget::default()
        },
    }
}

/// A grant.
pub(in crate::grpc) fn grant(view: GrantView) -> pb::Grant {
    let grant = view.grant;
    let digest = grant.digest();
    let break_glass = break_glass(&grant);
    // That time was up has no words of anybody.
    let ending = grant
        .ending
        .filter(|ending| ending.kind != EndingKind::Expired);
    let shut = view.wish.shut;
    let who_may_agree = view.wish.who_may_agree;
    let approvers = who_may_agree.into_iter().map(eligible_approver).collect();
    pb::Grant {
        etag: format!(
            "{}-{}",
            grant.version,
            view.waiting
                .as_ref()
                .map_or(0, |waiting| waiting.failed_attempts)
        ),
        id: grant.id.to_string(),
        state: grant_state(grant.state).into(),
        principal: Some(named_principal(view.principal)),
        target: Some(named_target(view.target)),
        instance_arn: grant.instance_arn.to_string(),
        people_count: count(grant.people_count),
        requested_by: grant.requester.caller.to_string(),
        subject: grant.requester.subject.to_string(),
        justification: grant.justification.to_string(),
        ticket: grant.ticket.to_string(),
        policies: grant.policies,
        policy_version: grant.policy_version,
        standing: standing(view.standing).into(),
        waiting_for: view.waiting.map(|it| waiting_for(it, shut, approvers)),
        timeline: view
            .timeline
            .into_iter()
            .filter_map(|event| grant_event(&event))
            .collect(),
        last_error: view.last_error.map(attempt_error),
        create_time: Some(timestamp(grant.created_at)),
        start_time: grant.started_at.map(timestamp),
        end_time: grant.ended_at.or(grant.end_at).map(timestamp),
        duration: grant.duration.map(duration),
        revoked_by: ending
            .as_ref()
            .and_then(|ending| ending.by.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        revoke_reason: ending
            .map(|ending| ending.reason.to_string())
            .unwrap_or_default(),
        digest,
        paths: grant.paths.into_iter().map(policy_path).collect(),
        reviews: view.wish.reviews.into_iter().map(review_said).collect(),
        break_glass: break_glass.into(),
        extension: grant.extension.map(extension),
        requested_start_time: grant.start_asked_at.map(timestamp),
        lapse_time: grant.lapses_at.map(timestamp),
        adopted_from: adopted_from(grant.adoption.as_ref()).into(),
        owner_id: (grant.adoption)
            .and_then(|adoption| adoption.owner)
            .map(|owner| owner.to_string())
            .unwrap_or_default(),
    }
}

fn grant_state(state: GrantState) -> pb::GrantState {
    match state {
        GrantState::PendingApproval => pb::GrantState::PendingApproval,
        GrantState::Denied => pb::GrantState::Denied,
        GrantState::Cancelled => pb::GrantState::Cancelled,
        GrantState::Lapsed => pb::GrantState::Lapsed,
        GrantState::Scheduled => pb::GrantState::Scheduled,
        GrantState::Provisioning => pb::GrantState::Provisioning,
        GrantState::Active => pb::GrantState::Active,
        GrantState::Revoking => pb::GrantState::Revoking,
        GrantState::Revoked => pb::GrantState::Revoked,
        GrantState::Expired => pb::GrantState::Expired,
        GrantState::Failed => pb::GrantState::Failed,
    }
}

fn standing(standing: Standing) -> pb::Standing {
    match standing {
        Standing::Unknown => pb::Standing::Unspecified,
        Standing::No => pb::Standing::No,
        Standing::Yes => pb::Standing::Yes,
    }
}

fn waiting_for(
    waiting: Waiting,
    shut: Option<&str>,
    approvers: Vec<pb::EligibleApprover>,
) -> pb::WaitingFor {
    let kind = match waiting.kind {
        WaitingKind::Approval => pb::WaitingKind::Approval,
        WaitingKind::StartTime => pb::WaitingKind::StartTime,
        WaitingKind::Budget => pb::WaitingKind::Budget,
        WaitingKind::AwsPropagation => pb::WaitingKind::AwsPropagation,
        WaitingKind::AwsRefusal => pb::WaitingKind::AwsRefusal,
        WaitingKind::Freeze => pb::WaitingKind::Freeze,
    };
    pb::WaitingFor {
        kind: kind.into(),
        description: match shut {
            Some(shut) => format!("{shut}; {}", waiting.description),
            None => waiting.description,
        },
        next_attempt_time: waiting.next_attempt_at.map(timestamp),
        failed_attempts: i32::try_from(waiting.failed_attempts).unwrap_or(i32::MAX),
        approvers,
        expected_time: waiting.expected_at.map(timestamp),
    }
}

fn attempt_error(attempt: FailedAttempt) -> pb::AttemptError {
    pb::AttemptError {
        operation: attempt.failure.operation,
        error_kind: attempt.failure.kind.as_str().to_owned(),
        message: attempt.failure.kind.explanation().to_owned(),
        missing_iam_action: attempt.failure.missing_iam_action,
        aws_request_id: attempt.failure.aws_request_id,
        aws_failure_reason: attempt.failure.reason,
        time: Some(timestamp(attempt.at)),
    }
}

/// What Assign answers.
pub(in crate::grpc) fn assign_response(outcome: AssignOutcome) -> pb::AssignResponse {
    let (grant_view, preview_value, warnings) = match outcome {
        AssignOutcome::Granted { grant, warnings } => (Some(*grant), None, warnings),
        AssignOutcome::Previewed { preview, warnings } => (None, Some(preview), warnings),
    };
    pb::AssignResponse {
        grant: grant_view.map(grant),
        preview: preview_value.map(preview),
        warnings: warnings.into_iter().map(warning).collect(),
    }
}

fn preview(preview: Preview) -> pb::Preview {
    let write_mode = if preview.may_write {
        pb::WriteMode::ReadWrite
    } else {
        pb::WriteMode::ReadOnly
    };
    pb::Preview {
        people_count: count(preview.people_count),
        operations: preview
            .operations
            .into_iter()
            .map(|(operation, times)| pb::OperationCount {
                operation: operation.name().to_owned(),
                count: count(times),
            })
            .collect(),
        estimated_duration: SignedDuration::try_from(preview.estimated_duration)
            .ok()
            .map(duration),
        policies: preview.policies,
        write_mode: write_mode.into(),
        paths: preview.paths.into_iter().map(policy_path).collect(),
        approvers: (preview.who_may_agree.into_iter())
            .map(eligible_approver)
            .collect(),
    }
}

fn warning(warning: Warning) -> pb::Warning {
    let kind = match warning.kind {
        WarningKind::ApplicationDisabled => pb::WarningType::ApplicationDisabled,
        WarningKind::ApplicationOpen => pb::WarningType::ApplicationOpen,
        WarningKind::AccessViaGroup => pb::WarningType::AccessViaGroup,
        WarningKind::AlreadyAssigned => pb::WarningType::AlreadyAssigned,
        WarningKind::GroupEmpty => pb::WarningType::GroupEmpty,
        WarningKind::UserStatusUnknown => pb::WarningType::UserStatusUnknown,
    };
    pb::Warning {
        r#type: kind.into(),
        message: warning.message,
    }
}

/// What Revoke answers.
pub(in crate::grpc) fn revoke_response(outcome: RevokeOutcome) -> pb::RevokeResponse {
    let state = match outcome.assignment_state {
        AssignmentState::Unknown => pb::AssignmentState::Unspecified,
        AssignmentState::Present => pb::AssignmentState::Present,
        AssignmentState::Removing => pb::AssignmentState::Removing,
        AssignmentState::Absent => pb::AssignmentState::Absent,
    };
    let completeness = if outcome.remaining_paths_complete {
        pb::Completeness::Complete
    } else {
        pb::Completeness::Partial
    };
    pb::RevokeResponse {
        grants: outcome.grants.into_iter().map(grant).collect(),
        assignment_state: state.into(),
        remaining_paths: outcome
            .remaining_paths
            .into_iter()
            .map(remaining_path)
            .collect(),
        remaining_paths_completeness: completeness.into(),
        sessions_may_last_until: outcome.sessions_may_last_until.map(timestamp),
        application_note: outcome.application_note,
        preview: outcome.preview.map(preview),
    }
}

fn remaining_path(path: RemainingPath) -> pb::RemainingPath {
    let (kind, group, grants) = match path {
        RemainingPath::Direct(grants) => (pb::AccessPath::Direct, None, grants),
        RemainingPath::Group(group) => (
            pb::AccessPath::Group,
            Some(named_principal(group)),
            Vec::new(),
        ),
        RemainingPath::OpenApplication => (pb::AccessPath::OpenApplication, None, Vec::new()),
    };
    pb::RemainingPath {
        path: kind.into(),
        group,
        grant_ids: grants.iter().map(ToString::to_string).collect(),
    }
}

/// What ListAssignments answers.
pub(in crate::grpc) fn list_assignments_response(
    page: AssignmentPage,
) -> pb::ListAssignmentsResponse {
    pb::ListAssignmentsResponse {
        assignments: page.rows.into_iter().map(assignment).collect(),
        next_page_token: page.next_page_token,
        as_of: Some(timestamp(page.as_of)),
    }
}

pub(super) fn provenance(provenance: Provenance) -> pb::Provenance {
    match provenance {
        Provenance::Grant => pb::Provenance::Grant,
        Provenance::Standing => pb::Provenance::Standing,
        Provenance::External => pb::Provenance::External,
        Provenance::OutOfBand => pb::Provenance::OutOfBand,
        Provenance::Unrecorded => pb::Provenance::Unrecorded,
    }
}

fn assignment(row: AssignmentRow) -> pb::Assignment {
    let path = if row.via_group.is_some() {
        pb::AccessPath::Group
    } else {
        pb::AccessPath::Direct
    };
    pb::Assignment {
        instance_arn: row.instance_arn,
        principal: Some(named_principal(row.principal)),
        target: Some(named_target(row.target)),
        path: path.into(),
        via_group: row.via_group.map(named_principal),
        provenance: provenance(row.provenance).into(),
        grant_ids: row.grant_ids.iter().map(ToString::to_string).collect(),
        end_time: row.end_at.map(timestamp),
        external_owner: row.external_owner,
    }
}
