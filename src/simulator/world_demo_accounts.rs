//! The account side of the hand-made world of `usher demo`: three permission sets and who has them in
//! which account. Every id is fixed.

use super::account_assignments::{AccountAssignment, PermissionSet};
use super::world::PrincipalType;

/// Id, name, description, session duration.
const PERMISSION_SETS: &[(&str, &str, &str, &str)] = &[
    (
        "0123456789abcdef",
        "AdministratorAccess",
        "Everything, for an hour",
        "PT1H",
    ),
    (
        "1123456789abcdef",
        "DeveloperAccess",
        "Build and deploy",
        "PT8H",
    ),
    (
        "2123456789abcdef",
        "ReadOnlyAccess",
        "Look and do not touch",
        "PT12H",
    ),
];

/// Account, place in `PERMISSION_SETS`, kind and id suffix of the principal.
const ASSIGNMENTS: &[(&str, usize, PrincipalType, &str)] = &[
    // anna.berg in the management account, analysts in production, engineering in the sandbox.
    ("111122223333", 0, PrincipalType::User, "000000000001"),
    ("222233334444", 2, PrincipalType::Group, "000000000012"),
    ("333344445555", 1, PrincipalType::Group, "000000000011"),
];

fn permission_set_arn(instance_id: &str, place: usize) -> String {
    let id = PERMISSION_SETS[place].0;
    format!("arn:aws:sso:::permissionSet/{instance_id}/ps-{id}")
}

/// All permission sets of the instance.
pub(super) fn permission_sets(instance_id: &str, created_date_seconds: f64) -> Vec<PermissionSet> {
    let row = |(place, row): (usize, &(&str, &str, &str, &str))| PermissionSet {
        permission_set_arn: permission_set_arn(instance_id, place),
        instance_arn: format!("arn:aws:sso:::instance/{instance_id}"),
        name: row.1.to_owned(),
        description: Some(row.2.to_owned()),
        session_duration: Some(row.3.to_owned()),
        relay_state: None,
        created_date_seconds: Some(created_date_seconds),
    };
    PERMISSION_SETS.iter().enumerate().map(row).collect()
}

/// Who has what where. `principal_id` makes an id of a suffix.
pub(super) fn account_assignments(
    instance_id: &str,
    principal_id: fn(&str) -> String,
) -> Vec<AccountAssignment> {
    (ASSIGNMENTS.iter())
        .map(
            |(account_id, place, principal_type, suffix)| AccountAssignment {
                account_id: (*account_id).to_owned(),
                permission_set_arn: permission_set_arn(instance_id, *place),
                principal_type: *principal_type,
                principal_id: principal_id(suffix),
            },
        )
        .collect()
}
