//! From what Cedar found to what Usher answers: paths with their price, near misses, refusals.

use cedar_policy::PolicyId;

use super::PolicySet;
use super::decision::{Decision, NearMiss, RequestDecision};
use super::facts::facts;
use super::index::Found;
use super::load::Loaded;
use super::question::{
    Action, ActivationQuestion, GrantQuestion, Question, Resource, Scene, Subject,
};
use super::terms::{RequiredField, Terms, write_duration};
use crate::domain::Path;

/// Told in place of a policy when the facts themselves cannot be put into Cedar's form.
const UNUSABLE_FACTS: &str = "usher-facts-unusable";
/// How much of a ticket or a justification a near miss repeats: enough to see the mistake.
const ASKED_LETTERS_MAX: usize = 80;

/// What the policies say, before limits are looked at.
#[derive(Default)]
pub(super) struct Verdict<'a> {
    /// Permits that fit, by id; only used when nothing else is there.
    pub(super) permits: Vec<(&'a PolicyId, &'a Loaded)>,
    /// Forbids that fit.
    pub(super) forbids: Vec<String>,
    /// Policies that could not be evaluated.
    pub(super) errors: Vec<String>,
}

impl PolicySet {
    /// Which paths there are for a grant.
    #[must_use]
    pub fn request(&self, scene: &Scene, question: &GrantQuestion) -> RequestDecision {
        let verdict = self.verdict(scene, &Question::Request(question));
        let (fitting, near_misses) = within_limits(&verdict, question);
        let mut paths: Vec<Path> = fitting
            .into_iter()
            .map(|(id, terms)| Path {
                policy: id.to_string(),
                steps: terms.steps.clone(),
                duration_max: terms.duration_max,
            })
            .collect();
        paths.sort_by(|one, other| {
            let key = |path: &Path| (path.approval_count(), path.policy.clone());
            key(one).cmp(&key(other))
        });
        RequestDecision {
            paths,
            near_misses,
            forbidden_by: verdict.forbids,
            errors: verdict.errors,
            policy_version: self.version().to_owned(),
        }
    }

    /// Whether the subject may take access at once.
    #[must_use]
    pub fn break_glass(&self, scene: &Scene, question: &GrantQuestion) -> Decision {
        let verdict = self.verdict(scene, &Question::BreakGlass(question));
        let (fitting, near_misses) = within_limits(&verdict, question);
        let permits = fitting.iter().map(|(id, _)| id.to_string()).collect();
        self.decision(verdict, permits, near_misses)
    }

    /// Whether a grant that is paid for may open: yes, unless a forbid says otherwise.
    #[must_use]
    pub fn activate(&self, scene: &Scene, question: &ActivationQuestion) -> Decision {
        self.plain(scene, &Question::Activate(question))
    }

    /// Whether the subject may do anything else. `Request`, `BreakGlass` and `Activate` have
    /// questions of their own and are denied here.
    #[must_use]
    pub fn decide(&self, scene: &Scene, action: Action, resource: &Resource) -> Decision {
        let memory = &self.inner.memory;
        memory.answer(scene, action, resource, || {
            self.plain(scene, &Question::Other(action, resource))
        })
    }

    /// The same, asked about very many things once each: nothing is remembered.
    #[must_use]
    pub fn decide_once(&self, scene: &Scene, action: Action, resource: &Resource) -> Decision {
        self.plain(scene, &Question::Other(action, resource))
    }

    /// Whether a decision about an assignment is the same for all assignments to the same target.
    #[must_use]
    pub fn decides_by_target_alone(&self, action: Action) -> bool {
        let policies = self.inner.policies.values();
        let mut of_action = policies.filter(|loaded| loaded.actions.contains(&action));
        of_action.all(|loaded| loaded.by_target_alone)
    }

    fn plain(&self, scene: &Scene, question: &Question<'_>) -> Decision {
        let verdict = self.verdict(scene, question);
        let permits = verdict.permits.iter().map(|(id, _)| id.to_string());
        let permits = permits.collect();
        self.decision(verdict, permits, Vec::new())
    }

