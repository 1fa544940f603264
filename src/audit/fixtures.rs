//! Facts for tests: small things with telling ids.

use jiff::Timestamp;

use super::collection::Collection;
use super::gather::Gathered;
use super::{AccessScope, InstanceToRead, Peers, ReportRequest, Reuse, Scope, TargetScope};
use crate::domain::report::{Format, View};
use crate::domain::{
    Account, AccountAccess, AccountId, AccountStatus, Application, ApplicationArn,
    ApplicationStatus, AssignmentRequired, Group, IdentityStoreId, Instance, InstanceArn,
    InstanceKind, Membership, PermissionSet, PermissionSetArn, PrincipalId, PrincipalKind,
    PrincipalRef, PrincipalStatus, Target, User,
};
use crate::identity_center::{Class, Dated, Demand};

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

/// The organization's instance, called from the account that manages the organization.
pub(super) fn organization_instance() -> Instance {
    Instance {
        kind: InstanceKind::Organization,
        management_account_id: Some(account_id(1)),
        called_from: Some(account_id(1)),
        ..instance()
    }
}

/// Another instance, with an identity store of its own.
pub(super) fn other_instance(number: u32) -> Instance {
    Instance {
        arn: InstanceArn::parse(&format!("arn:aws:sso:::instance/ssoins-{number:016}")).unwrap(),
        identity_store_id: IdentityStoreId::parse(&format!("d-{number:010}")).unwrap(),
        owner_account_id: Some(account_id(number)),
        ..instance()
    }
}

pub(super) fn account_id(number: u32) -> AccountId {
    AccountId::parse(&format!("{number:012}")).unwrap()
}

pub(super) fn account(number: u32) -> Account {
    Account {
        id: account_id(number),
        name: format!("account {number}"),
        email: String::new(),
        status: AccountStatus::Active,
    }
}

pub(super) fn set_arn(number: u32) -> PermissionSetArn {
    PermissionSetArn::parse(&format!(
        "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-{number:016}"
    ))
    .unwrap()
}

pub(super) fn permission_set(number: u32) -> PermissionSet {
    PermissionSet {
        arn: set_arn(number),
        name: format!("set {number}"),
        description: String::new(),
        session_duration: String::new(),
    }
}

pub(super) fn access(account: u32, set: u32) -> AccountAccess {
    AccountAccess {
        account: account_id(account),
        permission_set: set_arn(set),
    }
}

pub(super) fn one_access(account: u32, set: u32) -> TargetScope {
    TargetScope::AccountAccess(Box::new(AccessScope {
        access: access(account, set),
        account: None,
        permission_set: None,
    }))
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
        external_ids: Vec::new(),
    }
}

pub(super) fn group(number: u32) -> Group {
    Group {
        id: group_id(number),
        display_name: format!("group {number}"),
        description: String::new(),
    }
}

/// That a user is in a group.
pub(super) fn member(group: u32, user: u32) -> Membership {
    Membership {
        group_id: group_id(group),
        user_id: user_id(user),
        created_at: None,
        created_by: String::new(),
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
    request_about(vec![instance()], view, scope)
}

pub(super) fn request_about(instances: Vec<Instance>, view: View, scope: Scope) -> ReportRequest {
    ReportRequest {
        instances: (instances.into_iter())
            .map(|instance| InstanceToRead {
                instance,
                known: super::KnownCounts::default(),
                kept: None,
                reuse: Reuse::default(),
            })
            .collect(),
        peers: Peers::default(),
        unreachable: Vec::new(),
        missing: Vec::new(),
        view,
        format: Format::Rows,
        scope,
        demand: Demand::usher(Class::Audit),
        compared: None,
        external: crate::domain::external::ExternalRules::default(),
        validate_only: false,
    }
}

pub(super) fn known(application: Application) -> TargetScope {
    TargetScope::KnownApplication(Box::new(Dated {
        value: application,
        observed_at: Timestamp::UNIX_EPOCH,
    }))
}

/// A collection of what `fill` gathers.
pub(super) fn collection(fill: impl FnOnce(&mut Gathered)) -> Collection {
    let mut gathered = Gathered::default();
    fill(&mut gathered);
    gathered.finish(instance(), None)
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
        gathered.assigned(&Target::Application(arn.clone()), principal.clone());
    }
}
