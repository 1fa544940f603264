//! sts AssumeRole: who gets a session, who that session is, and how it ends.

use std::time::{Duration, SystemTime};

use aws_sdk_ssoadmin::config::Credentials;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use usher::simulator::{AccessKey, Settings, Switches};

use super::code;
use super::places::{Company, EXTERNAL_ID, MANAGEMENT, Place, ROLE, refused};

fn role_of(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/{ROLE}")
}

/// A lawful AssumeRole, to be bent.
fn lawful(place: &Place, account: &str) -> AssumeRoleFluentBuilder {
    let call = place.sts.assume_role().role_arn(role_of(account));
    call.role_session_name("test").external_id(EXTERNAL_ID)
}

async fn ends(call: AssumeRoleFluentBuilder) -> Result<(), String> {
    call.send().await.map(drop).map_err(code)
}

#[tokio::test]
async fn an_assumed_role_is_a_session_in_its_account() {
    let company = Company::new().await;
    let account = company.account(4);
    let call = lawful(&company.management("us-east-1"), account);
    let reply = call.duration_seconds(900).send().await.expect("a session");
    let user = reply.assumed_role_user().expect("a user");
    let arn = format!("arn:aws:sts::{account}:assumed-role/{ROLE}/test");
    assert_eq!(user.arn(), arn);
    let given = reply.credentials().expect("credentials");
    assert!(given.access_key_id().starts_with("ASIA") && given.access_key_id().len() == 20);
    let end = SystemTime::try_from(*given.expiration()).expect("a time");
    let length = end
        .duration_since(SystemTime::now())
        .expect("in the future");
    assert!(
        length > Duration::from_secs(840) && length <= Duration::from_secs(900),
        "{length:?}"
    );

    let inside = company.inside(account, "us-east-1").await;
    let identity = inside.sts.get_caller_identity().send().await;
    let identity = identity.expect("an identity");
    assert_eq!(identity.account(), Some(account));
    assert_eq!(identity.arn(), Some(arn.as_str()));
    assert_eq!(identity.user_id(), Some(user.assumed_role_id()));
}

#[tokio::test]
async fn a_role_is_given_to_the_trusted_who_know_its_external_id() {
    let company = Company::new().await;
    let management = company.management("us-east-1");
    let (account, suspended) = (company.account(4), company.account(29));
    let call = || lawful(&management, account);
    assert_eq!(ends(call()).await, Ok(()));
    let denied = refused("AccessDenied");
    assert_eq!(ends(call().external_id("another")).await, denied);
    assert_eq!(ends(call().set_external_id(None)).await, denied);
    assert_eq!(
        ends(call().role_arn(format!("{}-of-nobody", role_of(account)))).await,
        denied
    );
    assert_eq!(ends(lawful(&management, suspended)).await, denied);
    // The delegated administrator is trusted, another member is not.
    let administrator = company.inside(company.account(1), "us-east-1").await;
    assert_eq!(ends(lawful(&administrator, account)).await, Ok(()));
    let member = company.inside(company.account(5), "us-east-1").await;
    let error = lawful(&member, account)
        .send()
        .await
        .expect_err("a refusal");
    assert_eq!(
        error.raw_response().map(|raw| raw.status().as_u16()),
        Some(403)
    );
    let error = error.into_service_error();
    assert_eq!(error.code(), Some("AccessDenied"));
    let text = error.message().unwrap_or_default();
    let wanted = format!("sts:AssumeRole on resource: {}", role_of(account));
    assert!(text.contains(&wanted), "{text}");
    company.simulator.edit_world(|world| world.roles.clear());
    assert_eq!(ends(call()).await, denied);
}

#[tokio::test]
async fn the_input_of_assume_role_is_checked_as_the_model_says() {
    let company = Company::new().await;
    let management = company.management("us-east-1");
    let account = company.account(4);
    let call = || lawful(&management, account);
    for bent in [
        call().role_arn("x"),
        call().role_session_name("x"),
        call().role_session_name("two words"),
        call().set_role_session_name(None),
        call().duration_seconds(899),
        call().duration_seconds(43_201),
        // Longer than the role gives.
        call().duration_seconds(3_601),
        call().external_id("?"),
    ] {
        assert_eq!(ends(bent).await, refused("ValidationError"));
    }
    // The role would give more, but who asks is a session itself.
    company.simulator.edit_world(|world| {
        let roles = world.roles.iter_mut();
        roles.for_each(|role| role.longest_session_seconds = 43_200);
    });
    assert_eq!(
        ends(call().duration_seconds(3_601)).await,
        refused("ValidationError")
    );
    assert_eq!(ends(call().duration_seconds(3_600)).await, Ok(()));
}

#[tokio::test]
async fn sessions_end_and_made_up_ones_never_begin() {
    let settings = Settings {
        session_seconds: Some(1),
        ..Settings::unlimited()
    };
    let company = Company::with(Switches::default(), settings).await;
    let credentials = company.credentials_in(company.account(4)).await;
    let url = company.simulator.endpoint_url();
    let session = Place::new(&url, credentials.clone(), "us-east-1");
    let list = || async {
        session
            .sso
            .list_instances()
            .send()
            .await
            .map(drop)
            .map_err(code)
    };
    let ended = || async { list().await == refused("ExpiredTokenException") };
    let mut end = false;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !end && tokio::time::Instant::now() < deadline {
        end = ended().await;
    }
    assert!(end, "the session must end");
    let asked = session.sts.get_caller_identity().send().await;
    assert_eq!(asked.map(drop).map_err(code), refused("ExpiredToken"));

    for (key, token) in [
        (credentials.access_key_id(), "another"),
        (
            "ASIAAAAAAAAAAAAAAAAA",
            credentials.session_token().unwrap_or_default(),
        ),
    ] {
        let made_up = Credentials::new(key, "secret", Some(token.to_owned()), None, "test");
        let place = Place::new(&url, made_up, "us-east-1");
        let listed = place.sso.list_instances().send().await;
        let unknown = refused("UnrecognizedClientException");
        assert_eq!(listed.map(drop).map_err(code), unknown);
        let listed = place.organizations.list_accounts().send().await;
        assert_eq!(listed.map(drop).map_err(code), unknown);
        let asked = place.sts.get_caller_identity().send().await;
        assert_eq!(
            asked.map(drop).map_err(code),
            refused("InvalidClientTokenId")
        );
    }
    assert!(
        company
            .simulator
            .calls()
            .last()
            .is_some_and(|call| call.account_id.is_empty())
    );
}

#[tokio::test]
async fn listed_access_keys_are_whose_the_world_says() {
    let company = Company::new().await;
    let account = company.account(4).to_owned();
    let row = AccessKey {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        arn: format!("arn:aws:iam::{account}:user/anna"),
        user_id: "AIDAEXAMPLE".to_owned(),
        account_id: account.clone(),
    };
    company
        .simulator
        .edit_world(|world| world.callers.push(row));
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
    let url = company.simulator.endpoint_url();
    let anna = Place::new(&url, credentials, "eu-west-1");
    let identity = anna.sts.get_caller_identity().send().await;
    assert_eq!(
        identity.expect("an identity").account(),
        Some(account.as_str())
    );
    let other = company.management("us-east-1");
    let identity = other.sts.get_caller_identity().send().await;
    assert_eq!(identity.expect("an identity").account(), Some(MANAGEMENT));
    let calls = company.simulator.calls();
    let told: Vec<_> = (calls.iter())
        .map(|call| (call.account_id.as_str(), call.region.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (account.as_str(), Some("eu-west-1")),
            (MANAGEMENT, Some("us-east-1"))
        ]
    );
}
