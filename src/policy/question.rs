//! What policy is asked: who, what, about what, under which circumstances. Plain facts, gathered by
//! the use cases; nothing here decides, and nothing here is Cedar's.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{GroupId, InstanceArn, PrincipalRef, PrincipalStatus, Target, UserId};

/// What may be permitted (DESIGN.md §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Ask for a grant; its permits are the paths.
    Request,
    /// Open a grant whose path is paid; users may only forbid.
    Activate,
    /// Agree to a grant.
    Approve,
    /// End a grant or remove an assignment.
    Revoke,
    /// Take access at once and be reviewed afterwards.
    BreakGlass,
    /// See assignments.
    ReadAssignments,
    /// Get reports.
    ReadAudit,
    /// See grants.
    ReadGrants,
    /// See instances, applications, accounts, permission sets and principals.
    ReadDirectory,
    /// See the decision log.
    ReadEvents,
    /// Act for a subject.
    ActFor,
    /// Freeze, unfreeze, retry.
    Operate,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 12] = [
        Self::Request,
        Self::Activate,
        Self::Approve,
        Self::Revoke,
        Self::BreakGlass,
        Self::ReadAssignments,
        Self::ReadAudit,
        Self::ReadGrants,
        Self::ReadDirectory,
        Self::ReadEvents,
        Self::ActFor,
        Self::Operate,
    ];

    /// The action's id in the schema, and the word of answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "Request",
            Self::Activate => "Activate",
            Self::Approve => "Approve",
            Self::Revoke => "Revoke",
            Self::BreakGlass => "BreakGlass",
            Self::ReadAssignments => "ReadAssignments",
            Self::ReadAudit => "ReadAudit",
            Self::ReadGrants => "ReadGrants",
            Self::ReadDirectory => "ReadDirectory",
            Self::ReadEvents => "ReadEvents",
            Self::ActFor => "ActFor",
            Self::Operate => "Operate",
        }
    }
}

/// A group, by id and by name: policies may write either.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupFacts {
    /// The id in its identity store.
    pub id: GroupId,
    /// Its display name, as policies write it; empty where they write only its id.
    pub name: String,
}

/// A user of an identity store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFacts {
    /// The id: what identities are compared by.
    pub id: UserId,
    /// The user name now.
    pub name: String,
    /// The primary email address; empty when there is none.
    pub email: String,
    /// The status. Only an enabled user is permitted anything.
    pub status: PrincipalStatus,
    /// Those groups that the policy set names (`PolicySet::groups`) and the user is in.
    pub groups: Vec<GroupFacts>,
}

impl UserFacts {
    /// Whether the user may be permitted anything.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.status == PrincipalStatus::Enabled
    }
}

/// Who asks: the subject for whom the caller acts, which is Cedar's principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person with a user in the identity store.
    User(UserFacts),
    /// A service that acts for itself.
    Service(String),
    /// A person whom no user matches, by the issuer's name, a slash and what the token says: an
    /// entity without attributes and groups. A development token's subject stands alone.
    Unmatched(String),
}

impl Subject {
    /// What it is told apart by.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::User(user) => user.id.as_str(),
            Self::Service(name) | Self::Unmatched(name) => name,
        }
    }
}

/// How the subject is known; the same for every action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// For whom.
    pub subject: Subject,
    /// The service that calls for the subject, or through which the subject calls; none when the
    /// subject itself is the caller.
    pub service: Option<String>,
    /// The subject itself is authenticated, by its own token, and not only named by the service.
    pub subject_proven: bool,
    /// When.
    pub now: Timestamp,
}

/// A target with its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFacts {
    /// The instance.
    pub instance: InstanceArn,
    /// Its configured alias; empty when it has none.
    pub instance_alias: String,
    /// Which.
    pub target: Target,
    /// The application's or the permission set's name; empty when unknown.
    pub name: String,
    /// The account's name; empty for applications or when unknown.
    pub account_name: String,
}

/// Who gets or has the access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeneficiaryFacts {
    /// User or group, by id.
    pub principal: PrincipalRef,
    /// Its name.
    pub name: String,
    /// The beneficiary is the subject's own user.
    pub is_subject: bool,
}

/// May the subject ask for this grant? (`Request`, `BreakGlass`)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantQuestion {
    /// The target.
    pub target: TargetFacts,
    /// Who gets it.
    pub beneficiary: BeneficiaryFacts,
    /// People affected, after group expansion.
    pub people_count: u64,
    /// How long; none means no end.
    pub duration: Option<SignedDuration>,
    /// Why; may be empty.
    pub justification: String,
    /// The ticket; may be empty.
    pub ticket: String,
    /// It takes over an assignment that is there.
    pub adoption: bool,
}

/// May this grant open now? (`Activate`)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationQuestion {
    /// What is asked for.
    pub grant: GrantQuestion,
    /// The id of the path that was paid; empty for break-glass.
    pub path: String,
    /// People who agreed.
    pub approval_count: u64,
    /// The groups and services in whose name they did, as policies write them.
    pub approver_groups: Vec<String>,
    /// It is break-glass.
    pub break_glass: bool,
}

/// What any other action is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// An instance: `ReadDirectory`, `ReadAudit`, `ReadEvents`, `Operate`.
    Instance {
        /// Its ARN.
        arn: InstanceArn,
        /// Its alias; empty when it has none.
        alias: String,
    },
    /// A grant: `ReadGrants`, `Revoke`, `Approve`.
    Grant {
        /// Its id.
        id: String,
        /// Its target.
        target: TargetFacts,
        /// Who has it.
        beneficiary: BeneficiaryFacts,
        /// The subject asked for it.
        requested_by_subject: bool,
        /// It was taken at once, to be looked at afterwards.
        break_glass: bool,
    },
    /// An assignment in AWS: `ReadAssignments`, `Revoke`.
    Assignment {
        /// Its target.
        target: TargetFacts,
        /// Who has it.
        beneficiary: BeneficiaryFacts,
    },
    /// A person for whom a service wants to act: `ActFor`.
    User(UserFacts),
}

/// A question of any kind.
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// May the subject ask for this grant?
    Request(&'a GrantQuestion),
    /// May the subject take this access at once?
    BreakGlass(&'a GrantQuestion),
    /// May this grant open?
    Activate(&'a ActivationQuestion),
    /// Any other action.
    Other(Action, &'a Resource),
}

impl Question<'_> {
    /// The action that is asked about.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Request(_) => Action::Request,
            Self::BreakGlass(_) => Action::BreakGlass,
            Self::Activate(_) => Action::Activate,
            Self::Other(action, _) => *action,
        }
    }

    /// Whether the action may be asked about such a resource at all.
    pub(super) fn is_of_the_schema(&self) -> bool {
        let Self::Other(action, resource) = self else {
            return true;
        };
        match resource {
            Resource::Grant { .. } => {
                matches!(
                    action,
                    Action::Approve | Action::Revoke | Action::ReadGrants
                )
            }
            Resource::Assignment { .. } => {
                matches!(action, Action::Revoke | Action::ReadAssignments)
            }
            Resource::Instance { .. } => matches!(
                action,
                Action::ReadDirectory | Action::ReadAudit | Action::ReadEvents | Action::Operate
            ),
            Resource::User(_) => *action == Action::ActFor,
        }
    }
}
