//! The simulated AWS of these tests: so many applications that work on one keeps no others waiting, and few enough
//! people that calls meet on the same assignments.

use std::collections::BTreeSet;

use usher::simulator::{PrincipalType, Settings, World};

use super::common::asked::{Goal, Key};
use super::common::targets::{WorldTarget, add_user, empty_world};

const USERS: usize = 8;
/// Applications beside those of the demo.
const APPLICATIONS: usize = 12;
/// Targets beside the applications whose changes are asynchronous.
const ACCOUNT_TARGETS: usize = 2;

/// A world of users and a group on applications and accounts; every fifth assignment stands before Usher comes.
pub(crate) fn setting() -> (World, Vec<Goal>, BTreeSet<Key>) {
    let mut world = with_applications();
    let accounts = WorldTarget::accounts(&world);
    let accounts = accounts.into_iter().take(ACCOUNT_TARGETS);
    let mut targets = WorldTarget::applications(&world);
    targets.extend(accounts);
    let users = (0..USERS).map(|number| (PrincipalType::User, add_user(&mut world, number)));
    let mut principals: Vec<(PrincipalType, String)> = users.collect();
    principals.push((PrincipalType::Group, world.groups[0].group_id.clone()));
    let (mut goals, mut standing) = (Vec::new(), BTreeSet::new());
    for (kind, principal_id) in &principals {
        for target in &targets {
            let goal = target.goal(*kind, principal_id);
            if goals.len().is_multiple_of(5) {
                target.put(&mut world, *kind, principal_id);
                standing.insert(goal.key.clone());
            }
            goals.push(goal);
        }
    }
    (world, goals, standing)
}

/// Users on applications of a world in which nobody has anything.
pub(crate) fn users_on_applications() -> (World, Vec<Goal>) {
    let mut world = with_applications();
    let targets = WorldTarget::applications(&world);
    let users: Vec<String> = (0..USERS).map(|it| add_user(&mut world, it)).collect();
    let goals = users.iter().flat_map(|user| {
        let targets = targets.iter();
        targets.map(|target| target.goal(PrincipalType::User, user))
    });
    let goals = goals.collect();
    (world, goals)
}

/// A simulated AWS that takes its time, shows writes late, and works on asynchronous changes for a while.
pub(crate) fn slow_aws(seed: u64) -> Settings {
    Settings {
        seed,
        latency_milliseconds: 4,
        jitter_milliseconds: 10,
        visibility_milliseconds: 60,
        status_visibility_milliseconds: 60,
        asynchronous_milliseconds: 120,
        asynchronous_jitter_milliseconds: 60,
        ..Settings::unlimited()
    }
}

fn with_applications() -> World {
    let mut world = empty_world();
    for number in 0..APPLICATIONS {
        add_application(&mut world, number);
    }
    world
}

/// Adds an application of this number. Answers its ARN.
pub(crate) fn add_application(world: &mut World, number: usize) -> String {
    let mut application = world.applications[0].clone();
    let parts = application.application_arn.rsplit_once("/apl-");
    let (instance, _) = parts.expect("an application's ARN");
    let arn = format!("{instance}/apl-{number:016x}");
    application.application_arn = arn.clone();
    application.name = format!("Application {number}");
    world.applications.push(application);
    arn
}
