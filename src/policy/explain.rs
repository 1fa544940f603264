//! Why a question is answered as it is: what every policy of the set says to it, one by one.
//! For people; decisions do not come this way.

use cedar_policy::{
    Authorizer, EntityTypeName, EntityUid, Policy, PolicySet as CedarSet, PrincipalConstraint,
    ResourceConstraint,
};

use super::decision::{Decision, NearMiss, RequestDecision};
use super::facts::{Facts, facts};
use super::index::Found;
use super::load::Loaded;
use super::question::{Question, Scene};
use super::{PolicySet, decide};

/// The answer to a question of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `Request`.
    Paths(RequestDecision),
    /// To everything else.
    Decision(Decision),
}

/// What one policy says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Its id.
    pub policy: String,
    /// It permits; else it forbids.
    pub is_permit: bool,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It fits.
    Fits,
    /// It fits but for its own limits.
    Misses(Vec<NearMiss>),
    /// It is about other actions.
    OtherAction,
    /// Its scope wants another principal or resource: which.
    OtherScope(String),
    /// These conditions do not hold.
    ConditionFails(Vec<String>),
    /// It cannot be evaluated, so that nothing is permitted: why.
    CannotBeEvaluated(String),
}

impl PolicySet {
    /// Answers a question of any kind.
    #[must_use]
    pub fn answer(&self, scene: &Scene, question: &Question<'_>) -> Answer {
        match question {
            Question::Request(grant) => Answer::Paths(self.request(scene, grant)),
            Question::BreakGlass(grant) => Answer::Decision(self.break_glass(scene, grant)),
            Question::Activate(it) => Answer::Decision(self.activate(scene, it)),
            Question::Other(action, resource) => {
                Answer::Decision(self.decide(scene, *action, resource))
            }
        }
    }

    /// What every policy says, sorted by id; none when policies are not asked at all: the subject
    /// is not enabled, or its facts cannot be put into Cedar's form.
    #[must_use]
    pub fn explain(&self, scene: &Scene, question: &Question<'_>) -> Option<Vec<Explanation>> {
        if !decide::may_be_permitted(&scene.subject) {
            return None;
        }
        let facts = facts(scene, question, &self.inner.groups)?;
        let explanations = self.inner.policies.iter().map(|(id, loaded)| Explanation {
            policy: id.to_string(),
            is_permit: loaded.is_permit(),
            outcome: outcome(loaded, question, &facts),
        });
        Some(explanations.collect())
    }
}

fn outcome(loaded: &Loaded, question: &Question<'_>, facts: &Facts) -> Outcome {
    if !loaded.actions.contains(&question.action()) {
        return Outcome::OtherAction;
    }
    if let Some(wanted) = unfit_scope(&loaded.policy, facts) {
        return Outcome::OtherScope(wanted);
    }
    let authorizer = Authorizer::new();
    let mut set = CedarSet::new();
    let mut found = Found::default();
    if set.add(loaded.policy.clone()).is_ok() {
        let response = authorizer.is_authorized(&facts.request, &set, &facts.entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Outcome::CannotBeEvaluated(error.to_string());
        }
        found.add(&authorizer, &set, facts);
    }
    if found.satisfied.is_empty() {
        return Outcome::ConditionFails(failing_conditions(&loaded.policy, facts));
    }
    let missed = match question {
        Question::Request(grant) | Question::BreakGlass(grant) if loaded.is_permit() => {
            decide::missed_limits(loaded.policy.id().as_ref(), &loaded.terms, grant)
        }
        _ => Vec::new(),
    };
    if missed.is_empty() {
        Outcome::Fits
    } else {
        Outcome::Misses(missed)
    }
}

/// What the scope wants that the subject or the resource is not.
fn unfit_scope(policy: &Policy, facts: &Facts) -> Option<String> {
    let subject = facts.request.principal()?;
    let resource = facts.request.resource()?;
    let is = |id: &EntityUid, kind: &EntityTypeName| id.type_name() == kind;
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => None,
        PrincipalConstraint::Eq(id) => (*subject != id).then(|| format!("principal == {id}")),
        PrincipalConstraint::In(id) => {
            (!facts.subject_in.contains(&id)).then(|| format!("principal in {id}"))
        }
        PrincipalConstraint::Is(kind) => {
            (!is(subject, &kind)).then(|| format!("principal is {kind}"))
        }
        PrincipalConstraint::IsIn(kind, id) => (!is(subject, &kind)
            || !facts.subject_in.contains(&id))
        .then(|| format!("principal is {kind} in {id}")),
    };
    principal.or_else(|| match policy.resource_constraint() {
        ResourceConstraint::Any => None,
        ResourceConstraint::Eq(id) => (*resource != id).then(|| format!("resource == {id}")),
        ResourceConstraint::In(id) => {
            (!facts.resource_in.contains(&id)).then(|| format!("resource in {id}"))
        }
        ResourceConstraint::Is(kind) => {
            (!is(resource, &kind)).then(|| format!("resource is {kind}"))
        }
        ResourceConstraint::IsIn(kind, id) => (!is(resource, &kind)
            || !facts.resource_in.contains(&id))
        .then(|| format!("resource is {kind} in {id}")),
    })
}

/// Which `when` and `unless` of a policy do not hold, each tried alone.
fn failing_conditions(policy: &Policy, facts: &Facts) -> Vec<String> {
    let Ok(whole) = policy.to_json() else {
        return Vec::new();
    };
    let authorizer = Authorizer::new();
    let mut failing = Vec::new();
    for condition in whole["conditions"].as_array().into_iter().flatten() {
        let mut alone = whole.clone();
        alone["annotations"] = serde_json::json!({});
        alone["conditions"] = serde_json::json!([condition]);
        let Ok(alone) = Policy::from_json(None, alone) else {
            continue;
        };
        let mut set = CedarSet::new();
        let mut found = Found::default();
        if set.add(alone.clone()).is_ok() {
            found.add(&authorizer, &set, facts);
        }
        if found.satisfied.is_empty() {
            failing.push(condition_text(&alone));
        }
    }
    failing
}

/// `when { … }` of a policy that has one condition.
fn condition_text(policy: &Policy) -> String {
    let text = policy.to_cedar().unwrap_or_default().replace('\n', " ");
    let begin = [") when", ") unless"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    let condition = begin.map_or(text.as_str(), |at| &text[at + 1..]);
    condition.trim().trim_end_matches(';').to_owned()
}
