//! What is in the directory, as messages of the wire.

use super::answers::resolved_principal;
use crate::app::WhoAmI;
use crate::domain::{
    Account, AccountStatus, Application, ApplicationStatus, Instance, InstanceKind, PermissionSet,
    Principal, PrincipalKind, PrincipalRef,
};
use crate::grpc::pb;

/// An instance.
pub(in crate::grpc) fn instance(instance: &Instance) -> pb::Instance {
    let kind = match instance.kind {
        InstanceKind::Organization => pb::InstanceKind::Organization,
        InstanceKind::Account => pb::InstanceKind::Account,
        InstanceKind::Unknown => pb::InstanceKind::Unspecified,
    };
    pb::Instance {
        instance_arn: instance.arn.to_string(),
        alias: instance.alias.clone().unwrap_or_default(),
        identity_store_id: instance.identity_store_id.to_string(),
        owner_account_id: instance
            .owner_account_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        name: instance.name.clone(),
        region: instance.region.clone(),
        kind: kind.into(),
        management_account_id: instance
            .management_account_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        account_reach: account_reach(instance).into(),
    }
}

fn account_reach(instance: &Instance) -> pb::AccountReach {
    let management = instance.management_account_id.as_ref();
    if !instance.gives_account_access() {
        pb::AccountReach::None
    } else if instance.lists_account_access_by_principal() {
        pb::AccountReach::All
    } else if management.is_some_and(|management| instance.is_out_of_reach(management)) {
        pb::AccountReach::AllButManagement
    } else {
        pb::AccountReach::Unspecified
    }
}

/// An account.
pub(in crate::grpc) fn account(account: Account) -> pb::Account {
    let status = match account.status {
        AccountStatus::Active => pb::AccountStatus::Active,
        AccountStatus::Inactive => pb::AccountStatus::Inactive,
        AccountStatus::Unknown => pb::AccountStatus::Unspecified,
    };
    pb::Account {
        account_id: account.id.to_string(),
        name: account.name,
        email: account.email,
        status: status.into(),
    }
}

/// A permission set.
pub(in crate::grpc) fn permission_set(set: PermissionSet) -> pb::PermissionSet {
    pb::PermissionSet {
        permission_set_arn: set.arn.to_string(),
        name: set.name,
        description: set.description,
        session_duration: set.session_duration,
    }
}

/// An application.
pub(in crate::grpc) fn application(application: Application) -> pb::Application {
    let status = match application.status {
        ApplicationStatus::Enabled => pb::ApplicationStatus::Enabled,
        ApplicationStatus::Disabled => pb::ApplicationStatus::Disabled,
        ApplicationStatus::Unknown => pb::ApplicationStatus::Unspecified,
    };
    pb::Application {
        application_arn: application.arn.to_string(),
        name: application.name,
        status: status.into(),
        account_id: application
            .account_id
            .map(|account| account.to_string())
            .unwrap_or_default(),
        provider_arn: application.provider_arn,
        description: application.description,
    }
}

/// A user or a group.
pub(in crate::grpc) fn principal_entry(principal: Principal) -> pb::PrincipalEntry {
    let resolved = resolved_principal(
        &principal.reference(),
        principal.name().to_owned(),
        principal.status(),
    );
    let (display_name, email) = match principal {
        Principal::User(user) => (user.display_name, user.email),
        Principal::Group(group) => (group.description, String::new()),
    };
    pb::PrincipalEntry {
        principal: Some(resolved),
        display_name,
        email,
    }
}

pub(in crate::grpc) fn who_am_i(known: WhoAmI) -> pb::WhoAmIResponse {
    let (user, unmatched_reason) = match known.user {
        Ok(user) => {
            let reference = PrincipalRef {
                kind: PrincipalKind::User,
                id: user.id,
            };
            let shown = resolved_principal(&reference, user.name, user.status);
            (Some(shown), String::new())
        }
        Err(reason) => (None, reason),
    };
    let actions = known.allowed_actions.into_iter();
    pb::WhoAmIResponse {
        caller: known.caller,
        subject: known.subject,
        user,
        unmatched_reason,
        groups: known.groups,
        allowed_actions: actions.map(|action| action.as_str().to_owned()).collect(),
        policy_version: known.policy_version,
    }
}
