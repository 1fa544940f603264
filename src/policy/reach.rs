//! What of a resource a policy looks at: of assignments, whether more than the target. Decides nothing; where it is
//! not sure it says more.

use cedar_policy::Policy;
use serde_json::Value;

/// What the attributes of who has it begin with.
const OF_BENEFICIARY: &str = "beneficiary";

/// Whether a policy answers alike for all who have the same target: it looks at attributes of the resource that are the
/// target's, and at what contains it, never at who has it and never at the resource as a whole.
pub(super) fn is_by_target_alone(policy: &Policy) -> bool {
    let Ok(text) = policy.to_json() else {
        return false;
    };
    let scope = text.get("resource").and_then(|scope| scope.get("op"));
    let names_one = scope.and_then(Value::as_str) == Some("==");
    let conditions = text.get("conditions").and_then(Value::as_array);
    !names_one
        && conditions.is_some_and(|conditions| {
            let mut bodies = conditions.iter();
            bodies.all(|condition| condition.get("body").is_some_and(looks_at_target_alone))
        })
}

fn is_resource(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("resource")
}

fn looks_at_target_alone(expression: &Value) -> bool {
    if is_resource(expression) {
        return false;
    }
    match expression {
        Value::Object(members) => members.iter().all(|(operator, operands)| {
            let is_of_resource = operands.get("left").is_some_and(is_resource);
            match operator.as_str() {
                "." | "has" if is_of_resource => {
                    let attribute = operands.get("attr").and_then(Value::as_str);
                    attribute.is_some_and(|name| !name.starts_with(OF_BENEFICIARY))
                }
                "is" if is_of_resource => operands.get("in").is_none_or(looks_at_target_alone),
                "in" if is_of_resource => operands.get("right").is_some_and(looks_at_target_alone),
                _ => looks_at_target_alone(operands),
            }
        }),
        Value::Array(values) => values.iter().all(looks_at_target_alone),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(condition: &str) -> bool {
        let text = format!("permit (principal, action, resource) {condition};");
        is_by_target_alone(&text.parse::<Policy>().unwrap())
    }

    #[test]
    fn what_looks_at_who_has_it_is_not_by_target_alone() {
        for condition in [
            "",
            "when { true }",
            "when { resource has application_name && resource.application_name == \"Payroll\" }",
            "when { resource in Usher::Account::\"1\" && principal.name == \"anna\" }",
            "when { resource is Usher::Assignment in Usher::Account::\"1\" }",
            "unless { resource.account_id like \"12*\" || [1, 2].contains(1) }",
        ] {
            assert!(alone(condition), "{condition}");
        }
        for condition in [
            "when { resource.beneficiary_is_subject }",
            "when { resource has beneficiary_user }",
            "when { true } unless { resource.beneficiary_user.name == \"anna\" }",
            "when { resource == Usher::Assignment::\"x\" }",
            "when { principal == resource }",
            "when { [resource].contains(resource) }",
            "when { if true then true else resource.beneficiary_is_subject }",
            "when { {\"a\": resource} == {\"a\": principal} }",
            "when { Usher::Account::\"1\" in resource }",
        ] {
            assert!(!alone(condition), "{condition}");
        }
        let one = "permit (principal, action, resource == Usher::Assignment::\"x\");";
        assert!(!is_by_target_alone(&one.parse().unwrap()));
    }
}
