//! Findings as rows, the gravest first, with the names that the collection has.

use super::super::collection::Collection;
use crate::domain::facts::Found;
use crate::domain::report::FindingRow;
use crate::domain::{PrincipalKind, PrincipalRef, Target};

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
    row.target_kind = target.kind().to_owned();
    match target {
        Target::Application(arn) => {
            row.application_arn = arn.to_string();
            let applications = &collection.applications;
            let place = applications.binary_search_by(|facts| facts.application.arn.cmp(arn));
            let found = place.ok().and_then(|place| applications.get(place));
            row.application_name = found
                .map(|facts| facts.application.name.clone())
                .unwrap_or_default();
        }
        Target::AccountAccess(access) => {
            row.account_id = access.account.to_string();
            row.permission_set_arn = access.permission_set.to_string();
            let accounts = &collection.accounts;
            let place = accounts.binary_search_by(|facts| facts.account.id.cmp(&access.account));
            let account = place.ok().and_then(|place| accounts.get(place));
            row.account_name = account
                .map(|facts| facts.account.name.clone())
                .unwrap_or_default();
            let sets = &collection.permission_sets;
            let place = sets.binary_search_by(|facts| facts.arn.cmp(&access.permission_set));
            let set = place.ok().and_then(|place| sets.get(place));
            row.permission_set_name = set.map(|facts| facts.name.clone()).unwrap_or_default();
        }
    }
}

impl Collection {
    /// The name of a user or group that it has.
    fn name_of(&self, principal: &PrincipalRef) -> Option<&str> {
        match principal.kind {
            PrincipalKind::User => {
                let place = (self.users).binary_search_by(|it| it.user.id.cmp(&principal.id));
                Some(&self.users.get(place.ok()?)?.user.user_name)
            }
            PrincipalKind::Group => {
                let place = (self.groups).binary_search_by(|it| it.group.id.cmp(&principal.id));
                Some(&self.groups.get(place.ok()?)?.group.display_name)
            }
        }
    }
}
