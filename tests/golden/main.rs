//! Who may do what: the table `who_may_do_what.md`, which is for people to read, tried cell by cell on
//! a whole service over the wire, and at the policies themselves for what no call asks yet. A call, an
//! action, a caller or a cell that the table lacks fails.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test says no"
)]

mod actions;
mod bench;
mod callers;
mod requests;
mod sheet;
#[allow(dead_code, reason = "the other tests of tokens use more of it")]
#[path = "../authentication/signer.rs"]
mod signer;
mod told;
#[allow(dead_code, reason = "the other tests of the wire use more of it")]
#[path = "../bad_inputs/wire.rs"]
mod wire;

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use serde_json::json;
use tonic::Code;
use usher::policy::Action;

use crate::bench::Bench;
use crate::callers::CALLERS;
use crate::requests::{Write, requests};
use crate::sheet::{Section, sheet};

/// Every call that Usher serves, as the descriptors have it.
fn calls() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(usher::grpc::pb::DESCRIPTORS).unwrap();
    let services = pool
        .services()
        .filter(|service| service.full_name().starts_with("usher."));
    services
        .flat_map(|service| {
            let methods: Vec<String> = service
                .methods()
                .map(|method| format!("{}/{}", service.name(), method.name()))
                .collect();
            methods
        })
        .collect()
}

#[test]
fn every_call_action_and_caller_has_its_rows() {
    let sheet = sheet();
    let (of_calls, of_actions): (Vec<&Section>, Vec<&Section>) =
        sheet.iter().partition(|section| section.call.is_some());
    let written: BTreeSet<String> = of_calls.iter().filter_map(|it| it.call.clone()).collect();
    assert_eq!(written, calls(), "sections of calls");
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    for section in &sheet {
        assert!(!section.abouts.is_empty(), "{}: no columns", section.title);
        let rows: Vec<&str> = section.rows.iter().map(|(name, _)| name.as_str()).collect();
        let callers: Vec<&str> = CALLERS.iter().map(|caller| caller.name).collect();
        assert_eq!(rows, callers, "{}: its rows", section.title);
        for (caller, cells) in &section.rows {
            let is_full =
                cells.len() == section.abouts.len() && !cells.iter().any(String::is_empty);
            assert!(is_full, "{}: the row of {caller}", section.title);
        }
        asked.extend(section.actions.iter().map(String::as_str));
    }
    let known: BTreeSet<&str> = Action::ALL.into_iter().map(Action::as_str).collect();
    assert_eq!(asked, known, "actions");
    assert!(of_actions.iter().all(|section| section.actions.len() == 1));
}

