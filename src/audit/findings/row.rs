//! Findings as rows, the gravest first, with the names that the collection has.

use super::super::collection::Collection;
use crate::domain::Target;
use crate::domain::facts::{FactKey, Found};
use crate::domain::report::FindingRow;

/// The rows, sorted by severity, finding and what each is about.
pub(in crate::audit) fn rows(
    collection: &Collection,
    mut found: Vec<Found>,
) -> impl Iterator<Item = FindingRow> + Send + '_ {
    found.sort_by_cached_key(|it| (it.finding.severity(), it.finding, it.key()));
    found.into_iter().map(|found| row(collection, &found))
}

fn row(collection: &Collection, found: &Found) -> FindingRow {
    let instance = &collection.instance;
    let owner = instance.owner_account_id.as_ref();
    let mut row = FindingRow {
        severity: found.finding.severity().as_str().to_owned(),
        finding: found.finding.as_str().to_owned(),
        since: found.since.map(|at| at.to_string()).unwrap_or_default(),
        instance_arn: instance.arn.to_string(),
        identity_store_id: instance.identity_store_id.to_string(),
        owner_account_id: owner.map(ToString::to_string).unwrap_or_default(),
        grant_id: (found.grant_id.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        detail: found.detail.clone(),
        what_to_do: found.finding.advice().to_owned(),
        ..FindingRow::default()
    };
    if let Some(target) = &found.target {
        write_target(&mut row, collection, target);
    }
    if let Some(principal) = &found.principal {
        row.principal_type = principal.kind.as_str().to_owned();
        row.principal_id = principal.id.to_string();
        row.principal_name = collection.name_of(principal).unwrap_or_default().to_owned();
    }
    row
}

fn write_target(row: &mut FindingRow, collection: &Collection, target: &Target) {
    let name = |key: FactKey| collection.name_by_key(&key).unwrap_or_default();
    row.target_kind = target.kind().to_owned();
    match target {
        Target::Application(arn) => {
            row.application_arn = arn.to_string();
            row.application_name = name(FactKey::application(arn.as_str()));
        }
        Target::AccountAccess(access) => {
            row.account_id = access.account.to_string();
            row.account_name = name(FactKey::account(access.account.as_str()));
            row.permission_set_arn = access.permission_set.to_string();
            row.permission_set_name = name(FactKey::permission_set(access.permission_set.as_str()));
        }
    }
}
