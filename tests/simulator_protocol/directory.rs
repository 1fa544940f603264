//! Reads and writes of users, groups and memberships, and what they leave behind.

use aws_sdk_identitystore::types::{AlternateIdentifier, MemberId, Name, UniqueAttribute};
use aws_sdk_ssoadmin::types::PrincipalType;
use usher::simulator::{CallEffect, CallOutcome};

use super::{Bench, NOBODY, code};

fn attribute(path: &str, value: &str) -> AlternateIdentifier {
    let attribute = UniqueAttribute::builder()
        .attribute_path(path)
        .attribute_value(value.into());
    AlternateIdentifier::UniqueAttribute(attribute.build().expect("both are set"))
}

async fn create_user(bench: &Bench, user_name: &str) -> Result<String, String> {
    let name = Name::builder()
        .given_name("New")
        .family_name("User")
        .build();
    let call = bench.store.create_user().identity_store_id(&bench.store_id);
    let call = call
        .user_name(user_name)
        .display_name("New User")
        .name(name);
    call.send().await.map(|reply| reply.user_id).map_err(code)
}

#[tokio::test]
async fn deleted_principals_leave_orphans_and_no_memberships() {
    let bench = Bench::demo().await;
    let (quicksight, store) = (
        bench.application("Amazon QuickSight"),
        bench.store_id.clone(),
    );
    let (anna, analysts) = (bench.user("anna.berg"), bench.group("analysts"));
    bench
        .store
        .delete_user()
        .identity_store_id(&store)
        .user_id(&anna)
        .send()
        .await
        .expect("gone");
    bench
        .store
        .delete_group()
        .identity_store_id(&store)
        .group_id(&analysts)
        .send()
        .await
        .expect("gone");
    let rows = bench
        .sso
        .list_application_assignments()
        .application_arn(&quicksight);
    let rows = rows.send().await.expect("assignments");
    let ids: Vec<&str> = rows
        .application_assignments()
        .iter()
        .map(|row| row.principal_id())
        .collect();
    assert!(
        ids.contains(&anna.as_str()) && ids.contains(&analysts.as_str()),
        "{ids:?}"
    );
    let world = bench.simulator.world();
    assert!(
        world
            .memberships
            .iter()
            .all(|row| row.user_id != anna && row.group_id != analysts)
    );
    let again = bench
        .store
        .delete_user()
        .identity_store_id(&store)
        .user_id(&anna)
        .send()
        .await;
    assert_eq!(
        again.map_err(code).err().as_deref(),
        Some("ResourceNotFoundException")
    );
    // The same name again is somebody else.
    assert_ne!(
        create_user(&bench, "anna.berg").await.expect("a user"),
        anna
    );
}

#[tokio::test]
async fn a_delete_may_name_the_revision_that_it_means() {
    let bench = Bench::demo().await;
    for (revision, wanted) in [("7", Some("ConflictException")), ("1", None)] {
        let delete = bench
            .store
            .delete_group()
            .identity_store_id(&bench.store_id);
        let delete = delete
            .revision(revision)
            .group_id(bench.group("engineering"));
        assert_eq!(delete.send().await.map_err(code).err().as_deref(), wanted);
    }
}

#[tokio::test]
async fn names_are_unique_and_some_are_reserved() {
    let bench = Bench::demo().await;
    assert_eq!(
        create_user(&bench, "anna.berg").await,
        Err("ConflictException".to_owned())
    );
    assert_eq!(
        create_user(&bench, "Administrator").await,
        Err("ValidationException".to_owned())
    );
    let group = |name: &str| {
        let call = bench
            .store
            .create_group()
            .identity_store_id(&bench.store_id);
        call.display_name(name).send()
    };
    for (name, wanted) in [
        ("engineering", Some("ConflictException")),
        ("AWSAdministrators", Some("ValidationException")),
        ("with, \"quotes\"\nand lines", None),
    ] {
        assert_eq!(
            group(name).await.map_err(code).err().as_deref(),
            wanted,
            "{name}"
        );
    }
}

