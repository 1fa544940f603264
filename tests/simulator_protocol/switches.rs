//! Every unverified behaviour of AWS, in each position of its switch.

use aws_sdk_identitystore::types::{AlternateIdentifier, Filter, MemberId, UniqueAttribute};
use aws_sdk_ssoadmin::types::{ListApplicationsFilter, PrincipalType};
use usher::simulator::{
    EnabledStatus, RepeatCreate, RepeatDelete, Settings, Switches, UnknownInstance,
    UnknownPrincipal, World,
};

use super::{Bench, NOBODY, code};

fn set(bench: &Bench, change: impl FnOnce(&mut Switches)) {
    let mut switches = bench.simulator.switches();
    change(&mut switches);
    bench.simulator.set_switches(switches);
}

fn refused(code: &str) -> Result<(), String> {
    Err(code.to_owned())
}

#[tokio::test]
async fn repeated_writes_answer_as_switched() {
    let bench = Bench::demo().await;
    let (redshift, anna) = (
        bench.application("Amazon Redshift"),
        bench.user("anna.berg"),
    );
    assert_eq!(bench.unassign_user(&redshift, &anna).await, Ok(()));
    set(&bench, |switches| {
        switches.repeat_delete = RepeatDelete::ResourceNotFound
    });
    assert_eq!(
        bench.unassign_user(&redshift, &anna).await,
        refused("ResourceNotFoundException")
    );
    assert_eq!(bench.assign_user(&redshift, &anna).await, Ok(()));
    assert_eq!(bench.assign_user(&redshift, &anna).await, Ok(()));
    set(&bench, |switches| {
        switches.repeat_create = RepeatCreate::Conflict
    });
    assert_eq!(
        bench.assign_user(&redshift, &anna).await,
        refused("ConflictException")
    );
    assert_eq!(bench.simulator.world().assignments_of(&redshift).len(), 1);
    assert_eq!(bench.unassign_user(&redshift, &anna).await, Ok(()));
}

#[tokio::test]
async fn unknown_principals_are_answered_as_switched() {
    let bench = Bench::demo().await;
    let redshift = bench.application("Amazon Redshift");
    // A group's id is no user's.
    let group = bench.group("engineering");
    assert_eq!(
        bench.assign_user(&redshift, &group).await,
        refused("ResourceNotFoundException")
    );
    set(&bench, |switches| {
        switches.unknown_principal = UnknownPrincipal::Validation
    });
    assert_eq!(
        bench.assign_user(&redshift, NOBODY).await,
        refused("ValidationException")
    );
    set(&bench, |switches| {
        switches.unknown_principal = UnknownPrincipal::Accepted
    });
    assert_eq!(bench.assign_user(&redshift, NOBODY).await, Ok(()));
    assert!(bench.describes_user(&redshift, NOBODY).await);
}

#[tokio::test]
async fn disabled_applications_take_assignments_as_switched() {
    let bench = Bench::demo().await;
    let (redshift, anna) = (
        bench.application("Amazon Redshift"),
        bench.user("anna.berg"),
    );
    bench
        .simulator
        .edit_world(|world| world.applications[0].status = EnabledStatus::Disabled);
    assert_eq!(bench.assign_user(&redshift, &anna).await, Ok(()));
    set(&bench, |switches| {
        switches.disabled_application_refuses_assignment = true
    });
    assert_eq!(
        bench.assign_user(&redshift, &anna).await,
        refused("ValidationException")
    );
}

