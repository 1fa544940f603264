//! Instances, the caller, applications and their assignment configuration.

use aws_sdk_ssoadmin::types::{ApplicationStatus, ListApplicationsFilter};

use super::Bench;

#[tokio::test]
async fn instances_and_the_caller_are_told_whole() {
    let bench = Bench::demo().await;
    let instances = bench.sso.list_instances().send().await.expect("instances");
    let instance = &instances.instances()[0];
    assert_eq!(instance.instance_arn(), Some(bench.instance_arn.as_str()));
    assert_eq!(instance.identity_store_id(), Some(bench.store_id.as_str()));
    assert_eq!(instance.owner_account_id(), Some("111122223333"));
    assert!(instance.created_date().is_some() && instance.name().is_some());
    let one = bench
        .sso
        .describe_instance()
        .instance_arn(&bench.instance_arn)
        .send()
        .await;
    assert_eq!(one.expect("the instance").name(), instance.name());
    let caller = bench
        .sts
        .get_caller_identity()
        .send()
        .await
        .expect("an identity");
    assert_eq!(caller.account(), Some("111122223333"));
    assert!(caller.arn().is_some_and(|arn| arn.contains("assumed-role")));
}

#[tokio::test]
async fn applications_are_listed_filtered_and_described() {
    let bench = Bench::demo().await;
    let applications = bench
        .sso
        .list_applications()
        .instance_arn(&bench.instance_arn);
    let applications = applications.send().await.expect("applications");
    assert_eq!(applications.applications().len(), 3);
    let redshift = bench.sso.describe_application();
    let redshift = redshift
        .application_arn(bench.application("Amazon Redshift"))
        .send()
        .await;
    assert_eq!(
        redshift.expect("one").status(),
        Some(&ApplicationStatus::Enabled)
    );
    let filter = ListApplicationsFilter::builder()
        .application_provider("arn:aws:sso::aws:applicationProvider/Redshift")
        .build();
    let filtered = bench
        .sso
        .list_applications()
        .instance_arn(&bench.instance_arn)
        .filter(filter);
    assert_eq!(
        filtered
            .send()
            .await
            .expect("filtered")
            .applications()
            .len(),
        1
    );
    let filter = ListApplicationsFilter::builder()
        .application_account("999999999999")
        .build();
    let filtered = bench
        .sso
        .list_applications()
        .instance_arn(&bench.instance_arn)
        .filter(filter);
    assert_eq!(
        filtered
            .send()
            .await
            .expect("filtered")
            .applications()
            .len(),
        0
    );
    let providers = bench
        .sso
        .list_application_providers()
        .send()
        .await
        .expect("providers");
    assert!(!providers.application_providers().is_empty());
}

#[tokio::test]
async fn an_application_is_closed_and_stays_closed() {
    let bench = Bench::demo().await;
    let wiki = bench.application("Wiki");
    let read = || {
        bench
            .sso
            .get_application_assignment_configuration()
            .application_arn(&wiki)
            .send()
    };
    assert!(!read().await.expect("a configuration").assignment_required());
    let put = bench
        .sso
        .put_application_assignment_configuration()
        .application_arn(&wiki);
    put.assignment_required(true)
        .send()
        .await
        .expect("a change");
    assert!(read().await.expect("a configuration").assignment_required());
}
