//! What each account sees of the instances and may do with them, and that Regions are apart.

use aws_sdk_ssoadmin::types::{ListApplicationsFilter, PrincipalType, RegionScope};
use usher::simulator::{Settings, Switches};

use super::places::{Company, MANAGEMENT, Place, refused};
use super::{NOBODY, code};

const HOME: &str = "us-east-1";

async fn described(place: &Place, instance_arn: &str) -> Result<(), String> {
    let call = place.sso.describe_instance().instance_arn(instance_arn);
    call.send().await.map(drop).map_err(code)
}

#[tokio::test]
async fn an_account_sees_its_own_instance_and_the_organizations() {
    let company = Company::new().await;
    let of_organization = &company.instance_of(MANAGEMENT).instance_arn;
    let owner = company.account(2);
    let own = company.instance_of(owner);
    assert_eq!(own.primary_region.as_deref(), Some("eu-west-1"));
    assert_eq!(
        company.management(HOME).instances().await,
        [of_organization.as_str()]
    );
    assert!(company.management("eu-west-1").instances().await.is_empty());
    let inside = company.inside(owner, "eu-west-1").await;
    assert_eq!(inside.instances().await, [own.instance_arn.as_str()]);
    let at_home = company.inside(owner, HOME).await;
    assert_eq!(at_home.instances().await, [of_organization.as_str()]);
    assert_eq!(described(&at_home, of_organization).await, Ok(()));
    // From everywhere, each with its owner: what is not its own must not be counted twice.
    let everywhere = at_home
        .sso
        .list_instances()
        .region_scope(RegionScope::AllRegions);
    let rows = everywhere.send().await.expect("instances");
    let mut owners: Vec<_> = (rows.instances().iter())
        .filter_map(|row| row.owner_account_id())
        .collect();
    owners.sort_unstable();
    assert_eq!(owners, [MANAGEMENT, owner]);
    let switches = Switches {
        organization_instance_visible_to_members: false,
        ..Switches::default()
    };
    company.simulator.set_switches(switches);
    assert!(at_home.instances().await.is_empty());
    let denied = refused("AccessDeniedException");
    assert_eq!(described(&at_home, of_organization).await, denied);
    assert_eq!(inside.instances().await, [own.instance_arn.as_str()]);
}

#[tokio::test]
async fn an_account_instance_is_managed_from_its_own_account_only() {
    let company = Company::new().await;
    let owner = company.account(2);
    let own = company.instance_of(owner);
    let region = own.primary_region.as_deref().expect("a Region");
    let inside = company.inside(owner, region).await;
    assert!(inside.users(own).await.is_ok_and(|count| count > 0));
    assert!(inside.applications(own).await.is_ok_and(|count| count > 0));
    let denied = refused("AccessDeniedException");
    let administrator = company.inside(company.account(1), region).await;
    for other in [company.management(region), administrator] {
        assert_eq!(other.users(own).await, denied.clone().map(|()| 0));
        assert_eq!(other.applications(own).await, denied.clone().map(|()| 0));
        assert_eq!(described(&other, &own.instance_arn).await, denied);
        let application = (company.world.applications.iter())
            .find(|row| row.instance_arn == own.instance_arn)
            .expect("an application");
        let call = other.sso.create_application_assignment();
        let call = call.application_arn(&application.application_arn);
        let call = call
            .principal_type(PrincipalType::User)
            .principal_id(NOBODY);
        assert_eq!(call.send().await.map(drop).map_err(code), denied);
    }
}

#[tokio::test]
async fn the_organizations_instance_is_managed_by_the_delegated_administrator_too() {
    let company = Company::new().await;
    let instance = company.instance_of(MANAGEMENT);
    let administrator = company.inside(company.account(1), HOME).await;
    let management = company.management(HOME);
    for place in [&management, &administrator] {
        assert!(place.users(instance).await.is_ok_and(|count| count > 0));
        assert!(
            place
                .applications(instance)
                .await
                .is_ok_and(|count| count > 0)
        );
    }
    let member = company.inside(company.account(4), HOME).await;
    let denied = refused("AccessDeniedException");
    assert_eq!(member.users(instance).await, denied);
    assert_eq!(member.applications(instance).await, denied);
    let stranger_to_organization = company.account(4).to_owned();
    company.simulator.edit_world(|world| {
        world
            .accounts
            .retain(|row| row.account_id != stranger_to_organization);
    });
    assert!(member.instances().await.is_empty());
}

