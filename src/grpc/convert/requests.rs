//! Requests of the wire as requests of the use cases.

use std::time::Duration;

use crate::app::{
    AppError, Assign, Browse, GrantListScope, ListAssignments, ListGrants, ListPrincipals,
    Revocation, Revoke, TargetKind,
};
use crate::directory::PrincipalQuery;
use crate::domain::report::Provenance;
use crate::domain::text::{check_lookup_name, check_target_name};
use crate::domain::{CallerName, GrantId, GrantState, Justification, PrincipalKind, Ticket};
use crate::grpc::pb;

use super::fields::{Fields, hash_of};
use super::wishes::request_id;

/// Rows a page at most.
const PAGE_SIZE_MAX: usize = 1000;
/// Principals a page at most: one AWS operation answers 100 (aws-api.md §3).
const PRINCIPALS_PAGE_SIZE_MAX: usize = 100;
/// Permission sets a page at most: each may cost one AWS operation.
const PERMISSION_SETS_PAGE_SIZE_MAX: usize = 100;

pub(in crate::grpc) fn assign(message: pb::AssignRequest) -> Result<Assign, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let content = pb::AssignRequest {
        request_id: String::new(),
        ..message.clone()
    };
    let principal = fields.principal("principal", message.principal);
    let target = fields.target("target", message.target);
    let duration = fields.grant_duration("duration", message.duration);
    let start_at = fields.instant("start_time", message.start_time);
    let justification = fields.take(
        "justification",
        Justification::parse(&message.justification),
    );
    let ticket = fields.take("ticket", Ticket::parse(&message.ticket));
    let request_id = request_id(&mut fields, &message.request_id);
    let assign = (|| {
        Some(Assign {
            instance: message.instance,
            principal: principal?,
            target: target?,
            start_at,
            duration,
            break_glass: message.break_glass,
            adoption: None,
            justification: justification?,
            ticket: ticket?,
            request_id,
            content_hash: hash_of("Assign", &content),
            validate_only: message.validate_only,
        })
    })();
    fields.finish(assign)
}

pub(in crate::grpc) fn revoke(message: pb::RevokeRequest) -> Result<Revoke, AppError> {
    use pb::revoke_request::Revocation as Wire;
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let content = pb::RevokeRequest {
        request_id: String::new(),
        ..message.clone()
    };
    let revocation = match message.revocation {
        Some(Wire::GrantId(id)) => fields
            .take("grant_id", GrantId::parse(&id))
            .map(Revocation::Grant),
        Some(Wire::Assignment(reference)) => {
            let principal = fields.principal("assignment.principal", reference.principal);
            let target = fields.target("assignment.target", reference.target);
            principal
                .zip(target)
                .map(|(principal, target)| Revocation::Assignment { principal, target })
        }
        None => {
            fields.refuse("revocation", "is required: set `grant_id` or `assignment`");
            None
        }
    };
    let reason = fields.take("reason", Justification::parse(&message.reason));
    let request_id = request_id(&mut fields, &message.request_id);
    let revoke = revocation.zip(reason).map(|(revocation, reason)| Revoke {
        instance: message.instance,
        revocation,
        reason,
        request_id,
        content_hash: hash_of("Revoke", &content),
        validate_only: message.validate_only,
    });
    fields.finish(revoke)
}

