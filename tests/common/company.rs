//! An organization with account instances in several regions: a world, the configuration that finds
//! all of it through roles, and who may be given what there.

use usher::config::Config;
use usher::grpc::pb::AssignRequest;
use usher::simulator::{EnabledStatus, Instance, PrincipalType, World, WorldSizes};

use super::{Begin, Triple, short_times};

/// The role in each account.
pub const ROLE: &str = "usher-audit";
/// What the roles' trust policies ask for.
pub const EXTERNAL_ID: &str = "a-handshake";
/// The settings that find every instance of the world.
pub const DISCOVERY: &str = r#"
[discovery]
role_name = "usher-audit"
external_id = "a-handshake"
regions = ["us-east-1", "eu-west-1", "ap-southeast-2"]
"#;

/// Six accounts, the last one suspended, and three instances: the organization's, which the first
/// account owns, and those of the accounts 2 and 3.
#[must_use]
pub fn company() -> World {
    let sizes = WorldSizes {
        accounts: 6,
        account_instances: 2,
        role_name: Some(ROLE.to_owned()),
        role_external_id: Some(EXTERNAL_ID.to_owned()),
        applications: 12,
        groups: 12,
        users: 24,
        permission_sets: 3,
        assignments_per_account: 2,
        ..WorldSizes::default()
    };
    World::generate(7, &sizes)
}

/// A service that looks into every account, again each second.
#[must_use]
pub fn everywhere(world: World) -> Begin {
    let mut config = short_times();
    let found: Config = toml::from_str(DISCOVERY).expect("a configuration");
    config.discovery = found.discovery;
    config.discovery.refresh_seconds = 1;
    Begin {
        world,
        config,
        ..Begin::default()
    }
}

/// Takes the role of an account of the world away.
pub fn remove_role(world: &mut World, account_id: &str) {
    let arn = format!("arn:aws:iam::{account_id}:role/{ROLE}");
    world.roles.retain(|role| role.role_arn != arn);
}

/// A user of the instance, and an application of it that the user does not have.
#[must_use]
pub fn somebody_new(world: &World, instance: &Instance) -> Triple {
    let user = world
        .users
        .iter()
        .filter(|user| user.identity_store_id == instance.identity_store_id)
        .find(|user| user.user_status == Some(EnabledStatus::Enabled))
        .expect("a user");
    let application = world
        .applications
        .iter()
        .filter(|row| row.instance_arn == instance.instance_arn && row.assignment_required)
        .find(|row| {
            let rows = world.assignments_of(&row.application_arn);
            rows.iter().all(|row| row.principal_id != user.user_id)
        })
        .expect("an application");
    Triple {
        kind: PrincipalType::User,
        principal_id: user.user_id.clone(),
        application_arn: application.application_arn.clone(),
    }
}

/// An Assign in the instance of this ARN or alias.
#[must_use]
pub fn assign_in(instance: &str, triple: &Triple) -> AssignRequest {
    AssignRequest {
        instance: instance.to_owned(),
        ..triple.assign()
    }
}
