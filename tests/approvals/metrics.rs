//! What waits for people is told to those who watch over the service.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::place::{APPROVE, EXTEND, POLICIES, Place};
use crate::scrape::{Scrape, http};

const PENDING: &str = "usher_pending_approvals";
const AGE: &str = "usher_pending_approval_age_seconds";

/// Awaits that a sample has a value.
async fn until(address: SocketAddr, name: &str, wanted: f64) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while Scrape::of(address).await.value(name, &[]) != Some(wanted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("{name} is not {wanted}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_people_is_a_gauge() {
    let more = "[metrics]\naddress = \"127.0.0.1:0\"\ncount_seconds = 0.05\n";
    let place = Place::start_configured(POLICIES, more).await;
    let address = place.bench.metrics_address.unwrap();
    until(address, PENDING, 0.0).await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    until(address, PENDING, 1.0).await;
    let told = Scrape::of(address).await;
    let pending = [("state", "PENDING_APPROVAL")];
    assert_eq!(told.value("usher_grants", &pending), Some(1.0));
    place.later(7200);
    let aged = |age: f64| (7200.0..7260.0).contains(&age);
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !Scrape::of(address).await.value(AGE, &[]).is_some_and(aged) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap();
    for reviewer in ["carla.mendes", "dmitri.orlov"] {
        place.approve(reviewer, &asked).await.ok(APPROVE);
    }
    let active = place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    until(address, PENDING, 0.0).await;
    until(address, AGE, 0.0).await;
    // More time that is asked for waits too, while the grant stands.
    let more_time = json!({
        "grant_id": active["id"], "duration": "3600s", "justification": "not done yet",
    });
    place.call("anna.berg", EXTEND, &more_time).await.ok(EXTEND);
    until(address, PENDING, 1.0).await;
    let told = Scrape::of(address).await;
    let active = [("state", "ACTIVE")];
    assert_eq!(told.value("usher_grants", &active), Some(1.0));
    let page = http(address, "GET /metrics").await.unwrap().body;
    for name in ["anna", "carla", "Redshift", "not done", "grant_"] {
        assert!(!page.contains(name), "{name} is told");
    }
    place.bench.end().await;
}
