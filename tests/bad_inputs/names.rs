//! Principals and names that exist, but not as what was asked for.

use serde_json::json;
use tonic::Code;
use usher::simulator::EnabledStatus;

use crate::bench::{Bench, Setup, assign, with};
use crate::check::{Refusal, check, check_answer, refusal};

const ASSIGN: &str = "AccessService/Assign";
const NOBODY: Refusal<'_> = refusal(Code::NotFound, "PRINCIPAL_NOT_FOUND");
const AMBIGUOUS: Refusal<'_> = refusal(Code::FailedPrecondition, "NAME_AMBIGUOUS");

#[tokio::test(flavor = "multi_thread")]
async fn principals_that_are_not_there_are_not_found() {
    let bench = Bench::demo().await;
    let gone = bench.user("emi.sato");
    bench
        .simulator
        .edit_world(|world| world.users.retain(|user| user.user_id != gone));
    let (user, group) = (bench.user("anna.berg"), bench.group("engineering"));
    let cases = [
        ("a deleted user's id", json!({"user": gone})),
        ("a deleted user's name", json!({"user": "emi.sato"})),
        (
            "an unknown id",
            json!({"user": "00000000-0000-4000-8000-000000000000"}),
        ),
        ("a user's id as a group's", json!({"group": user})),
        ("a group's id as a user's", json!({"user": group})),
        ("a group's name as a user's", json!({"user": "engineering"})),
        ("a user's name as a group's", json!({"group": "anna.berg"})),
        ("SQL", json!({"user": "'; DROP TABLE grants; --"})),
        ("quotes", json!({"group": "a\"b'c`d"})),
        (
            "the longest name, of 4-byte letters",
            json!({"group": "\u{1f600}".repeat(1024)}),
        ),
        ("a path", json!({"user": "../../etc/passwd"})),
        ("a format string", json!({"user": "%s%n{}${jndi:ldap://x}"})),
        ("spaces around", json!({"user": " anna.berg "})),
    ];
    for (what, principal) in cases {
        let message = with(assign(), json!({"principal": principal}));
        check(&bench, what, ASSIGN, message, NOBODY).await;
        let list = json!({"principal": principal});
        check(&bench, what, "AccessService/ListAssignments", list, NOBODY).await;
        let one = json!({"principal": principal});
        check(&bench, what, "DirectoryService/ListPrincipals", one, NOBODY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_gets_nothing() {
    let bench = Bench::demo().await;
    let disabled = refusal(Code::FailedPrecondition, "PRINCIPAL_DISABLED");
    for validate_only in [false, true] {
        let message = with(
            assign(),
            json!({"principal": {"user": "felix.left"}, "validate_only": validate_only}),
        );
        check(&bench, "a disabled user", ASSIGN, message, disabled).await;
    }
    let anna = bench.user("anna.berg");
    bench.simulator.edit_world(|world| {
        let user = world
            .users
            .iter_mut()
            .find(|user| user.user_id == anna)
            .unwrap();
        user.user_status = Some(EnabledStatus::Disabled);
    });
    check(&bench, "disabled since", ASSIGN, assign(), disabled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_several_things_is_answered_with_all_of_them() {
    let mut setup = Setup::default();
    let mut twin = setup
        .world
        .application_named("Amazon Redshift")
        .unwrap()
        .clone();
    let first = twin.application_arn.clone();
    twin.application_arn = first.replace("apl-0123456789abcdef", "apl-9123456789abcdef");
    let second = twin.application_arn.clone();
    setup.world.applications.push(twin);
    // One user's name is another's email address.
    let (anna, bilal) = (
        setup.world.users[0].user_id.clone(),
        setup.world.users[1].user_id.clone(),
    );
    setup.world.users[1].user_name = "anna.berg@example.com".to_owned();
    let bench = Bench::start(setup).await;
    let user = json!({
        "principal": {"user": "anna.berg@example.com"}, "target": {"application": "Wiki"},
    });
    for (what, fields, candidates) in [
        ("application", json!({}), [first, second]),
        ("user", user, [bilal, anna]),
    ] {
        let before = bench.footprint().await;
        let answer = bench.call(ASSIGN, with(assign(), fields)).await;
        check_answer(what, &answer, AMBIGUOUS);
        let details = answer.details();
        let violations = &details.precondition_failure().unwrap().violations;
        let told: Vec<&str> = violations
            .iter()
            .map(|each| each.subject.as_str())
            .collect();
        assert_eq!(told, candidates, "{what}");
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(metadata["candidates"], candidates.join(","), "{what}");
        assert_eq!(bench.footprint().await, before, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_very_many_things_still_has_an_answer_that_arrives() {
    let mut setup = Setup::default();
    let twin = setup.world.application_named("Wiki").unwrap().clone();
    for number in 0..300 {
        let mut twin = twin.clone();
        twin.application_arn = twin
            .application_arn
            .replace("apl-2123456789abcdef", &format!("apl-{number:016}"));
        setup.world.applications.push(twin);
    }
    let bench = Bench::start(setup).await;
    let message = with(assign(), json!({"target": {"application": "Wiki"}}));
    let answer = bench.call(ASSIGN, message).await;
    check_answer("301 wikis", &answer, AMBIGUOUS);
    let details = answer.details();
    assert_eq!(
        details.error_info().unwrap().metadata["candidateCount"],
        "301"
    );
    assert!(details.precondition_failure().unwrap().violations.len() >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_and_assignments_that_are_not_there_are_not_found() {
    let bench = Bench::demo().await;
    let grant = json!({"grant_id": format!("grant_{}", "0".repeat(32))});
    let no_grant = refusal(Code::NotFound, "GRANT_NOT_FOUND");
    check(
        &bench,
        "GetGrant",
        "GrantService/GetGrant",
        grant.clone(),
        no_grant,
    )
    .await;
    check(
        &bench,
        "Revoke",
        "AccessService/Revoke",
        grant.clone(),
        no_grant,
    )
    .await;
    let dry = with(grant, json!({"validate_only": true}));
    check(&bench, "dry Revoke", "AccessService/Revoke", dry, no_grant).await;
    for text in [
        "grant_",
        "grant_XYZ",
        "GRANT_00000000000000000000000000000000",
        "1 OR 1=1",
    ] {
        let message = json!({"grant_id": text});
        let invalid = crate::check::invalid(&["grant_id"]);
        check(&bench, text, "AccessService/Revoke", message, invalid).await;
    }
    let nothing = json!({"assignment": {
        "principal": {"user": "bilal.khan"}, "target": {"application": "Amazon Redshift"},
    }});
    let expected = refusal(Code::NotFound, "ASSIGNMENT_NOT_FOUND");
    check(
        &bench,
        "no assignment",
        "AccessService/Revoke",
        nothing,
        expected,
    )
    .await;
    let through_group = json!({"assignment": {
        "principal": {"user": "dmitri.orlov"}, "target": {"application": "Amazon QuickSight"},
    }});
    let expected = refusal(Code::FailedPrecondition, "ACCESS_VIA_GROUP");
    check(
        &bench,
        "through a group",
        "AccessService/Revoke",
        through_group,
        expected,
    )
    .await;
}
