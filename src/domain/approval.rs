//! What access costs, who has agreed, and whether that pays for it. Pure arithmetic: who may agree,
//! and in whose name, is found out elsewhere and given here as facts of now.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::ids::InvalidValue;
use super::text::{CallerName, Justification};

/// Who may approve a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Approvers {
    /// The members of a group, by name or id.
    Group(String),
    /// A service.
    Service(String),
}

impl Approvers {
    /// The name without the kind, as floors of policy write it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Group(name) | Self::Service(name) => name,
        }
    }
}

impl fmt::Display for Approvers {
    /// As policies write it: `group:secops`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(formatter, "group:{name}"),
            Self::Service(name) => write!(formatter, "service:{name}"),
        }
    }
}

impl FromStr for Approvers {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.split_once(':') {
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            Some(("service", name)) if !name.is_empty() => Ok(Self::Service(name.to_owned())),
            _ => Err(InvalidValue(
                "is neither group:NAME nor service:NAME".to_owned(),
            )),
        }
    }
}

/// So many of these must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalStep {
    /// How many.
    pub count: u32,
    /// Members of which groups, or which services. Empty: whoever may `Approve`.
    pub approvers: Vec<Approvers>,
}

/// One way to pay for access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The permit's id.
    pub policy: String,
    /// Who must agree, in order; none when nobody must.
    pub steps: Vec<ApprovalStep>,
    /// The longest duration; none when the policy says that there is none.
    pub duration_max: Option<SignedDuration>,
}

impl Path {
    /// How many approvals it takes.
    #[must_use]
    pub fn approval_count(&self) -> u32 {
        self.steps
            .iter()
            .fold(0, |sum, step| sum.saturating_add(step.count))
    }

    /// Everybody whom its steps name.
    pub fn approvers(&self) -> impl Iterator<Item = &Approvers> {
        self.steps.iter().flat_map(|step| &step.approvers)
    }
}

/// What a reviewer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewDecision {
    /// Agrees.
    Approved,
    /// Objects: one is enough to end it.
    Denied,
    /// Has looked at break-glass access afterwards and found it justified.
    Justified,
    /// Has looked at break-glass access afterwards and found it not justified.
    NotJustified,
}

impl ReviewDecision {
    /// Every decision.
    pub const ALL: [Self; 4] = [
        Self::Approved,
        Self::Denied,
        Self::Justified,
        Self::NotJustified,
    ];

    /// The word of the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Denied => "DENIED",
            Self::Justified => "JUSTIFIED",
            Self::NotJustified => "NOT_JUSTIFIED",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// What one reviewer said of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The person, or the service, that counts once: `user:ID` or `service:NAME`.
    pub reviewer: CallerName,
    /// Who was authenticated when it was said.
    pub caller: CallerName,
    /// The service through which a person said it, or that vouches; none for who spoke directly.
    pub service: Option<String>,
    /// What was said.
    pub decision: ReviewDecision,
    /// Whether the reviewer's own token proved who it is, and not a service's word alone.
    pub subject_proven: bool,
    /// In whose name: a service that vouches for a person stands here; none for a person itself.
    pub vouched_by: Option<String>,
    /// Which wish it was about: 0 for the grant itself, then one for each extension.
    pub round: u32,
    /// The digest of exactly what was agreed to.
    pub digest: String,
    /// Why.
    pub reason: Justification,
    /// When.
    pub at: Timestamp,
}

impl Review {
    /// Whether it is an agreement.
    #[must_use]
    pub fn is_approval(&self) -> bool {
        self.decision == ReviewDecision::Approved
    }

    /// Whether it takes the place of an earlier word of the same reviewer, said itself or through the same
    /// voucher, on the same wish: an objection after an agreement, or an agreement that its own token
    /// proves after one that a service said for it.
    #[must_use]
    pub fn replaces(&self, earlier: &Self) -> bool {
        earlier.is_approval()
            && match self.decision {
                ReviewDecision::Approved => self.subject_proven && !earlier.subject_proven,
                ReviewDecision::Denied => true,
                ReviewDecision::Justified | ReviewDecision::NotJustified => false,
            }
    }
}

/// A reviewer who has agreed, or who might, with what counts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// The person or the service.
    pub reviewer: CallerName,
    /// The groups that the person is in, and the service that it is or that vouches for it.
    pub stands_for: BTreeSet<Approvers>,
    /// Whether policy lets it `Approve`: for steps that name nobody.
    pub may_approve: bool,
    /// What another account, or another word, of the same person shares with this one.
    pub keys: BTreeSet<String>,
}

impl Approver {
    /// Whether an agreement of this one helps any of these steps.
    #[must_use]
    pub fn counts_for_any(&self, steps: &[ApprovalStep]) -> bool {
        steps.iter().any(|step| self.counts_for(step))
    }

