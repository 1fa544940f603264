//! The cells of changes that several kinds of rows have.

use super::names::Names;
use crate::domain::facts::FactKind;
use crate::domain::report::ChangeRow;
use crate::domain::{Instance, PrincipalKind, PrincipalRef, Target};

/// A row of an instance.
pub(super) fn row_of(instance: &Instance, what: &str, change: &str) -> ChangeRow {
    let owner = instance.owner_account_id.as_ref();
    ChangeRow {
        instance_arn: instance.arn.to_string(),
        identity_store_id: instance.identity_store_id.to_string(),
        owner_account_id: owner.map(ToString::to_string).unwrap_or_default(),
        what: what.to_owned(),
        change: change.to_owned(),
        ..ChangeRow::default()
    }
}

pub(super) fn write_principal(row: &mut ChangeRow, principal: &PrincipalRef, names: &Names) {
    let kind = match principal.kind {
        PrincipalKind::User => FactKind::User,
        PrincipalKind::Group => FactKind::Group,
    };
    row.principal_type = principal.kind.as_str().to_owned();
    row.principal_id = principal.id.to_string();
    row.principal_name = names.of(kind, principal.id.as_str());
}

pub(super) fn write_target(row: &mut ChangeRow, target: &Target, names: &Names) {
    row.target_kind = target.kind().to_owned();
    match target {
        Target::Application(arn) => {
            row.application_arn = arn.to_string();
            row.application_name = names.of(FactKind::Application, arn.as_str());
        }
        Target::AccountAccess(access) => {
            write_account(row, access.account.as_str(), names);
            write_permission_set(row, access.permission_set.as_str(), names);
        }
    }
}

pub(super) fn write_account(row: &mut ChangeRow, id: &str, names: &Names) {
    id.clone_into(&mut row.account_id);
    row.account_name = names.of(FactKind::Account, id);
}

pub(super) fn write_permission_set(row: &mut ChangeRow, arn: &str, names: &Names) {
    arn.clone_into(&mut row.permission_set_arn);
    row.permission_set_name = names.of(FactKind::PermissionSet, arn);
}
