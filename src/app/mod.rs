//! The use cases, one file each: what a call means, apart from how it travels.
//!
//! A write validates, decides, commits the intent, wakes the reconciler and waits. Nothing here
//! changes AWS, and nothing here knows gRPC. Errors are for before the commit; once a grant is
//! stored, the answer is the grant in its true state.

mod approvals;
mod asker;
mod assign;
mod assignment_facts;
mod assignment_rows;
mod beneficiaries;
mod beneficiaries_config;
mod browse;
mod browse_accounts;
mod budget;
mod config;
mod cost;
mod denials;
mod early;
mod ending;
mod error;
mod events;
mod explain;
mod external;
mod external_config;
mod facts_page;
mod grants;
mod keep_facts;
mod kept_views;
mod list_assignments;
mod list_from_facts;
mod operations;
mod page_token;
mod paths;
mod permission;
mod principals;
mod reasons;
mod refused_calls;
mod refused_calls_config;
mod report;
mod revoke;
mod revoked;
mod subject;
mod targets;
mod view;
mod wait;
mod warnings;
mod watch;
mod watch_grants;
mod who_am_i;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use approvals::{
    Adopt, AdoptRow, AdoptedRow, ApprovalsConfig, Cancel, Decide, DecideKind, Extend,
    ExtendOutcome, Refusal, SamePersonBy, WhoMayAgree, WishView,
};
use asker::{Purpose, the_gravest};
pub use assign::{Assign, AssignOutcome, Preview};
pub use beneficiaries_config::BeneficiariesConfig;
pub use browse::{Browse, ListPrincipals};
pub use budget::BudgetView;
pub use config::AppConfig;
use early::UnderWay;
pub use error::{AppError, Violation};
pub use events::{EventPage, EventView, ListEvents};
pub use explain::{
    AccessAnswer, AccessExplanation, ExplainAccess, ExplainedPath, Obstacle, ObstacleKind, PathKind,
};
pub use external_config::ExternalAssignments;
pub use facts_page::Listed;
pub use grants::{GrantListScope, GrantPage, ListGrants};
use kept_views::KeptViews;
pub use list_assignments::{AssignmentPage, AssignmentRow, ListAssignments, TargetKind};
pub use operations::{BrakeView, ChangeFreeze, ConfirmMassChange, RetryNow};
pub use page_token::{PageRequest, PageTokens};
pub use paths::RemainingPath;
use permission::instance_resource;
pub use refused_calls::{RefusedCalls, RefusedCallsWriter};
pub use refused_calls_config::RefusedCallsConfig;
pub use report::AuditReport;
pub use revoke::{AssignmentState, Revocation, Revoke, RevokeOutcome};
pub use view::{GrantView, NamedPrincipal, NamedTarget};
pub use warnings::{Warning, WarningKind};
pub use watch::{Watch, WatchEvents, Watched};
pub use watch_grants::WatchGrants;
pub use who_am_i::WhoAmI;

pub use crate::domain::{Approvers, Path};
pub use crate::identity_center::{BucketUse, Class, ClassUse, WAIT_BOUNDS};

use crate::audit::{AuditConfig, KnownCounts};
use crate::clock::Clock;
use crate::decision_log::{self, LogConfig};
use crate::directory::Directory;
use crate::domain::external::ExternalRules;
use crate::domain::log_head::LogKey;
use crate::domain::{Authenticated, CallerName, Instance, InstanceArn};
use crate::identity_center::{Call, Demand, IdentityCenter, Instances};
use crate::policy::{Action, PolicyInForce, PolicySet};
use crate::store::{Duties, NameKind, Store};