    fn counts_for(&self, step: &ApprovalStep) -> bool {
        if step.approvers.is_empty() {
            self.may_approve
        } else {
            step.approvers.iter().any(|it| self.stands_for.contains(it))
        }
    }
}

/// Approvers as persons: accounts and words that share a key are one, which stands for whatever any of them
/// stands for, and counts once.
#[must_use]
pub fn persons(approvers: &[Approver]) -> Vec<Approver> {
    let mut persons: Vec<Approver> = Vec::new();
    for approver in approvers {
        let mut person = approver.clone();
        if !person.keys.is_empty() {
            persons.retain_mut(|other| {
                let is_other = other.keys.is_disjoint(&person.keys);
                if !is_other {
                    person.keys.append(&mut other.keys);
                    person.stands_for.append(&mut other.stands_for);
                    person.may_approve |= other.may_approve;
                }
                is_other
            });
        }
        persons.push(person);
    }
    persons
}

/// How many of each step are filled when every person counts once, and earlier steps come first.
#[must_use]
pub fn filled(steps: &[ApprovalStep], approvers: &[Approver]) -> Vec<u32> {
    let approvers = &persons(approvers);
    // Each wanted approval is a place; a place that was filled stays so, whoever has to move to
    // another one for it (augmenting paths of bipartite matching). Both sides are small: policies
    // have at most ten steps of twenty.
    let mut place_of: Vec<Option<usize>> = vec![None; approvers.len()];
    let mut filled = vec![0; steps.len()];
    let mut step_of_place = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        for _ in 0..step.count {
            step_of_place.push(number);
            let place = step_of_place.len() - 1;
            let mut tried = vec![false; approvers.len()];
            if !fill(
                place,
                steps,
                approvers,
                &step_of_place,
                &mut place_of,
                &mut tried,
            ) {
                // Another place of the same step would fail likewise.
                break;
            }
            if let Some(count) = filled.get_mut(number) {
                *count += 1;
            }
        }
    }
    filled
}

fn fill(
    place: usize,
    steps: &[ApprovalStep],
    approvers: &[Approver],
    step_of_place: &[usize],
    place_of: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    let Some(step) = step_of_place.get(place).and_then(|it| steps.get(*it)) else {
        return false;
    };
    for (number, approver) in approvers.iter().enumerate() {
        if tried.get(number).copied().unwrap_or(true) || !approver.counts_for(step) {
            continue;
        }
        if let Some(tried) = tried.get_mut(number) {
            *tried = true;
        }
        let is_free = match place_of.get(number).copied().flatten() {
            None => true,
            Some(other) => fill(other, steps, approvers, step_of_place, place_of, tried),
        };
        if is_free {
            if let Some(it) = place_of.get_mut(number) {
                *it = Some(place);
            }
            return true;
        }
    }
    false
}

/// Whether everybody who must agree has.
#[must_use]
pub fn is_paid(steps: &[ApprovalStep], approvers: &[Approver]) -> bool {
    open_step(steps, approvers).is_none()
}

/// The first step that still wants somebody; none when all is paid.
#[must_use]
pub fn open_step(steps: &[ApprovalStep], approvers: &[Approver]) -> Option<usize> {
    let filled = filled(steps, approvers);
    let mut pairs = steps.iter().zip(filled);
    pairs.position(|(step, filled)| filled < step.count)
}

/// Whether one more approver helps: in the step whose turn it is, or, where all is paid and a floor
/// of policy wants more, in any.
#[must_use]
pub fn helps(steps: &[ApprovalStep], approvers: &[Approver], one_more: &Approver) -> bool {
    let Some(turn) = open_step(steps, approvers) else {
        return one_more.counts_for_any(steps);
    };
    let mut all = approvers.to_vec();
    all.push(one_more.clone());
    let count = |filled: Vec<u32>| filled.get(turn).copied().unwrap_or_default();
    count(filled(steps, &all)) > count(filled(steps, approvers))
}

/// Whether these could pay, would they all agree. Steps that name nobody, or a service, are taken to
/// find somebody: who that may be, nobody can list.
#[must_use]
pub fn could_be_paid(steps: &[ApprovalStep], candidates: &[Approver]) -> bool {
    let counted: Vec<ApprovalStep> = (steps.iter())
        .filter(|step| {
            let is_group = |it: &Approvers| matches!(it, Approvers::Group(_));
            !step.approvers.is_empty() && step.approvers.iter().all(is_group)
        })
        .cloned()
        .collect();
    is_paid(&counted, candidates)
}

/// The approvers and services in whose name these agreed, of those that the steps name.
#[must_use]
pub fn in_name_of(steps: &[ApprovalStep], approvers: &[Approver]) -> Vec<String> {
    let named = steps.iter().flat_map(|step| &step.approvers);
    let given = named.filter(|it| approvers.iter().any(|one| one.stands_for.contains(*it)));
    let names: BTreeSet<&str> = given.map(Approvers::name).collect();
    names.into_iter().map(str::to_owned).collect()
}