pub(in crate::grpc) fn list_assignments(
    message: pb::ListAssignmentsRequest,
) -> Result<ListAssignments, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filters = pb::ListAssignmentsRequest {
        page_size: 0,
        page_token: String::new(),
        ..message.clone()
    };
    let page = fields.page(
        "ListAssignments",
        &filters,
        message.page_size,
        &message.page_token,
        PAGE_SIZE_MAX,
    );
    let is_broad = message.principal.is_none() && message.target.is_none();
    let principal = fields.optional_principal("principal", message.principal);
    let target = fields.optional_target("target", message.target);
    let kind = match pb::TargetKind::try_from(message.target_kind) {
        Ok(pb::TargetKind::Unspecified) => None,
        Ok(pb::TargetKind::Application) => Some(TargetKind::Application),
        Ok(pb::TargetKind::Account) => Some(TargetKind::AccountAccess),
        Err(_) => {
            let problem = "must be TARGET_KIND_APPLICATION or TARGET_KIND_ACCOUNT, or absent";
            fields.refuse("target_kind", problem);
            None
        }
    };
    let max_age = fields.max_age("max_age", message.max_age);
    if is_broad && max_age == Some(Duration::ZERO) {
        let problem = "of 0 reads AWS, which a question about everything does not; name a principal or a target, or leave it out";
        fields.refuse("max_age", problem);
    }
    let provenance = fields.choices(
        "provenance",
        &message.provenance,
        "must be PROVENANCE_GRANT, PROVENANCE_STANDING, PROVENANCE_EXTERNAL, PROVENANCE_OUT_OF_BAND or PROVENANCE_UNRECORDED",
        |value| match pb::Provenance::try_from(value) {
            Ok(pb::Provenance::Grant) => Some(Provenance::Grant),
            Ok(pb::Provenance::Standing) => Some(Provenance::Standing),
            Ok(pb::Provenance::External) => Some(Provenance::External),
            Ok(pb::Provenance::OutOfBand) => Some(Provenance::OutOfBand),
            Ok(pb::Provenance::Unrecorded) => Some(Provenance::Unrecorded),
            Ok(pb::Provenance::Unspecified) | Err(_) => None,
        },
    );
    fields.finish(Some(ListAssignments {
        instance: message.instance,
        principal,
        target,
        kind,
        include_group_paths: message.include_group_paths,
        provenance,
        max_age,
        page,
    }))
}

pub(in crate::grpc) fn grant_id(text: &str) -> Result<GrantId, AppError> {
    let mut fields = Fields::default();
    let id = fields.take("grant_id", GrantId::parse(text));
    fields.finish(id)
}

pub(in crate::grpc) fn list_grants(message: pb::ListGrantsRequest) -> Result<ListGrants, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filters = pb::ListGrantsRequest {
        page_size: 0,
        page_token: String::new(),
        ..message.clone()
    };
    let page = fields.page(
        "ListGrants",
        &filters,
        message.page_size,
        &message.page_token,
        PAGE_SIZE_MAX,
    );
    let principal = fields.optional_principal("principal", message.principal);
    let target = fields.optional_target("target", message.target);
    let states = fields.choices(
        "states",
        &message.states,
        "must be a state of a grant, such as GRANT_STATE_ACTIVE",
        |value| pb::GrantState::try_from(value).ok().and_then(grant_state),
    );
    let ticket = fields.take("ticket", Ticket::parse(&message.ticket));
    let scope = match pb::GrantListScope::try_from(message.scope) {
        Ok(pb::GrantListScope::Unspecified | pb::GrantListScope::All) => GrantListScope::All,
        Ok(pb::GrantListScope::Mine) => GrantListScope::Mine,
        Ok(pb::GrantListScope::CanApprove) => GrantListScope::CanApprove,
        Ok(pb::GrantListScope::Reviewed) => GrantListScope::Reviewed,
        Err(_) => {
            let problem = "must be GRANT_LIST_SCOPE_ALL, _MINE, _CAN_APPROVE or _REVIEWED";
            fields.refuse("scope", problem);
            GrantListScope::All
        }
    };
    let requested_by = match message.requested_by.as_str() {
        "" => None,
        name => fields.take("requested_by", CallerName::parse(name)),
    };
    fields.finish(Some(ListGrants {
        instance: message.instance,
        principal,
        target,
        states,
        ticket: ticket
            .filter(|ticket| !ticket.as_str().is_empty())
            .map(|ticket| ticket.to_string()),
        requested_by: requested_by.map(|name| name.to_string()),
        scope,
        unreviewed_break_glass: message.unreviewed_break_glass,
        page,
    }))
}