/// The section as it comes out, and the places where that is not what is written.
async fn try_section(bench: &Bench, section: &Section, write: Write) -> (Section, Vec<String>) {
    let call = section.call.as_deref().unwrap();
    let mut came_out = section.clone();
    let mut differences = Vec::new();
    for (row, caller) in CALLERS.iter().enumerate() {
        for (column, about) in section.abouts.iter().enumerate() {
            let request = requests(bench, call, about, write);
            let told = bench.told(caller, call, &request).await;
            let expected = &section.rows[row].1[column];
            if told != *expected {
                differences.push(format!(
                    "{call} | {} | {about}: expected {expected}, and it is {told}",
                    caller.name
                ));
            }
            came_out.rows[row].1[column] = told;
        }
    }
    (came_out, differences)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what_over_the_wire() {
    let bench = Bench::start().await;
    let mut differences = Vec::new();
    let mut came_out = String::new();
    let sheet = sheet();
    for section in sheet.iter().filter(|section| section.call.is_some()) {
        let (section, found) = try_section(&bench, section, Write::Preview).await;
        came_out.push_str(&section.to_string());
        differences.extend(found);
    }
    assert!(
        differences.is_empty(),
        "{}\n{came_out}",
        differences.join("\n")
    );
    // What was promised to somebody is so when it is done, and what was refused leaves nothing.
    let before = bench.grant_count().await;
    for call in ["AccessService/Assign", "AccessService/Revoke"] {
        let section = sheet.iter().find(|it| it.call.as_deref() == Some(call));
        let section = section.unwrap();
        let (_, found) = try_section(&bench, section, Write::Real).await;
        assert!(found.is_empty(), "{}", found.join("\n"));
        if call == "AccessService/Assign" {
            let cells = section.rows.iter().flat_map(|(_, cells)| cells);
            let given = cells.filter(|cell| cell.starts_with("OK")).count();
            assert!(given > 0);
            assert_eq!(bench.grant_count().await, before + given);
        }
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_says_that_it_asks_it_asks() {
    let bench = Bench::start().await;
    let asks = bench.version().await;
    for action in Action::ALL.map(Action::as_str) {
        let sections: Vec<Section> = sheet()
            .into_iter()
            .filter(|it| it.call.is_some() && it.actions.iter().any(|it| it == action))
            .collect();
        if sections.is_empty() {
            continue;
        }
        bench.forbid(action).await;
        for section in sections {
            let (_, differences) = try_section(&bench, &section, Write::Preview).await;
            assert!(
                !differences.is_empty(),
                "{} asks no {action}",
                section.title
            );
        }
        bench.forbid_no_more(&asks).await;
    }
    bench.end().await;
}

#[test]
fn who_may_do_what_by_policy_alone() {
    let policies = actions::policies();
    let mut differences = Vec::new();
    let mut came_out = String::new();
    for section in sheet().iter().filter(|section| section.call.is_none()) {
        let mut now = section.clone();
        for (row, caller) in CALLERS.iter().enumerate() {
            for (column, about) in section.abouts.iter().enumerate() {
                let told = actions::told(&policies, caller, &section.actions[0], about);
                if told != section.rows[row].1[column] {
                    differences.push(format!(
                        "{} | {} | {about}: it is {told}",
                        section.title, caller.name
                    ));
                }
                now.rows[row].1[column] = told.to_owned();
            }
        }
        came_out.push_str(&now.to_string());
    }
    assert!(
        differences.is_empty(),
        "{}\n{came_out}",
        differences.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_nothing_learns_no_id() {
    let bench = Bench::start().await;
    let stranger = CALLERS.iter().find(|it| it.name == "a stranger").unwrap();
    let assignment = json!({
        "principal": {"user": "anna.berg"}, "target": {"application": "Amazon Redshift"},
    });
    let mut refused = 0;
    for call in calls() {
        let message = match call.as_str() {
            "AccessService/Assign" | "AccessService/ListAssignments" => assignment.clone(),
            "AccessService/Revoke" => json!({ "assignment": assignment }),
            "AccessService/AuditReport" => {
                json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS"})
            }
            "DirectoryService/ExplainAccess" => json!({
                "user": "anna.berg", "target": {"application": "Amazon Redshift"},
            }),
            "DirectoryService/ListPrincipals" => json!({"type": "PRINCIPAL_TYPE_USER"}),
            "GrantService/GetGrant" | "OperationsService/RetryNow" => {
                json!({"grant_id": bench.grant_of_anna})
            }
            "OperationsService/Freeze" | "OperationsService/Unfreeze" => {
                json!({"scope": "FREEZE_SCOPE_ALL"})
            }
            "GrantService/ApproveGrant" | "GrantService/DenyGrant" => json!({
                "grant_id": bench.wish_of_bilal, "digest": "0".repeat(64), "reason": "x",
            }),
            "GrantService/CancelGrant" => json!({"grant_id": bench.wish_of_bilal, "reason": "x"}),
            "GrantService/ExtendGrant" => {
                json!({"grant_id": bench.grant_of_anna, "duration": "60s", "validate_only": true})
            }
            "GrantService/AdoptAssignments" => json!({"adoptions": [assignment]}),
            "GrantService/ReleaseGrants" => json!({
                "grant_ids": [bench.grant_of_anna], "reason": "x",
            }),
            "GrantService/ReviewGrant" => json!({
                "grant_id": bench.emergency, "decision": "REVIEW_DECISION_JUSTIFIED", "reason": "x",
            }),
            _ => json!({}),
        };
        let answer = bench.call(stranger, &call, &message).await;
        refused += usize::from(answer.code() != Code::Ok);
        let shown = format!("{:?} {:?}", answer.messages(&call), answer.details());
        for id in ["ssoins-", "apl-", "d4e8f4a8-"] {
            assert!(!shown.contains(id), "{call}: {shown}");
        }
    }
    assert_eq!(refused, 23);
    bench.end().await;
}
