//! Who may do what. For now there is one policy set, the built-in one of `--dev`: it lets every
//! development token do everything, without approvals and without a limit on duration. Written
//! policies come with authentication; they will answer through the same `Decision`.

mod decision;
mod question;

pub use decision::{ApprovalStep, Approvers, Decision, NearMiss, Path, RequestDecision};
pub use question::{
    Action, ActivationQuestion, BeneficiaryFacts, GrantQuestion, GroupFacts, Resource, Scene,
    Subject, TargetFacts, UserFacts,
};

/// The policy set in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySet {
    /// The built-in set of `--dev`.
    Development,
}

impl PolicySet {
    /// Decides whether access may be given. The development set allows it.
    #[must_use]
    pub fn decide_assign(self) -> Decision {
        match self {
            Self::Development => Decision {
                is_allowed: true,
                policies: vec!["usher-development-permits-all".to_owned()],
                policy_version: "development-1".to_owned(),
            },
        }
    }
}
