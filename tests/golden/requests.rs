//! What the columns of the table mean: the message of each call about each thing.

use serde_json::{Value, json};

use crate::bench::Bench;

/// How calls that write are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// With `validate_only`.
    Preview,
    /// Truly.
    Real,
}

fn assign(user: &str, target: Value, hours: u64, ticket: &str) -> Value {
    json!({
        "principal": {"user": user}, "target": target, "ticket": ticket,
        "duration": format!("{}s", hours * 3600), "justification": "a row of the table",
    })
}

fn application(name: &str) -> Value {
    json!({"application": name})
}

fn account() -> Value {
    json!({"account_access": {"account": "333344445555", "permission_set": "ReadOnly"}})
}

fn with(mut message: Value, flag: &str) -> Value {
    message[flag] = json!(true);
    message
}

/// The message of a call about something; a column that means nothing is a mistake of the table.
pub(crate) fn requests(bench: &Bench, call: &str, about: &str, write: Write) -> Value {
    let (_, method) = call.split_once('/').unwrap();
    let mut message = match (method, about) {
        ("Assign", "Redshift for Anna, 2 h") => {
            assign("anna.berg", application("Amazon Redshift"), 2, "")
        }
        ("Assign", "Redshift for Bilal, 2 h") => {
            assign("bilal.khan", application("Amazon Redshift"), 2, "")
        }
        ("Assign", "Redshift for Bilal, 3 days") => {
            assign("bilal.khan", application("Amazon Redshift"), 72, "")
        }
        ("Assign", "Payroll for Anna, 2 h") => assign("anna.berg", application("Payroll"), 2, ""),
        ("Assign", "the sandbox for Bilal, INC-7") => assign("bilal.khan", account(), 2, "INC-7"),
        ("Assign", "the sandbox for Bilal, no ticket") => assign("bilal.khan", account(), 2, ""),
        ("Assign", "the sandbox for Dmitri, at once") => {
            with(assign("dmitri.orlov", account(), 1, ""), "break_glass")
        }
        ("Revoke", "Anna's grant") => json!({"grant_id": bench.grant_of_anna}),
        ("Revoke", "Bilal's grant, by Dmitri's ticket") => {
            json!({"grant_id": bench.grant_of_bilal})
        }
        ("Revoke", "Bilal's Redshift, no grant") => json!({"assignment": {
            "principal": {"user": "bilal.khan"}, "target": application("Amazon Redshift"),
        }}),
        ("GetGrant", "Anna's") => json!({"grant_id": bench.grant_of_anna}),
        ("GetGrant", "Bilal's, by Dmitri's ticket") => json!({"grant_id": bench.grant_of_bilal}),
        ("GetGrant" | "RetryNow", "one that never was") => {
            json!({"grant_id": format!("grant_{}", "0".repeat(32))})
        }
        (
            "ListGrants" | "ListInstances" | "ListApplications" | "ListAccounts"
            | "ListPermissionSets" | "ListEvents" | "GetLogHead" | "GetBudget",
            "all",
        )
        | ("WhoAmI", "oneself") => json!({}),
        ("ListEvents", "of the instance") => json!({"instance": bench.instance_arn}),
        ("WatchEvents" | "WatchGrants", "all") => json!({"after_position": 0}),
        ("WatchGrants", "Anna's") => {
            json!({"after_position": 0, "grant_id": bench.grant_of_anna})
        }
        ("ListGrants" | "ListAssignments", "of Anna") => {
            json!({"principal": {"user": "anna.berg"}})
        }
        ("ListGrants" | "ListAssignments", "of Bilal") => {
            json!({"principal": {"user": "bilal.khan"}})
        }
        ("ListAssignments", "of Redshift") => json!({"target": application("Amazon Redshift")}),
        ("ListAssignments", "of Anna on Redshift") => json!({
            "principal": {"user": "anna.berg"}, "target": application("Amazon Redshift")}),
        ("ListAssignments", "of Anna on Payroll, which she lacks") => json!({
            "principal": {"user": "anna.berg"}, "target": application("Payroll")}),
        ("ListPrincipals", "users") => json!({"type": "PRINCIPAL_TYPE_USER"}),
        ("ListPrincipals", "groups") => json!({"type": "PRINCIPAL_TYPE_GROUP"}),
        ("AuditReport", "all") => {
            json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS"})
        }
        ("AuditReport", "of Anna") => json!({
            "view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS",
            "principal": {"user": "anna.berg"},
        }),
        _ => word(bench, method, about)
            .or_else(|| of_brake(bench, method, about))
            .unwrap_or_else(|| panic!("{call} has no request about `{about}`")),
    };
    if write == Write::Preview && matches!(method, "Assign" | "Revoke") {
        message["validate_only"] = json!(true);
    }
    message
}

/// Of whom it is asked what it can enter.
fn explanation(method: &str, about: &str) -> Option<Value> {
    let (user, name) = match (method, about) {
        ("ExplainAccess", "Anna on Redshift") => ("anna.berg", "Amazon Redshift"),
        ("ExplainAccess", "Bilal on Redshift") => ("bilal.khan", "Amazon Redshift"),
        ("ExplainAccess", "Anna on Payroll, which she lacks") => ("anna.berg", "Payroll"),
        _ => return None,
    };
    Some(json!({"user": user, "target": application(name)}))
}

/// What is asked of the brake.
fn of_brake(bench: &Bench, method: &str, about: &str) -> Option<Value> {
    Some(match (method, about) {
        ("Freeze", "grants of the instance") => json!({"scope": "FREEZE_SCOPE_GRANTS"}),
        ("Freeze" | "Unfreeze", "everything of the instance") => {
            json!({"scope": "FREEZE_SCOPE_ALL"})
        }
        ("RetryNow", "Anna's grant") => json!({"grant_id": bench.grant_of_anna}),
        ("ConfirmMassChange", "one that never was") => {
            json!({"mass_change_id": format!("mass_change_{}", "0".repeat(32))})
        }
        _ => return explanation(method, about),
    })
}

/// What people say of grants. None of it changes anything.
fn word(bench: &Bench, method: &str, about: &str) -> Option<Value> {
    Some(match (method, about) {
        // An old digest: who may agree hears that, and nothing is agreed to.
        ("ApproveGrant" | "DenyGrant", "Bilal's wish, as it was before") => json!({
            "grant_id": bench.wish_of_bilal, "digest": "0".repeat(64), "reason": "the table",
        }),
        // What stands cannot be taken back: who may is told that.
        ("CancelGrant", "Anna's grant, which stands") => {
            json!({"grant_id": bench.grant_of_anna, "reason": "the table"})
        }
        ("ExtendGrant", "Anna's, by an hour") => json!({
            "grant_id": bench.grant_of_anna, "duration": "3600s", "justification": "the table",
            "validate_only": true,
        }),
        ("AdoptAssignments", "Bilal's Redshift, no grant, for 2 h") => {
            let adoption = assign("bilal.khan", application("Amazon Redshift"), 2, "");
            json!({"adoptions": [adoption], "validate_only": true})
        }
        // What was not adopted cannot be released: who may is told that.
        ("ReleaseGrants", "Anna's grant, never adopted") => {
            json!({"grant_ids": [bench.grant_of_anna], "reason": "the table"})
        }
        ("ReviewGrant", "Dmitri's emergency, again") => json!({
            "grant_id": bench.emergency, "decision": "REVIEW_DECISION_JUSTIFIED",
            "reason": "the table",
        }),
        _ => return None,
    })
}
