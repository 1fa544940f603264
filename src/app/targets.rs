//! Targets that requests name: found, and for Assign checked, before anything is recorded.
//!
//! AWS may take an assignment to an account that does not exist or is closed and fail in silence, so
//! that Assign asks first. Taking access away and reading need no more than ids.

use std::sync::Arc;
use std::time::Duration;

use super::{App, AppError, CallContext};
use crate::directory::{
    AccountQuery, ApplicationQuery, LookupError, NotFoundKind, PermissionSetQuery, TargetQuery,
};
use crate::domain::{
    Account, AccountAccess, AccountId, AccountStatus, Application, ApplicationArn, ErrorKind,
    Instance, PermissionSet, PermissionSetArn, Target,
};
use crate::identity_center::Call;

/// A target that exists and may be assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundTarget {
    /// An application.
    Application(Application),
    /// An account with a permission set.
    AccountAccess {
        account: Account,
        permission_set: PermissionSet,
    },
}

impl FoundTarget {
    /// The target by its ids.
    pub(super) fn target(&self) -> Target {
        match self {
            Self::Application(application) => Target::Application(application.arn.clone()),
            Self::AccountAccess {
                account,
                permission_set,
            } => Target::AccountAccess(AccountAccess {
                account: account.id.clone(),
                permission_set: permission_set.arn.clone(),
            }),
        }
    }
}

impl App {
    /// The instance that a request means: as it says, or where it does not and several are served,
    /// the one that an ARN in the target names.
    pub(super) fn instance_for(
        &self,
        wanted: &str,
        target: Option<&TargetQuery>,
    ) -> Result<Arc<Instance>, AppError> {
        let instances = self.parts.instances.all();
        let named = target.filter(|_| wanted.is_empty() && instances.len() > 1);
        let Some((target, id)) = named.and_then(|target| Some((target, target.instance_id()?)))
        else {
            return self.instance(wanted);
        };
        let mut instances = instances.into_iter();
        instances
            .find(|instance| instance.arn.instance_id() == id)
            .ok_or_else(|| nothing_there(target))
    }

