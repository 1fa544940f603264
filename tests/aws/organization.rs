//! Which accounts there are and who manages them.

use std::collections::BTreeMap;

use usher::domain::{AccountStatus, ErrorKind, Operation};
use usher::identity_center::{IdentityCenter, collect_pages};
use usher::simulator::{Fault, FaultAction, Settings};

use crate::company::Company;
use crate::support::{call, calls_of};

async fn statuses(port: &dyn IdentityCenter) -> BTreeMap<String, AccountStatus> {
    let accounts = collect_pages(Operation::ListAccounts, |page| async move {
        port.accounts(None, page.as_ref(), call()).await
    });
    let accounts = accounts.await.unwrap().into_iter();
    accounts
        .map(|account| (account.id.to_string(), account.status))
        .collect()
}

#[tokio::test]
async fn accounts_come_in_pages_of_20_and_say_whether_they_can_be_used() {
    let settings = Settings {
        odd_page_rate: 0.5,
        ..Settings::unlimited()
    };
    let company = Company::with(settings, |_| ()).await;
    let statuses = statuses(&*company.home).await;
    assert_eq!(statuses.len(), 24);
    assert!(calls_of(&company.simulator, "ListAccounts") >= 2);
    assert_eq!(statuses[company.account(23)], AccountStatus::Inactive);
    let active = statuses.values();
    let active = active.filter(|status| **status == AccountStatus::Active);
    assert_eq!(active.count(), 23);
    let page = company.home.accounts(None, None, call()).await.unwrap();
    let first = &page.items[0];
    let known = company.world.accounts.iter();
    let mut known = known.filter(|row| row.account_id == first.id.as_str());
    let known = known.next().unwrap();
    assert_eq!((&first.name, &first.email), (&known.name, &known.email));
}

#[tokio::test]
async fn the_organization_names_its_manager_or_there_is_none() {
    let company = Company::new().await;
    let organization = company.home.organization(call()).await.unwrap().unwrap();
    assert_eq!(
        organization.management_account_id.as_str(),
        company.account(0)
    );
    let known = company.world.organization.as_ref().unwrap();
    assert_eq!(organization.id, known.id);
    // Every account of it may ask who manages it; for the list it takes more.
    let member = company.inside(company.role(5));
    assert_eq!(member.organization(call()).await, Ok(Some(organization)));
    let failure = member.accounts(None, None, call()).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::AccessDenied);
    assert_eq!(failure.missing_iam_action, "organizations:ListAccounts");

    company.simulator.edit_world(|world| {
        world.organization = None;
        world.accounts.clear();
    });
    assert_eq!(company.home.organization(call()).await, Ok(None));
    let failure = company.home.accounts(None, None, call()).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_throttle_is_waited_for_and_a_truncated_answer_is_none() {
    let company = Company::new().await;
    let simulator = &company.simulator;
    for operation in ["ListAccounts", "DescribeOrganization"] {
        simulator.add_fault(Fault::new(operation, FaultAction::Throttle).times(1));
    }
    assert_eq!(statuses(&*company.home).await.len(), 24);
    assert!(company.home.organization(call()).await.is_ok());
    assert_eq!(calls_of(simulator, "DescribeOrganization"), 2);
    for action in [
        FaultAction::TruncateReply { bytes: 0 },
        FaultAction::TruncateReply { bytes: 9 },
        FaultAction::OmitReplyMembers {
            members: vec!["Accounts.Id".to_owned()],
        },
        FaultAction::OmitReplyMembers {
            members: vec!["Organization.MasterAccountId".to_owned()],
        },
    ] {
        let of_organization = format!("{action:?}").contains("Organization");
        simulator.add_fault(Fault::new("*", action.clone()));
        if !of_organization {
            let failure = company.home.accounts(None, None, call()).await.unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Unexpected, "{action:?}");
        }
        if !format!("{action:?}").contains("Accounts.Id") {
            let failure = company.home.organization(call()).await.unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Unexpected, "{action:?}");
        }
        simulator.clear_faults();
    }
}
