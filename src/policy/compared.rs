//! The text that a policy compares first: `resource.name == "Payroll"`, by which the index can tell
//! without Cedar that the policy does not fit. Only a comparison before which nothing of the policy
//! can fail counts: a policy that cannot be evaluated denies, so that none of those may be skipped.
//!
//! It must never find a comparison that Cedar might not come to.

use cedar_policy::Policy;
use serde_json::Value;

/// Whose attribute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    Principal,
    Resource,
}

/// An attribute that a policy compares with a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TextAttribute {
    pub(super) holder: Holder,
    pub(super) name: String,
}

/// What a policy compares first, and with which text; none when it begins with anything else.
pub(super) fn first_comparison(policy: &Policy) -> Option<(TextAttribute, String)> {
    let json = policy.to_json().ok()?;
    let first = json["conditions"].as_array()?.first()?;
    if first["kind"] != "when" {
        return None;
    }
    let mut conjuncts = Vec::new();
    flatten(&first["body"], &mut conjuncts);
    let at = conjuncts.iter().position(|it| !cannot_fail(it))?;
    comparison(conjuncts[at])
}

/// The parts between `&&`, in the order in which Cedar evaluates them. How deep they nest is bounded
/// where texts are cut.
fn flatten<'a>(body: &'a Value, conjuncts: &mut Vec<&'a Value>) {
    match body.get("&&") {
        Some(sides) => {
            flatten(&sides["left"], conjuncts);
            flatten(&sides["right"], conjuncts);
        }
        None => conjuncts.push(body),
    }
}

/// Whether a condition that passed the validation has a value for every question: a test of what an
/// entity is, is in or has, or an attribute that is a Bool itself, which no question lacks.
fn cannot_fail(condition: &Value) -> bool {
    if let Some(negated) = condition.get("!") {
        return cannot_fail(&negated["arg"]);
    }
    let of_variable = |operator: &str| is_variable(&condition[operator]["left"]);
    of_variable(".") || of_variable("has") || of_variable("is") || of_variable("in")
}

fn is_variable(expression: &Value) -> bool {
    expression.get("Var").is_some()
}

fn comparison(condition: &Value) -> Option<(TextAttribute, String)> {
    let (left, right) = (&condition["=="]["left"], &condition["=="]["right"]);
    let holder = match left["."]["left"]["Var"].as_str()? {
        "principal" => Holder::Principal,
        "resource" => Holder::Resource,
        _ => return None,
    };
    let name = left["."]["attr"].as_str()?.to_owned();
    let value = right["Value"].as_str()?.to_owned();
    Some((TextAttribute { holder, name }, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(condition: &str) -> Option<(Holder, String, String)> {
        let text = format!("permit (principal, action, resource) {condition};");
        let policy = Policy::parse(None, text).unwrap();
        let (attribute, value) = first_comparison(&policy)?;
        Some((attribute.holder, attribute.name, value))
    }

    #[test]
    fn a_comparison_is_found_behind_what_cannot_fail() {
        let name = || Some((Holder::Resource, "name".to_owned(), "a".to_owned()));
        for condition in [
            "when { resource.name == \"a\" }",
            "when { resource.name == \"a\" && context.people_count * 9 > 3 } unless { true }",
            "when { context.beneficiary_is_subject && resource.name == \"a\" && principal.name == \"b\" }",
            "when { resource is Usher::Application && !(context has service) && (resource.name == \"a\" && true) }",
            "when { principal in [Usher::Group::\"x\"] && resource.name == \"a\" }",
        ] {
            assert_eq!(first(condition), name(), "{condition}");
        }
        assert_eq!(
            first("when { principal.email == \"b\" }"),
            Some((Holder::Principal, "email".to_owned(), "b".to_owned()))
        );
    }

    #[test]
    fn no_comparison_is_found_behind_what_may_fail_or_beside_it() {
        for condition in [
            "",
            "unless { resource.name == \"a\" }",
            "when { context.people_count * 9 > 3 && resource.name == \"a\" }",
            "when { resource.name == \"a\" || principal.name == \"b\" }",
            "when { !(resource.name == \"a\") }",
            "when { resource.name != \"a\" }",
            "when { resource.name == principal.name }",
            "when { context.ticket == \"a\" }",
            "when { context.beneficiary_user.name == \"a\" }",
            "unless { true } when { resource.name == \"a\" }",
        ] {
            assert_eq!(first(condition), None, "{condition}");
        }
    }
}
