//! Page sizes and page tokens: clamped, sealed, and bound to caller, method and filters.

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{Fault, FaultAction};

use crate::bench::{Bench, Setup, assign, with};
use crate::check::{Refusal, check, check_answer, invalid};

const TOKEN: Refusal<'_> = Refusal {
    code: Code::InvalidArgument,
    reason: "PAGE_TOKEN_INVALID",
    fields: &["page_token"],
};

/// Every method with pages, with filters that have several pages of one row.
fn methods() -> [(&'static str, Value); 4] {
    [
        (
            "AccessService/ListAssignments",
            json!({"target": {"application": "Amazon QuickSight"}}),
        ),
        ("GrantService/ListGrants", json!({})),
        ("DirectoryService/ListApplications", json!({})),
        (
            "DirectoryService/ListPrincipals",
            json!({"type": "PRINCIPAL_TYPE_USER"}),
        ),
    ]
}

/// A bench with two grants, so that every method has two pages.
async fn bench_with_pages() -> Bench {
    let bench = Bench::demo().await;
    for user in ["anna.berg", "bilal.khan"] {
        let message = with(assign(), json!({"principal": {"user": user}}));
        bench.ok("AccessService/Assign", message).await;
    }
    bench
}

async fn first_token(bench: &Bench, method: &str, filters: &Value) -> String {
    let page = bench
        .ok(method, with(filters.clone(), json!({"page_size": 1})))
        .await;
    page["next_page_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{method}: {page}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn page_sizes_are_clamped_and_never_negative() {
    let bench = bench_with_pages().await;
    for (method, filters) in methods() {
        for size in [-1, i32::MIN] {
            let message = with(filters.clone(), json!({"page_size": size}));
            check(&bench, method, method, message, invalid(&["page_size"])).await;
        }
        let whole = with(filters, json!({"page_size": i32::MAX}));
        let page = bench.ok(method, whole).await;
        assert!(page.get("next_page_token").is_none(), "{method}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_were_not_given_for_this_are_refused() {
    let bench = bench_with_pages().await;
    let mut tokens = Vec::new();
    for (method, filters) in methods() {
        tokens.push(first_token(&bench, method, &filters).await);
    }
    for (place, (method, filters)) in methods().into_iter().enumerate() {
        let own = &tokens[place];
        let page = |token: &str| with(filters.clone(), json!({"page_token": token}));
        let garbage = [
            "x".to_owned(),
            "%%%".to_owned(),
            "\u{0}".to_owned(),
            "' OR 1=1".to_owned(),
            "A".repeat(200_000),
            format!("{own}A"),
            own[..own.len() - 1].to_owned(),
            format!(" {own}"),
            own.to_lowercase(),
            tokens[(place + 1) % tokens.len()].clone(),
        ];
        for token in garbage {
            let what = format!("{method} {token:.30?}");
            check(&bench, &what, method, page(&token), TOKEN).await;
        }
        for position in [0, own.len() / 2, own.len() - 2] {
            let mut bytes = own.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let flipped = String::from_utf8(bytes).unwrap();
            check(
                &bench,
                &format!("{method} flipped {position}"),
                method,
                page(&flipped),
                TOKEN,
            )
            .await;
        }
        let theirs = bench.call_as("mallory", method, page(own)).await;
        check_answer(&format!("{method}, another caller"), &theirs, TOKEN);
        // Another page size is no other list.
        bench.ok(method, page(own)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_bound_to_their_filters() {
    let bench = bench_with_pages().await;
    let changes = [
        json!({"target": {"application": "Amazon Redshift"}}),
        json!({"states": ["GRANT_STATE_ACTIVE"]}),
        json!({"name": "Wiki"}),
        json!({"type": "PRINCIPAL_TYPE_GROUP"}),
    ];
    for ((method, filters), change) in methods().into_iter().zip(changes) {
        let token = first_token(&bench, method, &filters).await;
        let message = with(with(filters, change), json!({"page_token": token}));
        check(&bench, method, method, message, TOKEN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn walking_pages_shows_every_row_once() {
    let mut setup = Setup::default();
    setup.settings.odd_page_rate = 0.5;
    let bench = Bench::start(setup).await;
    for user in ["anna.berg", "bilal.khan", "carla.mendes"] {
        bench
            .ok(
                "AccessService/Assign",
                with(assign(), json!({"principal": {"user": user}})),
            )
            .await;
    }
    let rows = ["assignments", "grants", "applications", "principals"];
    let filters = [
        json!({"target": {"application": "Amazon Redshift"}}),
        json!({}),
        json!({}),
        json!({"type": 1}),
    ];
    for (((method, _), filters), (rows, expected)) in methods()
        .into_iter()
        .zip(filters)
        .zip(rows.into_iter().zip([3, 3, 3, 6]))
    {
        let (mut token, mut seen) = (String::new(), Vec::new());
        loop {
            let next = with(
                filters.clone(),
                json!({"page_size": 1, "page_token": token}),
            );
            let page = bench.ok(method, next).await;
            let page_rows = page[rows].as_array().cloned().unwrap_or_default();
            assert!(page_rows.len() <= 1, "{method}");
            seen.extend(page_rows.iter().map(Value::to_string));
            match page["next_page_token"].as_str() {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!(
            (seen.len(), distinct.len()),
            (expected, expected),
            "{method}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_size_may_change_on_the_way() {
    let bench = bench_with_pages().await;
    let method = "DirectoryService/ListPrincipals";
    let (mut token, mut names) = (String::new(), Vec::new());
    for (size, expected) in [(3, 3), (1, 1), (1, 1), (100, 1)] {
        let next = json!({"type": 1, "page_size": size, "page_token": token});
        let page = bench.ok(method, next).await;
        let rows = page["principals"].as_array().unwrap();
        assert_eq!(rows.len(), expected, "{page}");
        names.extend(
            rows.iter()
                .map(|row| row["principal"]["name"].as_str().unwrap().to_owned()),
        );
        token = page["next_page_token"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
    }
    let everybody: Vec<String> = bench
        .simulator
        .world()
        .users
        .into_iter()
        .map(|user| user.user_name)
        .collect();
    assert_eq!((names, token.as_str()), (everybody, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_aws_has_forgotten_is_an_invalid_token() {
    let bench = bench_with_pages().await;
    let method = "DirectoryService/ListPrincipals";
    let filters = json!({"type": 1});
    let token = first_token(&bench, method, &filters).await;
    let forgotten = FaultAction::Error {
        code: "ValidationException".to_owned(),
        message: "The NextToken is not valid".to_owned(),
        http_status: None,
        members: serde_json::Map::new(),
        after_effect: false,
    };
    bench
        .simulator
        .add_fault(Fault::new("ListUsers", forgotten));
    let message = with(filters, json!({"page_token": token}));
    check(&bench, "forgotten", method, message, TOKEN).await;
}
