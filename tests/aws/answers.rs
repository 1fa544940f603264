//! Every operation answers what the world holds, over whatever pages.

use std::collections::{BTreeMap, BTreeSet};

use usher::domain::{
    ApplicationArn, ApplicationStatus, AssignmentRequired, GroupId, Operation, PrincipalStatus,
};
use usher::identity_center::{IdentityCenter, WriteMode, collect_pages};
use usher::simulator::{Fault, FaultAction, Settings, World, WorldSizes};

use crate::support::{
    Bench, application, bench, bench_with, call, calls_of, group, operations, plenty, port_with,
    user, wanted,
};

#[tokio::test]
async fn reads_of_sso_admin_say_what_the_world_holds() {
    let bench = bench().await;
    let (port, instance) = (&bench.port, &bench.instance);
    let identity = port.caller_identity(call()).await.unwrap();
    assert_eq!(
        identity.account_id.as_str(),
        bench.simulator.world().caller.account_id
    );
    let listed = port.instances(call()).await.unwrap();
    assert!(listed[0].is_active);
    assert_eq!(listed[0].instance.region, "us-east-1");
    assert_eq!(
        listed[0].instance.identity_store_id.as_str(),
        "d-9067012345"
    );

    let page = port.applications(instance, None, call()).await.unwrap();
    assert_eq!((page.items.len(), page.next), (3, None));
    let redshift = application(&bench.simulator, "Amazon Redshift");
    let described = port.application(&redshift, call()).await.unwrap();
    assert_eq!(described.name, "Amazon Redshift");
    assert_eq!(described.status, ApplicationStatus::Enabled);
    assert!(page.items.contains(&described));
    let wiki = application(&bench.simulator, "Wiki");
    for (arn, required) in [
        (&redshift, AssignmentRequired::Yes),
        (&wiki, AssignmentRequired::No),
    ] {
        assert_eq!(port.assignment_required(arn, call()).await, Ok(required));
    }

    let quick_sight = application(&bench.simulator, "Amazon QuickSight");
    let page = port
        .application_assignments(&quick_sight, None, call())
        .await
        .unwrap();
    let analysts = group(&bench.simulator, "analysts");
    let anna = user(&bench.simulator, "anna.berg");
    let principals: BTreeSet<_> = page.items.iter().map(|row| row.principal.clone()).collect();
    assert_eq!(principals, BTreeSet::from([analysts.clone(), anna]));
    let of_analysts = port
        .assignments_for_principal(&instance.arn, &analysts, None, call())
        .await
        .unwrap();
    assert_eq!(of_analysts.items.len(), 1);
    assert!(
        port.assignment_is_present(&of_analysts.items[0], call())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn reads_of_identitystore_say_what_the_world_holds() {
    let bench = bench().await;
    let (port, instance) = (&bench.port, &bench.instance);
    let anna = user(&bench.simulator, "anna.berg");
    let engineering = group(&bench.simulator, "engineering");
    let felix = user(&bench.simulator, "felix.left");

    let users = port.users(instance, None, 100, call()).await.unwrap();
    assert_eq!(users.items.len(), 6);
    let described = port
        .user(instance, &anna.id, call())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(described.email, "anna.berg@example.com");
    assert!(users.items.contains(&described));
    let felix = port
        .user(instance, &felix.id, call())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(felix.status, PrincipalStatus::Disabled);
    let groups = port.groups(instance, None, 2, call()).await.unwrap();
    assert_eq!(groups.items.len(), 2);
    assert!(groups.next.is_some());
    let described = port.group(instance, &engineering.id, call()).await.unwrap();
    assert_eq!(described.unwrap().display_name, "engineering");

    let by_name = port.user_id_by_name(instance, "anna.berg", call()).await;
    assert_eq!(by_name, Ok(Some(anna.id.clone())));
    let by_email = port
        .user_id_by_email(instance, "anna.berg@example.com", call())
        .await;
    assert_eq!(by_email, Ok(Some(anna.id.clone())));
    let by_name = port.group_id_by_name(instance, "engineering", call()).await;
    assert_eq!(by_name, Ok(Some(engineering.id.clone())));

    let members = port
        .group_members(instance, &engineering.id, None, call())
        .await
        .unwrap();
    assert_eq!(members.items.len(), 3);
    assert!(members.items.iter().all(|row| row.created_at.is_some()));
    let groups = port
        .groups_of_user(instance, &anna.id, None, call())
        .await
        .unwrap();
    assert_eq!(groups.items[0].group_id, engineering.id);
}

#[tokio::test]
async fn what_is_not_there_is_none_and_not_a_failure() {
    let bench = bench().await;
    let (port, instance) = (&bench.port, &bench.instance);
    let anna = user(&bench.simulator, "anna.berg").id;
    let engineering = group(&bench.simulator, "engineering").id;
    assert_eq!(port.user(instance, &engineering, call()).await, Ok(None));
    assert_eq!(port.group(instance, &anna, call()).await, Ok(None));
    assert_eq!(
        port.user_id_by_name(instance, "nobody", call()).await,
        Ok(None)
    );
    assert_eq!(
        port.user_id_by_email(instance, "nobody@x", call()).await,
        Ok(None)
    );
    assert_eq!(
        port.group_id_by_name(instance, "nobody", call()).await,
        Ok(None)
    );
    assert_eq!(
        port.assignment_is_present(&wanted(&bench.simulator), call())
            .await,
        Ok(false)
    );
    bench.simulator.clear_calls();
    for impossible in ["two words", "a\u{7}b", "", &"x".repeat(129)] {
        assert_eq!(
            port.user_id_by_name(instance, impossible, call()).await,
            Ok(None)
        );
    }
    let long = "x".repeat(1025);
    assert_eq!(
        port.group_id_by_name(instance, &long, call()).await,
        Ok(None)
    );
    assert_eq!(operations(&bench.simulator), [""; 0]);
}

#[tokio::test]
async fn writes_change_the_world_and_every_operation_is_counted() {
    let bench = bench().await;
    let assignment = wanted(&bench.simulator);
    let port = &bench.port;
    port.create_assignment(&assignment, call()).await.unwrap();
    assert!(
        port.assignment_is_present(&assignment, call())
            .await
            .unwrap()
    );
    port.delete_assignment(&assignment, call()).await.unwrap();
    port.delete_assignment(&assignment, call()).await.unwrap();
    assert!(
        !port
            .assignment_is_present(&assignment, call())
            .await
            .unwrap()
    );
    let sent: BTreeMap<_, _> = port.operations_sent().into_iter().collect();
    assert_eq!(sent[&Operation::CreateApplicationAssignment], 1);
    assert_eq!(sent[&Operation::DeleteApplicationAssignment], 2);
    assert_eq!(sent[&Operation::DescribeApplicationAssignment], 2);
    assert_eq!(sent[&Operation::ListInstances], 1);
    assert_eq!(sent.values().sum::<u64>(), 6);
}

#[tokio::test]
async fn odd_pages_and_missing_lists_lose_and_invent_nothing() {
    let settings = Settings {
        odd_page_rate: 0.5,
        omitted_list_rate: 1.0,
        ..Settings::unlimited()
    };
    let sizes = WorldSizes {
        applications: 120,
        ..WorldSizes::default()
    };
    let bench = bench_with(World::generate(7, &sizes), settings).await;
    let (port, instance) = (&bench.port, &bench.instance);
    let world = bench.simulator.world();
    let users = collect_pages(Operation::ListUsers, async |page| {
        port.users(instance, page.as_ref(), 100, call()).await
    });
    let read: BTreeSet<String> = users
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.id.to_string())
        .collect();
    assert_eq!(
        read,
        world.users.iter().map(|row| row.user_id.clone()).collect()
    );
    let applications = collect_pages(Operation::ListApplications, async |page| {
        port.applications(instance, page.as_ref(), call()).await
    });
    let read: BTreeSet<String> = applications
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.arn.to_string())
        .collect();
    let held = world
        .applications
        .iter()
        .map(|row| row.application_arn.clone());
    assert_eq!(read, held.collect());
    assignments_and_members_are_whole(&bench, &world, &read).await;
    for record in bench.simulator.calls() {
        assert_eq!(record.input["MaxResults"], 100, "{}", record.operation);
    }
}