fn grant_state(state: pb::GrantState) -> Option<GrantState> {
    match state {
        pb::GrantState::Unspecified => None,
        pb::GrantState::PendingApproval => Some(GrantState::PendingApproval),
        pb::GrantState::Denied => Some(GrantState::Denied),
        pb::GrantState::Cancelled => Some(GrantState::Cancelled),
        pb::GrantState::Lapsed => Some(GrantState::Lapsed),
        pb::GrantState::Scheduled => Some(GrantState::Scheduled),
        pb::GrantState::Provisioning => Some(GrantState::Provisioning),
        pb::GrantState::Active => Some(GrantState::Active),
        pb::GrantState::Revoking => Some(GrantState::Revoking),
        pb::GrantState::Revoked => Some(GrantState::Revoked),
        pb::GrantState::Expired => Some(GrantState::Expired),
        pb::GrantState::Failed => Some(GrantState::Failed),
    }
}

pub(in crate::grpc) fn list_applications(
    message: pb::ListApplicationsRequest,
) -> Result<Browse, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filters = pb::ListApplicationsRequest {
        page_size: 0,
        page_token: String::new(),
        ..message.clone()
    };
    fields.name_filter(&message.name, check_lookup_name);
    let max_age = fields.max_age("max_age", message.max_age);
    let page = fields.page(
        "ListApplications",
        &filters,
        message.page_size,
        &message.page_token,
        PAGE_SIZE_MAX,
    );
    fields.finish(Some(Browse {
        instance: message.instance,
        name: message.name,
        max_age,
        page,
    }))
}

pub(in crate::grpc) fn list_accounts(message: pb::ListAccountsRequest) -> Result<Browse, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filters = pb::ListAccountsRequest {
        page_size: 0,
        page_token: String::new(),
        ..message.clone()
    };
    fields.name_filter(&message.name, check_target_name);
    let max_age = fields.max_age("max_age", message.max_age);
    let page = fields.page(
        "ListAccounts",
        &filters,
        message.page_size,
        &message.page_token,
        PAGE_SIZE_MAX,
    );
    fields.finish(Some(Browse {
        instance: message.instance,
        name: message.name,
        max_age,
        page,
    }))
}

pub(in crate::grpc) fn list_permission_sets(
    message: pb::ListPermissionSetsRequest,
) -> Result<Browse, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filters = pb::ListPermissionSetsRequest {
        page_size: 0,
        page_token: String::new(),
        ..message.clone()
    };
    fields.name_filter(&message.name, check_target_name);
    let max_age = fields.max_age("max_age", message.max_age);
    let page = fields.page(
        "ListPermissionSets",
        &filters,
        message.page_size,
        &message.page_token,
        PERMISSION_SETS_PAGE_SIZE_MAX,
    );
    fields.finish(Some(Browse {
        instance: message.instance,
        name: message.name,
        max_age,
        page,
    }))
}

pub(in crate::grpc) fn list_principals(
    message: pb::ListPrincipalsRequest,
) -> Result<ListPrincipals, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let filters = pb::ListPrincipalsRequest {
        page_size: 0,
        page_token: String::new(),
        ..message.clone()
    };
    let max_age = fields.max_age("max_age", message.max_age);
    let page = fields.page(
        "ListPrincipals",
        &filters,
        message.page_size,
        &message.page_token,
        PRINCIPALS_PAGE_SIZE_MAX,
    );
    let principal = fields.optional_principal("principal", message.principal);
    let kind = match pb::PrincipalType::try_from(message.r#type) {
        Ok(pb::PrincipalType::User) => Some(PrincipalKind::User),
        Ok(pb::PrincipalType::Group) => Some(PrincipalKind::Group),
        Ok(pb::PrincipalType::Unspecified) => {
            if principal.is_none() {
                fields.refuse("type", "is required unless `principal` is set: PRINCIPAL_TYPE_USER or PRINCIPAL_TYPE_GROUP");
            }
            None
        }
        Err(_) => {
            fields.refuse(
                "type",
                "must be PRINCIPAL_TYPE_USER or PRINCIPAL_TYPE_GROUP",
            );
            None
        }
    };
    let asked = principal.as_ref().map(|principal| match principal {
        PrincipalQuery::User(_) => PrincipalKind::User,
        PrincipalQuery::Group(_) => PrincipalKind::Group,
    });
    if kind.is_some() && asked.is_some() && kind != asked {
        fields.refuse("type", "contradicts `principal`; leave one of them out");
    }
    fields.finish(Some(ListPrincipals {
        max_age,
        instance: message.instance,
        kind,
        principal,
        page,
    }))
}
