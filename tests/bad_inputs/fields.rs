//! Fields of requests that cannot be right, each blamed by its name, and all of them at once.

use prost::Message;
use serde_json::{Value, json};
use usher::grpc::pb;

use crate::bench::{Bench, assign, with};
use crate::check::{check, check_bytes, invalid};

const ASSIGN: &str = "AccessService/Assign";
const REVOKE: &str = "AccessService/Revoke";
const LIST: &str = "AccessService/ListAssignments";
const REPORT: &str = "AccessService/AuditReport";
const GRANTS: &str = "GrantService/ListGrants";

#[tokio::test(flavor = "multi_thread")]
async fn principals_that_name_nobody_are_refused() {
    let bench = Bench::demo().await;
    let long = "a".repeat(10_000);
    let none: [Value; 2] = [json!({}), Value::Null];
    for principal in none {
        let message = with(assign(), json!({"principal": principal}));
        check(
            &bench,
            "no principal",
            ASSIGN,
            message,
            invalid(&["principal"]),
        )
        .await;
    }
    let wrong = [
        "",
        " ",
        "\u{a0}\u{3000}",
        &long,
        "anna\0berg",
        "anna\u{7}",
        "anna\u{202e}berg",
        "\u{200f}anna",
        "anna\u{2066}",
        "anna\u{61c}",
        "anna\u{85}",
    ];
    for name in wrong {
        for (kind, field) in [
            ("user", &["principal.user"]),
            ("group", &["principal.group"]),
        ] {
            let message = with(assign(), json!({"principal": {kind: name}}));
            let what = format!("{kind} {name:.20?}");
            check(&bench, &what, ASSIGN, message, invalid(field)).await;
        }
    }
    // A group's name may hold line breaks and tabs (aws-api.md §2); a user's may not.
    for name in ["anna\nberg", "anna.berg\n", "\tanna.berg", "anna.berg\r"] {
        let message = with(assign(), json!({"principal": {"user": name}}));
        check(&bench, name, ASSIGN, message, invalid(&["principal.user"])).await;
    }
}

