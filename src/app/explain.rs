//! ExplainAccess: whether a user can enter a target, by which ways, why each is there, and what stands in
//! the way. It only reads, and never says no where something could not be read.

mod obstacles;
mod past;
mod past_states;
mod ways;

use std::time::Duration;

use jiff::Timestamp;

use self::obstacles::not_assigned;
use super::asker::{Asker, Purpose};
use super::list_assignments::{ListAssignments, not_there};
use super::page_token::PageRequest;
use super::permission::LOOKED_AT_MAX;
use super::principals::Asked;
use super::view::{GrantView, NamedPrincipal, NamedTarget, status_of};
use super::{App, AppError, CallContext};
use crate::directory::{PrincipalQuery, TargetQuery};
use crate::domain::report::Provenance;
use crate::domain::{Failure, GrantId, Instance, InstanceArn, Target};
use crate::identity_center::Call;

/// Grants that are shown whole: of a user's few groups on one target hardly ever more than some, and each
/// costs reads of the store.
const GRANTS_SHOWN_MAX: usize = 100;

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainAccess {
    /// Instance ARN or alias; empty for the only one.
    pub instance: String,
    /// The user.
    pub user: PrincipalQuery,
    /// What it may be able to enter.
    pub target: TargetQuery,
    /// How old facts may be; none for the default.
    pub max_age: Option<Duration>,
    /// At which time; none for now.
    pub as_of: Option<Timestamp>,
}

/// Whether a user can enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessAnswer {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// Something that decides it could not be read.
    Unknown,
}

/// Which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathKind {
    /// The user is assigned.
    Direct,
    /// This group of the user is.
    Group(NamedPrincipal),
    /// Every user of the identity store may enter.
    OpenApplication,
}

/// A way in, and why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedPath {
    /// Which way.
    pub kind: PathKind,
    /// Why the assignment stands; none where there is none.
    pub provenance: Option<Provenance>,
    /// Who keeps it outside of Usher; empty where its provenance is another.
    pub external_owner: String,
    /// The grants that hold it, as far as the subject may see them.
    pub grants: Vec<GrantView>,
    /// All of them.
    pub grant_ids: Vec<GrantId>,
}

impl ExplainedPath {
    /// The way that is open to everybody: no assignment is behind it.
    fn open_application() -> Self {
        Self {
            kind: PathKind::OpenApplication,
            provenance: None,
            external_owner: String::new(),
            grants: Vec::new(),
            grant_ids: Vec::new(),
        }
    }
}

/// What keeps a user out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObstacleKind {
    /// No way leads in.
    NotAssigned,
    /// The user is disabled.
    UserDisabled,
    /// The user is gone.
    UserDeleted,
    /// The application is switched off.
    ApplicationDisabled,
    /// The account is suspended or closed.
    AccountInactive,
    /// A grant is not in force yet.
    GrantWaits,
    /// The last grant is over.
    GrantOver,
}

/// One thing that keeps a user out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What.
    pub kind: ObstacleKind,
    /// The same in a sentence.
    pub description: String,
    /// The grant that it is about, where the subject may see it.
    pub grant: Option<Box<GrantView>>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessExplanation {
    /// The instance.
    pub instance_arn: InstanceArn,
    /// The user.
    pub user: NamedPrincipal,
    /// The target.
    pub target: NamedTarget,
    /// Whether the user can enter.
    pub answer: AccessAnswer,
    /// The ways in.
    pub paths: Vec<ExplainedPath>,
    /// What keeps the user out.
    pub obstacles: Vec<Obstacle>,
    /// What could not be read, or may not be shown.
    pub unread: Vec<String>,
    /// When the oldest fact was read.
    pub as_of: Timestamp,
}

/// Who and what is asked about, found, and by whom.
#[derive(Clone, Copy)]
struct About<'a> {
    asker: &'a Asker,
    instance: &'a Instance,
    user: &'a Asked,
    target: &'a Target,
    max_age: Duration,
    call: Call,
}

/// What has been found out so far.
struct Findings {
    paths: Vec<ExplainedPath>,
    obstacles: Vec<Obstacle>,
    unread: Vec<String>,
    /// Whether something that would keep the user out whatever ways there are could not be read.
    is_state_unread: bool,
    /// Ways that the subject may not see: they are ways all the same.
    hidden_paths: usize,
    /// Ways, shown or hidden, that are told as they were last known: nobody could read them at the time.
    unread_paths: usize,
    as_of: Timestamp,
}

