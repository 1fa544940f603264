//! The IAM policies in deploy/iam allow what the code can ask of AWS, no more and no less, on
//! resources of the types that AWS requires.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use usher::domain::Operation;

const APPLICATION: &str = "arn:aws:sso::*:application/";
const INSTANCE: &str = "arn:aws:sso:::instance/";
const STORE: &str = "arn:aws:identitystore::*:identitystore/";
const USER: &str = "arn:aws:identitystore:::user/";
const GROUP: &str = "arn:aws:identitystore:::group/";
const MEMBERSHIP: &str = "arn:aws:identitystore:::membership/";
/// The action knows no resource type.
const ANY: &str = "*";

/// The resource types that AWS's Service Authorization Reference requires for each operation; none
/// for the one that needs no permission.
fn required_resources(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::GetCallerIdentity => &[],
        Operation::ListInstances | Operation::ListApplications => &[ANY],
        Operation::ListApplicationAssignmentsForPrincipal => &[INSTANCE],
        Operation::DescribeApplication
        | Operation::GetApplicationAssignmentConfiguration
        | Operation::ListApplicationAssignments
        | Operation::DescribeApplicationAssignment
        | Operation::CreateApplicationAssignment
        | Operation::DeleteApplicationAssignment => &[APPLICATION],
        Operation::ListUsers | Operation::DescribeUser | Operation::GetUserId => &[STORE, USER],
        Operation::ListGroups | Operation::DescribeGroup | Operation::GetGroupId => &[STORE, GROUP],
        Operation::ListGroupMemberships => &[STORE, GROUP, MEMBERSHIP],
        Operation::ListGroupMembershipsForMember => &[STORE, USER, MEMBERSHIP],
        other => panic!("no resource is named for {}", other.name()),
    }
}

/// What a policy allows: each action with its resources.
type Allowed = BTreeMap<String, BTreeSet<String>>;

fn policy(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/iam")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// IAM writes one string or a list of strings.
fn strings(value: &Value) -> Vec<String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    items
        .iter()
        .map(|item| match item.as_str() {
            Some(text) => text.to_owned(),
            None => panic!("not a string: {item}"),
        })
        .collect()
}

fn statements(policy: &Value) -> &[Value] {
    match policy["Statement"].as_array() {
        Some(statements) => statements,
        None => panic!("a policy has a list `Statement`"),
    }
}

fn allowed(policy: &Value) -> Allowed {
    let mut allowed = Allowed::new();
    for statement in statements(policy) {
        for action in strings(&statement["Action"]) {
            let resources = strings(&statement["Resource"]).into_iter().collect();
            let twice = allowed.insert(action.clone(), resources);
            assert!(twice.is_none(), "{action} is allowed by two statements");
        }
    }
    allowed
}

/// What is wrong with a policy that should allow these operations.
fn problems(allowed: &Allowed, wanted: &[Operation]) -> Vec<String> {
    let mut problems = Vec::new();
    let wanted_actions: BTreeSet<String> = wanted
        .iter()
        .map(|operation| operation.iam_action())
        .collect();
    for action in allowed
        .keys()
        .filter(|action| !wanted_actions.contains(*action))
    {
        problems.push(format!(
            "{action} is allowed and Usher does not make it here"
        ));
    }
    for operation in wanted {
        let action = operation.iam_action();
        let Some(resources) = allowed.get(&action) else {
            problems.push(format!("{action} is made and not allowed"));
            continue;
        };
        let required = required_resources(*operation);
        for kind in required {
            if !resources.iter().any(|resource| is_of_kind(resource, kind)) {
                problems.push(format!("{action} lacks a resource `{kind}…`"));
            }
        }
        for resource in resources {
            if !required.iter().any(|kind| is_of_kind(resource, kind)) {
                problems.push(format!(
                    "{action} has the resource {resource}, which is wider than AWS asks"
                ));
            }
        }
    }
    problems
}

