//! Names and ids: what a lookup finds, what it costs, and when it refuses to guess.

use std::time::Duration;

use usher::directory::{ApplicationQuery, LookupError, NotFoundKind, PrincipalQuery};
use usher::domain::{ApplicationArn, PrincipalKind};
use usher::simulator::Switches;

use crate::directory::{Desk, MINUTE, desk};
use crate::support::{application, call, group, operations, user};

fn user_query(text: &str) -> PrincipalQuery {
    PrincipalQuery::User(text.to_owned())
}

fn group_query(text: &str) -> PrincipalQuery {
    PrincipalQuery::Group(text.to_owned())
}

async fn find(desk: &Desk, query: &PrincipalQuery) -> Result<String, LookupError> {
    desk.bench.simulator.clear_calls();
    let found = desk
        .directory
        .find_principal(&desk.bench.instance, query, MINUTE, call());
    Ok(found.await?.value.reference().id.to_string())
}

#[tokio::test]
async fn a_name_costs_one_operation_once_its_record_is_warm_and_an_id_none() {
    let desk = desk().await;
    let simulator = &desk.bench.simulator;
    let anna = user(simulator, "anna.berg").id.to_string();
    let engineering = group(simulator, "engineering").id.to_string();
    for (name, id, lookup, describe) in [
        (
            user_query("anna.berg"),
            user_query(&anna),
            "GetUserId",
            "DescribeUser",
        ),
        (
            group_query("engineering"),
            group_query(&engineering),
            "GetGroupId",
            "DescribeGroup",
        ),
    ] {
        let found = find(&desk, &name).await.unwrap();
        assert_eq!(operations(simulator), [lookup, describe]);
        assert_eq!(find(&desk, &name).await.unwrap(), found);
        assert_eq!(operations(simulator), [lookup]);
        assert_eq!(find(&desk, &id).await.unwrap(), found);
        assert_eq!(operations(simulator), [""; 0]);
    }
}

#[tokio::test]
async fn an_email_address_finds_its_user() {
    let desk = desk().await;
    let anna = user(&desk.bench.simulator, "anna.berg").id.to_string();
    let query = user_query("anna.berg@example.com");
    assert_eq!(find(&desk, &query).await.unwrap(), anna);
    let asked = ["GetUserId", "GetUserId", "DescribeUser"];
    assert_eq!(operations(&desk.bench.simulator), asked);
}

#[tokio::test]
async fn a_user_name_that_is_the_same_users_email_is_asked_once() {
    let desk = desk().await;
    desk.bench.simulator.edit_world(|world| {
        world.users[0].user_name = "anna.berg@example.com".to_owned();
    });
    let query = user_query("anna.berg@example.com");
    find(&desk, &query).await.unwrap();
    assert_eq!(
        operations(&desk.bench.simulator),
        ["GetUserId", "DescribeUser"]
    );
    find(&desk, &query).await.unwrap();
    assert_eq!(operations(&desk.bench.simulator), ["GetUserId"]);
}

