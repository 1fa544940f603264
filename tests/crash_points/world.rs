//! The world of the runs, and what calls are about in it. A second kind of
//! target is more rows here and no more code elsewhere.

use usher::simulator::{Assignment, EnabledStatus, PrincipalType, User, World};

use super::common::Triple;
use super::common::asked::{Goal, Key};

/// Users beside the demo's.
const USERS: usize = 3;
/// Applications beside the demo's where many are needed: twice as many as the workers, since writes
/// to one application go one at a time.
const APPLICATIONS_OF_MANY: usize = 16;

/// A world with what calls can be about.
pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) goals: Vec<Goal>,
    /// Left to the probe after the crash.
    pub(crate) probe: Goal,
    /// Given once, and taken away again and again.
    pub(crate) taken: Goal,
    pub(crate) standing: Vec<Key>,
}

/// Few assignments, so that calls meet on them; two of them stand before Usher.
pub(crate) fn setting() -> Setting {
    let mut world = World::demo();
    world.assignments.clear();
    let mut principals: Vec<(PrincipalType, String)> = Vec::new();
    for number in 0..USERS {
        let user_id = add_user(&mut world, number);
        principals.push((PrincipalType::User, user_id));
    }
    principals.push((PrincipalType::Group, world.groups[0].group_id.clone()));
    let mut triples: Vec<Triple> = Vec::new();
    for application in world.applications.iter().take(2) {
        for (kind, principal_id) in &principals {
            triples.push(Triple {
                kind: *kind,
                principal_id: principal_id.clone(),
                application_arn: application.application_arn.clone(),
            });
        }
    }
    let probe = triples.pop().expect("a triple");
    let taken = triples.pop().expect("a triple");
    let standing = triples.iter().step_by(4).cloned().collect::<Vec<_>>();
    for triple in &standing {
        world.assignments.push(Assignment {
            application_arn: triple.application_arn.clone(),
            principal_type: triple.kind,
            principal_id: triple.principal_id.clone(),
        });
    }
    Setting {
        goals: triples.iter().map(Goal::from).collect(),
        probe: Goal::from(&probe),
        taken: Goal::from(&taken),
        standing: standing.iter().map(|row| Goal::from(row).key).collect(),
        world,
    }
}

/// One assignment for each of many users, over several applications; nothing stands.
pub(crate) fn many(users: usize) -> Setting {
    let mut world = World::demo();
    world.assignments.clear();
    let pattern = world.applications[0].clone();
    for number in 0..APPLICATIONS_OF_MANY {
        let mut application = pattern.clone();
        let (instance, _) = pattern.application_arn.rsplit_once('-').expect("an ARN");
        application.application_arn = format!("{instance}-{number:016x}");
        application.name = format!("Application {number}");
        world.applications.push(application);
    }
    let mut triples = Vec::new();
    for number in 0..users {
        let user_id = add_user(&mut world, number);
        let place = world.applications.len() - 1 - number % APPLICATIONS_OF_MANY;
        triples.push(Triple {
            kind: PrincipalType::User,
            principal_id: user_id,
            application_arn: world.applications[place].application_arn.clone(),
        });
    }
    let goals: Vec<Goal> = triples.iter().map(Goal::from).collect();
    Setting {
        probe: goals[0].clone(),
        taken: goals[0].clone(),
        goals,
        standing: Vec::new(),
        world,
    }
}

fn add_user(world: &mut World, number: usize) -> String {
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
