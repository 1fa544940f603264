//! What a report must say, worked out from the simulator's world by going through everything, with
//! nothing of the code under test but the order of the columns.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use usher::simulator::{
    AccountStatus, Application, EnabledStatus, Group, Instance, PrincipalType, User, World,
};

/// The columns that a report without grants fills, by name; all others are empty.
pub(crate) type Expected = BTreeMap<&'static str, String>;

/// How a test bends what can be known about the world.
#[derive(Default)]
pub(crate) struct Bent {
    /// Applications whose assignments nobody can read.
    pub(crate) unreadable_assignments: BTreeSet<String>,
    /// Applications of which AWS does not say whether they are open.
    pub(crate) unsaid_configurations: BTreeSet<String>,
    /// Instances that nobody can look into, by ARN.
    pub(crate) unreachable: BTreeSet<String>,
}

/// The world with its people by id, so that looking them up is quick.
struct Known<'a> {
    world: &'a World,
    users: HashMap<&'a str, &'a User>,
    groups: HashMap<&'a str, &'a Group>,
    members: HashMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Known<'a> {
    fn new(world: &'a World) -> Self {
        let users = world.users.iter();
        let groups = world.groups.iter();
        let mut members: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for row in &world.memberships {
            let of_group = members.entry(&row.group_id).or_default();
            of_group.insert(&row.user_id);
        }
        Self {
            world,
            users: users.map(|user| (user.user_id.as_str(), user)).collect(),
            groups: groups
                .map(|group| (group.group_id.as_str(), group))
                .collect(),
            members,
        }
    }

    fn members_of(&self, group: &str) -> BTreeSet<&'a str> {
        self.members.get(group).cloned().unwrap_or_default()
    }
}

/// Every row of ACCESS.
pub(crate) fn access(world: &World, bent: &Bent) -> Vec<Expected> {
    let known = &Known::new(world);
    let mut rows = Vec::new();
    for application in &world.applications {
        if bent.unreachable.contains(&application.instance_arn) {
            continue;
        }
        let store = &instance_of(world, &application.instance_arn).identity_store_id;
        if requirement(application, bent) == "no" {
            let users = world.users.iter();
            for user in users.filter(|user| &user.identity_store_id == store) {
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
            let (kind, id) = (assignment.principal_type, &assignment.principal_id);
            rows.extend(ways_in(known, row, kind, id));
        }
    }
    for assignment in &world.account_assignments {
        let row = about_access(
            world,
            &assignment.account_id,
            &assignment.permission_set_arn,
        );
        if !bent.unreachable.contains(&row["instance_arn"]) {
            let (kind, id) = (assignment.principal_type, &assignment.principal_id);
            rows.extend(ways_in(known, row, kind, id));
        }
    }
    rows
}

/// The same rows where a store has a collection that saw everything: what it saw is standing.
pub(crate) fn standing(mut rows: Vec<Expected>) -> Vec<Expected> {
    for row in &mut rows {
        let provenance = row.get_mut("provenance");
        if let Some(provenance) = provenance.filter(|it| *it == "UNRECORDED") {
            "STANDING".clone_into(provenance);
        }
    }
    rows
}

/// The same rows without why they stand.
pub(crate) fn unexplained(mut rows: Vec<Expected>) -> Vec<Expected> {
    for row in &mut rows {
        row.remove("provenance");
    }
    rows
}

/// The rows of an assignment, groups expanded.
fn ways_in(known: &Known<'_>, row: Expected, kind: PrincipalType, id: &str) -> Vec<Expected> {
    match kind {
        PrincipalType::User => match user(known, id) {
            Some(user) => vec![path(with_user(row, user), "DIRECT", "UNRECORDED")],
            None => vec![orphan(row, "user_id", id)],
        },
        PrincipalType::Group => match group(known, id) {
            Some(group) => ways_through(known, row, group),
            None => vec![orphan(row, "group_id", id)],
        },
    }
}

/// Every row of ASSIGNMENTS.
pub(crate) fn assignments(world: &World) -> Vec<Expected> {
    let (bent, known) = (Bent::default(), &Known::new(world));
    let rows = world.assignments.iter().map(|assignment| {
        let application = (world.applications.iter())
            .find(|row| row.application_arn == assignment.application_arn)
            .expect("a world without loose ends");
        let row = about(world, application, &bent);
        let id = &assignment.principal_id;
        match assignment.principal_type {
            PrincipalType::User => match user(known, id) {
                Some(user) => path(with_user(row, user), "DIRECT", "UNRECORDED"),
                None => orphan(row, "user_id", id),
            },
            PrincipalType::Group => match group(known, id) {
                Some(group) => path(with_group(row, group), "GROUP", "UNRECORDED"),
                None => orphan(row, "group_id", id),
            },
        }
    });
    rows.collect()
}

/// The operations that aws-api.md §9 allows: for each instance S2 and its account side, and one
/// Describe for each orphan. ListAccounts, which §9 leaves out, once: names come from there.
pub(crate) fn operations_at_most(world: &World) -> usize {
    let known = &Known::new(world);
    let of_instances: usize = (world.instances.iter())
        .map(|instance| operations_of(known, instance))
        .sum();
    let names = match world.permission_sets.len() {
        0 => 0,
        _ => pages(world.accounts.len(), 20),
    };
    of_instances + names
}

fn pages(rows: usize, size: usize) -> usize {
    rows.div_ceil(size).max(1)
}

fn operations_of(known: &Known<'_>, instance: &Instance) -> usize {
    let world = known.world;
    let (arn, store) = (&instance.instance_arn, &instance.identity_store_id);
    let applications: Vec<&Application> = (world.applications.iter())
        .filter(|row| &row.instance_arn == arn)
        .collect();
    let assignment_pages: usize = (applications.iter())
        .map(|row| pages(world.assignments_of(&row.application_arn).len(), 100))
        .sum();
    let of_applications = (world.assignments.iter())
        .filter(|row| (applications.iter()).any(|of| of.application_arn == row.application_arn))
        .map(|row| (row.principal_type, row.principal_id.as_str()));
    let sets: BTreeSet<&str> = (world.permission_sets.iter())
        .filter(|set| &set.instance_arn == arn)
        .map(|set| set.permission_set_arn.as_str())
        .collect();
    let of_accounts = (world.account_assignments.iter())
        .filter(|row| sets.contains(row.permission_set_arn.as_str()))
        .map(|row| (row.principal_type, row.principal_id.as_str()));
    let mut assigned = BTreeSet::new();
    let mut orphans = BTreeSet::new();
    for (kind, id) in of_applications.chain(of_accounts) {
        match kind {
            PrincipalType::User if user(known, id).is_none() => orphans.insert(id),
            PrincipalType::Group if group(known, id).is_none() => orphans.insert(id),
            PrincipalType::Group => assigned.insert(id),
            PrincipalType::User => false,
        };
    }
    let member_pages: usize = (assigned.iter())
        .map(|id| pages(known.members_of(id).len(), 100))
        .sum();
    let users = (world.users.iter()).filter(|row| &row.identity_store_id == store);
    let groups = (world.groups.iter()).filter(|row| &row.identity_store_id == store);
    let lists = pages(users.count(), 100) + pages(groups.count(), 100);
    let common = 1 + pages(applications.len(), 50) + applications.len() + assignment_pages;
    let accounts = account_side(world, &sets);
    common + member_pages + lists + orphans.len() + accounts
}

/// c(PS,100) + PS + the accounts of each set + one page of assignments for each pair.
fn account_side(world: &World, sets: &BTreeSet<&str>) -> usize {
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in &world.account_assignments {
        let pair = (row.permission_set_arn.as_str(), row.account_id.as_str());
        *pairs.entry(pair).or_default() += 1;
    }
    for row in &world.provisioned {
        let pair = (row.permission_set_arn.as_str(), row.account_id.as_str());
        pairs.entry(pair).or_default();
    }
    pairs.retain(|(set, _), _| sets.contains(set));
    let accounts_of = |set: &str| pairs.keys().filter(|(of, _)| *of == set).count();
    let account_pages: usize = sets.iter().map(|set| pages(accounts_of(set), 100)).sum();
    let assignment_pages: usize = pairs.values().map(|rows| pages(*rows, 100)).sum();
    pages(sets.len(), 100) + sets.len() + account_pages + assignment_pages
}

fn instance_of<'a>(world: &'a World, arn: &str) -> &'a Instance {
    let mut instances = world.instances.iter();
    let found = instances.find(|instance| instance.instance_arn == arn);
    found.expect("a world without loose ends")
}

