//! Every instance is found, served once, and what could not be looked into is named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use usher::domain::{AccountId, ErrorKind, Instance, InstanceKind};
use usher::identity_center::{
    AwsConfig, Class, ConfiguredInstance, Discovered, Discoverer, DiscoveryConfig, IdentityCenter,
    InstanceRouter,
};
use usher::simulator::{AccountStatus, Fault, FaultAction, InstanceStatus, Settings};

use crate::company::{Company, EXTERNAL_ID, REGIONS};
use crate::support::{call, calls_of};

fn owners(found: &Discovered) -> BTreeMap<String, InstanceKind> {
    let instances = found.instances.iter();
    instances
        .map(|(instance, _)| {
            let owner = instance.owner_account_id.as_ref().unwrap();
            (owner.to_string(), instance.kind)
        })
        .collect()
}

fn named(found: &Discovered) -> BTreeSet<&str> {
    let unreachable = found.unreachable.iter();
    unreachable.map(|row| row.account_id.as_str()).collect()
}

fn discoverer(company: &Company, configured: Vec<ConfiguredInstance>) -> Discoverer {
    let home = Arc::clone(&company.home);
    Discoverer::new(home, configured, company.everywhere())
}

#[tokio::test]
async fn every_instance_is_found_once_and_one_missing_role_is_named() {
    let company = Company::new().await;
    company.remove_role(3);
    company.remove_role(9);
    let discoverer = discoverer(&company, Vec::new());
    let found = discoverer.discover(call()).await.unwrap();
    let expected = BTreeMap::from([
        (company.account(0).to_owned(), InstanceKind::Organization),
        (company.account(2).to_owned(), InstanceKind::Account),
        (company.account(4).to_owned(), InstanceKind::Account),
    ]);
    assert_eq!(owners(&found), expected);
    assert_eq!(found.instances.len(), 3);
    // The suspended account is not called, and not called unreachable.
    assert_eq!(
        named(&found),
        BTreeSet::from([company.account(3), company.account(9)])
    );
    assert_eq!(calls_of(&company.simulator, "AssumeRole"), 22);
    let row = &found.unreachable[0];
    let account = company.world.accounts.iter();
    let mut account = account.filter(|known| known.account_id == row.account_id.as_str());
    assert_eq!(row.name, account.next().unwrap().name);
    assert!(row.reason.contains("sts:AssumeRole"), "{}", row.reason);
    for (instance, port) in &found.instances {
        let manager = instance.management_account_id.as_ref().unwrap();
        assert_eq!(manager.as_str(), company.account(0));
        assert_eq!(instance.called_from, instance.owner_account_id);
        assert!(port.users(instance, None, 100, call()).await.is_ok());
        assert!(port.applications(instance, None, call()).await.is_ok());
    }

    // A second look signs in nowhere it has signed in before, and sees what changed.
    company.simulator.clear_calls();
    company.simulator.edit_world(|world| {
        let mut instances = world.instances.iter_mut();
        let owner = company.account(0);
        let found = instances.find(|row| row.owner_account_id == owner);
        found.unwrap().status = InstanceStatus::DeleteInProgress;
    });
    let again = discoverer.discover(call()).await.unwrap();
    assert_eq!(calls_of(&company.simulator, "AssumeRole"), 2);
    assert_eq!(again.instances.len(), 2);
    let mut rows = again.unreachable.iter();
    let gone = rows.find(|row| row.account_id.as_str() == company.account(0));
    assert!(gone.unwrap().reason.contains("DELETE_IN_PROGRESS"));
}

#[tokio::test]
async fn the_organizations_instance_is_served_once_from_the_delegated_administrator() {
    let company = Company::new().await;
    let administrator = Arc::new(company.inside(company.role(1)));
    let discoverer = Discoverer::new(administrator, Vec::new(), company.everywhere());
    let found = discoverer.discover(call()).await.unwrap();
    assert_eq!(found.instances.len(), 4);
    assert!(found.unreachable.is_empty(), "{:?}", found.unreachable);
    let mut instances = found.instances.iter();
    let (of_organization, _) = instances
        .find(|(instance, _)| instance.kind == InstanceKind::Organization)
        .unwrap();
    let called_from = of_organization.called_from.as_ref().unwrap();
    assert_eq!(called_from.as_str(), company.account(1));
    assert!(!of_organization.lists_account_access_by_principal());
}

