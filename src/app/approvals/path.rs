//! The way to what is asked for: at once, when enough have agreed, or by break-glass. What is denied
//! is noted here, where it is decided.

use crate::app::asker::Asker;
use crate::app::denials::{about_access, refusal};
use crate::app::{App, AppError};
use crate::domain::approval::{self, Approver};
use crate::domain::{Approvers, Path};
use crate::policy::{
    Action, ActivationQuestion, Decision, GrantQuestion, NearMiss, RequestDecision,
};

/// Agreements that a floor is asked with to see whether any number would do: policies count to
/// twenty.
const APPROVALS_MANY: u64 = 20;

/// A path that a request may take, and what it costs.
pub(in crate::app) struct ChosenPath {
    /// The policies that allowed it: the path, then those that let it open. None while somebody must
    /// agree.
    pub(in crate::app) policies: Vec<String>,
    /// The version of the set that decided.
    pub(in crate::app) policy_version: String,
    /// Every path that fits, cheapest first.
    pub(in crate::app) paths: Vec<Path>,
    /// Nobody must agree.
    pub(in crate::app) opens: bool,
}

impl ChosenPath {
    /// The paths that a wish keeps: the one that it takes, or those that can be paid.
    pub(in crate::app) fn kept(&self) -> Vec<Path> {
        let is_kept = |path: &&Path| {
            if self.opens {
                self.policies.first() == Some(&path.policy)
            } else {
                path.approval_count() > 0
            }
        };
        self.paths.iter().filter(is_kept).cloned().collect()
    }
}

/// Why no path leads to what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Forbids that apply.
    pub forbidden_by: Vec<String>,
    /// Paths that a limit of their own keeps closed.
    pub near_misses: Vec<NearMiss>,
    /// The version of the set that decided.
    pub policy_version: String,
}

impl App {
    /// The first path that nobody must agree to and no floor keeps shut; else those that can be paid,
    /// unless floors keep them shut however many agree.
    ///
    /// # Errors
    /// `PathsClosed` without one; `PolicyDenied` where floors keep shut what there is.
    pub(in crate::app) fn path_to(
        &self,
        asker: &Asker,
        question: &GrantQuestion,
    ) -> Result<ChosenPath, AppError> {
        let decision = asker.policy.request(&asker.scene, question);
        let mut shut = None;
        let mut can_be_paid = false;
        for path in &decision.paths {
            let is_free = path.approval_count() == 0;
            let opening = asker
                .policy
                .activate(&asker.scene, &at_best(question, path));
            if opening.is_allowed && is_free {
                let mut policies = vec![path.policy.clone()];
                policies.extend(opening.policies);
                return Ok(ChosenPath {
                    policies,
                    policy_version: decision.policy_version,
                    paths: decision.paths,
                    opens: true,
                });
            }
            can_be_paid |= opening.is_allowed;
            // What keeps the first one shut is told: of equal price it is the first by id.
            shut = shut.or(Some(opening).filter(|opening| !opening.is_allowed));
        }
        if can_be_paid {
            return Ok(ChosenPath {
                policies: Vec::new(),
                policy_version: decision.policy_version,
                paths: decision.paths,
                opens: false,
            });
        }
        match shut {
            Some(floor) => Err(self.shut_by(asker, question, floor)),
            None => Err(self.closed(asker, question, decision)),
        }
    }

    /// Access at once, to be looked at afterwards.
    ///
    /// # Errors
    /// `PathsClosed` where no permit for it fits, `PolicyDenied` where a floor keeps it shut.
    pub(in crate::app) fn break_glass_path(
        &self,
        asker: &Asker,
        question: &GrantQuestion,
    ) -> Result<ChosenPath, AppError> {
        let decision = asker.policy.break_glass(&asker.scene, question);
        if !decision.is_allowed {
            let about = about_access(&question.target, &question.beneficiary);
            self.note_denial(asker, Action::BreakGlass, about, &decision);
            if decision.near_misses.is_empty() {
                return Err(refusal(Action::BreakGlass, decision));
            }
            return Err(AppError::PathsClosed(Refusal {
                forbidden_by: Vec::new(),
                near_misses: decision.near_misses,
                policy_version: decision.policy_version,
            }));
        }
        let opening = asker.policy.activate(
            &asker.scene,
            &ActivationQuestion {
                grant: question.clone(),
                path: String::new(),
                approval_count: 0,
                approver_groups: Vec::new(),
                break_glass: true,
            },
        );
        if !opening.is_allowed {
            return Err(self.shut_by(asker, question, opening));
        }
        let mut policies = decision.policies;
        policies.extend(opening.policies);
        Ok(ChosenPath {
            policies,
            policy_version: decision.policy_version,
            paths: Vec::new(),
            opens: true,
        })
    }

    fn shut_by(&self, asker: &Asker, question: &GrantQuestion, floor: Decision) -> AppError {
        let about = about_access(&question.target, &question.beneficiary);
        self.note_denial(asker, Action::Activate, about, &floor);
        refusal(Action::Activate, floor)
    }

    fn closed(
        &self,
        asker: &Asker,
        question: &GrantQuestion,
        decision: RequestDecision,
    ) -> AppError {
        self.note_closed_paths(asker, question, &decision);
        // A policy that cannot be evaluated closes every path, as a forbid does.
        let mut forbidden_by = decision.forbidden_by;
        forbidden_by.extend(decision.errors);
        AppError::PathsClosed(Refusal {
            forbidden_by,
            near_misses: decision.near_misses,
            policy_version: decision.policy_version,
        })
    }
}

/// What `Activate` is asked when everybody agrees whom the path names, and more.
fn at_best(question: &GrantQuestion, path: &Path) -> ActivationQuestion {
    let names = path.approvers().map(Approvers::name);
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    let is_free = path.approval_count() == 0;
    ActivationQuestion {
        grant: question.clone(),
        path: path.policy.clone(),
        approval_count: if is_free { 0 } else { APPROVALS_MANY },
        approver_groups: names,
        break_glass: false,
    }
}

/// What `Activate` is asked when these have agreed.
pub(in crate::app) fn activation(
    question: &GrantQuestion,
    path: &str,
    steps: &[crate::domain::ApprovalStep],
    agreed: &[Approver],
) -> ActivationQuestion {
    let persons = approval::persons(agreed);
    let counted = persons.iter().filter(|it| it.counts_for_any(steps));
    ActivationQuestion {
        grant: question.clone(),
        path: path.to_owned(),
        approval_count: counted.count() as u64,
        approver_groups: approval::in_name_of(steps, agreed),
        break_glass: false,
    }
}

/// Whether a refusal names forbids, floors or policies that could not be evaluated: these may speak of
/// what there is to who may not see it. A near miss speaks of what its permit lets somebody ask for.
pub(in crate::app) fn forbids(refusal: &AppError) -> bool {
    match refusal {
        AppError::PathsClosed(refusal) => !refusal.forbidden_by.is_empty(),
        other => matches!(other, AppError::PolicyDenied { .. }),
    }
}

/// A denial that says no more than that no policy permits what was asked.
pub(in crate::app) fn denied_without_a_word(asker: &Asker) -> AppError {
    AppError::PathsClosed(Refusal {
        forbidden_by: Vec::new(),
        near_misses: Vec::new(),
        policy_version: asker.policy.version().to_owned(),
    })
}
