//! Permission sets through the SDK: their life, where they are provisioned, what is refused.

use aws_sdk_ssoadmin::types::{ProvisioningStatus, StatusValues};
use serde_json::json;
use usher::simulator::{Account, AccountStatus, ProvisionedPermissionSet, UnavailableAccount};

use super::account_bench::{AccountBench, SANDBOX, endless};
use super::{Bench, code};

const UNKNOWN_SET: &str = "arn:aws:sso:::permissionSet/ssoins-72230123456789ab/ps-ffffffffffffffff";

async fn sets(bench: &Bench) -> Vec<String> {
    let call = bench.sso.list_permission_sets();
    let reply = call.instance_arn(&bench.instance_arn).send().await;
    reply.expect("sets").permission_sets().to_vec()
}

async fn delete(bench: &Bench, permission_set: &str) -> Option<String> {
    let call = bench.sso.delete_permission_set();
    let call = call.instance_arn(&bench.instance_arn);
    let reply = call.permission_set_arn(permission_set).send().await;
    reply.map_err(code).err()
}

#[tokio::test]
async fn a_permission_set_is_created_described_listed_and_deleted() {
    let bench = Bench::demo().await;
    let create = |name: &str| {
        let call = bench.sso.create_permission_set();
        (call.instance_arn(&bench.instance_arn).name(name))
            .description("Look at the bills")
            .session_duration("PT2H")
            .relay_state("https://console.aws.amazon.com/billing/home")
    };
    let made = create("Billing").send().await.expect("made");
    let made = made.permission_set.expect("a set");
    let arn = made.permission_set_arn().expect("an ARN").to_owned();
    assert!(sets(&bench).await.contains(&arn));
    let call = bench.sso.describe_permission_set();
    let call = call.instance_arn(&bench.instance_arn);
    let described = call
        .permission_set_arn(&arn)
        .send()
        .await
        .expect("it is there");
    assert_eq!(described.permission_set(), Some(&made));
    assert_eq!(made.name(), Some("Billing"));
    assert_eq!(made.session_duration(), Some("PT2H"));
    assert!(made.created_date().is_some());
    let again = create("Billing").send().await.map_err(code).err();
    assert_eq!(again.as_deref(), Some("ConflictException"));
    assert_eq!(delete(&bench, &arn).await, None);
    assert_eq!(sets(&bench).await.len(), 3);
    assert_eq!(
        delete(&bench, &arn).await.as_deref(),
        Some("ResourceNotFoundException")
    );
    for name in ["", "two words", &"x".repeat(33)] {
        let refusal = create(name).send().await.map_err(code).err();
        assert_eq!(refusal.as_deref(), Some("ValidationException"), "{name:?}");
    }
    let refusal = create("Night").session_duration("8 hours").send().await;
    assert_eq!(
        refusal.map_err(code).err().as_deref(),
        Some("ValidationException")
    );
}

#[tokio::test]
async fn a_permission_set_that_somebody_has_or_gets_is_not_deleted() {
    let accounts = AccountBench::with(endless()).await;
    let bench = &accounts.bench;
    let refusal = delete(bench, &accounts.permission_set).await;
    assert_eq!(refusal.as_deref(), Some("ConflictException"));
    bench
        .simulator
        .edit_world(|world| world.account_assignments.clear());
    accounts
        .create(&accounts.row(&accounts.anna))
        .await
        .expect("it begins");
    let refusal = delete(bench, &accounts.permission_set).await;
    assert_eq!(refusal.as_deref(), Some("ConflictException"));
}

/// Account ids and permission sets that the two provisioning lists show, for a status.
async fn provisioned(
    accounts: &AccountBench,
    status: Option<ProvisioningStatus>,
) -> (Vec<String>, Vec<String>) {
    let bench = &accounts.bench;
    let call = bench.sso.list_accounts_for_provisioned_permission_set();
    let call = (call.instance_arn(&bench.instance_arn))
        .permission_set_arn(&accounts.permission_set)
        .set_provisioning_status(status.clone());
    let ids = call.send().await.expect("accounts").account_ids().to_vec();
    let call = bench.sso.list_permission_sets_provisioned_to_account();
    let call = (call.instance_arn(&bench.instance_arn))
        .account_id(SANDBOX)
        .set_provisioning_status(status);
    let sets = call.send().await.expect("sets").permission_sets().to_vec();
    (ids, sets)
}

