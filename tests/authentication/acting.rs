//! Certificate and token together, and services that act for others.

use serde_json::json;
use tonic::Code;

use crate::bench::{Client, check_refused};
use crate::certificates::{PORTAL, TICKETS, secured};
use crate::tokens::service_account;

const INVALID: (Code, &str) = (Code::Unauthenticated, "CREDENTIAL_INVALID");
const DENIED: (Code, &str) = (Code::PermissionDenied, "POLICY_DENIED");

async fn check(what: &str, client: &Client, headers: &[(&str, &str)], expected: (Code, &str)) {
    check_refused(what, &client.list(headers).await, expected.0, expected.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_service_is_nothing_on_the_connection_of_another() {
    let secured = secured("").await;
    let key = &secured.key;
    let portal = secured.connect("portal", PORTAL).await;
    let tickets = secured.connect("tickets", TICKETS).await;
    let bearer = |changes| format!("Bearer {}", key.token(changes));
    let person = bearer(json!({}));
    let account = bearer(service_account(json!({})));
    assert_eq!(
        portal.caller(&[("authorization", &person)]).await,
        json!("service:portal")
    );
    assert_eq!(
        portal.caller(&[("authorization", &account)]).await,
        json!("service:portal")
    );
    check(
        "a person's",
        &tickets,
        &[("authorization", &person)],
        INVALID,
    )
    .await;
    check(
        "a service's",
        &tickets,
        &[("authorization", &account)],
        INVALID,
    )
    .await;
    for (what, azp) in [
        ("a client that is not configured", json!("a stranger")),
        ("no client", json!(null)),
    ] {
        let token = bearer(json!({"azp": azp}));
        check(what, &portal, &[("authorization", &token)], INVALID).await;
    }
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_services_act_for_others_and_only_with_tokens_given_to_them() {
    let secured = secured("").await;
    let key = &secured.key;
    let portal = secured.connect("portal", PORTAL).await;
    let nobody = secured.connect_without().await;
    let now = jsonwebtoken::get_current_timestamp();
    let subject = key.token(json!({"sub": "u-7"}));
    let person = format!("Bearer {}", key.token(json!({})));

    let acting = [
        ("usher-on-behalf-of", "anna.berg"),
        ("usher-subject-token", &subject),
    ];
    assert_eq!(portal.list(&acting).await.code(), Code::Ok);
    // The service stays the caller that is counted and written down.
    assert_eq!(portal.caller(&acting).await, json!("service:portal"));
    let account = format!("Bearer {}", key.token(service_account(json!({}))));
    let with_account = [("authorization", account.as_str()), acting[0], acting[1]];
    assert_eq!(nobody.list(&with_account).await.code(), Code::Ok);

    for header in acting {
        let as_person = [("authorization", person.as_str()), header];
        check(header.0, &nobody, &as_person, DENIED).await;
        check(header.0, &portal, &as_person, DENIED).await;
        let missing = (Code::Unauthenticated, "CREDENTIAL_MISSING");
        check(header.0, &nobody, &[header], missing).await;
        check(header.0, &portal, &[header, header], INVALID).await;
    }
    let long = "a".repeat(2000);
    for name in ["", " ", &long] {
        check("a name", &portal, &[("usher-on-behalf-of", name)], INVALID).await;
    }
    let expired = key.token(json!({"nbf": now - 7200, "exp": now - 3600}));
    let portal = &portal;
    let subject =
        |token: String| async move { portal.list(&[("usher-subject-token", &token)]).await };
    let answer = subject(expired).await;
    check_refused(
        "expired",
        &answer,
        Code::Unauthenticated,
        "CREDENTIAL_EXPIRED",
    );
    for (what, token) in [
        ("of tickets", key.token(json!({"azp": "tickets-web"}))),
        ("of a stranger", key.token(json!({"azp": "else"}))),
        ("of a service", key.token(service_account(json!({})))),
        (
            "for another audience",
            key.token(json!({"aud": "payments"})),
        ),
        ("rubbish", "x.y.z".to_owned()),
        ("too long", key.token(json!({"groups": "g".repeat(9000)}))),
    ] {
        check_refused(what, &subject(token).await, INVALID.0, INVALID.1);
    }
    secured.bench.end().await;
}