/// What the use cases work with.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// AWS.
    pub port: Arc<dyn IdentityCenter>,
    /// Names, members, assignments.
    pub directory: Directory,
    /// The policy set in force.
    pub policy: PolicyInForce,
    /// Where refused calls are noted.
    pub refused_calls: RefusedCalls,
    /// The instances served.
    pub instances: Instances,
    /// The numbers.
    pub config: AppConfig,
    /// Changes of account assignments that AWS may have under way for Usher, an instance.
    pub account_changes_max: usize,
    /// The numbers of approvals.
    pub approvals: ApprovalsConfig,
    /// The numbers of reports.
    pub audit: AuditConfig,
    /// Who keeps assignments outside of Usher.
    pub external: ExternalRules,
    /// The numbers of the decision log.
    pub log: LogConfig,
    /// What time it is.
    pub clock: Clock,
    /// Cancelled when the service ends: who waits for an outcome then answers the state reached.
    pub stopping: CancellationToken,
}

/// The use cases.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    page_tokens: PageTokens,
    /// What the heads of the decision log are signed by.
    log_key: LogKey,
    /// What the last whole report counted, by instance: plans are exact with it.
    counts: Arc<Mutex<BTreeMap<InstanceArn, KnownCounts>>>,
    kept_views: KeptViews,
    under_way: UnderWay,
    /// What one replica does for all.
    duties: Duties,
    /// Wakes the watch over beneficiaries: somebody confirmed a mass change.
    look_at_beneficiaries: Arc<Notify>,
    /// Wakes the collection of facts: somebody asked for what is not there.
    collect_now: Arc<Notify>,
}

/// Who calls, for whom, and until when an answer is of use.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Who calls: what rights and records are by. The service, where a person calls through one.
    pub caller: CallerName,
    /// For whom it acts, as far as credentials and headers tell: what request ids are kept by.
    pub subject: CallerName,
    /// What credentials and headers prove.
    pub authenticated: Arc<Authenticated>,
    /// The caller's deadline.
    pub deadline: Instant,
    /// What it is for, and whose turn it is: by that its operations get their turn at the budget.
    class: Class,
    turn: Turn,
    /// The set that decides the call, once it was asked for.
    policy: Arc<OnceLock<Arc<PolicySet>>>,
}

/// Whose turn at the budget a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    OfTheCaller,
    InAnEmergency,
}

impl CallContext {
    /// A call that nothing has been decided about.
    #[must_use]
    pub fn new(
        caller: CallerName,
        subject: CallerName,
        authenticated: Authenticated,
        deadline: Instant,
    ) -> Self {
        Self {
            caller,
            subject,
            authenticated: Arc::new(authenticated),
            deadline,
            class: Class::Read,
            turn: Turn::OfTheCaller,
            policy: Arc::default(),
        }
    }

    /// The same call as a write that somebody waits for.
    #[must_use]
    fn for_a_change(&self) -> Self {
        Self {
            class: Class::Grant,
            ..self.clone()
        }
    }

    /// The same call of somebody who says that it is an emergency: it need not wait behind what its caller
    /// does besides. Before policy has permitted it, it has no other rank for that.
    #[must_use]
    fn in_an_emergency(&self) -> Self {
        Self {
            turn: Turn::InAnEmergency,
            ..self.clone()
        }
    }

    /// How operations on AWS for this call get their turn.
    fn demand(&self) -> Demand {
        match self.turn {
            // Callers take turns, not whom they say to act for.
            Turn::OfTheCaller => Demand::of(self.class, self.caller.as_str()),
            // One for all of them: a caller does not get more turns by naming more people.
            Turn::InAnEmergency => {
                let name = format!("{} (emergency)", self.caller);
                Demand::of(self.class, &name)
            }
        }
    }

    /// The name that what a caller has open is counted by: a person's own, also through a service.
    #[must_use]
    pub fn counted_as(&self) -> CallerName {
        let name = CallerName::parse(&self.authenticated.caller.to_string());
        name.unwrap_or_else(|_| self.caller.clone())
    }
}