fn ways_through(known: &Known<'_>, row: Expected, group: &Group) -> Vec<Expected> {
    let row = with_group(row, group);
    let members = known.members_of(&group.group_id);
    if members.is_empty() {
        return vec![path(point(row, "empty_group"), "NONE", "UNRECORDED")];
    }
    let members = members.iter().map(|id| {
        let user = user(known, id).expect("members exist");
        path(with_user(row.clone(), user), "GROUP", "UNRECORDED")
    });
    members.collect()
}

fn user<'a>(known: &Known<'a>, id: &str) -> Option<&'a User> {
    known.users.get(id).copied()
}

fn group<'a>(known: &Known<'a>, id: &str) -> Option<&'a Group> {
    known.groups.get(id).copied()
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
    let instance = instance_of(world, &application.instance_arn);
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

/// The cells of an account with a permission set.
fn about_access(world: &World, account_id: &str, set_arn: &str) -> Expected {
    let mut sets = world.permission_sets.iter();
    let set = sets.find(|set| set.permission_set_arn == set_arn);
    let set = set.expect("a world without loose ends");
    let instance = instance_of(world, &set.instance_arn);
    let account = world
        .accounts
        .iter()
        .find(|row| row.account_id == account_id);
    let account = account.expect("a world without loose ends");
    let row = Expected::from([
        ("instance_arn", instance.instance_arn.clone()),
        ("identity_store_id", instance.identity_store_id.clone()),
        ("owner_account_id", instance.owner_account_id.clone()),
        ("target_kind", "ACCOUNT".to_owned()),
        ("account_id", account_id.to_owned()),
        ("account_name", account.name.clone()),
        ("permission_set_arn", set_arn.to_owned()),
        ("permission_set_name", set.name.clone()),
    ]);
    match account.status {
        AccountStatus::Active => row,
        _ => point(row, "account_inactive"),
    }
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
