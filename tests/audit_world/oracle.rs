//! What a report must say, worked out from the simulator's world by going through everything, with
//! nothing of the code under test but the order of the columns.

use std::collections::{BTreeMap, BTreeSet};

use usher::simulator::{Application, EnabledStatus, Group, PrincipalType, User, World};

/// The columns that a report without grants fills, by name; all others are empty.
pub(crate) type Expected = BTreeMap<&'static str, String>;

/// How a test bends what can be known about the world.
#[derive(Default)]
pub(crate) struct Bent {
    /// Applications whose assignments nobody can read.
    pub(crate) unreadable_assignments: BTreeSet<String>,
    /// Applications of which AWS does not say whether they are open.
    pub(crate) unsaid_configurations: BTreeSet<String>,
}

/// Every row of ACCESS.
pub(crate) fn access(world: &World, bent: &Bent) -> Vec<Expected> {
    let mut rows = Vec::new();
    for application in &world.applications {
        if requirement(application, bent) == "no" {
            for user in &world.users {
                let row = about(world, application, bent);
                rows.push(path(with_user(row, user), "OPEN_APPLICATION", ""));
            }
        }
        if bent
            .unreadable_assignments
            .contains(&application.application_arn)
        {
            continue;
        }
        for assignment in world.assignments_of(&application.application_arn) {
            let row = about(world, application, bent);
            let id = &assignment.principal_id;
            match assignment.principal_type {
                PrincipalType::User => match user(world, id) {
                    Some(user) => rows.push(path(with_user(row, user), "DIRECT", "UNRECORDED")),
                    None => rows.push(orphan(row, "user_id", id)),
                },
                PrincipalType::Group => match group(world, id) {
                    Some(group) => rows.extend(ways_through(world, row, group)),
                    None => rows.push(orphan(row, "group_id", id)),
                },
            }
        }
    }
    rows
}

/// Every row of ASSIGNMENTS.
pub(crate) fn assignments(world: &World) -> Vec<Expected> {
    let bent = Bent::default();
    let rows = world.assignments.iter().map(|assignment| {
        let application = (world.applications.iter())
            .find(|row| row.application_arn == assignment.application_arn)
            .expect("a world without loose ends");
        let row = about(world, application, &bent);
        let id = &assignment.principal_id;
        match assignment.principal_type {
            PrincipalType::User => match user(world, id) {
                Some(user) => path(with_user(row, user), "DIRECT", "UNRECORDED"),
                None => orphan(row, "user_id", id),
            },
            PrincipalType::Group => match group(world, id) {
                Some(group) => path(with_group(row, group), "GROUP", "UNRECORDED"),
                None => orphan(row, "group_id", id),
            },
        }
    });
    rows.collect()
}

/// The operations that S2 of aws-api.md §9 allows, and one Describe for each orphan.
pub(crate) fn operations_at_most(world: &World) -> usize {
    let pages = |rows: usize, size: usize| rows.div_ceil(size).max(1);
    let applications = world.applications.len();
    let assignment_pages: usize = (world.applications.iter())
        .map(|row| pages(world.assignments_of(&row.application_arn).len(), 100))
        .sum();
    let mut assigned = BTreeSet::new();
    let mut orphans = BTreeSet::new();
    for row in &world.assignments {
        let id = row.principal_id.as_str();
        match row.principal_type {
            PrincipalType::User if user(world, id).is_none() => orphans.insert(id),
            PrincipalType::Group if group(world, id).is_none() => orphans.insert(id),
            PrincipalType::Group => assigned.insert(id),
            PrincipalType::User => false,
        };
    }
    let member_pages: usize = (assigned.iter())
        .map(|id| pages(world.members_of(id).len(), 100))
        .sum();
    let lists = pages(world.users.len(), 100) + pages(world.groups.len(), 100);
    let common = 1 + pages(applications, 50) + applications + assignment_pages;
    common + member_pages + lists + orphans.len()
}

fn ways_through(world: &World, row: Expected, group: &Group) -> Vec<Expected> {
    let row = with_group(row, group);
    let members = world.members_of(&group.group_id);
    if members.is_empty() {
        return vec![path(point(row, "empty_group"), "NONE", "UNRECORDED")];
    }
    let members = members.iter().map(|id| {
        let user = user(world, id).expect("members exist");
        path(with_user(row.clone(), user), "GROUP", "UNRECORDED")
    });
    members.collect()
}

fn user<'a>(world: &'a World, id: &str) -> Option<&'a User> {
    world.users.iter().find(|user| user.user_id == id)
}

fn group<'a>(world: &'a World, id: &str) -> Option<&'a Group> {
    world.groups.iter().find(|group| group.group_id == id)
}

fn word(status: EnabledStatus) -> String {
    match status {
        EnabledStatus::Enabled => "ENABLED".to_owned(),
        EnabledStatus::Disabled => "DISABLED".to_owned(),
    }
}

fn requirement(application: &Application, bent: &Bent) -> &'static str {
    let is_unsaid = bent
        .unsaid_configurations
        .contains(&application.application_arn);
    if is_unsaid || !application.assignment_configuration_supported {
        "unknown"
    } else if application.assignment_required {
        "yes"
    } else {
        "no"
    }
}

fn about(world: &World, application: &Application, bent: &Bent) -> Expected {
    let instance = &world.instances[0];
    let requirement = requirement(application, bent);
    let mut row = Expected::from([
        ("instance_arn", instance.instance_arn.clone()),
        ("identity_store_id", instance.identity_store_id.clone()),
        ("owner_account_id", instance.owner_account_id.clone()),
        ("target_kind", "APPLICATION".to_owned()),
        ("application_arn", application.application_arn.clone()),
        ("application_name", application.name.clone()),
        ("application_status", word(application.status)),
        ("assignment_required", requirement.to_owned()),
    ]);
    match requirement {
        "no" => row = point(row, "open_application"),
        "unknown" => row = point(row, "assignment_configuration_unknown"),
        _ => {}
    }
    if application.status == EnabledStatus::Disabled {
        row = point(row, "application_disabled");
    }
    row
}

fn with_user(mut row: Expected, user: &User) -> Expected {
    row.insert("user_id", user.user_id.clone());
    row.insert("user_name", user.user_name.clone());
    row.insert(
        "display_name",
        user.display_name.clone().unwrap_or_default(),
    );
    row.insert("email", user.email.clone().unwrap_or_default());
    let status = user.user_status.map_or("unknown".to_owned(), word);
    if status == "DISABLED" {
        row = point(row, "disabled_user");
    }
    row.insert("user_status", status);
    row
}

fn with_group(mut row: Expected, group: &Group) -> Expected {
    row.insert("group_id", group.group_id.clone());
    row.insert("group_name", group.display_name.clone());
    row
}

fn orphan(mut row: Expected, column: &'static str, id: &str) -> Expected {
    row.insert(column, id.to_owned());
    if column == "user_id" {
        row.insert("user_status", "DELETED".to_owned());
    }
    path(point(row, "orphaned_assignment"), "NONE", "UNRECORDED")
}

fn path(mut row: Expected, path: &str, provenance: &str) -> Expected {
    row.insert("path", path.to_owned());
    row.insert("provenance", provenance.to_owned());
    row
}

fn point(mut row: Expected, finding: &str) -> Expected {
    let findings = row.entry("findings").or_default();
    if !findings.is_empty() {
        findings.push(';');
    }
    findings.push_str(finding);
    row
}