#[tokio::test]
async fn accounts_beyond_the_bound_and_denied_lists_are_named() {
    let company = Company::new().await;
    let home = Arc::clone(&company.home);
    let config = DiscoveryConfig {
        accounts_max: 20,
        ..company.everywhere()
    };
    let bounded = Discoverer::new(home, Vec::new(), config);
    let found = bounded.discover(call()).await.unwrap();
    assert_eq!(found.unreachable.len(), 2);
    assert!(found.unreachable[0].reason.contains("accounts_max"));

    let simulator = &company.simulator;
    simulator.add_fault(Fault::new("ListAccounts", FaultAction::AccessDenied));
    simulator.add_fault(Fault::new(
        "DescribeOrganization",
        FaultAction::AccessDenied,
    ));
    let found = discoverer(&company, Vec::new())
        .discover(call())
        .await
        .unwrap();
    assert_eq!(found.instances.len(), 1);
    assert_eq!(found.instances[0].0.kind, InstanceKind::Unknown);
    assert_eq!(named(&found), BTreeSet::from([company.account(0)]));
    let reason = &found.unreachable[0].reason;
    assert!(reason.contains("organizations:ListAccounts"), "{reason}");
}

#[tokio::test]
async fn configured_instances_are_found_by_arn_or_by_account() {
    let company = Company::new().await;
    let instance_of = |at: usize| {
        let mut instances = company.world.instances.iter();
        instances
            .find(|row| row.owner_account_id == company.account(at))
            .unwrap()
    };
    let by_role = |at: usize, alias: &str| ConfiguredInstance {
        alias: Some(alias.to_owned()),
        region: instance_of(at).primary_region.clone(),
        role_arn: Some(company.role_arn(at)),
        external_id: Some(EXTERNAL_ID.to_owned()),
        arn: None,
    };
    let main = ConfiguredInstance {
        arn: Some(instance_of(0).instance_arn.clone()),
        alias: Some("main".to_owned()),
        ..ConfiguredInstance::default()
    };
    company.remove_role(3);
    let wanted = vec![main, by_role(2, "lab"), by_role(3, "gone")];
    let home = Arc::clone(&company.home);
    let discoverer = Discoverer::new(home, wanted, DiscoveryConfig::default());
    let found = discoverer.discover(call()).await.unwrap();
    let aliases = found.instances.iter().map(|(instance, _)| {
        let alias = instance.alias.as_deref().unwrap();
        (alias, instance.arn.to_string(), instance.kind)
    });
    let expected = [
        (
            "main",
            instance_of(0).instance_arn.clone(),
            InstanceKind::Organization,
        ),
        (
            "lab",
            instance_of(2).instance_arn.clone(),
            InstanceKind::Account,
        ),
    ];
    assert_eq!(aliases.collect::<Vec<_>>(), expected);
    assert_eq!(named(&found), BTreeSet::from([company.account(3)]));
    assert_eq!(found.unreachable[0].name, "gone");
}

#[tokio::test]
async fn an_organization_that_does_not_answer_takes_one_attempt_and_stops_nothing() {
    let short = |config: &mut AwsConfig| {
        config.attempt_timeout_seconds = 1;
        config.connect_timeout_seconds = 1;
    };
    let company = Company::with(Settings::unlimited(), short).await;
    let silence = FaultAction::DelayBeforeEffect {
        milliseconds: 60_000,
    };
    let simulator = &company.simulator;
    simulator.add_fault(Fault::new("DescribeOrganization", silence));
    let home = Arc::clone(&company.home);
    let discoverer = Discoverer::new(home, Vec::new(), DiscoveryConfig::default());
    let found = discoverer.discover(call()).await.unwrap();
    assert_eq!(found.instances.len(), 1);
    assert_eq!(found.instances[0].0.kind, InstanceKind::Unknown);
    assert_eq!(calls_of(simulator, "DescribeOrganization"), 1);
}