#[tokio::test]
async fn rows_of_groups_come_for_a_user_as_switched() {
    let bench = Bench::demo().await;
    let emi = bench.user("emi.sato");
    let list = || async {
        let call = bench.sso.list_application_assignments_for_principal();
        let call = call.instance_arn(&bench.instance_arn).principal_id(&emi);
        let reply = call
            .principal_type(PrincipalType::User)
            .send()
            .await
            .expect("rows");
        let rows = reply.application_assignments().iter();
        rows.map(|row| row.principal_id().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list().await, [bench.group("analysts")]);
    set(&bench, |switches| switches.group_rows_for_user = false);
    assert!(list().await.is_empty());
}

#[tokio::test]
async fn case_counts_in_names_as_switched() {
    let bench = Bench::demo().await;
    let find = || {
        let attribute = UniqueAttribute::builder();
        let attribute = attribute
            .attribute_path("displayName")
            .attribute_value("ENGINEERING".into());
        let name = AlternateIdentifier::UniqueAttribute(attribute.build().expect("both are set"));
        let call = bench
            .store
            .get_group_id()
            .identity_store_id(&bench.store_id);
        call.alternate_identifier(name).send()
    };
    let create = || {
        let call = bench
            .store
            .create_group()
            .identity_store_id(&bench.store_id);
        call.display_name("Engineering").send()
    };
    assert!(find().await.is_ok());
    assert!(create().await.is_err());
    set(&bench, |switches| switches.names_ignore_case = false);
    assert!(find().await.is_err());
    assert!(create().await.is_ok());
}

#[tokio::test]
async fn unsupported_assignment_configurations_answer_as_switched() {
    let bench = Bench::demo().await;
    let wiki = bench.application("Wiki");
    bench.simulator.edit_world(|world| {
        world
            .applications
            .iter_mut()
            .for_each(|row| row.assignment_configuration_supported = false);
    });
    let get = || {
        bench
            .sso
            .get_application_assignment_configuration()
            .application_arn(&wiki)
            .send()
    };
    let put = bench
        .sso
        .put_application_assignment_configuration()
        .application_arn(&wiki);
    let put = put.assignment_required(true).send().await.map_err(code);
    assert_eq!(put.err().as_deref(), Some("ValidationException"));
    assert_eq!(
        get().await.map_err(code).err().as_deref(),
        Some("ValidationException")
    );
    set(&bench, |switches| {
        switches.get_configuration_refuses_unsupported = false
    });
    assert!(!get().await.expect("a configuration").assignment_required());
}

#[expect(
    deprecated,
    reason = "the simulator must answer what old clients still send"
)]
#[tokio::test]
async fn pages_have_the_switched_size_and_filters_are_served_as_switched() {
    let bench = Bench::demo().await;
    set(&bench, |switches| switches.default_page_size = 2);
    let list = || bench.store.list_users().identity_store_id(&bench.store_id);
    assert_eq!(list().send().await.expect("a page").users().len(), 2);
    assert_eq!(
        list()
            .max_results(5)
            .send()
            .await
            .expect("a page")
            .users()
            .len(),
        5
    );
    let filter = |path: &str| {
        let filter = Filter::builder()
            .attribute_path(path)
            .attribute_value("emi.sato");
        filter.build().expect("both are set")
    };
    let deprecated = list()
        .filters(filter("UserName"))
        .send()
        .await
        .expect_err("deprecated");
    assert!(format!("{deprecated:?}").contains("Filter is deprecated"));
    set(&bench, |switches| switches.filters_deprecated = false);
    let found = list()
        .filters(filter("UserName"))
        .send()
        .await
        .expect("a page");
    assert_eq!(found.users().len(), 1);
    let unknown = list()
        .filters(filter("Title"))
        .send()
        .await
        .map_err(code)
        .err();
    assert_eq!(unknown.as_deref(), Some("ValidationException"));
}

#[tokio::test]
async fn unknown_instances_and_strangers_in_questions_answer_as_switched() {
    let bench = Bench::demo().await;
    let describe = || {
        let call = bench.sso.describe_instance();
        call.instance_arn("arn:aws:sso:::instance/ssoins-0000000000000000")
            .send()
    };
    assert_eq!(
        describe().await.map_err(code).err().as_deref(),
        Some("AccessDeniedException")
    );
    set(&bench, |switches| {
        switches.unknown_instance = UnknownInstance::Validation
    });
    assert_eq!(
        describe().await.map_err(code).err().as_deref(),
        Some("ValidationException")
    );

    let question = || {
        let call = bench
            .store
            .is_member_in_groups()
            .identity_store_id(&bench.store_id);
        call.member_id(MemberId::UserId(NOBODY.to_owned()))
            .group_ids(NOBODY)
            .send()
    };
    let refusal = question().await.map_err(code).err();
    assert_eq!(refusal.as_deref(), Some("ResourceNotFoundException"));
    set(&bench, |switches| {
        switches.membership_question_checks_ids = false
    });
    assert!(!question().await.expect("an answer").results()[0].membership_exists());
}

#[tokio::test]
async fn member_accounts_filter_as_switched() {
    let mut world = World::demo();
    world.instances[0].owner_account_id = "999999999999".to_owned();
    let bench = Bench::with(world, Switches::default(), Settings::unlimited()).await;
    let list = || {
        bench
            .sso
            .list_applications()
            .instance_arn(&bench.instance_arn)
    };
    let refusal = list().send().await.map_err(code).err();
    assert_eq!(refusal.as_deref(), Some("AccessDeniedException"));
    let own = ListApplicationsFilter::builder()
        .application_account("111122223333")
        .build();
    assert_eq!(
        list()
            .filter(own)
            .send()
            .await
            .expect("its own")
            .applications()
            .len(),
        3
    );
    bench
        .simulator
        .edit_world(|world| world.caller.delegated_administrator = true);
    assert!(list().send().await.is_ok());
    bench
        .simulator
        .edit_world(|world| world.caller.delegated_administrator = false);
    set(&bench, |switches| {
        switches.member_account_must_filter = false
    });
    assert!(list().send().await.is_ok());
}
