//! What is in the directory, as messages of the wire.

use super::answers::resolved_principal;
use crate::domain::{Application, ApplicationStatus, Instance, Principal};
use crate::grpc::pb;

/// An instance.
pub(in crate::grpc) fn instance(instance: &Instance) -> pb::Instance {
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