async fn assignments_and_members_are_whole(
    bench: &Bench,
    world: &World,
    applications: &BTreeSet<String>,
) {
    let (port, instance) = (&bench.port, &bench.instance);
    for arn in applications {
        let arn = ApplicationArn::parse(arn).unwrap();
        let rows = collect_pages(Operation::ListApplicationAssignments, async |page| {
            port.application_assignments(&arn, page.as_ref(), call())
                .await
        });
        let read: BTreeSet<String> = rows
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.principal.id.to_string())
            .collect();
        let held = world.assignments_of(arn.as_str());
        assert_eq!(
            read,
            held.iter().map(|row| row.principal_id.clone()).collect()
        );
    }
    for group in &world.groups {
        let id = GroupId::parse(&group.group_id).unwrap();
        let rows = collect_pages(Operation::ListGroupMemberships, async |page| {
            port.group_members(instance, &id, page.as_ref(), call())
                .await
        });
        let read: BTreeSet<String> = rows
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.user_id.to_string())
            .collect();
        let held = world.members_of(&group.group_id);
        assert_eq!(read, held.into_iter().map(str::to_owned).collect());
    }
}

#[tokio::test]
async fn an_application_that_does_not_say_is_never_open() {
    let bench = bench().await;
    let wiki = application(&bench.simulator, "Wiki");
    let operation = "GetApplicationAssignmentConfiguration";
    let omit = FaultAction::OmitReplyMembers {
        members: vec!["AssignmentRequired".to_owned()],
    };
    bench
        .simulator
        .add_fault(Fault::new(operation, omit).times(1));
    let unknown = Ok(AssignmentRequired::Unknown);
    assert_eq!(bench.port.assignment_required(&wiki, call()).await, unknown);
    bench.simulator.edit_world(|world| {
        for application in &mut world.applications {
            application.assignment_configuration_supported = false;
        }
    });
    assert_eq!(bench.port.assignment_required(&wiki, call()).await, unknown);
    assert_eq!(calls_of(&bench.simulator, operation), 2);
}