impl App {
    /// Whether a user can enter a target, and why.
    ///
    /// # Errors
    /// `AssignmentNotFound` where the subject may not see the user's assignment to the target, whether there
    /// is one or not; lookups, AWS errors on who and what is assigned, `StoreUnavailable`.
    pub async fn explain_access(
        &self,
        context: &CallContext,
        request: &ExplainAccess,
    ) -> Result<AccessExplanation, AppError> {
        let instance = &*self.instance_for(&request.instance, Some(&request.target))?;
        let asker = self.asker(context, Some(instance), Purpose::Read).await?;
        let list = as_list(request);
        // Boxed: each is large, and only one of many calls needs it.
        let explained = match request.as_of {
            Some(at) => {
                let of_now = (instance, &asker);
                Box::pin(self.explain_past(context, request, of_now, at)).await
            }
            None => Box::pin(self.explain(context, &list, instance, &asker)).await,
        };
        explained.map_err(|refusal| self.veiled(&asker, instance, refusal, || not_there(&list)))
    }

    async fn explain(
        &self,
        context: &CallContext,
        list: &ListAssignments,
        instance: &Instance,
        asker: &Asker,
    ) -> Result<AccessExplanation, AppError> {
        let call = self.call(context);
        let max_age = self.or_default(list.max_age);
        let found = self.find_for_list(instance, list, max_age, call).await?;
        let (Some(user), Some(target)) = found else {
            return Err(not_there(list));
        };
        let about = About {
            asker,
            instance,
            user: &user,
            target: &target,
            max_age,
            call,
        };
        self.check_assignment_may_be_seen(asker, list, (instance, &user.reference, &target))
            .await?;
        let (mut findings, open) = self.assigned_ways(context, list, about).await?;
        self.add_openness(about, &mut findings).await;
        self.add_statuses(about, &mut findings).await;
        let has_way = !findings.paths.is_empty() || findings.hidden_paths > 0;
        if !has_way && findings.unread.is_empty() {
            findings.obstacles.push(not_assigned());
        }
        if !has_way {
            self.add_grants(about, open, &mut findings).await?;
        }
        let answer = answer(has_way, &findings);
        let mut shown_user = self.named_principal(&instance.arn, &user.reference).await;
        shown_user.status = status_of(user.record.value.as_ref());
        Ok(AccessExplanation {
            instance_arn: instance.arn.clone(),
            user: shown_user,
            target: self.named_target(&target).await,
            answer,
            paths: findings.paths,
            obstacles: findings.obstacles,
            unread: findings.unread,
            as_of: findings.as_of,
        })
    }
}

/// The same question as a list asks it.
fn as_list(request: &ExplainAccess) -> ListAssignments {
    ListAssignments {
        instance: request.instance.clone(),
        principal: Some(request.user.clone()),
        target: Some(request.target.clone()),
        kind: None,
        include_group_paths: true,
        provenance: Vec::new(),
        max_age: request.max_age,
        page: PageRequest {
            list: String::new(),
            size: LOOKED_AT_MAX,
            token: String::new(),
        },
    }
}

/// What it all comes to. A way that is there counts also where it may not be shown; that none is there, and that
/// nothing keeps the user out, is said only where it was read.
fn answer(has_way: bool, findings: &Findings) -> AccessAnswer {
    let is_kept_out = findings.obstacles.iter().any(|obstacle| {
        matches!(
            obstacle.kind,
            ObstacleKind::UserDisabled
                | ObstacleKind::UserDeleted
                | ObstacleKind::ApplicationDisabled
                | ObstacleKind::AccountInactive
        )
    });
    match (is_kept_out, has_way) {
        (true, _) => AccessAnswer::No,
        (false, true) if !findings.is_state_unread => AccessAnswer::Yes,
        (false, false) if findings.unread.is_empty() => AccessAnswer::No,
        (false, _) => AccessAnswer::Unknown,
    }
}

impl Findings {
    /// Whether there is a way that was read.
    fn has_way(&self) -> bool {
        self.paths.len() + self.hidden_paths > self.unread_paths
    }

    /// Whether a user or a target is in use could not be read.
    fn miss_state(&mut self, sentence: String) {
        self.unread.push(sentence);
        self.is_state_unread = true;
    }
}

fn unread(what: &str, failure: &Failure) -> String {
    format!("{what}: {}", failure.kind.explanation())
}