#[tokio::test]
async fn one_users_name_and_anothers_email_is_nobodys_guess() {
    let desk = desk().await;
    desk.bench.simulator.edit_world(|world| {
        world.users[1].user_name = "anna.berg@example.com".to_owned();
    });
    let refused = find(&desk, &user_query("anna.berg@example.com")).await;
    let Err(LookupError::Ambiguous { candidates, .. }) = refused else {
        panic!("{refused:?}");
    };
    let names: Vec<_> = candidates
        .iter()
        .map(|one| (one.kind, one.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [("user", "anna.berg@example.com"), ("user", "anna.berg")]
    );
}

#[tokio::test]
async fn nobody_is_found_under_a_wrong_kind_or_name() {
    let desk = desk().await;
    let simulator = &desk.bench.simulator;
    let anna = user(simulator, "anna.berg").id.to_string();
    let engineering = group(simulator, "engineering").id.to_string();
    for query in [
        group_query(&anna),
        user_query(&engineering),
        user_query("engineering"),
        group_query("anna.berg"),
        user_query("nobody@example.com"),
        user_query("not a name"),
    ] {
        let refused = find(&desk, &query).await.unwrap_err();
        let LookupError::NotFound { what, .. } = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(*what, NotFoundKind::Principal);
    }
}

#[tokio::test]
async fn a_group_in_another_case_is_found_only_if_aws_says_so() {
    let desk = desk().await;
    let simulator = &desk.bench.simulator;
    for ignores_case in [false, true] {
        simulator.set_switches(Switches {
            names_ignore_case: ignores_case,
            ..Switches::default()
        });
        let found = find(&desk, &group_query("ENGINEERING")).await;
        assert_eq!(found.is_ok(), ignores_case, "{found:?}");
    }
}

#[tokio::test]
async fn a_record_from_before_a_rename_is_read_anew() {
    let desk = desk().await;
    let simulator = &desk.bench.simulator;
    find(&desk, &user_query("anna.berg")).await.unwrap();
    simulator.edit_world(|world| world.users[0].user_name = "anna.field".to_owned());
    let query = user_query("anna.field");
    let instance = &desk.bench.instance;
    let found = desk
        .directory
        .find_principal(instance, &query, MINUTE, call())
        .await
        .unwrap();
    assert_eq!(found.value.name(), "anna.field");
}

#[tokio::test]
async fn an_application_is_found_by_arn_and_by_exact_name() {
    let desk = desk().await;
    let (simulator, instance) = (&desk.bench.simulator, &desk.bench.instance);
    let arn = application(simulator, "Amazon Redshift");
    let name = |text: &str| ApplicationQuery::Name(text.to_owned());
    let find = async |query: ApplicationQuery, max_age: Duration| {
        let found = desk
            .directory
            .find_application(instance, &query, max_age, call());
        found.await.map(|found| found.value.arn)
    };
    simulator.clear_calls();
    assert_eq!(
        find(ApplicationQuery::Arn(arn.clone()), MINUTE).await,
        Ok(arn.clone())
    );
    assert_eq!(find(name("Amazon Redshift"), MINUTE).await, Ok(arn.clone()));
    assert_eq!(
        find(ApplicationQuery::Arn(arn.clone()), MINUTE).await,
        Ok(arn.clone())
    );
    assert_eq!(
        operations(simulator),
        ["DescribeApplication", "ListApplications"]
    );

    let not_found = |query: &str| {
        Err(LookupError::NotFound {
            what: NotFoundKind::Application,
            query: query.to_owned(),
        })
    };
    assert_eq!(
        find(name("amazon redshift"), MINUTE).await,
        not_found("amazon redshift")
    );
    let other = arn.as_str().replace("ssoins-7", "ssoins-8");
    let other_arn = ApplicationArn::parse(&other).unwrap();
    assert_eq!(
        find(ApplicationQuery::Arn(other_arn), MINUTE).await,
        not_found(&other)
    );
    let gone = arn.as_str().replace("apl-0", "apl-9");
    let gone_arn = ApplicationArn::parse(&gone).unwrap();
    assert_eq!(
        find(ApplicationQuery::Arn(gone_arn), MINUTE).await,
        not_found(&gone)
    );

    simulator.edit_world(|world| world.applications[1].name = "Amazon Redshift".to_owned());
    let refused = find(name("Amazon Redshift"), Duration::ZERO).await;
    let Err(LookupError::Ambiguous { candidates, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(candidates.len(), 2);
    assert!(
        candidates
            .iter()
            .all(|candidate| candidate.kind == "application")
    );
    assert_eq!(candidates[0].id, arn.as_str());
}

#[tokio::test]
async fn a_deleted_principal_is_none_and_forgotten() {
    let desk = desk().await;
    let anna = user(&desk.bench.simulator, "anna.berg");
    let instance = &desk.bench.instance;
    let read = async || {
        let found = desk
            .directory
            .principal(instance, &anna, Duration::ZERO, call());
        found.await.unwrap().value
    };
    assert_eq!(read().await.unwrap().reference().kind, PrincipalKind::User);
    assert!(desk.directory.known_principal(&anna).is_some());
    desk.bench.simulator.edit_world(|world| {
        world
            .memberships
            .retain(|row| row.user_id != anna.id.as_str());
        world.users.retain(|row| row.user_id != anna.id.as_str());
    });
    assert_eq!(read().await, None);
    assert!(desk.directory.known_principal(&anna).is_none());
}
