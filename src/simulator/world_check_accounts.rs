//! Refuses an account side of a world that contradicts itself, with the place. Orphaned assignments,
//! of principals that are gone, are lawful.

use std::collections::BTreeSet;

use super::patterns;
use super::world::World;
use super::world_check::{WorldError, check_known, check_shape, contradiction};

/// Checks permission sets, account assignments and what is told about provisioning.
pub(super) fn check(world: &World) -> Result<(), WorldError> {
    let instances: BTreeSet<&str> = (world.instances.iter())
        .map(|row| row.instance_arn.as_str())
        .collect();
    let (mut sets, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (at, row) in world.permission_sets.iter().enumerate() {
        let place = |field: &str| format!("permission_sets[{at}].{field}");
        let arn = row.permission_set_arn.as_str();
        let arn_place = place("permission_set_arn");
        check_shape(&arn_place, arn, &patterns::PERMISSION_SET_ARN)?;
        check_shape(&place("name"), &row.name, &patterns::PERMISSION_SET_NAME)?;
        let instance = row.instance_arn.as_str();
        check_known(&instances, &instance, || place("instance_arn"))?;
        if !sets.insert(arn) {
            return contradiction(arn_place, format!("{arn} is there twice"));
        }
        if !names.insert((instance, &row.name)) {
            let problem = format!("{} is there twice", row.name);
            return contradiction(place("name"), problem);
        }
    }
    let mut rows = BTreeSet::new();
    for (at, row) in world.account_assignments.iter().enumerate() {
        let place = |field: &str| format!("account_assignments[{at}].{field}");
        let account_place = place("account_id");
        check_shape(&account_place, &row.account_id, &patterns::ACCOUNT_ID)?;
        let set = row.permission_set_arn.as_str();
        check_known(&sets, &set, || place("permission_set_arn"))?;
        let principal_place = place("principal_id");
        check_shape(&principal_place, &row.principal_id, &patterns::PRINCIPAL_ID)?;
        if !rows.insert(row) {
            let place = format!("account_assignments[{at}]");
            return contradiction(place, "it is there twice".to_owned());
        }
    }
    for (at, row) in world.provisioned.iter().enumerate() {
        let place = |field: &str| format!("provisioned[{at}].{field}");
        let account_place = place("account_id");
        check_shape(&account_place, &row.account_id, &patterns::ACCOUNT_ID)?;
        let set = row.permission_set_arn.as_str();
        check_known(&sets, &set, || place("permission_set_arn"))?;
    }
    Ok(())
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
    fn contradictions_of_the_account_side_are_told_with_their_place() {
        let name = problem(|world| {
            world.permission_sets[1].name = world.permission_sets[0].name.clone();
        });
        assert!(name.contains("permission_sets[1].name"), "{name}");
        let twice = problem(|world| {
            let row = world.account_assignments[0].clone();
            world.account_assignments.push(row);
        });
        assert!(twice.contains("twice"), "{twice}");
        let account = problem(|world| world.account_assignments[0].account_id = "1".to_owned());
        assert!(
            account.contains("account_assignments[0].account_id"),
            "{account}"
        );
        let unknown = problem(|world| drop(world.permission_sets.remove(0)));
        assert!(unknown.contains("is not in the world"), "{unknown}");
    }
}
