//! What policy denies, noted where it is decided: who asked what, about what, and by which policies.
//! A list that leaves out what may not be seen denies nothing, and nothing here decides.

use super::App;
use super::asker::Asker;
use super::{AppError, CallContext};
use crate::domain::{About, AccessDenied, CallerName, GrantId, PrincipalKind, PrincipalRef};
use crate::policy::{
    Action, BeneficiaryFacts, Decision, GrantQuestion, RequestDecision, Resource, TargetFacts,
};

impl App {
    /// Turns a denial into its refusal, and notes it.
    pub(super) fn permitted(
        &self,
        asker: &Asker,
        action: Action,
        resource: &Resource,
        decision: Decision,
    ) -> Result<Decision, AppError> {
        if decision.is_allowed {
            return Ok(decision);
        }
        self.note_denial(asker, action, about(resource), &decision);
        Err(refusal(action, decision))
    }

    /// Whether one thing may be seen that was asked for by itself; if not, it is noted.
    pub(super) fn may_see_alone(&self, asker: &Asker, action: Action, resource: &Resource) -> bool {
        let decision = asker.policy.decide(&asker.scene, action, resource);
        if !decision.is_allowed {
            self.note_denial(asker, action, about(resource), &decision);
        }
        decision.is_allowed
    }

    /// Notes that something was denied.
    pub(super) fn note_denial(
        &self,
        asker: &Asker,
        action: Action,
        about: About,
        decision: &Decision,
    ) {
        let who = (&asker.caller, &asker.subject);
        self.note_decision(who, action, about, decision);
    }

    /// Notes that no path led to what was asked, with the forbids and the paths that were near.
    pub(super) fn note_closed_paths(
        &self,
        asker: &Asker,
        question: &GrantQuestion,
        decision: &RequestDecision,
    ) {
        let near = decision.near_misses.iter().map(|near| &near.policy);
        let policies = decision.forbidden_by.iter().chain(&decision.errors);
        self.parts.refused_calls.denied(AccessDenied {
            caller: asker.caller.clone(),
            subject: Some(asker.subject.clone()),
            action: Action::Request.as_str(),
            about: about_access(&question.target, &question.beneficiary),
            policies: policies.chain(near).cloned().collect(),
            policy_version: decision.policy_version.clone(),
            suppressed_count: 0,
        });
    }

    /// Notes that a caller named somebody to act for who is not to be found, or whom its proof
    /// contradicts. What it sent is a name, and stays out of the log.
    pub(super) fn note_unknown_subject(&self, context: &CallContext) {
        self.parts.refused_calls.denied(AccessDenied {
            caller: context.caller.clone(),
            subject: None,
            action: Action::ActFor.as_str(),
            about: About::default(),
            policies: Vec::new(),
            policy_version: String::new(),
            suppressed_count: 0,
        });
    }

    /// Refuses a service that may not act for somebody.
    pub(super) fn permitted_to_act(
        &self,
        who: (&CallerName, &CallerName),
        person: &Resource,
        subject_proven: bool,
        decision: Decision,
    ) -> Result<(), AppError> {
        if decision.is_allowed {
            return Ok(());
        }
        self.note_decision(who, Action::ActFor, about(person), &decision);
        let (policies, policy_version) = denying(decision);
        Err(AppError::ActingDenied {
            subject_proven,
            policies,
            policy_version,
        })
    }

    fn note_decision(
        &self,
        (caller, subject): (&CallerName, &CallerName),
        action: Action,
        about: About,
        decision: &Decision,
    ) {
        let policies = decision.policies.iter().chain(&decision.errors);
        self.parts.refused_calls.denied(AccessDenied {
            caller: caller.clone(),
            subject: Some(subject.clone()),
            action: action.as_str(),
            about,
            policies: policies.cloned().collect(),
            policy_version: decision.policy_version.clone(),
            suppressed_count: 0,
        });
    }
}

/// A denial as its refusal.
pub(super) fn refusal(action: Action, decision: Decision) -> AppError {
    let (policies, policy_version) = denying(decision);
    AppError::PolicyDenied {
        action: action.as_str(),
        policies,
        policy_version,
    }
}

/// The policies that deny, and the version of their set. Those that could not be evaluated are among
/// them, and are the operator's to mend.
fn denying(decision: Decision) -> (Vec<String>, String) {
    let mut policies = decision.policies;
    if !decision.errors.is_empty() {
        tracing::warn!(
            policies = ?decision.errors,
            policy.version = decision.policy_version,
            "policies could not be evaluated, for which reason a call is denied"
        );
        policies.extend(decision.errors);
    }
    (policies, decision.policy_version)
}

/// The ids of what a question is about.
pub(super) fn about(resource: &Resource) -> About {
    match resource {
        Resource::Instance { arn, .. } => About {
            instance_arn: Some(arn.clone()),
            ..About::default()
        },
        Resource::Grant {
            id,
            target,
            beneficiary,
            ..
        } => About {
            grant_id: GrantId::parse(id).ok(),
            ..about_access(target, beneficiary)
        },
        Resource::Assignment {
            target,
            beneficiary,
        } => about_access(target, beneficiary),
        Resource::User(user) => About {
            principal: Some(PrincipalRef {
                kind: PrincipalKind::User,
                id: user.id.clone(),
            }),
            ..About::default()
        },
    }
}

/// The ids of access, somebody's or asked for.
pub(super) fn about_access(target: &TargetFacts, beneficiary: &BeneficiaryFacts) -> About {
    About {
        instance_arn: Some(target.instance.clone()),
        principal: Some(beneficiary.principal.clone()),
        target: Some(target.target.clone()),
        grant_id: None,
    }
}
