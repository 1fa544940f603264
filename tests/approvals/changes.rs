//! Agreement counts by facts of now: who left, who joined, who is somebody else's second account,
//! what policy has become, and an AWS that does not answer.

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{Fault, FaultAction};

use crate::place::{
    APPROVE, ASSIGN, GET, LIST, POLICIES, Place, enter, leave, person_of, refused, speakers, wish,
    wish_of_group, word,
};

const PENDING: &str = "GRANT_STATE_PENDING_APPROVAL";

#[tokio::test(flavor = "multi_thread")]
async fn who_left_the_group_before_it_opens_no_longer_counts() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place
        .change(|world| leave(world, "leads", "carla.mendes"))
        .await;
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(
        two["grant"]["state"], PENDING,
        "one who counts, and one who did"
    );
    let three = place.approve("emi.sato", &asked).await.ok(APPROVE);
    assert_ne!(three["grant"]["state"], PENDING);
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_does_not_agree_and_agreed_to_nothing() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place
        .change(|world| {
            let disabled = person_of(world, "felix.left").user_status;
            person_of(world, "carla.mendes").user_status = disabled;
            person_of(world, "emi.sato").user_status = disabled;
        })
        .await;
    let answer = place.approve("emi.sato", &asked).await;
    assert_ne!(answer.code(), Code::Ok, "disabled");
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    assert_eq!(speakers(&two["grant"]), ["carla.mendes", "dmitri.orlov"]);
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disabled_or_deleted_person_asked_for_does_not_open() {
    for is_deleted in [false, true] {
        let place = Place::start().await;
        let mut wanted = wish("bilal.khan", "Amazon Redshift");
        wanted["justification"] = json!("for Bilal");
        let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
        place.approve("carla.mendes", &asked).await.ok(APPROVE);
        place
            .change(|world| {
                if is_deleted {
                    leave(world, "engineering", "anna.berg");
                    world.users.retain(|user| user.user_name != "anna.berg");
                } else {
                    let disabled = person_of(world, "felix.left").user_status;
                    person_of(world, "anna.berg").user_status = disabled;
                }
            })
            .await;
        let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
        assert_eq!(two["grant"]["state"], PENDING, "deleted: {is_deleted}");
        assert_eq!(place.writes(), [""; 0]);
        place.bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disabled_person_was_to_get_does_not_open() {
    let place = Place::start().await;
    let wanted = wish("bilal.khan", "Amazon Redshift");
    let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place
        .change(|world| {
            let disabled = person_of(world, "felix.left").user_status;
            person_of(world, "bilal.khan").user_status = disabled;
        })
        .await;
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

/// The policies with another price for Redshift.
fn priced(price: &str) -> String {
    let was = r#"@approvals("2") @approvers("group:leads")"#;
    assert!(POLICIES.contains(was));
    POLICIES.replace(was, price)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_gone_opens_nothing() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place
        .policies(&POLICIES.replace("redshift-by-two-leads", "another"))
        .await;
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    // What Usher looks at by itself sees no other.
    place.policies(POLICIES).await;
    place.later(60);
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_old_and_a_new_price_the_dearer_counts() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    // Cheaper by now: what was agreed on then is still to be paid.
    place.policies(&priced(r#"@approvals("0")"#)).await;
    place.later(60);
    assert_eq!(place.grant("anna.berg", &asked).await["state"], PENDING);
    // Dearer by now.
    place
        .policies(&priced(r#"@approvals("3") @approvers("group:leads")"#))
        .await;
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    let three = place.approve("emi.sato", &asked).await.ok(APPROVE);
    assert_ne!(three["grant"]["state"], PENDING);
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_dearer_price_names_anew_is_asked() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let steps = r#"@steps("2 of group:leads; 1 of group:engineering")"#;
    place.policies(&priced(steps)).await;
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    let shown = place.grant("dmitri.orlov", &asked).await;
    let waiting = shown["waiting_for"]["approvers"].to_string();
    assert!(waiting.contains("bilal.khan"), "{waiting}");
    let mine = json!({"scope": "GRANT_LIST_SCOPE_CAN_APPROVE"});
    assert_eq!(
        place.listed("bilal.khan", &mine).await,
        [asked["id"].clone()]
    );
    let three = place.approve("bilal.khan", &asked).await.ok(APPROVE);
    assert_ne!(three["grant"]["state"], PENDING, "{three:#}");
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floor_wants_more_than_the_path_does() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let floor = r#"
        @id("three-for-redshift") forbid (principal, action == Usher::Action::"Activate", resource)
        when { context.approval_count < 3 };
    "#;
    place.policies(&format!("{POLICIES}{floor}")).await;
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    let three = place.approve("emi.sato", &asked).await.ok(APPROVE);
    assert_ne!(three["grant"]["state"], PENDING);
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_do_not_agree_for_their_group() {
    let place = Place::start().await;
    let wanted = wish_of_group("engineering", "Amazon Redshift");
    let asked = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();
    let own = place.approve("bilal.khan", &asked).await;
    refused("a member", &own, Code::NotFound, "GRANT_NOT_FOUND");
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    // She joins it after she agreed.
    place
        .change(|world| enter(world, "engineering", "carla.mendes"))
        .await;
    let two = place.approve("dmitri.orlov", &asked).await.ok(APPROVE);
    assert_eq!(two["grant"]["state"], PENDING);
    let three = place.approve("emi.sato", &asked).await.ok(APPROVE);
    assert_ne!(three["grant"]["state"], PENDING);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approvers_name_gains_nobody_anything() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    // Carla goes by another name, and Felix, who is nobody's approver, by hers.
    place
        .change(|world| {
            let enabled = person_of(world, "anna.berg").user_status;
            person_of(world, "felix.left").user_status = enabled;
            person_of(world, "carla.mendes").user_name = "carla.gone".to_owned();
            person_of(world, "felix.left").user_name = "carla.mendes".to_owned();
        })
        .await;
    let answer = place.approve("carla.mendes", &asked).await;
    refused("felix", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    let one = place.approve("carla.gone", &asked).await.ok(APPROVE);
    assert_eq!(speakers(&one["grant"]).len(), 1);
    // Nor does Anna become another by being called so.
    place
        .change(|world| {
            person_of(world, "dmitri.orlov").user_name = "dmitri.gone".to_owned();
            person_of(world, "anna.berg").user_name = "dmitri.orlov".to_owned();
        })
        .await;
    let own = place.approve("dmitri.orlov", &asked).await;
    refused("herself", &own, Code::PermissionDenied, "SELF_APPROVAL");
    place.bench.end().await;
}

/// The groups that a refusal names.
fn missing(answer: &crate::wire::Answer) -> String {
    let details = answer.details();
    details.error_info().unwrap().metadata["groups"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_are_gone_or_empty_are_told_at_once() {
    let place = Place::start().await;
    place
        .change(|world| leave(world, "security", "emi.sato"))
        .await;
    let wanted = wish("anna.berg", "Amazon QuickSight");
    let answer = place.call("anna.berg", ASSIGN, &wanted).await;
    refused(
        "empty",
        &answer,
        Code::FailedPrecondition,
        "NO_ELIGIBLE_APPROVER",
    );
    assert!(
        missing(&answer).contains("security"),
        "{}",
        missing(&answer)
    );
    place
        .change(|world| {
            world.memberships.retain(|it| !it.group_id.ends_with('1'));
            world.groups.retain(|group| group.display_name != "leads");
        })
        .await;
    let wanted = wish("anna.berg", "Amazon Redshift");
    for validate_only in [true, false] {
        let mut wanted = wanted.clone();
        wanted["validate_only"] = json!(validate_only);
        let answer = place.call("anna.berg", ASSIGN, &wanted).await;
        refused(
            "gone",
            &answer,
            Code::FailedPrecondition,
            "NO_ELIGIBLE_APPROVER",
        );
        assert!(missing(&answer).contains("leads"), "{}", missing(&answer));
    }
    assert_eq!(
        place.listed("anna.berg", &json!({})).await,
        [json!(null); 0]
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_nobody_who_can_is_as_good_as_empty() {
    let place = Place::start().await;
    place
        .change(|world| {
            let disabled = person_of(world, "felix.left").user_status;
            person_of(world, "emi.sato").user_status = disabled;
        })
        .await;
    let wanted = wish("anna.berg", "Amazon QuickSight");
    let answer = place.call("anna.berg", ASSIGN, &wanted).await;
    refused(
        "disabled",
        &answer,
        Code::FailedPrecondition,
        "NO_ELIGIBLE_APPROVER",
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_agree_to_any_more_lapses_and_says_so() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place
        .change(|world| {
            world.memberships.retain(|it| !it.group_id.ends_with('1'));
            world.groups.retain(|group| group.display_name != "leads");
        })
        .await;
    place.later(5);
    let lapsed = place.until("anna.berg", &asked, "GRANT_STATE_LAPSED").await;
    let reason = lapsed["revoke_reason"].as_str().unwrap();
    assert!(reason.contains("NO_ELIGIBLE_APPROVER"), "{reason}");
    assert!(reason.ends_with(": leads"), "{reason}");
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_agrees_to_in_time_lapses() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    place.later(7 * 86_400 - 60);
    assert_eq!(place.grant("anna.berg", &asked).await["state"], PENDING);
    place.later(60);
    let lapsed = place.until("anna.berg", &asked, "GRANT_STATE_LAPSED").await;
    assert!(lapsed["revoke_reason"].as_str().is_some());
    let late = place.approve("dmitri.orlov", &asked).await;
    refused("late", &late, Code::FailedPrecondition, "STATE_FORBIDS");
    assert_eq!(place.writes(), [""; 0]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_aws_nothing_is_agreed_to_and_later_it_is() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon Redshift").await;
    place.approve("carla.mendes", &asked).await.ok(APPROVE);
    let broken = FaultAction::InternalError {
        after_effect: false,
    };
    place.bench.simulator.add_fault(Fault::new("*", broken));
    // What was read before is too old then.
    place.change(|_| ()).await;
    let mut said: Value = word(&asked);
    said["request_id"] = json!("again");
    let answer = place.call("dmitri.orlov", APPROVE, &said).await;
    assert_eq!(answer.code(), Code::Unavailable, "{:?}", answer.status());
    place.bench.simulator.clear_faults();
    let seen = place
        .call("anna.berg", GET, &json!({"grant_id": asked["id"]}))
        .await;
    assert_eq!(
        speakers(&seen.ok(GET)["grant"]),
        ["carla.mendes"],
        "nothing was recorded"
    );
    place.call("dmitri.orlov", APPROVE, &said).await.ok(APPROVE);
    place.until("anna.berg", &asked, "GRANT_STATE_ACTIVE").await;
    place.call("anna.berg", LIST, &json!({})).await.ok(LIST);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_late_is_too_late_while_aws_does_not_answer() {
    let place = Place::start().await;
    let first = place.ask("anna.berg", "Amazon Redshift").await;
    place.later(3600);
    let second = place.ask("anna.berg", "Amazon Redshift").await;
    let broken = FaultAction::InternalError {
        after_effect: false,
    };
    place.bench.simulator.add_fault(Fault::new("*", broken));
    place.later(7 * 86_400 - 3600);
    let lapsed = place.until("anna.berg", &first, "GRANT_STATE_LAPSED").await;
    assert_eq!(lapsed["revoke_reason"], "nobody agreed in time");
    assert_eq!(place.grant("anna.berg", &second).await["state"], PENDING);
    place.bench.end().await;
}
