//! What Usher asks of a policy beyond Cedar's own validation: which actions a permit may span, and
//! ids that can be meant. An id that no entity has would make a forbid silent, so it refuses.

use cedar_policy::{ActionConstraint, Effect, Policy};
use serde_json::Value;

use super::question::Action;
use super::terms::Kind;
use crate::domain::{
    AccountId, ApplicationArn, GrantId, InstanceArn, PermissionSetArn, PrincipalId, Target,
};

/// The actions that a policy's scope speaks of.
pub(super) fn actions(policy: &Policy) -> Vec<Action> {
    let named = match policy.action_constraint() {
        ActionConstraint::Any => return Action::ALL.to_vec(),
        ActionConstraint::Eq(one) => vec![one],
        ActionConstraint::In(several) => several,
    };
    Action::ALL
        .into_iter()
        .filter(|action| {
            named
                .iter()
                .any(|it| it.id().unescaped() == action.as_str())
        })
        .collect()
}

/// What is wrong with the actions of a policy that somebody wrote.
pub(super) fn scope_problem(policy: &Policy, actions: &[Action]) -> Option<String> {
    if policy.effect() == Effect::Forbid || !actions.contains(&Action::Activate) {
        return None;
    }
    Some(if actions.len() == 1 {
        "permits Activate, which Usher itself permits; write a forbid, or put the price on a permit for Request".to_owned()
    } else {
        "is a permit that spans Activate; say which actions it is for, such as action in [Usher::Action::\"ReadGrants\", Usher::Action::\"ReadAssignments\"]".to_owned()
    })
}

/// The kind of a policy for its annotations.
pub(super) fn kind(policy: &Policy, actions: &[Action]) -> Kind {
    Kind::of(policy.effect() == Effect::Permit, actions)
}

/// An entity that a policy writes.
struct Literal {
    kind: String,
    id: String,
    /// It stands to the right of `in`, where names work beside ids.
    is_container: bool,
}

/// What a policy names: its groups, or what is wrong with its ids.
pub(super) fn groups(policy: &Policy) -> Result<Vec<String>, Vec<String>> {
    let Ok(json) = policy.to_json() else {
        return Err(vec![
            "cannot be read by Usher; write it more simply".to_owned(),
        ]);
    };
    let mut literals = Vec::new();
    let mut problems = Vec::new();
    for part in ["principal", "resource"] {
        scope_literals(&json[part], &mut literals);
    }
    for condition in json["conditions"].as_array().into_iter().flatten() {
        walk(&condition["body"], false, &mut literals, &mut problems);
    }
    problems.extend(literals.iter().filter_map(id_problem));
    if !problems.is_empty() {
        return Err(problems);
    }
    literals.retain(|literal| literal.kind == "Usher::Group");
    Ok(literals.into_iter().map(|literal| literal.id).collect())
}

fn scope_literals(scope: &Value, literals: &mut Vec<Literal>) {
    let is_equality = scope["op"] == "==";
    for entity in [&scope["entity"], &scope["in"]["entity"]] {
        literals.extend(literal(entity, !is_equality));
    }
}

fn literal(entity: &Value, is_container: bool) -> Option<Literal> {
    Some(Literal {
        kind: entity["type"].as_str()?.to_owned(),
        id: entity["id"].as_str()?.to_owned(),
        is_container,
    })
}

/// Walks over an expression in Cedar's JSON form.
fn walk(
    value: &Value,
    is_container: bool,
    literals: &mut Vec<Literal>,
    problems: &mut Vec<String>,
) {
    match value {
        Value::Array(items) => {
            for item in items {
                walk(item, is_container, literals, problems);
            }
        }
        Value::Object(fields) => {
            for (key, inside) in fields {
                match (key.as_str(), inside) {
                    ("__entity", entity) => literals.extend(literal(entity, is_container)),
                    ("in", sides) if sides.get("left").is_some() => {
                        walk(&sides["left"], false, literals, problems);
                        container(&sides["right"], literals, problems);
                    }
                    ("is", test) => {
                        walk(&test["left"], false, literals, problems);
                        if let Some(right) = test.get("in") {
                            container(right, literals, problems);
                        }
                    }
                    ("Value" | "Set", inside) => walk(inside, is_container, literals, problems),
                    (_, inside) => walk(inside, false, literals, problems),
                }
            }
        }
        _ => {}
    }
}

/// What stands to the right of `in`: Usher looks up memberships of groups that policies write, so
/// that a group which is computed would be one that nobody is in.
fn container(right: &Value, literals: &mut Vec<Literal>, problems: &mut Vec<String>) {
    let before = literals.len();
    walk(right, true, literals, problems);
    let is_written = match right.get("Set") {
        Some(items) => items.as_array().is_some_and(|items| {
            items.len() == literals.len() - before
                && items.iter().all(|item| item.get("Value").is_some())
        }),
        None => right.get("Value").is_some(),
    };
    if !is_written {
        problems.push(
            "has an `in` whose right side is not written out; write the entity, or a list of them in [ ]"
                .to_owned(),
        );
    }
}

/// What is wrong with the id of an entity: it could not be anybody's.
fn id_problem(literal: &Literal) -> Option<String> {
    let Literal {
        kind,
        id,
        is_container,
    } = literal;
    let wanted = match kind.strip_prefix("Usher::")? {
        "User" if !PrincipalId::has_shape(id) => {
            "is a user by id; for a name write principal.name == \"…\""
        }
        "Application" if ApplicationArn::parse(id).is_err() => {
            "is an application by ARN; for a name write resource.name == \"…\""
        }
        "Account" if AccountId::parse(id).is_err() => {
            "is an account by its twelve digits; for a name write resource.account_name == \"…\""
        }
        "PermissionSet" if PermissionSetArn::parse(id).is_err() => {
            "is a permission set by ARN; for a name write resource.permission_set_name == \"…\""
        }
        "AccountAccess" if Target::from_parts("ACCOUNT", id).is_err() => {
            "is an account's id, a slash and a permission set's ARN"
        }
        "Instance" if id.starts_with("arn:") && InstanceArn::parse(id).is_err() => {
            "is an instance by ARN or alias, and this is neither"
        }
        "Instance" if !is_container && InstanceArn::parse(id).is_err() => {
            "by alias works with `in`: write resource in Usher::Instance::\"alias\""
        }
        "Grant" if GrantId::parse(id).is_err() => "is a grant by its id, as Assign answers it",
        "Assignment" => {
            "cannot be written; assignments are found by what they are in, and by their attributes"
        }
        "Group" | "Service" | "Unmatched" | "Instance" if id.trim() != id || id.is_empty() => {
            "is empty, or has blanks around it"
        }
        _ => return None,
    };
    Some(format!("has {kind}::\"{id}\"; {kind} {wanted}"))
}
