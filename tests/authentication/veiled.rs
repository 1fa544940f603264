//! What callers who may not see the directory, or a grant any more, learn from refusals: nothing. And
//! which of several paths opens.

use serde_json::{Value, json};
use tonic::Code;

use crate::bench::{Bench, Client, check_refused};
use crate::signer::{Key, key_set};
use crate::tokens::{issuers, service_account};
use crate::wire::Answer;

const ASSIGN: &str = "AccessService/Assign";
const REVOKE: &str = "AccessService/Revoke";
const LIST: &str = "AccessService/ListAssignments";
const GET: &str = "GrantService/GetGrant";
const GRANTS: &str = "GrantService/ListGrants";
const WHO: &str = "DirectoryService/WhoAmI";
/// Everybody asks for oneself; only Carla sees what there is.
const OWN: &str = r#"
@id("acts") permit (principal, action == Usher::Action::"ActFor", resource);
@id("own") @approvals("0") @max_duration("none")
permit (principal, action == Usher::Action::"Request", resource) when { context.beneficiary_is_subject };
@id("names") permit (principal is Usher::User, action == Usher::Action::"ReadDirectory", resource)
when { principal.name == "carla.mendes" };
"#;

/// The portal, which may name anybody.
struct Portal {
    bench: Bench,
    client: Client,
    account: String,
    _files: tempfile::TempDir,
}

impl Portal {
    async fn start(policies: &str) -> Self {
        Self::start_with(policies, "").await
    }

    async fn start_with(policies: &str, more: &str) -> Self {
        let (files, key) = (tempfile::tempdir().unwrap(), Key::new("key-1"));
        let jwks = files.path().join("keys.json");
        std::fs::write(&jwks, key_set(&[&key])).unwrap();
        let config = format!("{}[policy]\nreload_seconds = 1\n{more}", issuers(&jwks));
        let bench = Bench::start_with(&config, policies).await;
        Self {
            client: bench.plain().await,
            account: format!("Bearer {}", key.token(service_account(json!({})))),
            bench,
            _files: files,
        }
    }

    async fn call(&self, user: &str, method: &str, message: &Value) -> Answer {
        let headers = [
            ("authorization", self.account.as_str()),
            ("usher-on-behalf-of", user),
        ];
        self.client.call(method, &headers, message).await
    }

