//! What an audit should know of a world, and what differs between two states of that: by going through the world, with
//! nothing of the code under test.

use std::collections::{BTreeMap, BTreeSet};

use usher::simulator::{PrincipalType, World};

/// What is known of each thing, by what it is and the ids that it is about: kind of principal, principal, group,
/// application, account, permission set.
pub(crate) type Known = BTreeMap<[String; 7], String>;

/// A change as a row tells it: what, how, and the ids of what it is about.
pub(crate) type Told = String;

fn add(known: &mut Known, what: &str, ids: [&str; 6], value: impl Into<String>) {
    let [kind, principal, group, application, account, set] = ids.map(str::to_owned);
    let what = what.to_owned();
    let key = [what, kind, principal, group, application, account, set];
    known.insert(key, value.into());
}

/// What there is in a world and what is known of it, as far as an audit looks.
pub(crate) fn facts(world: &World) -> Known {
    let known = &mut Known::new();
    let named = add_assigned(known, world);
    for row in &world.memberships {
        if named.contains(&(PrincipalType::Group, row.group_id.as_str())) {
            let ids = ["USER", &row.user_id, &row.group_id, "", "", ""];
            add(known, "MEMBERSHIP", ids, "");
        }
    }
    for (kind, id) in named {
        let what = kind.as_str();
        add(known, what, [what, id, "", "", "", ""], "DELETED");
    }
    for row in &world.users {
        let value = format!("{} {:?} {:?}", row.user_name, row.email, row.user_status);
        add(known, "USER", ["USER", &row.user_id, "", "", "", ""], value);
    }
    for row in &world.groups {
        let ids = ["GROUP", &row.group_id, "", "", "", ""];
        add(known, "GROUP", ids, row.display_name.as_str());
    }
    for row in &world.applications {
        let value = format!("{} {:?}", row.name, row.status);
        let ids = ["", "", "", &row.application_arn, "", ""];
        add(known, "APPLICATION", ids, value);
    }
    for row in &world.permission_sets {
        let ids = ["", "", "", "", "", row.permission_set_arn.as_str()];
        add(known, "PERMISSION_SET", ids, row.name.as_str());
    }
    for row in &world.accounts {
        let ids = ["", "", "", "", row.account_id.as_str(), ""];
        add(known, "ACCOUNT", ids, row.name.as_str());
    }
    std::mem::take(known)
}

/// Adds the assignments, and which accounts have which permission sets; answers who is named.
fn add_assigned<'a>(known: &mut Known, world: &'a World) -> BTreeSet<(PrincipalType, &'a str)> {
    let mut named = BTreeSet::new();
    for row in &world.assignments {
        let (kind, id) = (row.principal_type, row.principal_id.as_str());
        named.insert((kind, id));
        let ids = [kind.as_str(), id, "", &row.application_arn, "", ""];
        add(known, "ASSIGNMENT", ids, "");
    }
    for row in &world.account_assignments {
        let (kind, id) = (row.principal_type, row.principal_id.as_str());
        let (account, set) = (row.account_id.as_str(), row.permission_set_arn.as_str());
        named.insert((kind, id));
        add(
            known,
            "ASSIGNMENT",
            [kind.as_str(), id, "", "", account, set],
            "",
        );
        add(known, "ACCOUNT_ACCESS", ["", "", "", "", account, set], "");
    }
    for row in &world.provisioned {
        let (account, set) = (row.account_id.as_str(), row.permission_set_arn.as_str());
        add(known, "ACCOUNT_ACCESS", ["", "", "", "", account, set], "");
    }
    named
}

/// The same, with what was last known of who is in groups that are assigned nowhere now: nobody looks there.
pub(crate) fn known(world: &World, before: &Known) -> Known {
    let applications = world.assignments.iter().map(|row| &row.principal_id);
    let accounts = world.account_assignments.iter();
    let accounts = accounts.map(|row| &row.principal_id);
    let assigned: BTreeSet<&String> = applications.chain(accounts).collect();
    let groups = world.groups.iter().map(|row| &row.group_id);
    let not_looked_into: BTreeSet<&String> = groups.filter(|id| !assigned.contains(id)).collect();
    let mut known = facts(world);
    let kept = before.iter().filter(|(key, _)| {
        let [what, _, _, group, ..] = key;
        what == "MEMBERSHIP" && not_looked_into.contains(group)
    });
    known.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
    known
}

/// What differs between two states of what is known.
pub(crate) fn differences(old: &Known, new: &Known) -> BTreeSet<Told> {
    let keys: BTreeSet<&[String; 7]> = old.keys().chain(new.keys()).collect();
    let told = keys.into_iter().filter_map(|key| {
        let change = match (old.get(key), new.get(key)) {
            (None, _) => "ADDED",
            (_, None) => "REMOVED",
            (before, after) if before == after => return None,
            _ => "CHANGED",
        };
        Some(format!("{change} {}", key.join(" ")))
    });
    told.collect()
}
