//! Reports on the wire.

use jiff::SignedDuration;

use super::answers::timestamp;
use super::fields::Fields;
use crate::app::{AppError, AuditReport};
use crate::audit::{Completeness, Header, Part, Summary};
use crate::domain::Operation;
use crate::domain::report::{
    Batch, ChangeRow, DuplicateUserRow, FindingRow, Format, InstanceRow, Row, View,
};
use crate::grpc::pb;

pub(in crate::grpc) fn audit_report(
    message: pb::AuditReportRequest,
) -> Result<AuditReport, AppError> {
    let mut fields = Fields::default();
    fields.instance(&message.instance);
    let view = asked_view(&mut fields, message.view);
    let format = asked_format(&mut fields, message.format);
    refuse_what_a_view_is_not_for(&mut fields, view, &message);
    let max_age = fields.max_age("max_age", message.max_age);
    let as_of = fields.instant("as_of", message.as_of);
    let compare_to = fields.instant("compare_to", message.compare_to);
    if as_of.is_some() && max_age.is_some() {
        fields.refuse("max_age", "is not for a past time; leave it or `as_of` out");
    }
    let principal = fields.optional_principal("principal", message.principal);
    let target = fields.optional_target("target", message.target);
    let report = view.zip(format).map(|(view, format)| AuditReport {
        instance: message.instance,
        view,
        format,
        principal,
        target,
        max_age,
        as_of,
        compare_to,
        validate_only: message.validate_only,
    });
    fields.finish(report)
}

fn asked_view(fields: &mut Fields, view: i32) -> Option<View> {
    match pb::ReportView::try_from(view) {
        Ok(pb::ReportView::Access) => Some(View::Access),
        Ok(pb::ReportView::Assignments) => Some(View::Assignments),
        Ok(pb::ReportView::Instances) => Some(View::Instances),
        Ok(pb::ReportView::DuplicateUsers) => Some(View::DuplicateUsers),
        Ok(pb::ReportView::Findings) => Some(View::Findings),
        Ok(pb::ReportView::Changes) => Some(View::Changes),
        Ok(pb::ReportView::Unspecified) | Err(_) => {
            fields.refuse(
                "view",
                "is required: REPORT_VIEW_ACCESS, REPORT_VIEW_ASSIGNMENTS, REPORT_VIEW_INSTANCES, \
                 REPORT_VIEW_DUPLICATE_USERS, REPORT_VIEW_FINDINGS or REPORT_VIEW_CHANGES",
            );
            None
        }
    }
}

fn asked_format(fields: &mut Fields, format: i32) -> Option<Format> {
    match pb::ReportFormat::try_from(format) {
        Ok(pb::ReportFormat::Rows) => Some(Format::Rows),
        Ok(pb::ReportFormat::Csv) => Some(Format::Csv),
        Ok(pb::ReportFormat::JsonLines) => Some(Format::JsonLines),
        Ok(pb::ReportFormat::Html) => Some(Format::Html),
        Ok(pb::ReportFormat::Unspecified) | Err(_) => {
            fields.refuse(
                "format",
                "is required: REPORT_FORMAT_ROWS, REPORT_FORMAT_CSV, REPORT_FORMAT_JSON_LINES or \
                 REPORT_FORMAT_HTML",
            );
            None
        }
    }
}

/// Refuses fields that the view has no use for.
fn refuse_what_a_view_is_not_for(
    fields: &mut Fields,
    view: Option<View>,
    message: &pb::AuditReportRequest,
) {
    if view.is_some_and(|view| !view.takes_scope()) {
        let named = [
            ("principal", message.principal.is_some()),
            ("target", message.target.is_some()),
        ];
        for (field, _) in named.into_iter().filter(|(_, is_named)| *is_named) {
            fields.refuse(
                field,
                "is for the views ACCESS, ASSIGNMENTS and CHANGES only",
            );
        }
    }
    let is_compared = message.compare_to.is_some();
    if view == Some(View::Changes) && !is_compared {
        let problem = "is required for the view CHANGES: the start of the period";
        fields.refuse("compare_to", problem);
    }
    if is_compared && message.max_age.is_some() {
        let problem = "is not for a comparison, of which nothing is read; leave it out";
        fields.refuse("max_age", problem);
    }
    if view.is_some_and(|view| !view.tells_access() && view != View::Changes) {
        let named = [
            ("max_age", message.max_age.is_some()),
            ("as_of", message.as_of.is_some()),
            ("compare_to", is_compared),
        ];
        for (field, _) in named.into_iter().filter(|(_, is_named)| *is_named) {
            fields.refuse(
                field,
                "is for the views ACCESS, ASSIGNMENTS, FINDINGS and CHANGES only",
            );
        }
    }
}