#[tokio::test]
async fn only_its_own_account_shows_that_an_instance_is_gone() {
    let company = Company::new().await;
    let discoverer = discoverer(&company, Vec::new());
    let before = discoverer.discover(call()).await.unwrap();
    assert_eq!(before.instances.len(), 4);
    let owned_by = |at: usize| {
        let owner = AccountId::parse(company.account(at)).ok();
        let mut instances = before.instances.iter().map(|(instance, _)| instance);
        let found: Option<&Instance> = instances.find(|row| row.owner_account_id == owner);
        found.unwrap()
    };
    let (suspended, left, deleted) = (owned_by(2), owned_by(3), owned_by(4));
    company.simulator.edit_world(|world| {
        world.accounts[2].status = AccountStatus::Suspended;
        world.accounts.remove(3);
        let arn = deleted.arn.as_str();
        world.instances.retain(|row| row.instance_arn != arn);
    });
    let again = discoverer.discover(call()).await.unwrap();
    assert_eq!(owners(&again).len(), 1);
    assert!(again.shows_absence_of(deleted));
    for kept in [suspended, left] {
        assert!(!again.shows_absence_of(kept), "{kept:?}");
    }
}

#[tokio::test]
async fn a_region_that_fails_hides_no_other_region() {
    let company = Company::new().await;
    let mut instances = company.world.instances.iter();
    let at = (2..5).find(|at| {
        instances.clone().any(|row| {
            row.owner_account_id == company.account(*at)
                && row.primary_region.as_deref() != Some(REGIONS[0])
        })
    });
    let at = at.unwrap();
    assert!(instances.next().is_some());
    for other in (1..24).filter(|other| *other != at) {
        company.remove_role(other);
    }
    // Home asks in each region first.
    let denied = Fault::new("ListInstances", FaultAction::AccessDenied);
    let denied = denied.skip(REGIONS.len() as u64).times(1);
    company.simulator.add_fault(denied);
    let discoverer = discoverer(&company, Vec::new());
    let found = discoverer.discover(call()).await.unwrap();
    assert_eq!(owners(&found)[company.account(at)], InstanceKind::Account);
    let mut rows = found.unreachable.iter();
    let row = rows.find(|row| row.account_id.as_str() == company.account(at));
    let reason = &row.unwrap().reason;
    assert!(reason.starts_with("in us-east-1 ListInstances"), "{reason}");
}

#[tokio::test]
async fn a_section_takes_no_strangers_instance_and_guesses_no_organization() {
    let company = Company::new().await;
    let section = |at: usize, region: Option<String>| ConfiguredInstance {
        region,
        role_arn: Some(company.role_arn(at)),
        external_id: Some(EXTERNAL_ID.to_owned()),
        ..ConfiguredInstance::default()
    };
    let mut instances = company.world.instances.iter();
    let lab = instances.find(|row| row.owner_account_id == company.account(2));
    let region = lab.unwrap().primary_region.clone();
    // Account 7 owns none and sees the organization's; account 1 may manage that.
    let wanted = vec![section(7, None), section(1, None), section(2, region)];
    company
        .simulator
        .add_fault(Fault::new("DescribeOrganization", FaultAction::AccessDenied).skip(2));
    let home = Arc::clone(&company.home);
    let discoverer = Discoverer::new(home, wanted, DiscoveryConfig::default());
    let found = discoverer.discover(call()).await.unwrap();
    assert_eq!(named(&found), BTreeSet::from([company.account(7)]));
    let reason = &found.unreachable[0].reason;
    assert!(reason.contains("not managed from here"), "{reason}");
    let expected = BTreeMap::from([
        (company.account(0).to_owned(), InstanceKind::Organization),
        (company.account(2).to_owned(), InstanceKind::Unknown),
    ]);
    assert_eq!(owners(&found), expected);
}

#[tokio::test]
async fn accounts_are_asked_for_where_their_instance_is() {
    let company = Company::new().await;
    // Home is an account that may not list accounts; the instance is reached through one that may.
    company.simulator.edit_world(|world| {
        let mut roles = world.roles.iter_mut();
        let inner = roles.find(|role| role.role_arn == company.role_arn(1));
        inner.unwrap().trusted.push(company.account(7).to_owned());
    });
    let home = Arc::new(company.inside(company.role(7)));
    let wanted = ConfiguredInstance {
        role_arn: Some(company.role_arn(1)),
        external_id: Some(EXTERNAL_ID.to_owned()),
        ..ConfiguredInstance::default()
    };
    let port: Arc<dyn IdentityCenter> = home.clone();
    let discoverer = Discoverer::new(home, vec![wanted], DiscoveryConfig::default());
    let found = discoverer.discover(call()).await.unwrap();
    let arn = found.instances[0].0.arn.clone();
    let router = InstanceRouter::new(port);
    let unserved = router.accounts(Some(&arn), None, call()).await;
    assert_eq!(unserved.unwrap_err().kind, ErrorKind::NotFound);
    let routes = found.instances.into_iter();
    let routes = routes.map(|(row, port)| (row.arn, port)).collect();
    router.set_routes(routes, found.ports);
    let of_home = router.accounts(None, None, call()).await;
    assert_eq!(of_home.unwrap_err().kind, ErrorKind::AccessDenied);
    let page = router.accounts(Some(&arn), None, call()).await.unwrap();
    assert!(page.next.is_some());
}