    /// The target of an Assign.
    ///
    /// # Errors
    /// Lookups; `AccountAccessNotOffered`, `AccountInactive`, `AccountOutOfReach`; and where Usher
    /// may not list the accounts `RoleLacksPermission`, since it cannot check the account then.
    pub(super) async fn target_for_assign(
        &self,
        instance: &Instance,
        query: &TargetQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<FoundTarget, AppError> {
        let directory = &self.parts.directory;
        let (account, permission_set) = match query {
            TargetQuery::Application(query) => {
                let found = directory.find_application(instance, query, max_age, call);
                return Ok(FoundTarget::Application(found.await?.value));
            }
            TargetQuery::AccountAccess {
                account,
                permission_set,
            } => (account, permission_set),
        };
        refuse_without_account_access(instance)?;
        let (account, permission_set) = futures_util::try_join!(
            directory.find_account_to_assign(Some(instance), account, max_age, call),
            directory.find_permission_set(instance, permission_set, max_age, call),
        )?;
        let account = account.value;
        if account.status == AccountStatus::Inactive {
            return Err(AppError::AccountInactive {
                account_id: account.id.to_string(),
            });
        }
        refuse_out_of_reach(instance, &account.id)?;
        Ok(FoundTarget::AccountAccess {
            account,
            permission_set: permission_set.value,
        })
    }

    /// The target of a question.
    ///
    /// # Errors
    /// Lookups, `AccountAccessNotOffered`. An account's id is taken as given where Usher may not
    /// list the accounts, and where the organization does not list it and it has assignments of
    /// the permission set all the same: an account that left keeps them.
    pub(super) async fn target_for_reading(
        &self,
        instance: &Instance,
        query: &TargetQuery,
        max_age: Duration,
        call: Call,
    ) -> Result<Target, AppError> {
        let directory = &self.parts.directory;
        match query {
            TargetQuery::Application(query) => {
                let found = directory.find_application(instance, query, max_age, call);
                Ok(Target::Application(found.await?.value.arn))
            }
            TargetQuery::AccountAccess {
                account,
                permission_set,
            } => {
                refuse_without_account_access(instance)?;
                let asked = (account, permission_set);
                self.access_for_reading(instance, asked, max_age, call)
                    .await
            }
        }
    }

    async fn access_for_reading(
        &self,
        instance: &Instance,
        (account, permission_set): (&AccountQuery, &PermissionSetQuery),
        max_age: Duration,
        call: Call,
    ) -> Result<Target, AppError> {
        let directory = &self.parts.directory;
        let listed = directory
            .find_account(Some(instance), account, max_age, call)
            .await;
        let (account, unlisted) = match (listed, account) {
            (Ok(found), _) => (found.value.id, None),
            (Err(LookupError::Aws(failure)), AccountQuery::Id(id))
                if failure.kind == ErrorKind::AccessDenied =>
            {
                (id.clone(), None)
            }
            (Err(error @ LookupError::NotFound { .. }), AccountQuery::Id(id)) => {
                (id.clone(), Some(error))
            }
            (Err(error), _) => return Err(error.into()),
        };
        let found = directory.find_permission_set(instance, permission_set, max_age, call);
        let target = Target::AccountAccess(AccountAccess {
            account,
            permission_set: found.await?.value.arn,
        });
        let Some(unlisted) = unlisted else {
            return Ok(target);
        };
        let rows = directory.assignments_of_target(&target, max_age, call);
        match rows.await {
            Ok(rows) if rows.value.is_empty() => Err(unlisted.into()),
            Ok(_) => Ok(target),
            Err(failure) if failure.kind == ErrorKind::NotFound => Err(unlisted.into()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The target that a caller wants ended, or grants on it: ids and ARNs of this instance are
    /// taken as given, since what is gone in AWS can still have grants and assignments that must
    /// end; names are looked up.
    pub(super) async fn target_for_ending(
        &self,
        instance: &Instance,
        query: &TargetQuery,
        context: &CallContext,
    ) -> Result<Target, AppError> {
        match query {
            TargetQuery::Application(query) => Ok(Target::Application(
                self.application_for_ending(instance, query, context)
                    .await?,
            )),
            TargetQuery::AccountAccess {
                account,
                permission_set,
            } => {
                refuse_without_account_access(instance)?;
                Ok(Target::AccountAccess(AccountAccess {
                    permission_set: self
                        .permission_set_for_ending(instance, permission_set, context)
                        .await?,
                    account: self.account_for_ending(instance, account, context).await?,
                }))
            }
        }
    }

    async fn application_for_ending(
        &self,
        instance: &Instance,
        query: &ApplicationQuery,
        context: &CallContext,
    ) -> Result<ApplicationArn, AppError> {
        if let ApplicationQuery::Arn(arn) = query {
            if arn.instance_id() == instance.arn.instance_id() {
                return Ok(arn.clone());
            }
            return Err(not_found(NotFoundKind::Application, arn.as_str()));
        }
        let (max_age, call) = (self.default_max_age(), self.call(context));
        let directory = &self.parts.directory;
        let found = directory.find_application(instance, query, max_age, call);
        Ok(found.await?.value.arn)
    }

    async fn account_for_ending(
        &self,
        instance: &Instance,
        query: &AccountQuery,
        context: &CallContext,
    ) -> Result<AccountId, AppError> {
        if let AccountQuery::Id(id) = query {
            return Ok(id.clone());
        }
        let (max_age, call) = (self.default_max_age(), self.call(context));
        let directory = &self.parts.directory;
        let found = directory.find_account(Some(instance), query, max_age, call);
        Ok(found.await?.value.id)
    }

    async fn permission_set_for_ending(
        &self,
        instance: &Instance,
        query: &PermissionSetQuery,
        context: &CallContext,
    ) -> Result<PermissionSetArn, AppError> {
        let given = match query {
            PermissionSetQuery::Arn(arn) if arn.instance_arn() != instance.arn => {
                return Err(not_found(NotFoundKind::PermissionSet, arn.as_str()));
            }
            PermissionSetQuery::Arn(arn) => Some(arn.clone()),
            PermissionSetQuery::IdOrName(text) => {
                PermissionSetArn::in_instance(&instance.arn, text)
            }
        };
        if let Some(arn) = given {
            return Ok(arn);
        }
        let (max_age, call) = (self.default_max_age(), self.call(context));
        let directory = &self.parts.directory;
        let found = directory.find_permission_set(instance, query, max_age, call);
        Ok(found.await?.value.arn)
    }
}

/// Refuses what no instance of a single account has.
pub(super) fn refuse_without_account_access(instance: &Instance) -> Result<(), AppError> {
    if instance.gives_account_access() {
        return Ok(());
    }
    Err(AppError::AccountAccessNotOffered {
        instance_arn: instance.arn.to_string(),
    })
}

/// Refuses what AWS keeps from a delegated administrator.
pub(super) fn refuse_out_of_reach(
    instance: &Instance,
    account: &AccountId,
) -> Result<(), AppError> {
    if !instance.is_out_of_reach(account) {
        return Ok(());
    }
    Err(AppError::AccountOutOfReach {
        account_id: account.to_string(),
    })
}

/// The refusal for a target whose ARN names an instance that is not served.
fn nothing_there(target: &TargetQuery) -> AppError {
    match target {
        TargetQuery::AccountAccess {
            permission_set: PermissionSetQuery::Arn(arn),
            ..
        } => not_found(NotFoundKind::PermissionSet, arn.as_str()),
        TargetQuery::AccountAccess {
            permission_set: PermissionSetQuery::IdOrName(text),
            ..
        } => not_found(NotFoundKind::PermissionSet, text),
        TargetQuery::Application(ApplicationQuery::Arn(arn)) => {
            not_found(NotFoundKind::Application, arn.as_str())
        }
        TargetQuery::Application(ApplicationQuery::Name(name)) => {
            not_found(NotFoundKind::Application, name)
        }
    }
}

fn not_found(what: NotFoundKind, query: &str) -> AppError {
    LookupError::NotFound {
        what,
        query: query.to_owned(),
    }
    .into()
}
