//! What policy is asked about in each use case, and what its denials mean to a caller: what may not
//! be seen is not found, what may be seen and not done is denied.

use super::asker::{Asker, Purpose};
use super::assign::Found;
use super::targets::FoundTarget;
use super::view::{NamedPrincipal, NamedTarget};
use super::{App, AppError, CallContext};
use crate::domain::{Grant, Instance, InstanceArn};
use crate::policy::{Action, BeneficiaryFacts, GrantQuestion, Resource, TargetFacts};

/// Rows that one call of a list asks policy about at most: of the largest page each, and with many
/// policies half a second of work. A page may so be short, or empty, and have a token all the same.
pub(super) const LOOKED_AT_MAX: usize = 1000;
/// And before other calls get their turn.
pub(super) const LOOKED_AT_ONCE: usize = 100;

impl App {
    /// Refuses the answer of a repeated Assign to who may neither see its grant nor ask for it any more.
    pub(super) async fn check_repeat(
        &self,
        context: &CallContext,
        grant: &Grant,
    ) -> Result<(), AppError> {
        let served = self.parts.instances.get(&grant.instance_arn);
        let asking = self.asker(context, served.as_deref(), Purpose::Read);
        let asker = asking.await?;
        let resource = self.grant_resource(&asker, grant).await;
        if self.may_see(&asker, Action::ReadGrants, &resource) {
            return Ok(());
        }
        let question = self.question_of_grant(&asker, grant).await;
        if grant.break_glass {
            return self.break_glass_path(&asker, &question).map(drop);
        }
        self.path_to(&asker, &question).map(drop)
    }

    /// What was asked about a grant, asked again: names as they are known without asking AWS.
    pub(super) async fn question_of_grant(&self, asker: &Asker, grant: &Grant) -> GrantQuestion {
        let target = self.named_target(&grant.target).await;
        let principal = self.named_principal(&grant.instance_arn, &grant.principal);
        GrantQuestion {
            target: self.target_facts(&grant.instance_arn, &target),
            beneficiary: beneficiary(asker, &principal.await),
            people_count: grant.people_count,
            duration: grant.duration,
            justification: grant.justification.as_str().to_owned(),
            ticket: grant.ticket.as_str().to_owned(),
            adoption: grant.adoption.is_some(),
        }
    }

    /// What a refusal that tells of things in the directory becomes for whom the directory is not to
    /// be seen by: the same as where these things are others. Whether Usher itself works it tells all.
    pub(super) fn veiled(
        &self,
        asker: &Asker,
        instance: &Instance,
        refusal: AppError,
        instead: impl FnOnce() -> AppError,
    ) -> AppError {
        if self.is_veiled(asker, instance, &refusal) {
            instead()
        } else {
            refusal
        }
    }

    /// Whether a refusal is not for the subject to hear.
    pub(super) fn is_veiled(&self, asker: &Asker, instance: &Instance, refusal: &AppError) -> bool {
        tells_of_directory(refusal) && !self.may_see_directory(asker, instance)
    }

    /// Whether the subject may see what there is on an instance.
    pub(super) fn may_see_directory(&self, asker: &Asker, instance: &Instance) -> bool {
        self.may_see(asker, Action::ReadDirectory, &instance_resource(instance))
    }

    /// What is asked about a grant that is to be.
    pub(super) fn grant_question(
        &self,
        asker: &Asker,
        request: &super::Assign,
        found: &Found,
    ) -> GrantQuestion {
        GrantQuestion {
            target: target_facts_found(&found.instance, &found.target),
            beneficiary: BeneficiaryFacts {
                principal: found.principal.reference(),
                name: found.principal.name().to_owned(),
                is_subject: asker.is(&found.principal.reference()),
            },
            people_count: found.people_count,
            duration: request.duration,
            justification: request.justification.as_str().to_owned(),
            ticket: request.ticket.as_str().to_owned(),
            adoption: request.adoption.is_some(),
        }
    }

    /// A grant as policy sees it; names as they are known without asking AWS.
    pub(super) async fn grant_resource(&self, asker: &Asker, grant: &Grant) -> Resource {
        let target = self.named_target(&grant.target).await;
        let principal = self.named_principal(&grant.instance_arn, &grant.principal);
        let principal = principal.await;
        Resource::Grant {
            id: grant.id.to_string(),
            target: self.target_facts(&grant.instance_arn, &target),
            beneficiary: beneficiary(asker, &principal),
            requested_by_subject: grant.requester.subject == asker.subject,
            break_glass: grant.break_glass,
        }
    }