#[tokio::test]
async fn without_settings_what_home_sees_is_served() {
    let company = Company::new().await;
    let none = || (Vec::new(), DiscoveryConfig::default());
    let (configured, config) = none();
    let discoverer = Discoverer::new(Arc::clone(&company.home), configured, config);
    let found = discoverer.discover(call()).await.unwrap();
    assert_eq!(found.instances.len(), 1);
    assert_eq!(calls_of(&company.simulator, "AssumeRole"), 0);

    // A member with an instance of its own in that region serves that one, not the organization's.
    let mut instances = company.world.instances.iter();
    let at = (2..5).find(|at| {
        instances.clone().any(|row| {
            row.owner_account_id == company.account(*at)
                && row.primary_region.as_deref() == Some("us-east-1")
        })
    });
    let at = at.unwrap();
    assert!(instances.next().is_some());
    let member = Arc::new(company.inside(company.role(at)));
    let (configured, config) = none();
    let discoverer = Discoverer::new(member, configured, config);
    let found = discoverer.discover(call()).await.unwrap();
    let owners = owners(&found);
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[company.account(at)], InstanceKind::Account);
}

#[tokio::test]
async fn the_router_serves_what_was_found_and_guesses_nothing() {
    let company = Company::new().await;
    let discoverer = discoverer(&company, Vec::new());
    let found = discoverer.discover(call()).await.unwrap();
    let home: Arc<dyn IdentityCenter> = company.home.clone();
    let router = InstanceRouter::new(home);
    let instances: Vec<_> = found.instances.iter().map(|(row, _)| row.clone()).collect();
    let failure = router.applications(&instances[0], None, call()).await;
    let failure = failure.unwrap_err();
    assert_eq!(
        (failure.kind, failure.operation.as_str()),
        (ErrorKind::NotFound, "ListApplications")
    );
    let routes = found.instances.into_iter();
    let routes = routes.map(|(row, port)| (row.arn, port)).collect();
    router.set_routes(routes, found.ports);
    for instance in &instances {
        assert!(router.applications(instance, None, call()).await.is_ok());
        assert!(router.users(instance, None, 100, call()).await.is_ok());
    }
    assert!(router.may_write());
    let sum = |router: &InstanceRouter| {
        let sent = router.operations_sent().into_iter();
        sent.map(|(_, count)| count).sum::<u64>()
    };
    let all = u64::try_from(company.simulator.calls().len()).unwrap();
    assert_eq!(sum(&router), all);

    // An account that is throttled does not slow the others.
    let throttled = &instances[1];
    let fault = Fault::new("ListApplications", FaultAction::Throttle);
    let arn = serde_json::Value::from(throttled.arn.as_str());
    let fault = Fault {
        input: BTreeMap::from([("InstanceArn".to_owned(), arn)]),
        ..fault
    };
    company.simulator.add_fault(fault);
    let failure = router.applications(throttled, None, call()).await;
    assert_eq!(failure.unwrap_err().kind, ErrorKind::Throttled);
    let one = [(usher::domain::Operation::ListApplications, 1)];
    let others = instances.iter().filter(|row| row.arn != throttled.arn);
    for instance in others {
        assert!(router.applications(instance, None, call()).await.is_ok());
        let estimate = router.estimate(&instance.arn, &one, Class::Read);
        assert!(estimate < std::time::Duration::from_secs(1));
    }

    // Counts stay when routes go.
    let before = sum(&router);
    router.set_routes(Vec::new(), Vec::new());
    assert_eq!(sum(&router), before);
    let failure = router.users(&instances[1], None, 100, call()).await;
    assert_eq!(failure.unwrap_err().kind, ErrorKind::NotFound);
    assert!(router.caller_identity(call()).await.is_ok());
}
