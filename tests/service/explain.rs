//! ExplainAccess: every way in with its reason, what keeps somebody out, and never a no where something
//! could not be read.

use std::time::{Duration, SystemTime};

use tonic::Code;
use usher::grpc::pb::directory_service_client::DirectoryServiceClient;
use usher::grpc::pb::{
    AccessAnswer, AccessObstacleKind, AccessPath, AccountAccess, Completeness,
    ExplainAccessRequest, ExplainAccessResponse, GrantState, PrincipalStatus, Provenance, Target,
    target,
};
use usher::simulator::{EnabledStatus, Fault, FaultAction, World};

use super::common::{Begin, TestService, application, in_time, reason, revoke_of};
use super::list_all::collect;

fn asked(user: &str, target: Target) -> ExplainAccessRequest {
    ExplainAccessRequest {
        user: user.to_owned(),
        target: Some(target),
        max_age: Some(prost_types::Duration::default()),
        ..ExplainAccessRequest::default()
    }
}

async fn ask(
    service: &TestService,
    request: ExplainAccessRequest,
) -> Result<ExplainAccessResponse, tonic::Status> {
    let channel = service.channel_of("auditor").await;
    let answer = DirectoryServiceClient::new(channel)
        .explain_access(in_time(request))
        .await;
    answer.map(tonic::Response::into_inner)
}

async fn explained(service: &TestService, user: &str, target: Target) -> ExplainAccessResponse {
    let answer = ask(service, asked(user, target)).await;
    answer.expect("an answer")
}

