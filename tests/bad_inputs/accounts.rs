//! Accounts and permission sets that are not what was meant, in every method that takes them.

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{AccessKey, World};

use crate::bench::{Bench, Setup, assign, with};
use crate::check::{Refusal, check, check_answer, invalid, refusal};
use crate::wire::Answer;

const NO_ACCOUNT: Refusal<'_> = refusal(Code::NotFound, "ACCOUNT_NOT_FOUND");
const NO_SET: Refusal<'_> = refusal(Code::NotFound, "PERMISSION_SET_NOT_FOUND");
const PRODUCTION: &str = "222233334444";
const SET: &str = "arn:aws:sso:::permissionSet/ssoins-72230123456789ab/ps-2123456789abcdef";

fn access(account: &str, permission_set: &str) -> Value {
    json!({"account_access": {"account": account, "permission_set": permission_set}})
}

/// Methods that take a target: the message, and what stands before `account_access`.
fn methods(target: &Value) -> [(&'static str, Value, &'static str); 5] {
    let reference = json!({"principal": {"user": "anna.berg"}, "target": target});
    let preview = with(assign(), json!({"target": target, "validate_only": true}));
    [
        (
            "AccessService/Assign",
            with(assign(), json!({"target": target})),
            "target",
        ),
        ("AccessService/Assign", preview, "target"),
        (
            "AccessService/Revoke",
            json!({"assignment": reference}),
            "assignment.target",
        ),
        (
            "AccessService/ListAssignments",
            json!({"target": target}),
            "target",
        ),
        (
            "GrantService/ListGrants",
            json!({"target": target}),
            "target",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_accounts_and_sets_are_blamed_by_their_field() {
    let bench = Bench::demo().await;
    let long = "x".repeat(10_000);
    let account_arn =
        format!("arn:aws:organizations::111122223333:account/o-1234567890/{PRODUCTION}");
    let accounts = [
        String::new(),
        " \t".to_owned(),
        "a\0b".to_owned(),
        "two\nlines".to_owned(),
        "prod\u{202e}uction".to_owned(),
        long.clone(),
        "arn:".to_owned(),
        "arn:aws:iam::222233334444:root".to_owned(),
        format!("{account_arn}5"),
        account_arn.replace("222233334444", "22223333444"),
        account_arn.replace("222233334444", "\u{662}22233334444"),
        account_arn.to_uppercase(),
        format!(" {account_arn}"),
        format!("\u{feff}{account_arn}"),
    ];
    let sets = [
        String::new(),
        "a\u{7}b".to_owned(),
        long,
        "arn:aws:sso:::instance/ssoins-72230123456789ab".to_owned(),
        format!("{SET}0"),
        format!("{SET}\n"),
        SET.to_uppercase(),
        SET.replacen('a', "\u{430}", 1),
        SET.replace("ps-2", "ps-\u{662}"),
        format!("{SET}{}", "0".repeat(1225 - SET.len())),
    ];
    let cases = (accounts
        .iter()
        .map(|account| (access(account, SET), "account")))
    .chain(
        sets.iter()
            .map(|set| (access(PRODUCTION, set), "permission_set")),
    );
    for (target, part) in cases {
        for (method, message, before) in methods(&target) {
            let field = format!("{before}.account_access.{part}");
            let what = format!("{method} {:.100}", target.to_string());
            check(&bench, &what, method, message, invalid(&[field.as_str()])).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_sets_that_are_not_there_are_not_found() {
    let bench = Bench::demo().await;
    let accounts = [
        "22223333444",
        "2222333344445",
        "\u{662}22233334444",
        "2222-3333-4444",
        " 222233334444",
        "999999999999",
        "Production",
        "'; DROP TABLE grants; --",
    ];
    let elsewhere = SET.replace("ssoins-72230123456789ab", "ssoins-0000000000000000");
    let sets = [
        elsewhere.as_str(),
        &SET.replace("ps-2123456789abcdef", "ps-ffffffffffffffff"),
        "ps-ffffffffffffffff",
        "ps-2",
        "readonlyaccess",
        "%s{}",
    ];
    let cases = (accounts
        .iter()
        .map(|account| (access(account, SET), NO_ACCOUNT)))
    .chain(sets.iter().map(|set| (access(PRODUCTION, set), NO_SET)));
    for (target, expected) in cases {
        let reads = methods(&target).into_iter();
        // What is gone may still have assignments to end and grants to list.
        let reads = reads.filter(|(method, ..)| {
            matches!(
                *method,
                "AccessService/Assign" | "AccessService/ListAssignments"
            )
        });
        for (method, message, _) in reads {
            check(
                &bench,
                &format!("{method} {target}"),
                method,
                message,
                expected,
            )
            .await;
        }
    }
    for (method, message, _) in methods(&access(PRODUCTION, &elsewhere)) {
        check(&bench, "a set of another instance", method, message, NO_SET).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_pages_of_accounts_are_checked() {
    let bench = Bench::demo().await;
    for method in [
        "DirectoryService/ListAccounts",
        "DirectoryService/ListPermissionSets",
    ] {
        for name in [" ", "a\nb", "a\0b"] {
            let message = json!({"name": name, "page_size": -1});
            check(
                &bench,
                method,
                method,
                message,
                invalid(&["name", "page_size"]),
            )
            .await;
        }
        let garbage = Refusal {
            reason: "PAGE_TOKEN_INVALID",
            ..invalid(&["page_token"])
        };
        check(&bench, method, method, json!({"page_token": "x"}), garbage).await;
        let none = bench
            .ok(
                method,
                json!({"name": "Nothing", "page_size": 2_147_483_647}),
            )
            .await;
        assert_eq!(
            none.get("next_page_token")
                .and_then(Value::as_str)
                .unwrap_or(""),
            ""
        );
    }
    let kind = json!({"principal": {"user": "anna.berg"}, "target_kind": 7});
    let method = "AccessService/ListAssignments";
    check(&bench, "kind", method, kind, invalid(&["target_kind"])).await;
    let empty = json!({"target": {"account_access": {}}});
    let both = [
        "target.account_access.account",
        "target.account_access.permission_set",
    ];
    check(&bench, "empty", method, empty, invalid(&both)).await;
}

/// Refusals that depend on where Usher works from: each answer with the reason it must have.
pub(crate) async fn accounts_at_fault() -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    let bench = Bench::demo().await;
    for (reason, account, set) in [
        ("ACCOUNT_NOT_FOUND", "nowhere", SET),
        ("PERMISSION_SET_NOT_FOUND", PRODUCTION, "Nothing"),
        ("ACCOUNT_INACTIVE", "former-project", SET),
    ] {
        let message = with(assign(), json!({"target": access(account, set)}));
        answers.push((reason, bench.call("AccessService/Assign", message).await));
    }
    let mut world = World::demo();
    let organization = world.organization.as_mut().unwrap();
    organization.delegated_administrators = vec![PRODUCTION.to_owned()];
    world.callers.push(AccessKey {
        access_key_id: "simulated".to_owned(),
        account_id: PRODUCTION.to_owned(),
        arn: format!("arn:aws:iam::{PRODUCTION}:user/usher"),
        user_id: "AIDAEXAMPLEEXAMPLE".to_owned(),
    });
    let bench = Bench::start(Setup {
        world,
        ..Setup::default()
    })
    .await;
    let message = with(assign(), json!({"target": access("management", SET)}));
    let refused = bench.call("AccessService/Assign", message).await;
    answers.push(("ACCOUNT_OUT_OF_REACH", refused));
    let message = json!({"principal": {"user": "anna.berg"}});
    let refused = bench.call("AccessService/ListAssignments", message).await;
    answers.push(("NOT_LISTABLE_BY_PRINCIPAL", refused));
    let mut world = World::demo();
    world.organization = None;
    world.accounts = Vec::new();
    world.roles = Vec::new();
    world.permission_sets = Vec::new();
    world.account_assignments = Vec::new();
    let bench = Bench::start(Setup {
        world,
        ..Setup::default()
    })
    .await;
    let message = with(assign(), json!({"target": access(PRODUCTION, SET)}));
    let refused = bench.call("AccessService/Assign", message).await;
    answers.push(("ACCOUNT_ACCESS_NOT_OFFERED", refused));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_does_not_offer_is_told_with_its_reason() {
    for (reason, answer) in accounts_at_fault().await {
        let code = match reason {
            "ACCOUNT_NOT_FOUND" | "PERMISSION_SET_NOT_FOUND" => Code::NotFound,
            _ => Code::FailedPrecondition,
        };
        check_answer(reason, &answer, refusal(code, reason));
        let details = answer.details();
        assert_eq!(
            details.precondition_failure().is_some(),
            code == Code::FailedPrecondition
        );
    }
}