fn is_of_kind(resource: &str, kind: &str) -> bool {
    if kind == ANY {
        resource == ANY
    } else {
        resource.starts_with(kind)
    }
}

/// What needs a permission; `writes` says whether the two changes are among it.
fn operations(writes: bool) -> Vec<Operation> {
    Operation::ALL
        .iter()
        .copied()
        .filter(|operation| *operation != Operation::GetCallerIdentity)
        .filter(|operation| writes || !operation.is_write())
        .collect()
}

#[test]
fn read_only_allows_every_read_and_nothing_else() {
    let allowed = allowed(&policy("read-only.json"));
    assert_eq!(problems(&allowed, &operations(false)), Vec::<String>::new());
}

#[test]
fn read_write_allows_every_operation_and_nothing_else() {
    let allowed = allowed(&policy("read-write.json"));
    assert_eq!(problems(&allowed, &operations(true)), Vec::<String>::new());
}

#[test]
fn read_write_is_read_only_and_the_two_changes() {
    let mut more = allowed(&policy("read-write.json"));
    let mut writes = Vec::new();
    for operation in Operation::ALL
        .iter()
        .copied()
        .filter(|operation| operation.is_write())
    {
        let action = operation.iam_action();
        assert!(more.remove(&action).is_some(), "{action}");
        writes.push(operation);
    }
    assert_eq!(
        writes,
        [
            Operation::CreateApplicationAssignment,
            Operation::DeleteApplicationAssignment
        ]
    );
    assert_eq!(more, allowed(&policy("read-only.json")));
}

#[test]
fn the_policies_have_the_form_that_iam_takes() {
    for name in ["read-only.json", "read-write.json"] {
        let policy = policy(name);
        assert_eq!(policy["Version"], "2012-10-17", "{name}");
        let mut sids = BTreeSet::new();
        for statement in statements(&policy) {
            assert_eq!(statement["Effect"], "Allow", "{name}");
            let sid = statement["Sid"].as_str().unwrap_or_default();
            let is_word = !sid.is_empty() && sid.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_word && sids.insert(sid), "{name}: Sid `{sid}`");
            for action in strings(&statement["Action"]) {
                assert!(!action.contains('*'), "{name}: {action}");
            }
        }
        // A managed policy holds at most 6,144 characters, white space not counted.
        let size = policy
            .to_string()
            .split_whitespace()
            .collect::<String>()
            .len();
        assert!(size <= 6_144, "{name}: {size} characters");
    }
}

#[test]
fn a_policy_that_differs_is_found() {
    let wanted = operations(false);
    let right = allowed(&policy("read-only.json"));
    let changed = |change: &dyn Fn(&mut Allowed)| {
        let mut allowed = right.clone();
        change(&mut allowed);
        problems(&allowed, &wanted).len()
    };
    let put = |allowed: &mut Allowed, action: &str, resources: &[&str]| {
        let resources = resources.iter().map(|&resource| resource.to_owned());
        allowed.insert(action.to_owned(), resources.collect());
    };
    assert_eq!(changed(&|_| {}), 0);
    assert_eq!(
        changed(&|allowed| drop(allowed.remove("sso:ListInstances"))),
        1
    );
    assert_eq!(
        changed(&|allowed| put(allowed, "sso:DeleteApplication", &["*"])),
        1
    );
    assert_eq!(
        changed(&|allowed| put(allowed, "sso:DeleteApplicationAssignment", &[APPLICATION])),
        1
    );
    assert_eq!(
        changed(&|allowed| put(allowed, "identitystore:ListUsers", &[STORE])),
        1
    );
    assert_eq!(
        changed(&|allowed| put(allowed, "identitystore:ListUsers", &[STORE, USER, GROUP])),
        1
    );
    assert_eq!(
        changed(&|allowed| put(allowed, "sso:DescribeApplication", &["*"])),
        2
    );
}
