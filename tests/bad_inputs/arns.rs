//! ARNs that are not of an application here, in every method that takes one.

use serde_json::{Value, json};
use tonic::Code;

use crate::bench::{Bench, assign, with};
use crate::check::{Refusal, check, invalid, refusal};

const NO_APPLICATION: Refusal<'_> = refusal(Code::NotFound, "APPLICATION_NOT_FOUND");
const NO_INSTANCE: Refusal<'_> = refusal(Code::NotFound, "INSTANCE_NOT_FOUND");

/// Every method with an application in its request: the message, and the field that is blamed.
fn methods(application: &str) -> [(&'static str, Value, &'static [&'static str]); 6] {
    let target = json!({"application": application});
    let report = json!({"view": 1, "format": 2, "target": target});
    let reference = json!({"principal": {"user": "anna.berg"}, "target": target});
    let preview = with(assign(), json!({"target": target, "validate_only": true}));
    let at_top: &[&str] = &["target.application"];
    [
        (
            "AccessService/Assign",
            with(assign(), json!({"target": target})),
            at_top,
        ),
        ("AccessService/Assign", preview, at_top),
        (
            "AccessService/Revoke",
            json!({"assignment": reference}),
            &["assignment.target.application"],
        ),
        (
            "AccessService/ListAssignments",
            json!({"target": target}),
            at_top,
        ),
        ("AccessService/AuditReport", report, at_top),
        ("GrantService/ListGrants", json!({"target": target}), at_top),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_arns_are_refused_in_every_method() {
    let bench = Bench::demo().await;
    let good = bench.application("Amazon Redshift");
    let wrong = [
        String::new(),
        "arn:".to_owned(),
        "arn:aws:s3:::bucket".to_owned(),
        "arn:aws:sso:::instance/ssoins-72230123456789ab".to_owned(),
        format!("{good}{}", "0".repeat(1225 - good.len())),
        format!("{good}\n"),
        format!("{good}\0"),
        format!("{good} "),
        format!(" {good}"),
        format!("\u{a0}{good}"),
        good.to_uppercase(),
        good.replacen("arn", "Arn", 1),
        good.replacen('a', "\u{430}", 1),
        format!("\u{feff}{good}"),
        good.replace("apl-0", "apl-\u{430}"),
        good.replace(":sso:", ":ss\u{43e}:"),
        good.replace("apl-0123456789abcdef", "apl-../../../etc/pass"),
        good.replace("111122223333", "11112222333"),
    ];
    for arn in &wrong {
        for (method, message, fields) in methods(arn) {
            let what = format!("{method} {arn:.100?}");
            check(&bench, &what, method, message, invalid(fields)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arns_of_what_is_not_there_are_not_found() {
    let bench = Bench::demo().await;
    let good = bench.application("Amazon Redshift");
    let elsewhere = good.replace("ssoins-72230123456789ab", "ssoins-0000000000000000");
    for (method, message, _) in methods(&elsewhere) {
        check(
            &bench,
            "application of another instance",
            method,
            message,
            NO_APPLICATION,
        )
        .await;
    }
    let unknown = good.replace("apl-0123456789abcdef", "apl-ffffffffffffffff");
    let reads = methods(&unknown).into_iter().filter(|(method, ..)| {
        // What is gone may still have grants to list and assignments to end.
        !matches!(*method, "AccessService/Revoke" | "GrantService/ListGrants")
    });
    for (method, message, _) in reads {
        check(
            &bench,
            "unknown application",
            method,
            message,
            NO_APPLICATION,
        )
        .await;
    }
    let revoke = json!({"assignment": {
        "principal": {"user": "anna.berg"}, "target": {"application": unknown},
    }});
    let expected = refusal(Code::NotFound, "ASSIGNMENT_NOT_FOUND");
    check(
        &bench,
        "unknown application",
        "AccessService/Revoke",
        revoke,
        expected,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_not_served_are_refused_in_every_method() {
    let bench = Bench::demo().await;
    let here = bench.ok("DirectoryService/ListInstances", json!({})).await;
    let here = here["instances"][0]["instance_arn"]
        .as_str()
        .unwrap()
        .to_owned();
    let good = bench.application("Amazon Redshift");
    let mut all: Vec<(&str, Value)> = methods(&good)
        .into_iter()
        .map(|(method, message, _)| (method, message))
        .collect();
    all.push(("DirectoryService/ListApplications", json!({})));
    all.push(("DirectoryService/ListPrincipals", json!({"type": 1})));
    let cases = [
        (
            "arn:aws:sso:::instance/ssoins-0000000000000000".to_owned(),
            NO_INSTANCE,
        ),
        ("prod".to_owned(), NO_INSTANCE),
        (here.to_uppercase(), invalid(&["instance"])),
        (format!("{here}\n"), invalid(&["instance"])),
        (format!(" {here}"), invalid(&["instance"])),
        (good, invalid(&["instance"])),
    ];
    for (instance, expected) in cases {
        for (method, message) in &all {
            let message = with(message.clone(), json!({"instance": instance}));
            check(
                &bench,
                &format!("{method} {instance:?}"),
                method,
                message,
                expected,
            )
            .await;
        }
    }
}