    fn decision(
        &self,
        verdict: Verdict<'_>,
        permits: Vec<String>,
        near_misses: Vec<NearMiss>,
    ) -> Decision {
        let is_stopped = !verdict.forbids.is_empty() || !verdict.errors.is_empty();
        Decision {
            is_allowed: !is_stopped && !permits.is_empty(),
            policies: if is_stopped { verdict.forbids } else { permits },
            near_misses,
            errors: verdict.errors,
            policy_version: self.version().to_owned(),
        }
    }

    /// What fits of the whole set. Nothing does for a user who is not enabled.
    pub(super) fn verdict(&self, scene: &Scene, question: &Question<'_>) -> Verdict<'_> {
        if !may_be_permitted(&scene.subject) || !question.is_of_the_schema() {
            return Verdict::default();
        }
        let Some(facts) = facts(scene, question, &self.inner.groups) else {
            return Verdict {
                errors: vec![UNUSABLE_FACTS.to_owned()],
                ..Verdict::default()
            };
        };
        let found = self.inner.index.ask(question.action(), &facts);
        self.sorted_out(&found)
    }

    /// Tells permits from forbids. Permits beside a forbid or an error are dropped: they permit nothing.
    pub(super) fn sorted_out(&self, found: &Found) -> Verdict<'_> {
        let mut verdict = Verdict {
            errors: found.errors.iter().map(ToString::to_string).collect(),
            ..Verdict::default()
        };
        let satisfied = found.satisfied.iter();
        for (id, loaded) in satisfied.filter_map(|id| self.inner.policies.get_key_value(id)) {
            if loaded.is_permit() {
                verdict.permits.push((id, loaded));
            } else {
                verdict.forbids.push(id.to_string());
            }
        }
        if !verdict.forbids.is_empty() || !verdict.errors.is_empty() {
            verdict.permits.clear();
        }
        verdict
    }
}

/// Whether policies are asked at all about this subject.
pub(super) fn may_be_permitted(subject: &Subject) -> bool {
    match subject {
        Subject::User(user) => user.is_enabled(),
        Subject::Service(_) | Subject::Unmatched(_) => true,
    }
}

/// Parts the permits that fit into those whose limits hold, and what is missed by the others.
fn within_limits<'a>(
    verdict: &Verdict<'a>,
    question: &GrantQuestion,
) -> (Vec<(&'a PolicyId, &'a Terms)>, Vec<NearMiss>) {
    let mut fitting = Vec::new();
    let mut near_misses = Vec::new();
    for (id, loaded) in &verdict.permits {
        let missed = missed_limits(id.as_ref(), &loaded.terms, question);
        if missed.is_empty() {
            fitting.push((*id, &loaded.terms));
        }
        near_misses.extend(missed);
    }
    (fitting, near_misses)
}

pub(super) fn missed_limits(id: &str, terms: &Terms, question: &GrantQuestion) -> Vec<NearMiss> {
    let mut missed = Vec::new();
    let mut miss = |limit: &str, asked: String, allowed: String| {
        missed.push(NearMiss {
            policy: id.to_owned(),
            limit: limit.to_owned(),
            asked,
            allowed,
        });
    };
    if let Some(most) = terms.duration_max {
        let asked = question.duration;
        if asked.is_none_or(|asked| asked > most) {
            let asked = asked.map_or_else(|| "without end".to_owned(), write_duration);
            miss("max_duration", asked, write_duration(most));
        }
    }
    if let Some(requires) = &terms.requires {
        let (name, text) = match requires.field {
            RequiredField::Ticket => ("ticket", &question.ticket),
            RequiredField::Justification => ("justification", &question.justification),
        };
        if !requires.fits(text) {
            let allowed = format!("{name} that matches {}", requires.pattern);
            let asked: String = text.chars().take(ASKED_LETTERS_MAX).collect();
            miss("requires", format!("{name} \"{asked}\""), allowed);
        }
    }
    missed
}