/// Texts that are too long or hold what nobody types: the field, and why it is wrong.
fn wrong_texts() -> [(&'static [&'static str], &'static str, String); 13] {
    [
        (&["justification"], "10,001", "j".repeat(10_001)),
        (&["justification"], "1 MB", "j".repeat(1_000_000)),
        (&["justification"], "1 MiB", "j".repeat(1 << 20)),
        (&["justification"], "NUL", "a\0b".to_owned()),
        (&["justification"], "direction", "a\u{202e}b".to_owned()),
        (&["ticket"], "257", "t".repeat(257)),
        (&["ticket"], "a line break", "a\nb".to_owned()),
        (&["request_id"], "129", "r".repeat(129)),
        (&["request_id"], "257", "r".repeat(257)),
        (&["request_id"], "blanks", "  ".to_owned()),
        (&["request_id"], "an escape", "a\u{1b}[0m".to_owned()),
        (&["instance"], "10,000", "i".repeat(10_000)),
        (&["instance"], "a line break", "main\n".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_bounded_and_have_no_control_characters() {
    let bench = Bench::demo().await;
    for (field, why, text) in wrong_texts() {
        let message = with(assign(), json!({field[0]: text}));
        let what = format!("{field:?} {why}");
        check(&bench, &what, ASSIGN, message, invalid(field)).await;
    }
    let revoke = json!({"grant_id": "grant_0", "reason": "r".repeat(2001), "request_id": " "});
    let expected = invalid(&["grant_id", "reason", "request_id"]);
    check(&bench, "Revoke", REVOKE, revoke, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_of_a_write_are_told_at_once() {
    let bench = Bench::demo().await;
    let everything = json!({
        "instance": "arn:aws:sso:::instance/nonsense",
        "principal": {"user": ""},
        "target": {"application": "arn:aws:s3:::bucket"},
        "duration": "0s",
        "justification": "j".repeat(2001),
        "ticket": "\u{7}",
        "request_id": "\u{7}",
    });
    let expected = invalid(&[
        "instance",
        "principal.user",
        "target.application",
        "duration",
        "justification",
        "ticket",
        "request_id",
    ]);
    check(&bench, "Assign", ASSIGN, everything, expected).await;
    let nothing = invalid(&["principal", "target"]);
    check(&bench, "empty Assign", ASSIGN, json!({}), nothing).await;
    let nothing = invalid(&["revocation"]);
    check(&bench, "empty Revoke", REVOKE, json!({}), nothing).await;
    let half = json!({"assignment": {}, "instance": "ARN:x"});
    let expected = invalid(&["instance", "assignment.principal", "assignment.target"]);
    check(&bench, "half a Revoke", REVOKE, half, expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_of_a_read_are_told_at_once() {
    let bench = Bench::demo().await;
    let list = json!({"principal": {"user": " "}, "target": {}, "page_size": -1, "max_age": "-1s"});
    let grants = json!({"ticket": "a\nb", "requested_by": " ", "states": [0], "page_size": -5});
    let both = json!({"type": "PRINCIPAL_TYPE_GROUP", "principal": {"user": "anna.berg"}});
    let principals = "DirectoryService/ListPrincipals";
    let cases: [(&str, Value, &[&str]); 7] = [
        (LIST, json!({"max_age": "0s"}), &["max_age"]),
        (
            LIST,
            list,
            &["page_size", "principal.user", "target", "max_age"],
        ),
        (REPORT, json!({}), &["view", "format"]),
        (
            GRANTS,
            grants,
            &["page_size", "states[0]", "ticket", "requested_by"],
        ),
        ("GrantService/GetGrant", json!({}), &["grant_id"]),
        (principals, json!({}), &["type"]),
        (principals, both, &["type"]),
    ];
    for (method, message, fields) in cases {
        check(&bench, method, method, message, invalid(fields)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_are_about_no_access_take_no_principal_and_no_target() {
    let bench = Bench::demo().await;
    for view in ["REPORT_VIEW_INSTANCES", "REPORT_VIEW_DUPLICATE_USERS"] {
        let about = json!({
            "view": view,
            "format": "REPORT_FORMAT_CSV",
            "principal": {"user": "anna.berg"},
            "target": {"application": "Amazon Redshift"},
        });
        let fields = invalid(&["principal", "target"]);
        check(&bench, view, REPORT, about, fields).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn durations_must_be_durations_above_zero() {
    let bench = Bench::demo().await;
    let wrong = [
        (0, 0),
        (-1, 0),
        (0, -1),
        (1, -1),
        (-1, 1),
        (0, 1_000_000_000),
        (1, i32::MAX),
        (1, i32::MIN),
        (i64::MAX, 0),
        (i64::MIN, 0),
        (315_576_000_001, 0),
        (36_525 * 86_400 + 1, 0),
        (0, 1),
        (0, 999),
    ];
    for (seconds, nanos) in wrong {
        let what = format!("duration {seconds} {nanos}");
        let message = pb::AssignRequest {
            principal: Some(pb::Principal {
                principal: Some(pb::principal::Principal::User("anna.berg".to_owned())),
            }),
            target: Some(pb::Target {
                target: Some(pb::target::Target::Application(
                    "Amazon Redshift".to_owned(),
                )),
            }),
            duration: Some(prost_types::Duration { seconds, nanos }),
            ..pb::AssignRequest::default()
        };
        check_bytes(
            &bench,
            &what,
            ASSIGN,
            &message.encode_to_vec(),
            invalid(&["duration"]),
        )
        .await;
    }
    for (seconds, nanos) in [
        (-1, 0),
        (0, -1),
        (86_401, 0),
        (0, 1_000_000_000),
        (i64::MIN, i32::MIN),
    ] {
        let what = format!("max_age {seconds} {nanos}");
        let message = pb::ListAssignmentsRequest {
            principal: Some(pb::Principal {
                principal: Some(pb::principal::Principal::User("anna.berg".to_owned())),
            }),
            max_age: Some(prost_types::Duration { seconds, nanos }),
            ..pb::ListAssignmentsRequest::default()
        };
        check_bytes(
            &bench,
            &what,
            LIST,
            &message.encode_to_vec(),
            invalid(&["max_age"]),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn enum_values_that_do_not_exist_are_refused() {
    let bench = Bench::demo().await;
    let access = json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_CSV"});
    for unknown in [-1, 99, i32::MIN, i32::MAX] {
        let view = with(access.clone(), json!({"view": unknown}));
        check(&bench, "view", REPORT, view, invalid(&["view"])).await;
        let format = with(access.clone(), json!({"format": unknown}));
        check(&bench, "format", REPORT, format, invalid(&["format"])).await;
        let states = json!({"states": ["GRANT_STATE_ACTIVE", unknown]});
        check(&bench, "state", GRANTS, states, invalid(&["states[1]"])).await;
        let list = json!({"principal": {"user": "anna.berg"}, "provenance": [unknown]});
        check(
            &bench,
            "provenance",
            LIST,
            list,
            invalid(&["provenance[0]"]),
        )
        .await;
        let principals = json!({"type": unknown});
        let method = "DirectoryService/ListPrincipals";
        check(&bench, "type", method, principals, invalid(&["type"])).await;
    }
    // However many values are wrong, the answer stays small enough to arrive.
    let many = pb::ListGrantsRequest {
        states: vec![77; 100_000],
        ..pb::ListGrantsRequest::default()
    };
    let first = invalid(&[
        "states[0]",
        "states[1]",
        "states[2]",
        "states[3]",
        "states[4]",
        "states[5]",
        "states[6]",
        "states[7]",
        "states[8]",
        "states[9]",
    ]);
    check_bytes(
        &bench,
        "100,000 states",
        GRANTS,
        &many.encode_to_vec(),
        first,
    )
    .await;
}
