//! WhoAmI: what Usher knows of the caller, so that a person can see why something is refused.

use std::collections::BTreeMap;

use super::asker::Purpose;
use super::permission::instance_resource;
use super::{App, AppError, CallContext};
use crate::policy::{Action, GroupFacts, Subject, UserFacts};
use crate::store::NameKind;

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
        let asking = self.asker(context, Some(&instance), Purpose::End);
        let asker = asking.await?;
        let resource = instance_resource(&instance);
        let allowed = |action: &Action| self.may_see(&asker, *action, &resource);
        let user = match &asker.scene.subject {
            Subject::User(user) => Ok(user.clone()),
            Subject::Service(_) => Err("a service has no user".to_owned()),
            Subject::Unmatched(name) => Err(format!(
                "no user of the identity store fits, by the rule of the token's issuer; policies \
                 know the caller as `{name}`"
            )),
        };
        let groups = match &user {
            Ok(user) => self.names_of(&user.groups).await,
            Err(_) => Vec::new(),
        };
        Ok(WhoAmI {
            caller: context.caller.to_string(),
            subject: asker.subject.to_string(),
            groups,
            allowed_actions: ACTIONS_ON_INSTANCES.into_iter().filter(allowed).collect(),
            policy_version: asker.policy.version().to_owned(),
            user,
        })
    }

    /// Each group once, by the name that policies write; by the last known one, or its id, where
    /// they write only that.
    async fn names_of(&self, groups: &[GroupFacts]) -> Vec<String> {
        let mut names = BTreeMap::new();
        for group in groups {
            let name: &mut String = names.entry(&group.id).or_default();
            if name.is_empty() {
                name.clone_from(&group.name);
            }
        }
        let mut told = Vec::new();
        for (id, name) in names {
            told.push(if name.is_empty() {
                let known = self.parts.directory.name_of(NameKind::Group, id.as_str());
                known.await.unwrap_or_else(|| id.to_string())
            } else {
                name
            });
        }
        told.sort();
        told
    }
}