    /// Puts other policies into force.
    async fn change(&self, policies: &str) {
        let version = || async {
            let answer = self.call("carla.mendes", WHO, &json!({})).await;
            answer.ok(WHO)["policy_version"].clone()
        };
        let (before, started) = (version().await, std::time::Instant::now());
        self.bench.write_policies(policies);
        while version().await == before {
            assert!(started.elapsed().as_secs() < 30, "not in force");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    async fn end(self) {
        drop(self.client);
        self.bench.end().await;
    }
}

fn about(user: &str, application: &str) -> Value {
    json!({"principal": {"user": user}, "target": {"application": application}})
}

fn asked(user: &str, application: &str) -> Value {
    let mut message = about(user, application);
    message["duration"] = json!("3600s");
    message
}

/// A refusal without what differs between any two calls.
fn told(answer: &Answer) -> (Code, String, String) {
    let (status, details) = (answer.status(), answer.details());
    let metadata = details.error_info().map(|info| {
        let mut pairs: Vec<String> = (info.metadata.iter())
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        pairs.sort();
        pairs.join(" ")
    });
    (status.code(), answer.reason(), metadata.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_the_directory_learns_of_nothing_that_is_in_it() {
    // A forbid that fits what is there, and nothing else, would tell of it by its name.
    let forbid = r#"@id("not-redshift") forbid (principal, action == Usher::Action::"Request", resource is Usher::Application)
when { resource.name == "Amazon Redshift" && !context.beneficiary_is_subject };"#;
    let portal = Portal::start(&format!("{OWN}{forbid}")).await;
    let (bilal, carla) = ("bilal.khan", "carla.mendes");
    let message = asked("anna.berg", "Amazon Redshift");
    let there = portal.call(bilal, ASSIGN, &message).await;
    check_refused("there", &there, Code::PermissionDenied, "POLICY_DENIED");
    for (user, application, reason) in [
        ("no.body", "Amazon Redshift", "PRINCIPAL_NOT_FOUND"),
        ("anna.berg", "Nothing", "APPLICATION_NOT_FOUND"),
        ("felix.left", "Amazon Redshift", "PRINCIPAL_DISABLED"),
    ] {
        let message = asked(user, application);
        let answer = portal.call(bilal, ASSIGN, &message).await;
        assert_eq!(told(&answer), told(&there), "{message}");
        let answer = portal.call(carla, ASSIGN, &message).await;
        assert_eq!(answer.reason(), reason, "{message}");
        if reason == "PRINCIPAL_DISABLED" {
            continue;
        }
        let assignment = about(user, application);
        let revoke = json!({ "assignment": assignment });
        for (method, message) in [(REVOKE, &revoke), (LIST, &assignment)] {
            let answer = portal.call(bilal, method, message).await;
            check_refused(method, &answer, Code::NotFound, "ASSIGNMENT_NOT_FOUND");
            let answer = portal.call(carla, method, message).await;
            assert_eq!(answer.reason(), reason, "{method}");
        }
        let none = portal.call(bilal, GRANTS, &assignment).await.ok(GRANTS);
        assert!(none.get("grants").is_none(), "{none}");
        let answer = portal.call(carla, GRANTS, &assignment).await;
        assert_eq!(answer.reason(), reason);
    }
    portal.end().await;
}

/// Anna sees grants.
const ANNA_SEES: &str = r#"
@id("sees") permit (principal is Usher::User, action == Usher::Action::"ReadGrants", resource)
when { principal.name == "anna.berg" };
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_shown_a_moment_ago_is_shown_to_nobody_else_and_by_no_other_policies() {
    let portal = Portal::start(&format!("{OWN}{ANNA_SEES}")).await;
    let (anna, bilal) = ("anna.berg", "bilal.khan");
    let message = asked(anna, "Amazon Redshift");
    let grant = portal.call(anna, ASSIGN, &message).await.ok(ASSIGN)["grant"].clone();
    let message = json!({ "grant_id": grant["id"] });
    let version = || async {
        let answer = portal.call("carla.mendes", WHO, &json!({})).await;
        answer.ok(WHO)["policy_version"].clone()
    };
    let (before, started) = (version().await, std::time::Instant::now());
    portal.bench.write_policies(OWN);
    while version().await == before {
        assert!(started.elapsed().as_secs() < 30, "not in force");
        let answer = portal.call(bilal, GET, &message).await;
        check_refused("bilal", &answer, Code::NotFound, "GRANT_NOT_FOUND");
        // Shown, and shown again, until the moment in which other policies are in force.
        portal.call(anna, GET, &message).await;
        portal.call(anna, GET, &message).await;
    }
    let answer = portal.call(anna, GET, &message).await;
    check_refused("anna", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    // And the other way round, at once.
    portal.change(&format!("{OWN}{ANNA_SEES}")).await;
    let shown = portal.call(anna, GET, &message).await.ok(GET);
    assert_eq!(shown["grant"]["id"], grant["id"]);
    portal.end().await;
}

/// Two free paths and one that somebody must agree to; a floor shuts the first for all, and both
/// for Bilal.
const PATHS: &str = r#"
@id("acts") permit (principal, action == Usher::Action::"ActFor", resource);
@id("a") @approvals("0") @max_duration("none") permit (principal, action == Usher::Action::"Request", resource);
@id("b") @approvals("0") @max_duration("none") permit (principal, action == Usher::Action::"Request", resource);
@id("c") @approvals("1") @max_duration("none") permit (principal is Usher::User, action == Usher::Action::"Request", resource)
when { principal.name == "bilal.khan" };
@id("not-a") forbid (principal, action == Usher::Action::"Activate", resource) when { context.path == "a" };
@id("not-b") forbid (principal is Usher::User, action == Usher::Action::"Activate", resource)
when { context.path == "b" && principal.name != "anna.berg" };
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_by_any_path_that_no_floor_shuts() {
    let portal = Portal::start(PATHS).await;
    let of = |user: &'static str| (user, asked(user, "Amazon Redshift"));
    let (anna, message) = of("anna.berg");
    let answer = portal.call(anna, ASSIGN, &message).await.ok(ASSIGN);
    assert_eq!(answer["grant"]["policies"], json!(["b", "usher-activate"]));
    let (bilal, message) = of("bilal.khan");
    let answer = portal.call(bilal, ASSIGN, &message).await.ok(ASSIGN);
    assert_eq!(answer["grant"]["state"], "GRANT_STATE_PENDING_APPROVAL");
    assert_eq!(answer["grant"]["paths"][0]["policy"], "c");
    let (carla, message) = of("carla.mendes");
    let answer = portal.call(carla, ASSIGN, &message).await;
    check_refused("shut", &answer, Code::PermissionDenied, "POLICY_DENIED");
    portal.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_to_who_may_still_ask_or_see_and_a_kept_grant_keeps_its_assignment() {
    let ends = r#"@id("ends") permit (principal, action == Usher::Action::"Revoke", resource);"#;
    let keeps = r#"@id("keeps") forbid (principal, action == Usher::Action::"Revoke", resource is Usher::Grant);"#;
    let shut = r#"@id("shut") forbid (principal, action == Usher::Action::"Request", resource);"#;
    let sees =
        r#"@id("sees") permit (principal, action == Usher::Action::"ReadGrants", resource);"#;
    let portal = Portal::start(&format!("{OWN}{ends}{keeps}")).await;
    let anna = "anna.berg";
    let mut message = asked(anna, "Amazon Redshift");
    message["request_id"] = json!("6f6a3c1e-0000-4000-8000-000000000001");
    let first = portal.call(anna, ASSIGN, &message).await.ok(ASSIGN);
    let again = portal.call(anna, ASSIGN, &message).await.ok(ASSIGN);
    assert_eq!(again["grant"], first["grant"]);
    let mut revoke = json!({ "assignment": about(anna, "Amazon Redshift") });
    let kept = portal.call(anna, REVOKE, &revoke).await;
    check_refused("kept", &kept, Code::PermissionDenied, "POLICY_DENIED");

    portal.change(&format!("{OWN}{ends}{shut}")).await;
    let refused = portal.call(anna, ASSIGN, &message).await;
    check_refused("repeat", &refused, Code::PermissionDenied, "POLICY_DENIED");
    portal.change(&format!("{OWN}{ends}{shut}{sees}")).await;
    let seen = portal.call(anna, ASSIGN, &message).await.ok(ASSIGN);
    assert_eq!(seen["grant"], first["grant"]);

    portal.change(&format!("{OWN}{ends}")).await;
    revoke["request_id"] = json!("6f6a3c1e-0000-4000-8000-000000000002");
    let ended = portal.call(anna, REVOKE, &revoke).await.ok(REVOKE);
    assert!(ended.get("grants").is_none(), "{ended}");
    let again = portal.call(anna, REVOKE, &revoke).await.ok(REVOKE);
    assert_eq!(again, ended);
    portal.change(OWN).await;
    let refused = portal.call(anna, REVOKE, &revoke).await;
    check_refused(
        "its repeat",
        &refused,
        Code::NotFound,
        "ASSIGNMENT_NOT_FOUND",
    );
    portal.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_everything_shows_what_policy_lets_one_see_and_nothing_of_the_rest() {
    const QUICK_SIGHT: &str = r#"
@id("quick-sight") permit (principal is Usher::User, action == Usher::Action::"ReadAssignments", resource)
when { principal.name == "anna.berg" && resource has application_name && resource.application_name == "Amazon QuickSight" };
"#;
    let collects = "[audit]\ncollect_after_start_seconds = 0\n";
    let portal = Portal::start_with(&format!("{OWN}{QUICK_SIGHT}"), collects).await;
    let started = std::time::Instant::now();
    let all = json!({});
    let seen = loop {
        let answer = portal.call("anna.berg", LIST, &all).await;
        // Until they are collected there are no facts.
        if answer.status().code() == Code::Ok {
            break answer.ok(LIST)["assignments"].clone();
        }
        assert!(started.elapsed().as_secs() < 30, "nothing is collected");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let rows = seen.as_array().expect("rows");
    let is_quick_sight = |row: &Value| row["target"]["application_name"] == "Amazon QuickSight";
    assert!(rows.iter().all(is_quick_sight), "{rows:#?}");
    let nothing = portal.call("bilal.khan", LIST, &all).await;
    let told = nothing.ok(LIST);
    assert!(
        told.get("assignments")
            .is_none_or(|rows| rows == &json!([]))
    );
    assert!(told.get("next_page_token").is_none_or(|token| token == ""));
    portal.end().await;
}
