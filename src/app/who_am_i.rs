//! WhoAmI: what Usher knows of the caller, so that a person can see why something is refused.

use super::asker::Purpose;
use super::permission::instance_resource;
use super::{App, AppError, CallContext};
use crate::policy::{Action, Subject, UserFacts};

/// What policy is asked about an instance as a whole.
const ACTIONS_ON_INSTANCES: [Action; 4] = [
    Action::ReadDirectory,
    Action::ReadAudit,
    Action::ReadEvents,
    Action::Operate,
];

/// What Usher knows of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoAmI {
    /// Who is authenticated.
    pub caller: String,
    /// For whom it acts, as grants and events record it.
    pub subject: String,
    /// The subject's user, or why there is none.
    pub user: Result<UserFacts, String>,
    /// Those groups of the user that policies name.
    pub groups: Vec<String>,
    /// What the subject may do with the instance as a whole.
    pub allowed_actions: Vec<Action>,
    /// The version of the policy set in force.
    pub policy_version: String,
}

impl App {
    /// What Usher knows of the caller, on an instance.
    ///
    /// # Errors
    /// `InstanceNotFound`; `PolicyDenied` or `SubjectNotFound` where it may not act for whom it says;
    /// what AWS fails with.
    pub async fn who_am_i(
        &self,
        context: &CallContext,
        instance: &str,
    ) -> Result<WhoAmI, AppError> {
        let instance = self.instance(instance)?;
        let asking = self.asker(context, Some(&instance), Purpose::Change);
        let asker = asking.await?;
        let resource = instance_resource(&instance);
        let allowed = |action: &Action| self.may_see(&asker, *action, &resource);
        let user = match &asker.scene.subject {
            Subject::User(user) => Ok(user.clone()),
            Subject::Service(_) => Err("a service has no user".to_owned()),
            Subject::Unmatched(name) => Err(format!(
                "no user of the identity store is `{name}` by the rule of the token's issuer"
            )),
        };
        let groups = user.as_ref().map(|user| user.groups.clone());
        let groups = groups.unwrap_or_default().into_iter();
        Ok(WhoAmI {
            caller: context.caller.to_string(),
            subject: asker.subject.to_string(),
            groups: groups.map(|group| group.name).collect(),
            allowed_actions: ACTIONS_ON_INSTANCES.into_iter().filter(allowed).collect(),
            policy_version: asker.policy.version().to_owned(),
            user,
        })
    }
}