#[tokio::test]
async fn a_permission_set_is_provisioned_while_an_assignment_of_it_stands() {
    let accounts = AccountBench::demo().await;
    let set = accounts.permission_set.clone();
    let there = (vec![SANDBOX.to_owned()], vec![set.clone()]);
    assert_eq!(provisioned(&accounts, None).await, there);
    let latest = Some(ProvisioningStatus::LatestPermissionSetProvisioned);
    assert_eq!(provisioned(&accounts, latest.clone()).await, there);
    let older = Some(ProvisioningStatus::LatestPermissionSetNotProvisioned);
    let nowhere = (Vec::new(), Vec::new());
    assert_eq!(provisioned(&accounts, older.clone()).await, nowhere);
    accounts.bench.simulator.edit_world(|world| {
        world.provisioned.push(ProvisionedPermissionSet {
            account_id: SANDBOX.to_owned(),
            permission_set_arn: set.clone(),
            status: usher::simulator::ProvisioningStatus::NotLatest,
        });
    });
    assert_eq!(provisioned(&accounts, older.clone()).await, there);
    assert_eq!(provisioned(&accounts, latest).await, nowhere);
    let engineering = accounts.bench.group("engineering");
    let row = usher::simulator::AccountAssignment {
        principal_type: usher::simulator::PrincipalType::Group,
        ..accounts.row(&engineering)
    };
    let begun = accounts.delete(&row).await.expect("it begins");
    accounts.ended(&begun, true).await;
    assert_eq!(provisioned(&accounts, None).await, nowhere);
    let begun = accounts.create(&row).await.expect("it begins");
    accounts.ended(&begun, false).await;
    assert_eq!(provisioned(&accounts, None).await, there);
    assert_eq!(
        provisioned(&accounts, older).await,
        nowhere,
        "the latest one"
    );
}

#[tokio::test]
async fn what_names_an_unknown_permission_set_is_not_found() {
    let accounts = AccountBench::demo().await;
    let bench = &accounts.bench;
    let mut row = accounts.row(&accounts.anna);
    row.permission_set_arn = UNKNOWN_SET.to_owned();
    let not_found = "ResourceNotFoundException";
    assert_eq!(
        accounts.create(&row).await.err().as_deref(),
        Some(not_found)
    );
    assert_eq!(
        accounts.delete(&row).await.err().as_deref(),
        Some(not_found)
    );
    assert_eq!(delete(bench, UNKNOWN_SET).await.as_deref(), Some(not_found));
    row.account_id = "12345678901".to_owned();
    let shape = accounts.create(&row).await.err();
    assert_eq!(shape.as_deref(), Some("ValidationException"));
}

#[tokio::test]
async fn an_account_instance_has_no_permission_sets() {
    let accounts = AccountBench::demo().await;
    let bench = &accounts.bench;
    bench.simulator.edit_world(|world| {
        // The instance's owner is a member now.
        let organization = json!({"id": "o-exampleorg1", "management_account_id": SANDBOX});
        world.organization = serde_json::from_value(organization).expect("an organization");
    });
    let call = bench.sso.list_permission_sets();
    let reply = call.instance_arn(&bench.instance_arn).send().await;
    assert_eq!(
        reply.map_err(code).err().as_deref(),
        Some("ValidationException")
    );
    let refusal = accounts.create(&accounts.row(&accounts.anna)).await.err();
    assert_eq!(refusal.as_deref(), Some("ValidationException"));
}

#[tokio::test]
async fn accounts_that_cannot_have_assignments_answer_as_switched() {
    let accounts = AccountBench::demo().await;
    let simulator = &accounts.bench.simulator;
    let account = |account_id: &str, status| Account {
        account_id: account_id.to_owned(),
        name: "one".to_owned(),
        email: "one@example.com".to_owned(),
        status,
        joined_at_seconds: None,
    };
    simulator.edit_world(|world| {
        world.accounts = vec![
            account("111122223333", AccountStatus::Active),
            account(SANDBOX, AccountStatus::Suspended),
        ];
    });
    let suspended = accounts.row(&accounts.anna);
    let mut missing = suspended.clone();
    missing.account_id = "999999999999".to_owned();
    for (position, end) in [
        (UnavailableAccount::Silent, StatusValues::Succeeded),
        (UnavailableAccount::Failed, StatusValues::Failed),
    ] {
        let mut switches = simulator.switches();
        switches.unavailable_account = position;
        simulator.set_switches(switches);
        for row in [&suspended, &missing] {
            let begun = accounts.create(row).await.expect("it begins");
            let ended = accounts.ended(&begun, false).await;
            assert_eq!(ended.status(), Some(&end), "{position:?}");
            assert_eq!(
                ended.failure_reason().is_some(),
                end == StatusValues::Failed
            );
            assert!(!simulator.world().is_account_assigned(row));
        }
    }
    let mut switches = simulator.switches();
    switches.unavailable_account = UnavailableAccount::Validation;
    simulator.set_switches(switches);
    for row in [&suspended, &missing] {
        let refusal = accounts.create(row).await.err();
        assert_eq!(refusal.as_deref(), Some("ValidationException"));
    }
    let mut active = suspended.clone();
    active.account_id = "111122223333".to_owned();
    assert!(accounts.create(&active).await.is_ok());
}