#[tokio::test]
async fn answers_that_lack_what_must_be_there_are_not_facts() {
    let bench = bench().await;
    let (port, instance) = (&bench.port, &bench.instance);
    let anna = user(&bench.simulator, "anna.berg").id;
    let engineering = group(&bench.simulator, "engineering").id;
    let quick_sight = application(&bench.simulator, "Amazon QuickSight");
    for (operation, member) in [
        ("DescribeUser", "UserId"),
        ("GetUserId", "UserId"),
        ("ListGroupMemberships", "GroupMemberships.MemberId"),
        ("ListApplications", "Applications.ApplicationArn"),
        (
            "ListApplicationAssignments",
            "ApplicationAssignments.PrincipalType",
        ),
    ] {
        let members = vec![member.to_owned()];
        let omit = FaultAction::OmitReplyMembers { members };
        bench.simulator.add_fault(Fault::new(operation, omit));
    }
    let kinds = [
        port.user(instance, &anna, call()).await.unwrap_err(),
        port.user_id_by_name(instance, "anna.berg", call())
            .await
            .unwrap_err(),
        port.group_members(instance, &engineering, None, call())
            .await
            .unwrap_err(),
        port.applications(instance, None, call()).await.unwrap_err(),
        port.application_assignments(&quick_sight, None, call())
            .await
            .unwrap_err(),
    ]
    .map(|failure| (failure.kind.as_str(), failure.aws_request_id.is_empty()));
    assert_eq!(kinds, [("unexpected", false); 5]);
    bench.simulator.clear_faults();
    let cut = FaultAction::TruncateReply { bytes: 0 };
    bench.simulator.add_fault(Fault::new("ListUsers", cut));
    let failure = port.users(instance, None, 100, call()).await.unwrap_err();
    assert_eq!(failure.kind.as_str(), "unexpected");
}

#[tokio::test]
async fn nothing_is_written_where_it_is_not_allowed() {
    let bench = bench().await;
    let assignment = wanted(&bench.simulator);
    let url = bench.simulator.endpoint_url();
    let reader = port_with(&url, plenty(), WriteMode::Never, |_| ());
    assert!(!reader.may_write());
    let failure = reader
        .create_assignment(&assignment, call())
        .await
        .unwrap_err();
    assert_eq!(failure.kind.as_str(), "read_only");
    assert!(
        !reader
            .assignment_is_present(&assignment, call())
            .await
            .unwrap()
    );

    // An address that nobody has (RFC 5737): a refused write sends nothing to it.
    let far = port_with(
        "http://192.0.2.1:9",
        plenty(),
        WriteMode::LoopbackOnly,
        |_| (),
    );
    assert!(far.may_write());
    for failure in [
        far.create_assignment(&assignment, call())
            .await
            .unwrap_err(),
        far.delete_assignment(&assignment, call())
            .await
            .unwrap_err(),
    ] {
        assert_eq!(failure.kind.as_str(), "read_only");
    }
    assert!(!far.may_write());
    assert!(far.operations_sent().iter().all(|(_, count)| *count == 0));
    assert_eq!(
        operations(&bench.simulator),
        ["DescribeApplicationAssignment"]
    );
}
