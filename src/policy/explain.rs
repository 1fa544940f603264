//! Why a question is answered as it is: what every policy of the set says to it, one by one.
//! For people; decisions do not come this way.

use cedar_policy::{Authorizer, Policy, PolicySet as CedarSet, Response};

use super::decision::{Decision, NearMiss, RequestDecision};
use super::facts::{Facts, facts};
use super::load::Loaded;
use super::question::{Question, Scene};
use super::scope::Scope;
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
    let response = asked_alone(&loaded.policy, facts);
    let diagnostics = response.diagnostics();
    if let Some(error) = diagnostics.errors().next() {
        return Outcome::CannotBeEvaluated(error.to_string());
    }
    if diagnostics.reason().next().is_none() {
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

/// What Cedar says of one policy.
fn asked_alone(policy: &Policy, facts: &Facts) -> Response {
    let set = CedarSet::from_policies([policy.clone()]).unwrap_or_default();
    Authorizer::new().is_authorized(&facts.request, &set, &facts.entities)
}

/// What the scope wants that the subject or the resource is not.
fn unfit_scope(policy: &Policy, facts: &Facts) -> Option<String> {
    let principal = Scope::of_principal(policy);
    if !principal.fits(&facts.subject, &facts.subject_in) {
        return Some(principal.told("principal"));
    }
    let resource = Scope::of_resource(policy);
    let is_fit = resource.fits(&facts.resource, &facts.resource_in);
    (!is_fit).then(|| resource.told("resource"))
}

/// Which `when` and `unless` of a policy do not hold, each tried alone.
fn failing_conditions(policy: &Policy, facts: &Facts) -> Vec<String> {
    let Ok(whole) = policy.to_json() else {
        return Vec::new();
    };
    let mut failing = Vec::new();
    for condition in whole["conditions"].as_array().into_iter().flatten() {
        let mut alone = whole.clone();
        alone["annotations"] = serde_json::json!({});
        alone["conditions"] = serde_json::json!([condition]);
        let Ok(policy) = Policy::from_json(None, alone) else {
            continue;
        };
        let response = asked_alone(&policy, facts);
        if response.diagnostics().reason().next().is_none() {
            failing.push(condition_text(&policy));
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