#[tokio::test]
async fn memberships_are_made_found_and_taken_away() {
    let bench = Bench::demo().await;
    let (store, member) = (&bench.store_id, MemberId::UserId(bench.user("emi.sato")));
    let (engineering, contractors) = (bench.group("engineering"), bench.group("contractors"));
    let create = || {
        let call = bench
            .store
            .create_group_membership()
            .identity_store_id(store);
        call.group_id(&contractors).member_id(member.clone()).send()
    };
    let membership = create().await.expect("a membership").membership_id;
    let repeated = create()
        .await
        .expect_err("it is there")
        .into_service_error();
    assert!(repeated.is_conflict_exception(), "{repeated:?}");
    let question = bench.store.is_member_in_groups().identity_store_id(store);
    let question = question.member_id(member.clone()).group_ids(&engineering);
    let answers = question
        .group_ids(&contractors)
        .send()
        .await
        .expect("answers");
    let answers: Vec<bool> = answers
        .results()
        .iter()
        .map(|row| row.membership_exists())
        .collect();
    assert_eq!(answers, [false, true]);
    let found = bench
        .store
        .get_group_membership_id()
        .identity_store_id(store);
    let found = found
        .group_id(&contractors)
        .member_id(member.clone())
        .send()
        .await;
    assert_eq!(found.expect("its id").membership_id, membership);
    let groups = bench
        .store
        .list_group_memberships_for_member()
        .identity_store_id(store);
    let groups = groups
        .member_id(member.clone())
        .send()
        .await
        .expect("groups");
    assert_eq!(groups.group_memberships().len(), 2);
    let delete = || {
        let call = bench
            .store
            .delete_group_membership()
            .identity_store_id(store);
        call.membership_id(&membership).send()
    };
    assert!(delete().await.is_ok() && delete().await.is_err());
    let members = bench
        .store
        .list_group_memberships()
        .identity_store_id(store);
    let members = members
        .group_id(&contractors)
        .send()
        .await
        .expect("members");
    assert!(members.group_memberships().is_empty());
}

#[tokio::test]
async fn an_unknown_group_has_no_list() {
    let bench = Bench::demo().await;
    let store = &bench.store_id;
    let unknown = bench
        .store
        .list_group_memberships()
        .identity_store_id(store)
        .group_id(NOBODY);
    let unknown = unknown.send().await.map_err(code).err();
    assert_eq!(unknown.as_deref(), Some("ResourceNotFoundException"));
}

#[tokio::test]
async fn ids_are_found_by_name_and_email_and_may_be_arns() {
    let bench = Bench::demo().await;
    let find = |path: &str, value: &str| {
        let call = bench.store.get_user_id().identity_store_id(&bench.store_id);
        call.alternate_identifier(attribute(path, value)).send()
    };
    let anna = bench.user("anna.berg");
    assert_eq!(
        find("userName", "anna.berg")
            .await
            .expect("by name")
            .user_id,
        anna
    );
    let by_email = find("emails.value", "anna.berg@example.com")
        .await
        .expect("by email");
    assert_eq!(by_email.user_id, anna);
    let missing = find("userName", "nobody").await.map_err(code).err();
    assert_eq!(missing.as_deref(), Some("ResourceNotFoundException"));
    let store_arn = &bench.simulator.world().instances[0].identity_store_arn();
    let user = bench.store.describe_user().identity_store_id(store_arn);
    let user = user
        .user_id(by_email.user_arn)
        .send()
        .await
        .expect("by ARNs");
    assert_eq!(user.user_id, anna);
    assert_eq!(
        user.user_arn,
        format!("arn:aws:identitystore:::user/{anna}")
    );
    assert!(user.created_at.is_some() && user.nick_name.is_none());
}

#[tokio::test]
async fn a_hundred_groups_fit_an_application_and_every_call_is_logged() {
    let bench = Bench::demo().await;
    let redshift = bench.application("Amazon Redshift");
    let store = bench.store_id.clone();
    bench.simulator.edit_world(|world| {
        let pattern = world.groups[0].clone();
        world
            .groups
            .extend((0..101).map(|at| usher::simulator::Group {
                identity_store_id: store.clone(),
                group_id: format!("0000{at:04}-0000-4000-8000-000000000000"),
                display_name: format!("many {at}"),
                ..pattern.clone()
            }));
    });
    for at in 0..=100 {
        let id = format!("0000{at:04}-0000-4000-8000-000000000000");
        let call = bench
            .sso
            .create_application_assignment()
            .application_arn(&redshift);
        let call = call
            .principal_type(PrincipalType::Group)
            .principal_id(id)
            .send()
            .await;
        let wanted = (at == 100).then_some("ServiceQuotaExceededException");
        assert_eq!(call.map_err(code).err().as_deref(), wanted);
    }
    bench
        .assign_user(&redshift, &bench.user("anna.berg"))
        .await
        .expect("users have no limit");
    let calls = bench.simulator.calls();
    assert_eq!(calls.len(), 102);
    assert!(
        calls
            .iter()
            .zip(1..)
            .all(|(call, sequence)| call.sequence == sequence)
    );
    assert_eq!(calls[0].effect, CallEffect::Applied);
    assert_eq!(calls[0].attempt, Some(1));
    assert_eq!(calls[0].input["ApplicationArn"], redshift);
    assert_eq!(
        (calls[100].outcome, calls[100].effect),
        (CallOutcome::Error, CallEffect::None)
    );
}
