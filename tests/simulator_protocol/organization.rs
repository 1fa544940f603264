//! organizations: accounts page by page, who may ask, and this service's own errors.

use aws_sdk_organizations::error::ProvideErrorMetadata;
use aws_sdk_organizations::operation::list_accounts::ListAccountsError;
use aws_sdk_organizations::types::{AccountState, AccountStatus};
use usher::simulator::{Fault, FaultAction, Settings, Switches};

use super::places::{Company, MANAGEMENT, Place, refused};
use super::{Bench, code};

async fn ids(place: &Place) -> Result<Vec<Vec<String>>, String> {
    let (mut pages, mut token) = (Vec::new(), None::<String>);
    loop {
        let call = place.organizations.list_accounts();
        let reply = call.set_next_token(token).send().await.map_err(code)?;
        let rows = reply.accounts().iter();
        pages.push(rows.filter_map(|row| row.id().map(str::to_owned)).collect());
        token = reply.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(pages);
        }
    }
}

#[tokio::test]
async fn accounts_come_in_pages_of_twenty_with_empty_ones_between() {
    let company = Company::new().await;
    let management = company.management("us-east-1");
    let pages = ids(&management).await.expect("accounts");
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [20, 10]);
    let mut empty = 0;
    for seed in 1..=8 {
        let settings = Settings {
            seed,
            odd_page_rate: 1.0,
            ..Settings::unlimited()
        };
        let set = company.simulator.set_settings(settings);
        set.expect("lawful settings");
        let odd = ids(&management).await.expect("accounts");
        assert_eq!(odd.concat(), pages.concat());
        empty += odd.iter().filter(|page| page.is_empty()).count();
    }
    assert!(empty > 0, "empty pages come although more follows");
    assert_eq!(pages.concat().len(), company.world.accounts.len());
}

#[tokio::test]
async fn an_account_is_told_whole_with_its_older_status_as_switched() {
    let company = Company::new().await;
    let management = company.management("us-east-1");
    let last = || async {
        let call = management.organizations.list_accounts().max_results(20);
        let first = call.clone().send().await.expect("a page");
        let call = call.set_next_token(first.next_token().map(str::to_owned));
        let page = call.send().await.expect("a page");
        page.accounts().last().expect("an account").clone()
    };
    let row = last().await;
    let wanted = company.world.accounts.last().expect("an account");
    assert_eq!(row.id(), Some(wanted.account_id.as_str()));
    assert_eq!(row.name(), Some(wanted.name.as_str()));
    assert_eq!(row.email(), Some(wanted.email.as_str()));
    assert_eq!(row.state(), Some(&AccountState::Suspended));
    assert_eq!(row.status(), None);
    assert!(row.arn().is_some_and(|arn| {
        arn.starts_with(&format!("arn:aws:organizations::{MANAGEMENT}:account/o-"))
            && arn.ends_with(&wanted.account_id)
    }));
    assert!(row.joined_timestamp().is_some());
    let switches = Switches {
        account_status_retired: false,
        ..Switches::default()
    };
    company.simulator.set_switches(switches);
    assert_eq!(last().await.status(), Some(&AccountStatus::Suspended));
}

#[tokio::test]
async fn the_organization_is_told_to_members_and_its_accounts_to_administrators() {
    let company = Company::new().await;
    let member = company.inside(company.account(4), "eu-west-1").await;
    let organization = member.organizations.describe_organization().send().await;
    let organization = organization.expect("the organization");
    let organization = organization.organization().expect("the organization");
    assert_eq!(organization.master_account_id(), Some(MANAGEMENT));
    assert!(organization.id().is_some_and(|id| id.starts_with("o-")));
    assert_eq!(ids(&member).await, refused("AccessDeniedException"));
    let administrator = company.inside(company.account(1), "us-east-1").await;
    assert_eq!(
        ids(&administrator).await.expect("accounts").concat().len(),
        30
    );

    let list = |service: &str| {
        let call = administrator.organizations.list_delegated_administrators();
        call.service_principal(service).send()
    };
    let rows = list("sso.amazonaws.com").await.expect("administrators");
    let rows = rows.delegated_administrators();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].id(), Some(company.account(1)));
    assert!(rows[0].delegation_enabled_date().is_some());
    let rows = list("config.amazonaws.com").await.expect("none");
    assert!(rows.delegated_administrators().is_empty());
    let refusal = member
        .organizations
        .list_delegated_administrators()
        .send()
        .await;
    assert_eq!(
        refusal.map(drop).map_err(code),
        refused("AccessDeniedException")
    );
}

#[tokio::test]
async fn a_lone_account_has_no_organization() {
    let bench = Bench::demo().await;
    bench
        .simulator
        .edit_world(|world| world.organization = None);
    let credentials = aws_sdk_ssoadmin::config::Credentials::new("a", "b", None, None, "test");
    let alone = Place::new(&bench.simulator.endpoint_url(), credentials, "us-east-1");
    let missing = "AWSOrganizationsNotInUseException";
    assert_eq!(ids(&alone).await, refused(missing));
    let asked = alone.organizations.describe_organization().send().await;
    assert_eq!(asked.map(drop).map_err(code), refused(missing));
    assert_eq!(alone.instances().await, [bench.instance_arn]);
}

#[tokio::test]
async fn errors_have_the_shapes_of_organizations() {
    let company = Company::new().await;
    let management = company.management("us-east-1");
    let list = || management.organizations.list_accounts();
    for (call, wanted) in [
        (list().max_results(21), "MAX_VALUE_EXCEEDED"),
        (list().max_results(0), "MIN_VALUE_EXCEEDED"),
        (list().next_token("made up"), "INVALID_NEXT_TOKEN"),
    ] {
        let error = call
            .send()
            .await
            .expect_err("a refusal")
            .into_service_error();
        let ListAccountsError::InvalidInputException(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(error.reason().map(|reason| reason.as_str()), Some(wanted));
    }
    for (action, wanted) in [
        (FaultAction::Throttle, "TooManyRequestsException"),
        (
            FaultAction::InternalError {
                after_effect: false,
            },
            "ServiceException",
        ),
        (FaultAction::AccessDenied, "AccessDeniedException"),
    ] {
        let fault = Fault::new("ListAccounts", action).times(1);
        company.simulator.add_fault(fault);
        let error = list()
            .send()
            .await
            .expect_err("a fault")
            .into_service_error();
        assert_eq!(error.code(), Some(wanted));
    }
}

#[tokio::test]
async fn organizations_has_a_quota_of_its_own() {
    let settings = Settings {
        organizations_rate_per_second: Some(0.001),
        organizations_burst: 3.0,
        ..Settings::unlimited()
    };
    let company = Company::with(Switches::default(), settings).await;
    let management = company.management("us-east-1");
    // A global service: another Region is the same quota.
    let elsewhere = company.management("eu-west-1");
    let mut endings = Vec::new();
    for place in [&management, &elsewhere, &management, &elsewhere] {
        let call = place.organizations.describe_organization();
        endings.push(call.send().await.map(drop).map_err(code));
    }
    assert_eq!(
        endings,
        [Ok(()), Ok(()), Ok(()), refused("TooManyRequestsException")]
    );
    let throttled = company.simulator.calls().pop().expect("a call");
    assert!(throttled.throttled && throttled.service == "organizations");
    assert_eq!(management.instances().await.len(), 1);
}
