//! The hand-made world of `usher demo`: small enough to know by heart, after the story of AWS's
//! blog post on application assignments. Every id is fixed.

use serde_json::{Map, json};

use super::world::{
    Application, Assignment, Caller, EnabledStatus, Group, Instance, InstanceStatus, Membership,
    PrincipalType, User, World,
};
use super::world_demo_accounts::{account_assignments, permission_sets};
use super::world_organization::{Account, AccountStatus, FeatureSet, Organization, Role};
use super::world_texts::{provider_arn, providers};

const ACCOUNT: &str = "111122223333";
const INSTANCE_ID: &str = "ssoins-72230123456789ab";
const STORE: &str = "d-9067012345";
/// 2024-03-01T09:00:00Z.
const CREATED_SECONDS: f64 = 1_709_283_600.0;

/// Id suffix, user name, given name, family name, status.
const USERS: &[(&str, &str, &str, &str, EnabledStatus)] = &[
    (
        "000000000001",
        "anna.berg",
        "Anna",
        "Berg",
        EnabledStatus::Enabled,
    ),
    (
        "000000000002",
        "bilal.khan",
        "Bilal",
        "Khan",
        EnabledStatus::Enabled,
    ),
    (
        "000000000003",
        "carla.mendes",
        "Carla",
        "Mendes",
        EnabledStatus::Enabled,
    ),
    (
        "000000000004",
        "dmitri.orlov",
        "Dmitri",
        "Orlov",
        EnabledStatus::Enabled,
    ),
    (
        "000000000005",
        "emi.sato",
        "Emi",
        "Sato",
        EnabledStatus::Enabled,
    ),
    (
        "000000000006",
        "felix.left",
        "Felix",
        "Left",
        EnabledStatus::Disabled,
    ),
];

/// Id suffix, name, description, places of the members in `USERS`.
const GROUPS: &[(&str, &str, &str, &[usize])] = &[
    (
        "000000000011",
        "engineering",
        "Everybody who builds",
        &[0, 1, 2],
    ),
    (
        "000000000012",
        "analysts",
        "Everybody who asks the data",
        &[3, 4, 5],
    ),
    ("000000000013", "contractors", "Nobody at the moment", &[]),
];

/// Id, name, status. The first one is the management account.
const ACCOUNTS: &[(&str, &str, AccountStatus)] = &[
    (ACCOUNT, "management", AccountStatus::Active),
    ("222233334444", "production", AccountStatus::Active),
    ("333344445555", "sandbox", AccountStatus::Active),
    ("444455556666", "former-project", AccountStatus::Suspended),
];

/// Id, name, provider, assignment required.
const APPLICATIONS: &[(&str, &str, &str, bool)] = &[
    ("0123456789abcdef", "Amazon Redshift", "Redshift", true),
    ("1123456789abcdef", "Amazon QuickSight", "QuickSight", true),
    ("2123456789abcdef", "Wiki", "custom-saml", false),
];

impl World {
    /// One organization instance; `engineering` has three members and no application yet,
    /// `analysts` have Amazon QuickSight, `contractors` are nobody, and the Wiki is open. The
    /// organization has three accounts in use, whose role `usher-audit` the first one may assume,
    /// and a suspended one; of three permission
    /// sets each is had by somebody in one of them.
    pub fn demo() -> World {
        let instance_arn = format!("arn:aws:sso:::instance/{INSTANCE_ID}");
        let instance = Instance {
            instance_arn: instance_arn.clone(),
            identity_store_id: STORE.to_owned(),
            owner_account_id: ACCOUNT.to_owned(),
            name: Some("example-organization".to_owned()),
            status: InstanceStatus::Active,
            created_date_seconds: Some(CREATED_SECONDS),
            primary_region: Some("us-east-1".to_owned()),
            prefixed_ids: false,
        };
        World {
            caller: Caller::default(),
            instances: vec![instance],
            application_providers: providers(),
            applications: APPLICATIONS
                .iter()
                .map(|row| application(&instance_arn, row))
                .collect(),
            users: USERS.iter().map(user).collect(),
            groups: GROUPS.iter().map(group).collect(),
            memberships: GROUPS.iter().flat_map(memberships).collect(),
            assignments: vec![
                assignment(1, PrincipalType::Group, GROUPS[1].0),
                assignment(1, PrincipalType::User, USERS[0].0),
            ],
            organization: Some(Organization {
                id: "o-exampleorg01".to_owned(),
                management_account_id: ACCOUNT.to_owned(),
                feature_set: FeatureSet::All,
                delegated_administrators: Vec::new(),
            }),
            accounts: ACCOUNTS.iter().map(account).collect(),
            roles: ACCOUNTS
                .iter()
                .map(|(id, _, _)| Role::new(id, "usher-audit", None, &[ACCOUNT]))
                .collect(),
            callers: Vec::new(),
            provisioned: Vec::new(),
            permission_sets: permission_sets(INSTANCE_ID, CREATED_SECONDS),
            account_assignments: account_assignments(INSTANCE_ID, id),
        }
    }
}