    /// An assignment as policy sees it.
    pub(super) fn assignment_resource(
        &self,
        asker: &Asker,
        instance: &InstanceArn,
        principal: &NamedPrincipal,
        target: &NamedTarget,
    ) -> Resource {
        Resource::Assignment {
            target: self.target_facts(instance, target),
            beneficiary: beneficiary(asker, principal),
        }
    }

    pub(super) fn target_facts(&self, instance: &InstanceArn, target: &NamedTarget) -> TargetFacts {
        let served = self.parts.instances.get(instance);
        let alias = served.and_then(|served| served.alias.clone());
        TargetFacts {
            instance: instance.clone(),
            instance_alias: alias.unwrap_or_default(),
            target: target.target.clone(),
            name: target.name.clone(),
            account_name: target.account_name.clone(),
        }
    }

    /// Refuses an end that policy does not allow: as denied where the subject may see what it is
    /// about, else as not there.
    pub(super) fn check_ending(
        &self,
        asker: &Asker,
        resource: &Resource,
        reading: Action,
        not_there: impl FnOnce() -> AppError,
    ) -> Result<(), AppError> {
        let decision = asker.policy.decide(&asker.scene, Action::Revoke, resource);
        let is_seen = decision.is_allowed || self.may_see(asker, reading, resource);
        let permitted = self.permitted(asker, Action::Revoke, resource, decision);
        if is_seen {
            permitted.map(drop)
        } else {
            Err(not_there())
        }
    }

    /// Whether something may be seen.
    pub(super) fn may_see(&self, asker: &Asker, action: Action, resource: &Resource) -> bool {
        asker
            .policy
            .decide(&asker.scene, action, resource)
            .is_allowed
    }

    /// Refuses to read something of an instance as a whole that policy does not permit: as denied where
    /// the instance may be looked at, else as not there.
    pub(super) fn check_reading(
        &self,
        asker: &Asker,
        action: Action,
        asked: &str,
        instance: &Instance,
    ) -> Result<(), AppError> {
        let (resource, policy) = (instance_resource(instance), &asker.policy);
        let decision = policy.decide(&asker.scene, action, &resource);
        if !decision.is_allowed {
            self.check_directory(asker, asked, instance)?;
        }
        self.permitted(asker, action, &resource, decision).map(drop)
    }

    /// `check_directory` for whom the call is made.
    pub(super) async fn check_directory_of(
        &self,
        context: &CallContext,
        asked: &str,
        instance: &Instance,
    ) -> Result<(), AppError> {
        let asker = self.asker(context, Some(instance), Purpose::Read).await?;
        self.check_directory(&asker, asked, instance)
    }

    /// Refuses an instance that may not be looked at as one that is not there, in the caller's words:
    /// who asked for the only one is not told which it is.
    pub(super) fn check_directory(
        &self,
        asker: &Asker,
        asked: &str,
        instance: &Instance,
    ) -> Result<(), AppError> {
        let resource = instance_resource(instance);
        if self.may_see_alone(asker, Action::ReadDirectory, &resource) {
            Ok(())
        } else {
            Err(AppError::InstanceNotFound {
                query: asked.to_owned(),
            })
        }
    }
}

/// Whether a refusal says what there is, or what there is not.
fn tells_of_directory(refusal: &AppError) -> bool {
    matches!(
        refusal,
        AppError::ApplicationNotFound { .. }
            | AppError::AccountNotFound { .. }
            | AppError::PermissionSetNotFound { .. }
            | AppError::PrincipalNotFound { .. }
            | AppError::NameAmbiguous { .. }
            | AppError::PrincipalDisabled { .. }
            | AppError::AccountInactive { .. }
            | AppError::AccountOutOfReach { .. }
            | AppError::AccountAccessNotOffered { .. }
            | AppError::NotListableByPrincipal { .. }
    )
}

/// An instance as policy sees it.
pub(super) fn instance_resource(instance: &Instance) -> Resource {
    Resource::Instance {
        arn: instance.arn.clone(),
        alias: instance.alias.clone().unwrap_or_default(),
    }
}

pub(super) fn beneficiary(asker: &Asker, principal: &NamedPrincipal) -> BeneficiaryFacts {
    BeneficiaryFacts {
        principal: principal.reference.clone(),
        name: principal.name.clone(),
        is_subject: asker.is(&principal.reference),
    }
}

fn target_facts_found(instance: &Instance, found: &FoundTarget) -> TargetFacts {
    let (name, account_name) = match found {
        FoundTarget::Application(application) => (application.name.clone(), String::new()),
        FoundTarget::AccountAccess {
            account,
            permission_set,
        } => (permission_set.name.clone(), account.name.clone()),
    };
    TargetFacts {
        instance: instance.arn.clone(),
        instance_alias: instance.alias.clone().unwrap_or_default(),
        target: found.target(),
        name,
        account_name,
    }
}
