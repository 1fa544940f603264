//! Credentials that prove nobody, very many of them: they cost a bounded number of signature checks and
//! events, and who behind the same address needs no check goes on.

use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Code;

use crate::bench::{Client, check_refused};
use crate::certificates::{PORTAL, secured};
use crate::signer::Key;
use crate::store_rows::bodies;
use crate::wire::Answer;

/// One failure a second, five at once.
const RATES: &str = "[limits.rates]\naddress_failures_per_second = 1\naddress_burst = 5\n";
const LIMITED: &str = "ADDRESS_RATE_LIMITED";

fn check_limited(what: &str, answer: &Answer) -> Duration {
    check_refused(what, answer, Code::ResourceExhausted, LIMITED);
    let details = answer.details();
    let violations = &details.quota_failure().unwrap().violations;
    assert_eq!(violations[0].subject, "address");
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    wait
}

/// Calls with a forged token until one is refused without a look; how many were looked at.
async fn forge(client: &Client, token: &str) -> usize {
    for checked in 0..100 {
        let answer = client.list_as(token).await;
        if answer.reason() == LIMITED {
            check_limited("forged", &answer);
            return checked;
        }
        check_refused(
            "forged",
            &answer,
            Code::Unauthenticated,
            "CREDENTIAL_INVALID",
        );
    }
    panic!("forged tokens are looked at for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_cost_a_bounded_number_of_signature_checks() {
    let secured = secured(RATES).await;
    let (stranger, portal) = (
        secured.connect_without().await,
        secured.connect("portal", PORTAL).await,
    );
    let remembered = secured.key.token(json!({}));
    assert_eq!(stranger.list_as(&remembered).await.code(), Code::Ok);
    let forged = Key::new("key-1").token(json!({}));
    let began = Instant::now();
    let mut checked = forge(&stranger, &forged).await;
    assert!(checked >= 5, "{checked}");
    for _ in 0..300 {
        // Another connection is no other address.
        if portal.list_as(&forged).await.reason() != LIMITED {
            checked += 1;
        }
    }
    let given = 5 + usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!(checked <= given, "{checked} of {given}");
    // Who needs no signature check goes on.
    assert_eq!(stranger.list_as(&remembered).await.code(), Code::Ok);
    assert_eq!(portal.list(&[]).await.code(), Code::Ok);
    // Who needs one waits as long as the answer says.
    checked += forge(&stranger, &forged).await;
    let fresh = secured.key.token(json!({"sub": "u-2"}));
    let wait = check_limited("a good token that is new", &stranger.list_as(&fresh).await);
    tokio::time::sleep(wait).await;
    assert_eq!(stranger.list_as(&fresh).await.code(), Code::Ok);
    let rows = secured.bench.refused_inbound.snapshot();
    let refused: u64 = rows
        .iter()
        .filter(|row| row.reason == LIMITED)
        .map(|row| row.count)
        .sum();
    assert!(refused >= 290, "{refused}");
    // Exactly what was looked at is in the log of events.
    let store = secured.bench.data.path().join("usher.sqlite3");
    loop {
        let events = bodies(&store).await;
        let events = events
            .iter()
            .filter(|body| body["reason"] == "CREDENTIAL_INVALID");
        let events = events.count();
        assert!(events <= checked, "{events} events of {checked} looks");
        if events == checked {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{events} of {checked}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn good_callers_never_count_against_their_address() {
    let secured = secured(RATES).await;
    let client = secured.connect_without().await;
    for number in 0..50 {
        let token = secured.key.token(json!({"sub": format!("u-{number}")}));
        assert_eq!(client.list_as(&token).await.code(), Code::Ok, "{number}");
    }
    // Nor does a caller that is proved and may not do what it wants.
    let token = format!("Bearer {}", secured.key.token(json!({})));
    for _ in 0..50 {
        let acting = [
            ("authorization", token.as_str()),
            ("usher-on-behalf-of", "root"),
        ];
        let answer = client.list(&acting).await;
        check_refused("acting", &answer, Code::PermissionDenied, "POLICY_DENIED");
    }
    secured.bench.end().await;
}
