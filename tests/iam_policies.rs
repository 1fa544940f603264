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
const PERMISSION_SET: &str = "arn:aws:sso:::permissionSet/";
const ACCOUNT: &str = "arn:aws:sso:::account/";
const ROLE: &str = "arn:aws:iam::*:role/";
/// The role that Usher assumes in other accounts, as a CloudFormation template.
const MEMBER_ROLE: &str = "member-account-role.json";
/// The action knows no resource type.
const ANY: &str = "*";

/// The resource types that AWS's Service Authorization Reference requires for each operation; none
/// for the one that needs no permission.
fn required_resources(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::GetCallerIdentity => &[],
        Operation::ListInstances
        | Operation::ListApplications
        | Operation::ListAccounts
        | Operation::DescribeOrganization => &[ANY],
        Operation::AssumeRole => &[ROLE],
        Operation::ListApplicationAssignmentsForPrincipal
        | Operation::ListPermissionSets
        | Operation::ListAccountAssignmentsForPrincipal
        | Operation::ListAccountAssignmentCreationStatus
        | Operation::ListAccountAssignmentDeletionStatus
        | Operation::DescribeAccountAssignmentCreationStatus
        | Operation::DescribeAccountAssignmentDeletionStatus => &[INSTANCE],
        Operation::DescribePermissionSet | Operation::ListAccountsForProvisionedPermissionSet => {
            &[INSTANCE, PERMISSION_SET]
        }
        Operation::ListAccountAssignments
        | Operation::CreateAccountAssignment
        | Operation::DeleteAccountAssignment => &[ACCOUNT, INSTANCE, PERMISSION_SET],
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

/// What needs a permission where Usher itself runs, but for entering other accounts; `writes` says
/// whether the changes are among it.
fn operations(writes: bool) -> Vec<Operation> {
    let elsewhere = [Operation::GetCallerIdentity, Operation::AssumeRole];
    Operation::ALL
        .iter()
        .copied()
        .filter(|operation| !elsewhere.contains(operation))
        .filter(|operation| writes || !operation.is_write())
        .collect()
}

/// What Usher asks in another account, whose instance gives no access to accounts.
fn operations_in_member(writes: bool) -> Vec<Operation> {
    let of_organization = [
        Operation::ListPermissionSets,
        Operation::DescribePermissionSet,
        Operation::ListAccountsForProvisionedPermissionSet,
        Operation::ListAccounts,
    ];
    let mut operations = operations(writes);
    operations.retain(|operation| {
        !of_organization.contains(operation) && !operation.name().contains("AccountAssignment")
    });
    operations
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
fn read_write_is_read_only_and_the_changes() {
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
            Operation::DeleteApplicationAssignment,
            Operation::CreateAccountAssignment,
            Operation::DeleteAccountAssignment,
        ]
    );
    assert_eq!(more, allowed(&policy("read-only.json")));
}

#[test]
fn the_home_role_may_enter_roles_and_nothing_else() {
    let allowed = allowed(&policy("assume-role.json"));
    let enter = [Operation::AssumeRole];
    assert_eq!(problems(&allowed, &enter), Vec::<String>::new());
    let all = policy(MEMBER_ROLE);
    let name = &all["Parameters"]["RoleName"]["Default"];
    let named = format!("{ROLE}{}", name.as_str().unwrap_or_default());
    assert!(allowed["sts:AssumeRole"].contains(&named), "{named}");
}

/// The permission policies of the role in other accounts: what it always has, and what it has when
/// it may write.
fn member_policies() -> [Value; 2] {
    let template = policy(MEMBER_ROLE);
    let resources = &template["Resources"];
    let writes = &resources["UsherWrites"];
    assert_eq!(writes["Condition"], "MayWrite");
    [
        resources["UsherRole"]["Properties"]["Policies"][0]["PolicyDocument"].clone(),
        writes["Properties"]["PolicyDocument"].clone(),
    ]
}

#[test]
fn the_role_in_other_accounts_allows_what_account_instances_need() {
    let [reads, writes] = member_policies();
    let mut allowed_in_member = allowed(&reads);
    let wanted = operations_in_member(false);
    assert_eq!(problems(&allowed_in_member, &wanted), Vec::<String>::new());
    allowed_in_member.extend(allowed(&writes));
    let wanted = operations_in_member(true);
    assert_eq!(problems(&allowed_in_member, &wanted), Vec::<String>::new());
}

#[test]
fn the_role_in_other_accounts_lets_in_who_knows_the_external_id() {
    let template = policy(MEMBER_ROLE);
    let role = &template["Resources"]["UsherRole"]["Properties"];
    let trust = &role["AssumeRolePolicyDocument"];
    let [statement] = statements(trust) else {
        panic!("one statement: {trust}");
    };
    assert_eq!(statement["Principal"]["AWS"]["Ref"], "UsherRoleArn");
    assert_eq!(statement["Action"], "sts:AssumeRole");
    let external_id = &statement["Condition"]["StringEquals"]["sts:ExternalId"];
    assert_eq!(external_id["Ref"], "ExternalId");
    assert_eq!(template["Parameters"]["Access"]["Default"], "read-only");
    let parameters = template["Parameters"].as_object();
    let text = template["Resources"].to_string();
    let conditions = template["Conditions"].to_string();
    for name in parameters.into_iter().flat_map(serde_json::Map::keys) {
        let reference = format!("{{\"Ref\":\"{name}\"}}");
        let is_used = text.contains(&reference) || conditions.contains(&reference);
        assert!(is_used, "{name} does nothing");
    }
}

#[test]
fn the_policies_have_the_form_that_iam_takes() {
    let [reads, writes] = member_policies();
    let files = ["read-only.json", "read-write.json", "assume-role.json"];
    let files = files.map(|name| (name, policy(name)));
    for (name, policy) in [files.as_slice(), &[("reads", reads), ("writes", writes)]].concat() {
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
