//! One person with two accounts: nobody agrees for themselves by the other one, and nobody counts
//! twice.

use tonic::Code;

use crate::place::{APPROVE, ASSIGN, Place, leave, person_of, refused, wish, wish_of_group};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_account_is_the_same_person() {
    let place = Place::start().await;
    place
        .change(|world| {
            person_of(world, "carla.mendes").email = Some("Anna.Berg@Example.com".to_owned());
            person_of(world, "dmitri.orlov").email = Some("bilal.khan@example.com".to_owned());
        })
        .await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    // Who is out is not asked, and sees no more of it than any stranger.
    let own = place.approve("carla.mendes", &asked).await;
    refused("herself", &own, Code::NotFound, "GRANT_NOT_FOUND");
    let shown = place.grant("anna.berg", &asked).await;
    let waiting = shown["waiting_for"]["approvers"].to_string();
    assert!(
        !waiting.contains("carla.mendes"),
        "who cannot is not named: {waiting}"
    );
    // Nor where it is a member's of the group that gets it.
    place
        .change(|world| {
            person_of(world, "carla.mendes").email = Some("carla@example.com".to_owned());
        })
        .await;
    let wanted = wish_of_group("engineering", "Amazon Redshift");
    let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    let own = place.approve("dmitri.orlov", &asked).await;
    refused("a member", &own, Code::NotFound, "GRANT_NOT_FOUND");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_of_an_approver_count_once() {
    let place = Place::start().await;
    place
        .change(|world| {
            person_of(world, "dmitri.orlov").email = Some("Carla.Mendes@example.com".to_owned());
            person_of(world, "carla.mendes").email = Some("carla.mendes@example.com".to_owned());
        })
        .await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let second = place.approve("dmitri.orlov", &asked).await;
    refused(
        "the same person",
        &second,
        Code::PermissionDenied,
        "NOT_AN_APPROVER",
    );
    let seen = place.grant("anna.berg", &asked).await;
    assert_eq!(seen["state"], "GRANT_STATE_PENDING_APPROVAL");
    place.approve("emi.sato", &asked).await.ok(APPROVE);
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    // Where both accounts are all that is left, nobody could ever pay.
    place
        .change(|world| {
            leave(world, "leads", "emi.sato");
            leave(world, "leads", "bilal.khan");
        })
        .await;
    let wanted = wish("anna.berg", "Amazon Redshift");
    let answer = place.call("anna.berg", ASSIGN, &wanted).await;
    refused(
        "one person for two",
        &answer,
        Code::FailedPrecondition,
        "NO_ELIGIBLE_APPROVER",
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_become_one_person_after_they_agreed_count_once() {
    let place = Place::start().await;
    let mut wanted = wish("anna.berg", "Amazon Redshift");
    wanted["start_time"] = place.in_seconds(600);
    let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], "GRANT_STATE_SCHEDULED");
    place
        .change(|world| {
            person_of(world, "dmitri.orlov").email = Some("one@example.com".to_owned());
            person_of(world, "carla.mendes").email = Some("one@example.com".to_owned());
        })
        .await;
    place.later(601);
    let denied = place.until("anna.berg", &asked, "GRANT_STATE_DENIED").await;
    let reason = denied["revoke_reason"].as_str().unwrap();
    assert!(reason.contains("no longer count"), "{reason}");
    place.bench.end().await;
}