pub(in crate::grpc) fn audit_response(part: Part) -> pb::AuditReportResponse {
    use pb::audit_report_response::Part as Wire;
    let part = match part {
        Part::Header(report_header) => Wire::Header(header(report_header)),
        Part::Progress(progress) => Wire::Progress(pb::AuditProgress {
            operations_done: count(progress.operations_done),
            operations_planned: count(progress.operations_planned),
            step: progress.step.to_owned(),
        }),
        Part::Rows(batch) => Wire::Rows(rows(batch)),
        Part::Text(text) => Wire::Text(text),
        Part::Summary(report_summary) => Wire::Summary(summary(*report_summary)),
    };
    pb::AuditReportResponse { part: Some(part) }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn operations(operations: &[(Operation, u64)]) -> Vec<pb::OperationCount> {
    operations
        .iter()
        .map(|(operation, times)| pb::OperationCount {
            operation: operation.name().to_owned(),
            count: count(*times),
        })
        .collect()
}

pub(in crate::grpc) fn report_view(view: View) -> pb::ReportView {
    match view {
        View::Access => pb::ReportView::Access,
        View::Assignments => pb::ReportView::Assignments,
        View::Instances => pb::ReportView::Instances,
        View::DuplicateUsers => pb::ReportView::DuplicateUsers,
        View::Findings => pb::ReportView::Findings,
        View::Changes => pb::ReportView::Changes,
    }
}

pub(in crate::grpc) fn report_format(format: Format) -> pb::ReportFormat {
    match format {
        Format::Rows => pb::ReportFormat::Rows,
        Format::Csv => pb::ReportFormat::Csv,
        Format::JsonLines => pb::ReportFormat::JsonLines,
        Format::Html => pb::ReportFormat::Html,
    }
}

fn header(header: Header) -> pb::AuditHeader {
    let duration = SignedDuration::try_from(header.estimated_duration).ok();
    pb::AuditHeader {
        view: report_view(header.view).into(),
        format: report_format(header.format).into(),
        instance_arns: (header.instance_arns.iter())
            .map(ToString::to_string)
            .collect(),
        columns: header
            .columns
            .iter()
            .map(|column| (*column).to_owned())
            .collect(),
        planned_operations: operations(&header.plan.operations),
        estimated_duration: duration.map(|duration| prost_types::Duration {
            seconds: duration.as_secs(),
            nanos: duration.subsec_nanos(),
        }),
        plan_note: header.plan.note,
    }
}

fn summary(summary: Summary) -> pb::AuditSummary {
    let completeness = match summary.completeness {
        None => pb::Completeness::Unspecified,
        Some(Completeness::Complete) => pb::Completeness::Complete,
        Some(Completeness::Partial) => pb::Completeness::Partial,
    };
    pb::AuditSummary {
        row_count: count(summary.row_count),
        user_count: count(summary.user_count),
        application_count: count(summary.application_count),
        account_count: count(summary.account_count),
        permission_set_count: count(summary.permission_set_count),
        assignment_count: count(summary.assignment_count),
        operations_used: operations(&summary.operations_used),
        completeness: completeness.into(),
        missing: summary
            .missing
            .into_iter()
            .map(|missing| pb::MissingScope {
                instance_arn: missing
                    .instance_arn
                    .map(|arn| arn.to_string())
                    .unwrap_or_default(),
                scope: missing.scope,
                reason: missing.reason,
            })
            .collect(),
        observed_from: summary.observed_from.map(timestamp),
        observed_until: summary.observed_until.map(timestamp),
        sha256: summary.sha256,
        findings: summary
            .findings
            .into_iter()
            .map(|(finding, rows)| pb::FindingCount {
                finding: finding.as_str().to_owned(),
                count: count(rows),
            })
            .collect(),
    }
}

fn rows(batch: Batch) -> pb::AuditRows {
    let mut rows = pb::AuditRows::default();
    match batch {
        Batch::Assigned(batch) => rows.rows = batch.into_iter().map(row).collect(),
        Batch::Instances(batch) => {
            rows.instance_rows = batch.into_iter().map(instance_row).collect();
        }
        Batch::DuplicateUsers(batch) => {
            rows.duplicate_user_rows = batch.into_iter().map(duplicate_user_row).collect();
        }
        Batch::Findings(batch) => {
            rows.finding_rows = batch.into_iter().map(finding_row).collect();
        }
        Batch::Changes(batch) => rows.change_rows = batch.into_iter().map(change_row).collect(),
    }
    rows
}

fn instance_row(row: InstanceRow) -> pb::InstanceRow {
    pb::InstanceRow {
        instance_arn: row.instance_arn,
        identity_store_id: row.identity_store_id,
        owner_account_id: row.owner_account_id,
        owner_account_name: row.owner_account_name,
        alias: row.alias,
        name: row.name,
        kind: row.kind,
        region: row.region,
        reach: row.reach,
        reason: row.reason,
        user_count: row.user_count,
        group_count: row.group_count,
        application_count: row.application_count,
        permission_set_count: row.permission_set_count,
        account_count: row.account_count,
    }
}

fn duplicate_user_row(row: DuplicateUserRow) -> pb::DuplicateUserRow {
    pb::DuplicateUserRow {
        person: row.person,
        store_count: row.store_count,
        match_kind: row.match_kind,
        match_issuer: row.match_issuer,
        match_value: row.match_value,
        instance_arn: row.instance_arn,
        identity_store_id: row.identity_store_id,
        owner_account_id: row.owner_account_id,
        user_id: row.user_id,
        user_name: row.user_name,
        display_name: row.display_name,
        email: row.email,
        user_status: row.user_status,
    }
}

fn finding_row(row: FindingRow) -> pb::FindingRow {
    pb::FindingRow {
        severity: row.severity,
        finding: row.finding,
        since: row.since,
        instance_arn: row.instance_arn,
        identity_store_id: row.identity_store_id,
        owner_account_id: row.owner_account_id,
        target_kind: row.target_kind,
        application_arn: row.application_arn,
        application_name: row.application_name,
        account_id: row.account_id,
        account_name: row.account_name,
        permission_set_arn: row.permission_set_arn,
        permission_set_name: row.permission_set_name,
        principal_type: row.principal_type,
        principal_id: row.principal_id,
        principal_name: row.principal_name,
        grant_id: row.grant_id,
        detail: row.detail,
        what_to_do: row.what_to_do,
    }
}

fn change_row(row: ChangeRow) -> pb::ChangeRow {
    pb::ChangeRow {
        instance_arn: row.instance_arn,
        identity_store_id: row.identity_store_id,
        owner_account_id: row.owner_account_id,
        what: row.what,
        change: row.change,
        at: row.at,
        not_before: row.not_before,
        until: row.until,
        principal_type: row.principal_type,
        principal_id: row.principal_id,
        principal_name: row.principal_name,
        group_id: row.group_id,
        group_name: row.group_name,
        target_kind: row.target_kind,
        application_arn: row.application_arn,
        application_name: row.application_name,
        account_id: row.account_id,
        account_name: row.account_name,
        permission_set_arn: row.permission_set_arn,
        permission_set_name: row.permission_set_name,
        before: row.before,
        after: row.after,
        cause: row.cause,
        by: row.by,
        grant_id: row.grant_id,
        justification: row.justification,
        ticket: row.ticket,
        late_seconds: row.late_seconds,
        events: row.events,
    }
}

fn row(row: Row) -> pb::AuditRow {
    pb::AuditRow {
        instance_arn: row.instance_arn,
        identity_store_id: row.identity_store_id,
        owner_account_id: row.owner_account_id,
        target_kind: row.target_kind,
        application_arn: row.application_arn,
        application_name: row.application_name,
        application_status: row.application_status,
        assignment_required: row.assignment_required,
        account_id: row.account_id,
        account_name: row.account_name,
        permission_set_arn: row.permission_set_arn,
        permission_set_name: row.permission_set_name,
        user_id: row.user_id,
        user_name: row.user_name,
        display_name: row.display_name,
        email: row.email,
        user_status: row.user_status,
        path: row.path,
        group_id: row.group_id,
        group_name: row.group_name,
        provenance: row.provenance,
        grant_id: row.grant_id,
        requested_by: row.requested_by,
        approved_by: row.approved_by,
        approved_at: row.approved_at,
        justification: row.justification,
        ticket: row.ticket,
        granted_at: row.granted_at,
        expires_at: row.expires_at,
        findings: row.findings,
    }
}
