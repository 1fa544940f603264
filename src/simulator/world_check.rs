//! Reads worlds from JSON and refuses those that contradict themselves, with the place of the
//! contradiction. Never repairs one.

use std::collections::BTreeSet;

use super::patterns::{self, Shape};
use super::world::World;
use super::world_check_accounts;
use super::world_organization;

/// Why a world cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Not JSON, or not of the world's form; the text has line and column.
    #[error("the world is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Readable, but contradicting itself.
    #[error("the world contradicts itself at {place}: {problem}")]
    Contradiction {
        /// As `users[3].user_id`.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

impl World {
    /// Reads and checks a world, in the form that `GET /_control/world` writes.
    pub fn from_json(text: &str) -> Result<World, WorldError> {
        let world: World = serde_json::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// Refuses ids out of pattern, ids given twice and references to nothing. Does not refuse
    /// orphaned assignments, nor names that collide only in another case: real stores hold both.
    pub fn check(&self) -> Result<(), WorldError> {
        let mut seen = BTreeSet::new();
        let mut unique = |place: String, id: &str, shape: &Shape| {
            check_shape(&place, id, shape)?;
            if !seen.insert(id.to_owned()) {
                return contradiction(place, format!("{id} is there twice"));
            }
            Ok(())
        };
        for (at, row) in self.instances.iter().enumerate() {
            let place = format!("instances[{at}].instance_arn");
            unique(place, &row.instance_arn, &patterns::INSTANCE_ARN)?;
            let place = format!("instances[{at}].identity_store_id");
            unique(
                place,
                &row.identity_store_id,
                &patterns::BARE_IDENTITY_STORE_ID,
            )?;
        }
        for (at, row) in self.applications.iter().enumerate() {
            let place = format!("applications[{at}].application_arn");
            unique(place, &row.application_arn, &patterns::APPLICATION_ARN)?;
        }
        for (at, row) in self.users.iter().enumerate() {
            unique(
                format!("users[{at}].user_id"),
                &row.user_id,
                &patterns::PRINCIPAL_ID,
            )?;
        }
        for (at, row) in self.groups.iter().enumerate() {
            unique(
                format!("groups[{at}].group_id"),
                &row.group_id,
                &patterns::PRINCIPAL_ID,
            )?;
        }
        for (at, row) in self.memberships.iter().enumerate() {
            let place = format!("memberships[{at}].membership_id");
            unique(place, &row.membership_id, &patterns::PRINCIPAL_ID)?;
        }
        self.check_references()?;
        world_organization::check(self)
    }

    fn check_references(&self) -> Result<(), WorldError> {
        let instances: BTreeSet<&str> = self
            .instances
            .iter()
            .map(|row| row.instance_arn.as_str())
            .collect();
        let stores: BTreeSet<&str> = self
            .instances
            .iter()
            .map(|row| row.identity_store_id.as_str())
            .collect();
        let applications: BTreeSet<&str> = self
            .applications
            .iter()
            .map(|row| row.application_arn.as_str())
            .collect();
        let users: BTreeSet<(&str, &str)> = (self.users.iter())
            .map(|row| (row.identity_store_id.as_str(), row.user_id.as_str()))
            .collect();
        let groups: BTreeSet<(&str, &str)> = (self.groups.iter())
            .map(|row| (row.identity_store_id.as_str(), row.group_id.as_str()))
            .collect();
        for (at, row) in self.applications.iter().enumerate() {
            let place = || format!("applications[{at}].instance_arn");
            check_known(&instances, &row.instance_arn.as_str(), place)?;
        }
        for (at, row) in self.users.iter().enumerate() {
            let place = || format!("users[{at}].identity_store_id");
            check_known(&stores, &row.identity_store_id.as_str(), place)?;
        }
        for (at, row) in self.groups.iter().enumerate() {
            let place = || format!("groups[{at}].identity_store_id");
            check_known(&stores, &row.identity_store_id.as_str(), place)?;
        }
        for (at, row) in self.memberships.iter().enumerate() {
            let store = row.identity_store_id.as_str();
            let place = || format!("memberships[{at}].user_id");
            check_known(&users, &(store, row.user_id.as_str()), place)?;
            let place = || format!("memberships[{at}].group_id");
            check_known(&groups, &(store, row.group_id.as_str()), place)?;
        }
        let mut assignments = BTreeSet::new();
        for (at, row) in self.assignments.iter().enumerate() {
            let place = || format!("assignments[{at}].application_arn");
            check_known(&applications, &row.application_arn.as_str(), place)?;
            let place = format!("assignments[{at}].principal_id");
            check_shape(&place, &row.principal_id, &patterns::PRINCIPAL_ID)?;
            if !assignments.insert(row) {
                return contradiction(format!("assignments[{at}]"), "it is there twice".to_owned());
            }
        }
        world_check_accounts::check(self)
    }
}

pub(super) fn check_shape(place: &str, value: &str, shape: &Shape) -> Result<(), WorldError> {
    match shape.violation(value) {
        None => Ok(()),
        Some(constraint) => contradiction(place.to_owned(), format!("{value:?}: {constraint}")),
    }
}

pub(super) fn check_known<T: Ord + std::fmt::Debug>(
    known: &BTreeSet<T>,
    value: &T,
    place: impl Fn() -> String,
) -> Result<(), WorldError> {
    if known.contains(value) {
        return Ok(());
    }
    contradiction(place(), format!("{value:?} is not in the world"))
}

pub(super) fn contradiction<T>(place: String, problem: String) -> Result<T, WorldError> {
    Err(WorldError::Contradiction { place, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(change: impl FnOnce(&mut World)) -> String {
        let mut world = World::demo();
        change(&mut world);
        world.check().expect_err("a contradiction").to_string()
    }

    #[test]
    fn contradictions_are_told_with_their_place() {
        let twice = problem(|world| world.users[1].user_id = world.users[0].user_id.clone());
        assert!(
            twice.contains("users[1].user_id") && twice.contains("twice"),
            "{twice}"
        );
        let shape = problem(|world| world.groups[2].group_id = "group".to_owned());
        assert!(shape.contains("groups[2].group_id"), "{shape}");
        let unknown = problem(|world| {
            world.memberships[0].user_id = "00000000-0000-4000-8000-000000000000".to_owned();
        });
        assert!(unknown.contains("memberships[0].user_id"), "{unknown}");
        let repeated = problem(|world| world.assignments.push(world.assignments[0].clone()));
        assert!(repeated.contains("assignments[2]"), "{repeated}");
    }

    #[test]
    fn unreadable_worlds_are_told_with_line_and_field() {
        let error = World::from_json("{\n  \"userz\": []\n}").expect_err("a misspelling");
        let text = error.to_string();
        assert!(text.contains("userz") && text.contains("line 2"), "{text}");
        assert!(World::from_json("{}").is_ok());
    }
}
