//! What can be given in a test's world, whatever kind of target it is: rows of the simulated AWS and
//! the calls about them. Another kind of target is another value here and no more code elsewhere.

use usher::simulator::{AccountAssignment, Assignment, EnabledStatus, PrincipalType, User, World};

use super::Triple;
use super::asked::Goal;

/// Accounts of the demo's organization that can be used, but for the management account.
const ACCOUNTS: [&str; 2] = ["222233334444", "333344445555"];

/// A target in the simulated AWS.
#[derive(Clone, Debug)]
pub enum WorldTarget {
    Application {
        application_arn: String,
    },
    Account {
        account_id: String,
        permission_set_arn: String,
    },
}

impl WorldTarget {
    /// Every application.
    #[must_use]
    pub fn applications(world: &World) -> Vec<Self> {
        let applications = world.applications.iter();
        applications
            .map(|application| Self::Application {
                application_arn: application.application_arn.clone(),
            })
            .collect()
    }

    /// Every permission set in each account.
    #[must_use]
    pub fn accounts(world: &World) -> Vec<Self> {
        let sets = world.permission_sets.iter();
        sets.flat_map(|set| {
            ACCOUNTS.map(|account_id| Self::Account {
                account_id: account_id.to_owned(),
                permission_set_arn: set.permission_set_arn.clone(),
            })
        })
        .collect()
    }

    /// The calls about it and a principal.
    #[must_use]
    pub fn goal(&self, kind: PrincipalType, principal_id: &str) -> Goal {
        match self {
            Self::Application { application_arn } => Goal::from(&Triple {
                kind,
                principal_id: principal_id.to_owned(),
                application_arn: application_arn.clone(),
            }),
            Self::Account { .. } => Goal::from(&self.account_row(kind, principal_id)),
        }
    }

    /// Gives it to a principal, before anybody comes.
    pub fn put(&self, world: &mut World, kind: PrincipalType, principal_id: &str) {
        match self {
            Self::Application { application_arn } => world.assignments.push(Assignment {
                application_arn: application_arn.clone(),
                principal_type: kind,
                principal_id: principal_id.to_owned(),
            }),
            Self::Account { .. } => {
                let row = self.account_row(kind, principal_id);
                world.account_assignments.push(row);
            }
        }
    }

    fn account_row(&self, kind: PrincipalType, principal_id: &str) -> AccountAssignment {
        let Self::Account {
            account_id,
            permission_set_arn,
        } = self
        else {
            panic!("{self:?} is no account");
        };
        AccountAssignment {
            account_id: account_id.clone(),
            permission_set_arn: permission_set_arn.clone(),
            principal_type: kind,
            principal_id: principal_id.to_owned(),
        }
    }
}

/// The demo world in which nobody has anything.
#[must_use]
pub fn empty_world() -> World {
    let mut world = World::demo();
    world.assignments.clear();
    world.account_assignments.clear();
    world
}

/// Adds a user of this number. Answers its id.
pub fn add_user(world: &mut World, number: usize) -> String {
    let user_id = format!("d4e8f4a8-0000-4000-9000-{number:012}");
    world.users.push(User {
        identity_store_id: world.instances[0].identity_store_id.clone(),
        user_id: user_id.clone(),
        user_name: format!("user.{number}"),
        user_status: Some(EnabledStatus::Enabled),
        ..User::default()
    });
    user_id
}
