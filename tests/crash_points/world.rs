//! The world of the runs, and what calls are about in it.

use usher::simulator::{PrincipalType, World};

use super::common::Triple;
use super::common::asked::{Goal, Key};
use super::common::targets::{WorldTarget, add_user, empty_world};

/// Users beside the demo's.
const USERS: usize = 3;
/// The number of the first user who is left to who uses the brake, and how many there are: a point
/// is reached by the third at the latest, unless AWS's faults come between.
const FIRST_LEAVER: usize = 900_000;
const LEAVERS: usize = 12;
/// Targets of each kind. Few, so that calls meet on them.
const TARGETS: usize = 2;
/// Applications beside the demo's where many are needed: twice as many as the workers, since writes
/// to one application go one at a time.
const APPLICATIONS_OF_MANY: usize = 16;

/// What a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinds {
    /// Assignments of every kind.
    All,
    /// Assignments to accounts alone.
    Accounts,
}

/// A world with what calls can be about.
pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) goals: Vec<Goal>,
    /// Left to the probe after the crash.
    pub(crate) probe: Goal,
    /// Given once, and taken away again and again.
    pub(crate) taken: Goal,
    pub(crate) standing: Vec<Key>,
    /// Left to who uses the brake: one is used up each time, since Usher may take a user who was
    /// enabled again for disabled for a minute.
    pub(crate) leavers: Vec<Triple>,
}

/// Few assignments, so that calls meet on them; some of each kind stand before Usher.
pub(crate) fn setting(kinds: Kinds) -> Setting {
    let mut world = empty_world();
    let mut principals: Vec<(PrincipalType, String)> = Vec::new();
    for number in 0..USERS {
        principals.push((PrincipalType::User, add_user(&mut world, number)));
    }
    principals.push((PrincipalType::Group, world.groups[0].group_id.clone()));
    let applications = WorldTarget::applications(&world);
    let accounts = WorldTarget::accounts(&world);
    let targets = match kinds {
        Kinds::All => vec![applications, accounts],
        Kinds::Accounts => vec![accounts],
    };
    let (mut goals, mut standing) = (Vec::new(), Vec::new());
    for targets in targets {
        for target in targets.iter().take(TARGETS) {
            for (place, (kind, principal_id)) in principals.iter().enumerate() {
                let goal = target.goal(*kind, principal_id);
                if place == 0 {
                    target.put(&mut world, *kind, principal_id);
                    standing.push(goal.key.clone());
                }
                goals.push(goal);
            }
        }
    }
    let leavers = leavers(&mut world);
    let probe = goals.pop().expect("a goal");
    let taken = goals.pop().expect("a goal");
    Setting {
        world,
        goals,
        probe,
        taken,
        standing,
        leavers,
    }
}

/// Users whom no goal is about, on an application.
fn leavers(world: &mut World) -> Vec<Triple> {
    let application_arn = world.applications[0].application_arn.clone();
    let leavers = (0..LEAVERS).map(|number| Triple {
        kind: PrincipalType::User,
        principal_id: add_user(world, FIRST_LEAVER + number),
        application_arn: application_arn.clone(),
    });
    leavers.collect()
}

/// One assignment for each of many users, by turns to an application and to an account; nothing
/// stands.
pub(crate) fn many(users: usize) -> Setting {
    let mut world = empty_world();
    let pattern = world.applications[0].clone();
    world.applications.clear();
    for number in 0..APPLICATIONS_OF_MANY {
        let mut application = pattern.clone();
        let (instance, _) = pattern.application_arn.rsplit_once('-').expect("an ARN");
        application.application_arn = format!("{instance}-{number:016x}");
        application.name = format!("Application {number}");
        world.applications.push(application);
    }
    let targets = [
        WorldTarget::applications(&world),
        WorldTarget::accounts(&world),
    ];
    let goals: Vec<Goal> = (0..users)
        .map(|number| {
            let user_id = add_user(&mut world, number);
            let of_kind = &targets[number % targets.len()];
            let target = &of_kind[number / targets.len() % of_kind.len()];
            target.goal(PrincipalType::User, &user_id)
        })
        .collect();
    Setting {
        probe: goals[0].clone(),
        taken: goals[0].clone(),
        goals,
        standing: Vec::new(),
        leavers: leavers(&mut world),
        world,
    }
}
