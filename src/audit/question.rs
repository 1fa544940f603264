//! What a report is asked for: the view, the instances, the part of them. Pure values.

use crate::domain::external::ExternalRules;
use crate::domain::report::{ChangeRow, Format, ReportRow as _, View};
use crate::domain::{
    Account, AccountAccess, Application, ApplicationArn, Instance, InstanceArn, Operation,
    PermissionSet, PrincipalRef, Target,
};
use crate::identity_center::{Dated, Demand, UnreachableAccount};
use crate::store::{FinishedCollection, GrantScope};

use super::changes::Period;
use super::collection::Missing;
use super::plan::{KnownCounts, PlanScope, PlanTarget};
use super::readings::Reuse;

/// A question for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// The instances it is about, sorted by ARN.
    pub instances: Vec<InstanceToRead>,
    /// Where else people are looked for.
    pub peers: Peers,
    /// Accounts that nobody could look into, named as missing: those that may have an instance of
    /// which the report lacks everything.
    pub unreachable: Vec<UnreachableAccount>,
    /// What else the report lacks, found out before it began.
    pub missing: Vec<Missing>,
    /// The question.
    pub view: View,
    /// The form of the answer.
    pub format: Format,
    /// The part of the instances it is about.
    pub scope: Scope,
    /// For whom AWS is asked: reports of several callers take turns.
    pub demand: Demand,
    /// What is compared, in the place of the view's rows; nothing of it is read of AWS.
    pub compared: Option<Period>,
    /// Who keeps assignments outside of Usher.
    pub external: ExternalRules,
    /// Plan only: nothing is read, the answer is the header and an empty summary.
    pub validate_only: bool,
}

/// The instances in whose stores people are looked for: the same person may be in several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peers {
    /// Every instance that is served.
    pub served: Vec<Instance>,
    /// Whether whoever asks may audit all of them: else what is known of one from another is not told.
    pub may_be_told: bool,
}

/// An instance that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceToRead {
    /// The instance, as ListInstances or the configuration has it.
    pub instance: Instance,
    /// What an earlier report counted, if there was one: the better the plan.
    pub known: KnownCounts,
    /// The collection in the store that answers in the place of AWS; none to read AWS.
    pub kept: Option<FinishedCollection>,
    /// What was read of it before and answers in the place of AWS, in a whole report of ACCESS.
    pub reuse: Reuse,
}

/// What a report asks about one instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) instance: &'a Instance,
    pub(super) known: &'a KnownCounts,
    pub(super) kept: Option<&'a FinishedCollection>,
    pub(super) reuse: &'a Reuse,
    pub(super) view: View,
    pub(super) demand: Demand,
    pub(super) scope: &'a Scope,
}

/// The part of an instance that a report is about; by default all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Only rows of this user, or of this group.
    pub principal: Option<PrincipalRef>,
    /// Only rows of this target; no other is read.
    pub target: Option<TargetScope>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetScope {
    /// An application by its ARN; one Describe reads the rest.
    Application(ApplicationArn),
    /// An application with facts that are fresh enough for the asker.
    KnownApplication(Box<Dated<Application>>),
    /// An account with a permission set.
    AccountAccess(Box<AccessScope>),
}

/// One account with a permission set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessScope {
    /// Which.
    pub access: AccountAccess,
    /// The account's facts, if they are fresh enough for the asker; else they are read.
    pub account: Option<Dated<Account>>,
    /// The permission set's facts, likewise.
    pub permission_set: Option<Dated<PermissionSet>>,
}

impl ReportRequest {
    /// The names of the columns of its rows.
    pub(super) fn columns(&self) -> &'static [&'static str] {
        match self.compared {
            Some(_) => ChangeRow::COLUMNS,
            None => self.view.columns(),
        }
    }

    /// The first instance that gives access to accounts: its organization names them. Of another
    /// organization's accounts a report has no names, and says so.
    pub(super) fn first_giving_access(&self) -> Option<&InstanceArn> {
        let mut instances = self.instances.iter().map(|read| &read.instance);
        let giving = instances.find(|instance| instance.gives_account_access());
        giving.map(|instance| &instance.arn)
    }

    /// What it asks about each instance.
    pub(super) fn questions(&self) -> impl Iterator<Item = Question<'_>> {
        self.instances.iter().map(|instance| Question {
            instance: &instance.instance,
            known: &instance.known,
            kept: instance.kept.as_ref(),
            reuse: &instance.reuse,
            view: self.view,
            demand: self.demand,
            scope: &self.scope,
        })
    }
}

impl Question<'_> {
    /// Whether assignments to accounts belong to the answer.
    pub(super) fn covers_accounts(&self) -> bool {
        self.view.tells_access()
            && match self.scope.target {
                None => self.instance.gives_account_access(),
                Some(TargetScope::AccountAccess(_)) => true,
                Some(TargetScope::Application(_) | TargetScope::KnownApplication(_)) => false,
            }
    }

    /// Whether what is read for it is a state of the whole instance, which is kept.
    pub(super) fn is_of_everything(&self) -> bool {
        self.kept.is_none() && self.view.expands_groups() && self.scope.is_whole()
    }

    /// The operations that fit and that are not asked, because what they read before answers.
    pub(super) fn spared(&self, fits: impl Fn(Operation) -> bool) -> Vec<(Operation, u64)> {
        if !self.is_of_everything() {
            return Vec::new();
        }
        let spared = self.reuse.operations().into_iter();
        spared.filter(|(operation, _)| fits(*operation)).collect()
    }

    /// Whether applications belong to the answer.
    pub(super) fn covers_applications(&self) -> bool {
        !matches!(self.scope.target, Some(TargetScope::AccountAccess(_)))
    }

    pub(super) fn for_plan(&self) -> PlanScope {
        let target = match &self.scope.target {
            None => PlanTarget::Everything,
            Some(TargetScope::Application(_)) => PlanTarget::Application { is_known: false },
            Some(TargetScope::KnownApplication(_)) => PlanTarget::Application { is_known: true },
            Some(TargetScope::AccountAccess(access)) => PlanTarget::AccountAccess {
                account_is_known: access.account.is_some(),
                permission_set_is_known: access.permission_set.is_some(),
            },
        };
        PlanScope {
            principal: self
                .scope
                .principal
                .as_ref()
                .map(|principal| principal.kind),
            target,
            covers_accounts: self.instance.gives_account_access(),
            lists_by_principal: self.instance.lists_account_access_by_principal(),
        }
    }
}

impl Scope {
    /// Whether it is the whole instance.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.principal.is_none() && self.target.is_none()
    }

    /// The target that it is about.
    pub(super) fn wanted_target(&self) -> Option<Target> {
        Some(match self.target.as_ref()? {
            TargetScope::Application(arn) => Target::Application(arn.clone()),
            TargetScope::KnownApplication(application) => {
                Target::Application(application.value.arn.clone())
            }
            TargetScope::AccountAccess(scope) => Target::AccountAccess(scope.access.clone()),
        })
    }

    /// The grants that can explain its rows. A user's rows also show grants to its groups.
    pub(super) fn for_grants(&self) -> GrantScope {
        self.wanted_target()
            .map_or(GrantScope::All, GrantScope::Target)
    }
}
