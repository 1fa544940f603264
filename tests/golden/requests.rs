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
        "duration": format!("{}s", hours * 3600), "justification": "the table",
    })
}

fn application(name: &str) -> Value {
    json!({"application": name})
}

fn account() -> Value {
    json!({"account_access": {"account": "333344445555", "permission_set": "ReadOnly"}})
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
            | "ListPermissionSets",
            "all",
        )
        | ("WhoAmI", "oneself") => json!({}),
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
        ("Freeze", "grants of the instance") => json!({"scope": "FREEZE_SCOPE_GRANTS"}),
        ("Freeze" | "Unfreeze", "everything of the instance") => {
            json!({"scope": "FREEZE_SCOPE_ALL"})
        }
        ("RetryNow", "Anna's grant") => json!({"grant_id": bench.grant_of_anna}),
        ("ConfirmMassChange", "one that never was") => {
            json!({"mass_change_id": format!("mass_change_{}", "0".repeat(32))})
        }
        ("AuditReport", "all") => {
            json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS"})
        }
        ("AuditReport", "of Anna") => json!({
            "view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS",
            "principal": {"user": "anna.berg"},
        }),
        _ => panic!("{call} has no request about `{about}`"),
    };
    if write == Write::Preview && matches!(method, "Assign" | "Revoke") {
        message["validate_only"] = json!(true);
    }
    message
}