fn id(suffix: &str) -> String {
    format!("d4e8f4a8-0000-4000-8000-{suffix}")
}

fn account((id, name, status): &(&str, &str, AccountStatus)) -> Account {
    Account {
        account_id: (*id).to_owned(),
        name: (*name).to_owned(),
        email: format!("aws+{name}@example.com"),
        status: *status,
        joined_at_seconds: Some(CREATED_SECONDS),
    }
}

fn application_arn(id: &str) -> String {
    format!("arn:aws:sso::{ACCOUNT}:application/{INSTANCE_ID}/apl-{id}")
}

fn application(
    instance_arn: &str,
    (id, name, provider, assignment_required): &(&str, &str, &str, bool),
) -> Application {
    Application {
        application_arn: application_arn(id),
        instance_arn: instance_arn.to_owned(),
        application_provider_arn: provider_arn(provider),
        name: (*name).to_owned(),
        application_account: ACCOUNT.to_owned(),
        status: EnabledStatus::Enabled,
        assignment_required: *assignment_required,
        assignment_configuration_supported: true,
        description: None,
        created_date_seconds: Some(CREATED_SECONDS),
        created_from: Some("us-east-1".to_owned()),
        portal_visibility: EnabledStatus::Enabled,
    }
}

fn user(
    (suffix, user_name, given, family, status): &(&str, &str, &str, &str, EnabledStatus),
) -> User {
    User {
        identity_store_id: STORE.to_owned(),
        user_id: id(suffix),
        user_name: (*user_name).to_owned(),
        display_name: Some(format!("{given} {family}")),
        name: Map::from_iter([
            ("GivenName".to_owned(), json!(given)),
            ("FamilyName".to_owned(), json!(family)),
        ]),
        email: Some(format!("{user_name}@example.com")),
        user_status: Some(*status),
        external_ids: Vec::new(),
        other_attributes: Map::new(),
        created_at_seconds: Some(CREATED_SECONDS),
    }
}

fn group((suffix, name, description, _): &(&str, &str, &str, &[usize])) -> Group {
    Group {
        identity_store_id: STORE.to_owned(),
        group_id: id(suffix),
        display_name: (*name).to_owned(),
        description: Some((*description).to_owned()),
        external_ids: Vec::new(),
        created_at_seconds: Some(CREATED_SECONDS),
    }
}

fn memberships((group, _, _, members): &(&str, &str, &str, &[usize])) -> Vec<Membership> {
    let row = |place: &usize| Membership {
        identity_store_id: STORE.to_owned(),
        membership_id: id(&format!("0000000001{place:02}")),
        group_id: id(group),
        user_id: id(USERS[*place].0),
        created_at_seconds: Some(CREATED_SECONDS),
    };
    members.iter().map(row).collect()
}

fn assignment(application: usize, principal_type: PrincipalType, suffix: &str) -> Assignment {
    Assignment {
        application_arn: application_arn(APPLICATIONS[application].0),
        principal_type,
        principal_id: id(suffix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_world_is_lawful_and_as_told() {
        let world = World::demo();
        world.check().expect("a lawful world");
        let engineering = world.group_named("engineering").expect("the group");
        assert_eq!(world.members_of(&engineering.group_id).len(), 3);
        let redshift = world
            .application_named("Amazon Redshift")
            .expect("the application");
        assert!(world.assignments_of(&redshift.application_arn).is_empty());
        assert!(
            !world
                .application_named("Wiki")
                .expect("the wiki")
                .assignment_required
        );
    }
}