fn obstacles(answer: &ExplainAccessResponse) -> Vec<AccessObstacleKind> {
    answer.obstacles.iter().map(|it| it.kind()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_by_a_grant_is_explained_by_the_whole_grant_and_its_end_by_what_is_left() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let redshift = || application("Amazon Redshift");
    let none = explained(&service, "bilal.khan", redshift()).await;
    assert_eq!(none.answer(), AccessAnswer::No);
    assert_eq!(none.completeness(), Completeness::Complete);
    assert_eq!(obstacles(&none), [AccessObstacleKind::NotAssigned]);
    let mut request = triple.assign();
    request.ticket = "INC-7".to_owned();
    let grant = service.assign(request).await;
    let given = explained(&service, "bilal.khan", redshift()).await;
    assert_eq!(given.answer(), AccessAnswer::Yes);
    assert!(given.obstacles.is_empty() && given.unread.is_empty());
    assert_eq!(
        given.user.as_ref().map(|it| it.name.as_str()),
        Some("bilal.khan")
    );
    let target = given.target.as_ref().expect("the target");
    assert_eq!(target.application_name, "Amazon Redshift");
    let [path] = given.paths.as_slice() else {
        panic!("{given:#?}")
    };
    assert_eq!(path.path(), AccessPath::Direct);
    assert_eq!(path.provenance(), Provenance::Grant);
    assert_eq!(path.grant_ids, std::slice::from_ref(&grant.id));
    let [behind] = path.grants.as_slice() else {
        panic!("{path:#?}")
    };
    assert_eq!(
        (behind.id.as_str(), behind.ticket.as_str()),
        (grant.id.as_str(), "INC-7")
    );
    assert_eq!(behind.requested_by, grant.requested_by);
    assert!(!behind.policies.is_empty());

    service.revoke(revoke_of(&grant.id)).await;
    let gone = explained(&service, "bilal.khan", redshift()).await;
    assert_eq!(gone.answer(), AccessAnswer::No);
    let expected = [
        AccessObstacleKind::NotAssigned,
        AccessObstacleKind::GrantOver,
    ];
    assert_eq!(obstacles(&gone), expected);
    let over = gone.obstacles[1].grant.as_ref().expect("the grant");
    assert_eq!(
        (over.id.as_str(), over.state()),
        (grant.id.as_str(), GrantState::Revoked)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_has_not_begun_is_no_way_and_says_for_what_it_waits() {
    let service = TestService::start().await;
    let mut request = service.user_on("bilal.khan", "Amazon Redshift").assign();
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    request.start_time = Some(tomorrow.into());
    let grant = service.assign(request).await;
    let answer = explained(&service, "bilal.khan", application("Amazon Redshift")).await;
    assert_eq!(answer.answer(), AccessAnswer::No);
    let expected = [
        AccessObstacleKind::NotAssigned,
        AccessObstacleKind::GrantWaits,
    ];
    assert_eq!(obstacles(&answer), expected);
    let waits = answer.obstacles[1].grant.as_ref().expect("the grant");
    assert_eq!(
        (waits.id.as_str(), waits.state()),
        (grant.id.as_str(), GrantState::Scheduled)
    );
    assert!(waits.waiting_for.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_is_told_direct_ones_first_and_an_open_application_is_one() {
    let service = TestService::start().await;
    let quicksight = || application("Amazon QuickSight");
    let by_group = explained(&service, "dmitri.orlov", quicksight()).await;
    assert_eq!(by_group.answer(), AccessAnswer::Yes);
    let [path] = by_group.paths.as_slice() else {
        panic!("{by_group:#?}")
    };
    assert_eq!(path.path(), AccessPath::Group);
    assert_eq!(
        path.group.as_ref().map(|it| it.name.as_str()),
        Some("analysts")
    );
    assert_eq!(path.provenance(), Provenance::Unrecorded);
    assert!(path.grants.is_empty());

    service
        .assign(
            service
                .user_on("dmitri.orlov", "Amazon QuickSight")
                .assign(),
        )
        .await;
    let both = explained(&service, "dmitri.orlov", quicksight()).await;
    let ways: Vec<AccessPath> = both.paths.iter().map(|it| it.path()).collect();
    assert_eq!(ways, [AccessPath::Direct, AccessPath::Group]);

    let wiki = explained(&service, "emi.sato@example.com", application("Wiki")).await;
    assert_eq!(wiki.answer(), AccessAnswer::Yes);
    let ways: Vec<AccessPath> = wiki.paths.iter().map(|it| it.path()).collect();
    assert_eq!(ways, [AccessPath::OpenApplication]);
    assert_eq!(wiki.paths[0].provenance(), Provenance::Unspecified);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_and_what_is_switched_off_keep_out_whatever_ways_there_are() {
    let mut world = World::demo();
    let mut applications = world.applications.iter_mut();
    let wiki = applications.find(|it| it.name == "Wiki");
    wiki.expect("the wiki").status = EnabledStatus::Disabled;
    let service = TestService::start_with(Begin {
        world,
        ..Begin::default()
    })
    .await;
    let felix = explained(&service, "felix.left", application("Amazon QuickSight")).await;
    assert_eq!(felix.answer(), AccessAnswer::No);
    assert_eq!(obstacles(&felix), [AccessObstacleKind::UserDisabled]);
    assert_eq!(
        felix.user.as_ref().map(|it| it.status()),
        Some(PrincipalStatus::Disabled)
    );
    assert_eq!(felix.paths.len(), 1, "the way is told all the same");
    let wiki = explained(&service, "emi.sato", application("Wiki")).await;
    assert_eq!(wiki.answer(), AccessAnswer::No);
    assert_eq!(obstacles(&wiki), [AccessObstacleKind::ApplicationDisabled]);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_to_an_account_is_explained_and_a_suspended_one_lets_nobody_in() {
    let service = TestService::start().await;
    let access = |account: &str| Target {
        target: Some(target::Target::AccountAccess(AccountAccess {
            account: account.to_owned(),
            permission_set: "ReadOnlyAccess".to_owned(),
        })),
    };
    let mut request = service.user_on("bilal.khan", "Wiki").assign();
    request.target = Some(access("sandbox"));
    let grant = service.assign(request).await;
    let sandbox = explained(&service, "bilal.khan", access("sandbox")).await;
    assert_eq!(sandbox.answer(), AccessAnswer::Yes, "{sandbox:#?}");
    let behind: Vec<&str> = sandbox.paths[0]
        .grants
        .iter()
        .map(|it| it.id.as_str())
        .collect();
    assert_eq!(behind, [grant.id.as_str()]);
    let closed = explained(&service, "bilal.khan", access("former-project")).await;
    assert_eq!(closed.answer(), AccessAnswer::No);
    let expected = [
        AccessObstacleKind::AccountInactive,
        AccessObstacleKind::NotAssigned,
    ];
    assert_eq!(obstacles(&closed), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_makes_no_answer_of_a_no_and_leaves_a_yes() {
    let service = TestService::start().await;
    let operation = "GetApplicationAssignmentConfiguration";
    service
        .simulator
        .add_fault(Fault::new(operation, FaultAction::AccessDenied));
    let unknown = explained(&service, "bilal.khan", application("Amazon Redshift")).await;
    assert_eq!(unknown.answer(), AccessAnswer::Unspecified);
    assert_eq!(unknown.completeness(), Completeness::Partial);
    assert!(unknown.obstacles.is_empty(), "{:?}", unknown.obstacles);
    assert_eq!(unknown.unread.len(), 1, "{:?}", unknown.unread);
    let known = explained(&service, "dmitri.orlov", application("Amazon QuickSight")).await;
    assert_eq!(known.answer(), AccessAnswer::Yes);
    assert_eq!(known.completeness(), Completeness::Partial);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_and_what_are_required_and_must_be_there() {
    let service = TestService::start().await;
    let nothing = ask(&service, ExplainAccessRequest::default())
        .await
        .unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);
    let told = format!("{nothing:?}");
    assert!(told.contains("user") && told.contains("target"), "{told}");
    for (user, application_name, expected) in [
        ("no.body", "Amazon Redshift", "PRINCIPAL_NOT_FOUND"),
        ("bilal.khan", "Nothing", "APPLICATION_NOT_FOUND"),
    ] {
        let request = asked(user, application(application_name));
        let refused = ask(&service, request).await.unwrap_err();
        assert_eq!(reason(&refused), expected);
    }
}

fn wire(at: jiff::Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_time_is_explained_as_it_was_without_asking_aws_again() {
    let service = TestService::start().await;
    let collect = || async {
        collect(&service).await;
        jiff::Timestamp::now()
    };
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    let before = jiff::Timestamp::now();
    let without = collect().await;
    let grant = service.assign(triple.assign()).await;
    let with = collect().await;
    service.revoke(revoke_of(&grant.id)).await;
    collect().await;
    let past = |at| ExplainAccessRequest {
        max_age: None,
        as_of: wire(at),
        ..asked(&triple.principal_id, application(&triple.application_arn))
    };
    let asked_before = service.simulator.calls().len();
    let given = ask(&service, past(with)).await.expect("an answer");
    assert_eq!(given.answer(), AccessAnswer::Yes, "{given:#?}");
    assert_eq!(given.paths[0].provenance(), Provenance::Grant);
    assert_eq!(given.paths[0].grant_ids, std::slice::from_ref(&grant.id));
    // What became of it is told too.
    assert_eq!(given.paths[0].grants[0].state(), GrantState::Revoked);
    assert_eq!(
        given.user.as_ref().map(|it| it.name.as_str()),
        Some("bilal.khan")
    );
    let none = ask(&service, past(without)).await.expect("an answer");
    assert_eq!(none.answer(), AccessAnswer::No);
    assert_eq!(obstacles(&none), [AccessObstacleKind::NotAssigned]);
    let by_group = ExplainAccessRequest {
        user: service.user_on("dmitri.orlov", "Wiki").principal_id,
        target: Some(application(
            &service
                .user_on("dmitri.orlov", "Amazon QuickSight")
                .application_arn,
        )),
        ..past(without)
    };
    let by_group = ask(&service, by_group).await.expect("an answer");
    assert_eq!(by_group.answer(), AccessAnswer::Yes);
    let ways = by_group.paths.iter();
    let through: Vec<&str> = ways
        .filter_map(|path| path.group.as_ref())
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(through, ["analysts"]);
    assert_eq!(by_group.paths[0].provenance(), Provenance::Standing);
    assert_eq!(
        service.simulator.calls().len(),
        asked_before,
        "AWS was asked"
    );
    let refused = ask(&service, past(before)).await.expect_err("a refusal");
    assert_eq!(reason(&refused), "FACTS_NOT_COLLECTED");
    let both = ExplainAccessRequest {
        max_age: Some(prost_types::Duration::default()),
        ..past(with)
    };
    let refused = ask(&service, both).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_then_is_neither_denied_nor_affirmed_from_before() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service.set_assigned(&triple, true);
    let set_status = |status| {
        service.simulator.edit_world(|world| {
            let user = (world.users.iter_mut()).find(|it| it.user_id == triple.principal_id);
            user.expect("the user").user_status = Some(status);
        });
    };
    set_status(EnabledStatus::Disabled);
    collect(&service).await;
    let disabled = jiff::Timestamp::now();
    set_status(EnabledStatus::Enabled);
    // Nobody saw that it is enabled again.
    let denied = FaultAction::AccessDenied;
    for operation in ["ListUsers", "DescribeUser"] {
        let fault = Fault::new(operation, denied.clone());
        service.simulator.add_fault(fault);
    }
    collect(&service).await;
    service.simulator.clear_faults();
    let past = |at| ExplainAccessRequest {
        max_age: None,
        as_of: wire(at),
        ..asked(&triple.principal_id, application(&triple.application_arn))
    };
    let then = ask(&service, past(disabled)).await.expect("an answer");
    assert_eq!(then.answer(), AccessAnswer::No, "{then:#?}");
    assert_eq!(obstacles(&then), [AccessObstacleKind::UserDisabled]);
    let unread = ask(&service, past(jiff::Timestamp::now())).await;
    let unread = unread.expect("an answer");
    assert_eq!(unread.answer(), AccessAnswer::Unspecified, "{unread:#?}");
    assert_eq!((unread.paths.len(), obstacles(&unread).len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_could_not_be_read_then_is_no_way_in_for_sure() {
    let service = TestService::start().await;
    let triple = service.user_on("bilal.khan", "Amazon Redshift");
    service.set_assigned(&triple, true);
    collect(&service).await;
    service.set_assigned(&triple, false);
    let denied = Fault::new("ListApplicationAssignments", FaultAction::AccessDenied);
    service.simulator.add_fault(denied);
    collect(&service).await;
    service.simulator.clear_faults();
    let past = ExplainAccessRequest {
        max_age: None,
        as_of: wire(jiff::Timestamp::now()),
        ..asked(&triple.principal_id, application(&triple.application_arn))
    };
    let then = ask(&service, past).await.expect("an answer");
    assert_eq!(then.answer(), AccessAnswer::Unspecified, "{then:#?}");
    assert_eq!((then.paths.len(), obstacles(&then).len()), (1, 0));
    assert!(!then.unread.is_empty());
}
