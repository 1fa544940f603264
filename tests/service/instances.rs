//! Several instances in one service: all of them served, a part of them, or none; what comes and goes
//! while it serves; and the commands over all of them.

use std::collections::{BTreeMap, BTreeSet};

use usher::cli::start;
use usher::grpc::pb::{
    AssignmentState, AuditReportRequest, AuditSummary, GrantState, InstanceKind,
    ListInstancesRequest, ReportFormat, ReportView, audit_report_response,
};
use usher::identity_center::ConfiguredInstance;
use usher::simulator::{Fault, FaultAction, Simulator, SimulatorOptions};

use super::common::child::Place;
use super::common::company::{
    DISCOVERY, EXTERNAL_ID, ROLE, assign_in, company, everywhere, remove_role, somebody_new,
};
use super::common::{Begin, SHORT_TIMES, TestService, in_time, short_times, until};

/// Each instance by its owner.
async fn listed(service: &TestService) -> BTreeMap<String, InstanceKind> {
    let request = in_time(ListInstancesRequest::default());
    let answer = service.directory().list_instances(request).await;
    let answer = answer.expect("a list").into_inner();
    let rows = answer.instances.iter();
    rows.map(|row| (row.owner_account_id.clone(), row.kind()))
        .collect()
}

async fn until_listed(service: &TestService, count: usize) {
    until("instances to come or go", || async {
        let found = listed(service).await;
        if found.len() == count {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

async fn summary(service: &TestService, view: ReportView) -> AuditSummary {
    let request = AuditReportRequest {
        view: view.into(),
        format: ReportFormat::Csv.into(),
        ..AuditReportRequest::default()
    };
    let answer = service.access().audit_report(in_time(request)).await;
    let mut stream = answer.expect("a report").into_inner();
    while let Some(message) = stream.message().await.expect("a part") {
        if let Some(audit_report_response::Part::Summary(summary)) = message.part {
            return summary;
        }
    }
    panic!("the stream was cut")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_is_served_and_given_access_in() {
    let world = company();
    let service = TestService::start_with(everywhere(world.clone())).await;
    let owner = |at: usize| world.accounts[at].account_id.clone();
    let expected = BTreeMap::from([
        (owner(0), InstanceKind::Organization),
        (owner(2), InstanceKind::Account),
        (owner(3), InstanceKind::Account),
    ]);
    assert_eq!(listed(&service).await, expected);
    for instance in &world.instances {
        let triple = somebody_new(&world, instance);
        let asked = assign_in(&instance.instance_arn, &triple);
        let grant = service.assign(asked).await;
        assert_eq!(grant.state(), GrantState::Active, "{grant:#?}");
        assert_eq!(grant.instance_arn, instance.instance_arn);
        assert!(service.is_assigned(&triple));
        let answer = service.revoke(triple.revoke()).await;
        assert_eq!(answer.assignment_state(), AssignmentState::Absent);
        assert!(!service.is_assigned(&triple));
    }
    let summary = summary(&service, ReportView::Access).await;
    assert_eq!(summary.missing, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn named_instances_are_served_by_their_aliases() {
    let world = company();
    let lab = &world.instances[1];
    let section = |arn, alias: &str, role_arn: Option<String>| ConfiguredInstance {
        arn,
        alias: Some(alias.to_owned()),
        external_id: role_arn.as_ref().map(|_| EXTERNAL_ID.to_owned()),
        role_arn,
        region: None,
    };
    let role = format!("arn:aws:iam::{}:role/{ROLE}", lab.owner_account_id);
    let mut config = short_times();
    config.instances = vec![
        section(Some(world.instances[0].instance_arn.clone()), "main", None),
        ConfiguredInstance {
            region: lab.primary_region.clone(),
            ..section(None, "lab", Some(role))
        },
    ];
    assert_eq!(config.check(), Ok(()));
    let begin = Begin {
        world: world.clone(),
        config,
        ..Begin::default()
    };
    let service = TestService::start_with(begin).await;
    assert_eq!(listed(&service).await.len(), 2);
    for (alias, instance) in [("main", &world.instances[0]), ("lab", lab)] {
        let triple = somebody_new(&world, instance);
        let grant = service.assign(assign_in(alias, &triple)).await;
        assert_eq!(grant.instance_arn, instance.instance_arn);
        assert!(service.is_assigned(&triple));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_looked_into_is_named_and_found_later() {
    let whole = company();
    let lost = whole.accounts[3].account_id.clone();
    let mut world = whole.clone();
    remove_role(&mut world, &lost);
    let service = TestService::start_with(everywhere(world)).await;
    assert_eq!(listed(&service).await.len(), 2);
    let told = summary(&service, ReportView::Instances).await;
    assert_eq!(told.missing.len(), 1, "{:?}", told.missing);
    assert!(told.missing[0].scope.contains(&lost), "{:?}", told.missing);

    let roles = whole.roles.clone();
    service.simulator.edit_world(|world| world.roles = roles);
    until_listed(&service, 3).await;
    let told = summary(&service, ReportView::Instances).await;
    assert_eq!(told.missing, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_goes_only_when_aws_shows_that_it_is_gone() {
    let world = company();
    let service = TestService::start_with(everywhere(world.clone())).await;
    assert_eq!(listed(&service).await.len(), 3);
    for operation in ["ListInstances", "ListAccounts", "GetCallerIdentity"] {
        let simulator = &service.simulator;
        simulator.add_fault(Fault::new(operation, FaultAction::AccessDenied));
        let before = service.calls("GetCallerIdentity").len();
        // The look after the next one began: the next one is over.
        service.until_called("GetCallerIdentity", before + 3).await;
        assert_eq!(listed(&service).await.len(), 3, "{operation}");
        simulator.clear_faults();
    }
    let (gone, stays) = (&world.instances[2], &world.instances[1]);
    let arn = gone.instance_arn.clone();
    (service.simulator).edit_world(|world| world.instances.retain(|row| row.instance_arn != arn));
    until_listed(&service, 2).await;
    assert!(listed(&service).await.contains_key(&stays.owner_account_id));
    let refused = service.try_assign(assign_in(&arn, &somebody_new(&world, gone)));
    assert_eq!(refused.await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_is_refused_only_where_nothing_can_be_served() {
    let world = company();
    let mut service = TestService::start_with(everywhere(world.clone())).await;
    service.stop().await;

    // One identity store that cannot be read is no reason.
    let store = world.instances[1].identity_store_id.as_str();
    let one = Fault {
        input: BTreeMap::from([("IdentityStoreId".to_owned(), store.into())]),
        ..Fault::new("ListGroups", FaultAction::AccessDenied)
    };
    service.simulator.add_fault(one);
    service.begin().await;
    assert_eq!(listed(&service).await.len(), 3);
    service.stop().await;

    let refusal = async |operation: &str| {
        service.simulator.clear_faults();
        let fault = Fault::new(operation, FaultAction::AccessDenied);
        service.simulator.add_fault(fault);
        let refused = start(service.options()).await.err().expect("no start");
        refused.to_string()
    };
    let told = refusal("ListGroups").await;
    assert!(told.contains("allow identitystore:ListGroups"), "{told}");
    let told = refusal("ListInstances").await;
    assert!(told.contains("no IAM Identity Center instance"), "{told}");
    assert!(told.contains("sso:ListInstances is missing"), "{told}");
}

/// A simulated company and a place for commands with discovery.
async fn commands() -> (Simulator, Place, String) {
    let simulator = Simulator::start(company(), SimulatorOptions::default()).await;
    let simulator = simulator.expect("a simulator");
    let mut settings = simulator.settings();
    settings.sso_admin_rate_per_second = None;
    settings.identity_store_rate_per_second = None;
    settings.organizations_rate_per_second = None;
    simulator.set_settings(settings).expect("settings");
    let place = Place::new(simulator.endpoint_url());
    std::fs::create_dir(place.data()).expect("a directory");
    let config = place.data().join("discovery.toml");
    std::fs::write(&config, format!("{SHORT_TIMES}{DISCOVERY}")).expect("a file");
    let config = config.to_str().expect("a path").to_owned();
    (simulator, place, config)
}

/// Runs a command to its end: its exit code, standard output, standard error.
async fn run(place: &Place, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = place.usher(arguments);
    command.env_remove("USHER_DATA_DIR");
    let done = tokio::task::spawn_blocking(move || command.output()).await;
    let done = done.expect("no panic").expect("the usher binary");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_every_action_of_every_instance_and_each_lost_account() {
    let (simulator, place, config) = commands().await;
    let arguments = ["check", "--config", config.as_str()];
    let (code, told, why) = run(&place, &arguments).await;
    assert_eq!((code, why.as_str()), (Some(0), ""), "{told}");
    let count = |line: &str| told.lines().filter(|told| *told == line).count();
    assert_eq!(count("ok       identitystore:ListUsers"), 3);
    for action in [
        "sso:ListPermissionSets",
        "sso:ListAccountAssignments",
        "sso:ListAccountAssignmentsForPrincipal",
        "sso:ListAccountAssignmentCreationStatus",
        "sso:DescribeAccountAssignmentDeletionStatus",
        "organizations:ListAccounts",
        "organizations:DescribeOrganization",
        "sts:AssumeRole",
    ] {
        assert_eq!(count(&format!("ok       {action}")), 1, "{action}: {told}");
    }
    assert!(told.contains("not tried, since that would change AWS: sso:Create"));

    let lost = simulator.world().accounts[2].account_id.clone();
    simulator.edit_world(|world| remove_role(world, &lost));
    let denied = Fault::new("ListPermissionSets", FaultAction::AccessDenied);
    simulator.add_fault(denied);
    let (code, told, why) = run(&place, &arguments).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(why.contains("2 missing"), "{why}");
    assert!(
        told.contains(&format!("missing  account {lost} ")),
        "{told}"
    );
    assert!(told.contains("missing  sso:ListPermissionSets: "), "{told}");
    let untried = "untried  sso:DescribePermissionSet: ";
    assert!(told.contains(untried), "{told}");
    // What fails in one place hides nothing of the others.
    let good = told.matches("ok       identitystore:ListUsers").count();
    assert_eq!(good, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_without_a_server_covers_every_instance_and_names_what_it_lacks() {
    let (simulator, place, config) = commands().await;
    let arguments = |view| {
        let arguments = [
            "audit",
            "--config",
            &config,
            "--per-second",
            "1000",
            "--view",
        ];
        [arguments.as_slice(), &[view]].concat()
    };
    let owners = |text: &str| -> BTreeSet<String> {
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let headers = rows.headers().expect("a header").clone();
        let at = headers.iter().position(|name| name == "owner_account_id");
        let at = at.expect("the column");
        rows.records()
            .map(|row| row.expect("a row")[at].to_owned())
            .collect()
    };
    let world = simulator.world();
    let all = world
        .instances
        .iter()
        .map(|row| row.owner_account_id.clone());
    let all: BTreeSet<String> = all.collect();
    for view in ["access", "assignments"] {
        let (code, text, why) = run(&place, &arguments(view)).await;
        assert_eq!(code, Some(0), "{why}");
        assert_eq!(owners(&text), all, "{view}");
    }

    let lost = world.accounts[3].account_id.clone();
    simulator.edit_world(|world| remove_role(world, &lost));
    let (code, text, why) = run(&place, &arguments("access")).await;
    assert_eq!(code, Some(1));
    assert!(why.contains("missing ") && why.contains(&lost), "{why}");
    let rest: BTreeSet<String> = all.into_iter().filter(|owner| *owner != lost).collect();
    assert_eq!(owners(&text), rest);
}