impl App {
    /// Puts the use cases together. The keys of page tokens and of the decision log are read from the
    /// store, so that what they made outlives a restart.
    ///
    /// # Errors
    /// `StoreUnavailable`.
    pub async fn new(parts: Parts) -> Result<Self, AppError> {
        let page_tokens = PageTokens::new(&parts.store.secret("page_token_key").await?)?;
        let signer = decision_log::signer(parts.store.as_ref()).await;
        let log_key = signer?.key().clone();
        Ok(Self {
            duties: Duties::new(parts.store.clone()),
            parts: Arc::new(parts),
            page_tokens,
            log_key,
            counts: Arc::default(),
            kept_views: KeptViews::default(),
            under_way: UnderWay::default(),
            look_at_beneficiaries: Arc::default(),
            collect_now: Arc::default(),
        })
    }

    /// The instances served that the subject may look at. One on which the caller may not act for it,
    /// or of which AWS does not answer who it is, is not among them.
    ///
    /// # Errors
    /// Where that is so of all: what AWS fails with, else `PolicyDenied` or `SubjectNotFound`.
    pub async fn list_instances(
        &self,
        context: &CallContext,
    ) -> Result<Vec<Arc<Instance>>, AppError> {
        let instances = self.parts.instances.all();
        let (mut seen, mut errors) = (Vec::new(), Vec::new());
        let count = instances.len();
        for (instance, asker) in self.askers(context, instances, Purpose::Read).await {
            match asker {
                Ok(asker) => {
                    // A list leaves out what may not be seen.
                    let resource = instance_resource(&instance);
                    if self.may_see(&asker, Action::ReadDirectory, &resource) {
                        seen.push(instance);
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.len() == count
            && let Some(error) = the_gravest(errors)
        {
            return Err(error);
        }
        Ok(seen)
    }

    /// Whether the store answers.
    pub async fn store_answers(&self) -> bool {
        // One row by its key, which need not be there.
        let look = self.parts.store.name(NameKind::User, "");
        look.await.is_ok()
    }

    /// Whether Usher may change AWS where it runs.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.parts.port.may_write()
    }

    /// Follows the store's changes and forgets what the directory holds of changed assignments, so
    /// that what Usher itself changed is not answered from a cache. Runs until dropped.
    pub async fn follow_changes(&self) {
        let mut changes = self.parts.store.signals().changes();
        loop {
            match changes.recv().await {
                Ok(id) => {
                    if let Ok(Some(grant)) = self.parts.store.grant(&id).await {
                        self.forget_cached(&grant);
                    }
                }
                // What was missed grows stale by its age.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Where refused calls are noted, for those that are refused before any use case.
    #[must_use]
    pub fn refused_calls(&self) -> RefusedCalls {
        self.parts.refused_calls.clone()
    }

    /// The instance that a request means: by ARN or alias, or the only one.
    fn instance(&self, wanted: &str) -> Result<Arc<Instance>, AppError> {
        let instances = self.parts.instances.all();
        if wanted.is_empty() {
            return match instances.as_slice() {
                [only] => Ok(Arc::clone(only)),
                _ => Err(AppError::field(
                    "instance",
                    "is required, because several instances are configured",
                )),
            };
        }
        instances
            .into_iter()
            .find(|instance| {
                instance.arn.as_str() == wanted || instance.alias.as_deref() == Some(wanted)
            })
            .ok_or_else(|| AppError::InstanceNotFound {
                query: wanted.to_owned(),
            })
    }

    /// How a read of AWS on behalf of this call is to be made.
    fn call(&self, context: &CallContext) -> Call {
        Call {
            deadline: context.deadline,
            demand: context.demand(),
        }
    }

    fn known_counts(&self, instance: &InstanceArn) -> KnownCounts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(instance).copied().unwrap_or_default()
    }

    fn remember_counts(&self, instance: &InstanceArn, seen: KnownCounts) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let older = counts.get(instance).copied().unwrap_or_default();
        counts.insert(instance.clone(), seen.or(older));
    }

    fn default_max_age(&self) -> Duration {
        self.parts.directory.default_max_age()
    }
}
