//! Facts for tests: small things with telling ids.

use jiff::Timestamp;

use super::collection::Collection;
use super::gather::Gathered;
use super::{ReportRequest, Scope};
use crate::domain::report::{Format, View};
use crate::domain::{
    AccountId, Application, ApplicationArn, ApplicationStatus, AssignmentRequired, Group,
    IdentityStoreId, Instance, InstanceArn, InstanceKind, PrincipalId, PrincipalKind, PrincipalRef,
    PrincipalStatus, User,
};
use crate::identity_center::Dated;

pub(super) fn instance() -> Instance {
    Instance {
        arn: InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap(),
        alias: None,
        identity_store_id: IdentityStoreId::parse("d-1234567890").unwrap(),
        owner_account_id: Some(AccountId::parse("123456789012").unwrap()),
        name: String::new(),
        region: "eu-west-1".to_owned(),
        kind: InstanceKind::Account,
        management_account_id: None,
        called_from: None,
    }
}

pub(super) fn arn(number: u32) -> ApplicationArn {
    ApplicationArn::parse(&format!(
        "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-{number:016}"
    ))
    .unwrap()
}

pub(super) fn application(number: u32) -> Application {
    Application {
        arn: arn(number),
        name: format!("application {number}"),
        status: ApplicationStatus::Enabled,
        account_id: None,
        provider_arn: String::new(),
        description: String::new(),
    }
}

/// Ids of users begin with `a`, of groups with `b`; they sort by their number.
pub(super) fn user_id(number: u32) -> PrincipalId {
    PrincipalId::parse(&format!("a{number:07}-0000-4000-8000-000000000000")).unwrap()
}

pub(super) fn group_id(number: u32) -> PrincipalId {
    PrincipalId::parse(&format!("b{number:07}-0000-4000-8000-000000000000")).unwrap()
}

pub(super) fn user(number: u32) -> User {
    User {
        id: user_id(number),
        user_name: format!("user{number}"),
        display_name: format!("User {number}"),
        email: format!("user{number}@example.com"),
        status: PrincipalStatus::Enabled,
    }
}

pub(super) fn group(number: u32) -> Group {
    Group {
        id: group_id(number),
        display_name: format!("group {number}"),
        description: String::new(),
    }
}

pub(super) fn the_user(number: u32) -> PrincipalRef {
    PrincipalRef {
        kind: PrincipalKind::User,
        id: user_id(number),
    }
}

pub(super) fn the_group(number: u32) -> PrincipalRef {
    PrincipalRef {
        kind: PrincipalKind::Group,
        id: group_id(number),
    }
}

pub(super) fn request(view: View, scope: Scope) -> ReportRequest {
    ReportRequest {
        instance: instance(),
        view,
        format: Format::Rows,
        scope,
        known: super::KnownCounts::default(),
        validate_only: false,
    }
}

pub(super) fn known(application: Application) -> super::ApplicationScope {
    super::ApplicationScope::Known(Box::new(Dated {
        value: application,
        observed_at: Timestamp::UNIX_EPOCH,
    }))
}

/// A collection of what `fill` gathers.
pub(super) fn collection(fill: impl FnOnce(&mut Gathered)) -> Collection {
    let mut gathered = Gathered::default();
    fill(&mut gathered);
    gathered.finish(instance())
}

/// An application with its assignees, as they would be gathered.
pub(super) fn gather_application(
    gathered: &mut Gathered,
    application: Application,
    required: AssignmentRequired,
    assigned: &[PrincipalRef],
) {
    let arn = application.arn.clone();
    gathered.application(application);
    gathered.required(&arn, required);
    for principal in assigned {
        gathered.assigned(&arn, principal.clone());
    }
}