#[tokio::test]
async fn a_member_account_has_its_own_applications_of_the_organizations_instance() {
    let company = Company::new().await;
    let instance = company.instance_of(MANAGEMENT);
    let account = company.account(4).to_owned();
    let of_instance = |row: &&usher::simulator::Application| {
        row.instance_arn == instance.instance_arn && row.assignment_configuration_supported
    };
    let mut rows = company.world.applications.iter().filter(of_instance);
    let (own, other) = (rows.next().expect("one"), rows.next().expect("two"));
    company.simulator.edit_world(|world| {
        let mut rows = world.applications.iter_mut();
        let row = rows.find(|row| row.application_arn == own.application_arn);
        row.expect("it").application_account.clone_from(&account);
    });
    let member = company.inside(&account, HOME).await;
    let filter = ListApplicationsFilter::builder()
        .application_account(&account)
        .build();
    let call = member.sso.list_applications().filter(filter);
    let rows = call.instance_arn(&instance.instance_arn).send().await;
    let rows = rows.expect("its own");
    assert_eq!(rows.applications().len(), 1);
    let ask = async |application_arn: &str| {
        let call = member.sso.get_application_assignment_configuration();
        let reply = call.application_arn(application_arn).send().await;
        reply.map(drop).map_err(code)
    };
    let denied = refused("AccessDeniedException");
    assert_eq!(ask(&own.application_arn).await, Ok(()));
    assert_eq!(ask(&other.application_arn).await, denied);
    let switches = Switches {
        member_account_manages_own_applications: false,
        ..Switches::default()
    };
    company.simulator.set_switches(switches);
    assert_eq!(ask(&own.application_arn).await, denied);
}

#[tokio::test]
async fn an_instance_is_not_there_in_another_region() {
    let company = Company::new().await;
    let instance = company.instance_of(MANAGEMENT);
    let elsewhere = company.management("eu-west-1");
    let denied = refused("AccessDeniedException");
    assert_eq!(described(&elsewhere, &instance.instance_arn).await, denied);
    let missing = "ResourceNotFoundException";
    assert_eq!(elsewhere.users(instance).await, refused(missing));
    let application = &company.world.applications[0].application_arn;
    let call = elsewhere.sso.describe_application();
    let reply = call.application_arn(application).send().await;
    assert_eq!(reply.map(drop).map_err(code), refused(missing));
}

#[tokio::test]
async fn regions_and_owners_are_separate_quotas() {
    let settings = Settings {
        sso_admin_rate_per_second: Some(0.001),
        sso_admin_burst: 2.0,
        ..Settings::unlimited()
    };
    let company = Company::with(Switches::default(), settings).await;
    let instance = company.instance_of(MANAGEMENT);
    let home = company.management(HOME);
    let list = async |place: &Place| {
        place
            .sso
            .list_instances()
            .send()
            .await
            .map(drop)
            .map_err(code)
    };
    let throttled = refused("ThrottlingException");
    for place in [home, company.management("eu-west-1")] {
        assert_eq!(list(&place).await, Ok(()));
        assert_eq!(list(&place).await, Ok(()));
        assert_eq!(list(&place).await, throttled);
    }
    // The delegated administrator has a quota of its own until it names the instance, which has
    // one for all who manage it.
    let administrator = company.inside(company.account(1), HOME).await;
    assert_eq!(list(&administrator).await, Ok(()));
    assert_eq!(
        administrator.applications(instance).await,
        refused("ThrottlingException")
    );
    assert_eq!(list(&administrator).await, Ok(()));
    assert_eq!(list(&administrator).await, throttled);
}
