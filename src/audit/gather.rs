//! Facts on their way into a `Collection`: in whatever order they arrive, each once.
//!
//! What is repeated over pages (lists shift while they are read) counts once; what was read before
//! a failure stays.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::collection::{
    ApplicationFacts, Assignee, Collection, GroupFacts, Members, Missing, UserFacts, UserIndex,
};
use crate::domain::{
    Application, ApplicationArn, AssignmentRequired, Group, GroupId, Instance, PrincipalKind,
    PrincipalRef, PrincipalStatus, User, UserId,
};

/// So many lacks are named one by one; the rest is counted. A role that may not read members would
/// otherwise fill a summary with ten thousand equal sentences.
const MISSING_NAMED_MAX: usize = 1_000;

/// What has been gathered so far.
#[derive(Default)]
pub(super) struct Gathered {
    applications: BTreeMap<ApplicationArn, GatheredApplication>,
    user_places: HashMap<UserId, UserIndex>,
    users: Vec<UserFacts>,
    groups: BTreeMap<GroupId, GatheredGroup>,
    missing: BTreeSet<Missing>,
    observed: Option<(Timestamp, Timestamp)>,
    /// How many users the whole list had.
    pub(super) listed_users: Option<u64>,
    /// How many groups the whole list had.
    pub(super) listed_groups: Option<u64>,
}

struct GatheredApplication {
    application: Application,
    required: AssignmentRequired,
    assigned: BTreeSet<PrincipalRef>,
}

struct GatheredGroup {
    name: String,
    status: PrincipalStatus,
    members: Members,
}

impl Gathered {
    /// A fact was read at this time.
    pub(super) fn observe(&mut self, at: Timestamp) {
        let (from, until) = self.observed.unwrap_or((at, at));
        self.observed = Some((from.min(at), until.max(at)));
    }

    /// Something could not be read.
    pub(super) fn miss(&mut self, scope: String, reason: &str) {
        let reason = reason.to_owned();
        self.missing.insert(Missing { scope, reason });
    }

    /// An application exists. Repeated ones change nothing.
    pub(super) fn application(&mut self, application: Application) {
        let arn = application.arn.clone();
        self.applications
            .entry(arn)
            .or_insert_with(|| GatheredApplication {
                application,
                required: AssignmentRequired::Unknown,
                assigned: BTreeSet::new(),
            });
    }

    /// Whether only assigned principals may enter.
    pub(super) fn required(&mut self, arn: &ApplicationArn, required: AssignmentRequired) {
        if let Some(facts) = self.applications.get_mut(arn) {
            facts.required = required;
        }
    }

    /// Whether some application is open to everybody.
    pub(super) fn has_open_application(&self) -> bool {
        (self.applications.values()).any(|facts| facts.required == AssignmentRequired::No)
    }

    /// A principal is assigned. Answers whether it is a group that nobody had named before.
    pub(super) fn assigned(&mut self, arn: &ApplicationArn, principal: PrincipalRef) -> bool {
        let is_new_group = match principal.kind {
            PrincipalKind::User => {
                self.user_place(&principal.id);
                false
            }
            PrincipalKind::Group => !self.groups.contains_key(&principal.id),
        };
        if is_new_group {
            self.groups.insert(
                principal.id.clone(),
                GatheredGroup {
                    name: String::new(),
                    status: PrincipalStatus::Unknown,
                    members: Members::NotRead,
                },
            );
        }
        if let Some(facts) = self.applications.get_mut(arn) {
            facts.assigned.insert(principal);
        }
        is_new_group
    }

    /// An assigned group exists, with this name.
    pub(super) fn group_exists(&mut self, id: &GroupId, name: String) {
        if let Some(facts) = self.groups.get_mut(id) {
            facts.name = name;
            facts.status = PrincipalStatus::Enabled;
        }
    }

    /// An assigned group was deleted.
    pub(super) fn group_is_deleted(&mut self, id: &GroupId) {
        if let Some(facts) = self.groups.get_mut(id) {
            facts.name.clear();
            facts.status = PrincipalStatus::Deleted;
            facts.members = Members::NotRead;
        }
    }

    /// The members of an assigned group; all of them, unless it failed on the way. That AWS
    /// answered about its members says that the group exists, whether or not its name is known.
    pub(super) fn members(&mut self, id: &GroupId, members: Vec<UserId>, is_complete: bool) {
        let mut places: Vec<UserIndex> = members.iter().map(|user| self.user_place(user)).collect();
        places.sort_unstable();
        places.dedup();
        if let Some(facts) = self.groups.get_mut(id) {
            if is_complete || !places.is_empty() {
                facts.status = PrincipalStatus::Enabled;
            }
            facts.members = if is_complete {
                Members::Read(places)
            } else {
                Members::Partly(places)
            };
        }
    }

    /// The report names this user, whatever becomes known of it.
    pub(super) fn name_user(&mut self, id: &UserId) {
        self.user_place(id);
    }

    /// A user exists. Unless `keep`, it is kept only if something names it.
    pub(super) fn user_exists(&mut self, user: User, keep: bool) {
        if !keep && !self.user_places.contains_key(&user.id) {
            return;
        }
        let place = self.user_place(&user.id);
        if let Some(facts) = self.users.get_mut(place as usize) {
            *facts = UserFacts { user, exists: true };
        }
    }

    /// A user was deleted.
    pub(super) fn user_is_deleted(&mut self, id: &UserId) {
        let place = self.user_place(id);
        if let Some(facts) = self.users.get_mut(place as usize) {
            facts.user.status = PrincipalStatus::Deleted;
        }
    }

    /// The users that something names and nothing is known of.
    pub(super) fn users_without_facts(&self) -> Vec<UserId> {
        (self.users.iter())
            .filter(|facts| !facts.exists && facts.user.status == PrincipalStatus::Unknown)
            .map(|facts| facts.user.id.clone())
            .collect()
    }

    fn user_place(&mut self, id: &UserId) -> UserIndex {
        if let Some(place) = self.user_places.get(id) {
            return *place;
        }
        // A store has at most 200,000 users (aws-api.md §4); four billion cannot be read at 100 a
        // page and 20,000 pages.
        let place = UserIndex::try_from(self.users.len()).unwrap_or(UserIndex::MAX);
        self.user_places.insert(id.clone(), place);
        self.users.push(UserFacts {
            user: User {
                id: id.clone(),
                user_name: String::new(),
                display_name: String::new(),
                email: String::new(),
                status: PrincipalStatus::Unknown,
            },
            exists: false,
        });
        place
    }

    /// Sorts everything and gives users and groups their places.
    pub(super) fn finish(self, instance: Instance) -> Collection {
        let (users, moved) = sorted_users(self.users);
        let moved_to = |place: UserIndex| moved.get(place as usize).copied().unwrap_or(place);
        let group_places: HashMap<GroupId, u32> = self.groups.keys().cloned().zip(0..).collect();
        let groups = (self.groups.into_iter())
            .map(|(id, facts)| GroupFacts {
                group: Group {
                    id,
                    display_name: facts.name,
                    description: String::new(),
                },
                status: facts.status,
                members: facts.members.moved(moved_to),
            })
            .collect();
        let place = |principal: &PrincipalRef| match principal.kind {
            PrincipalKind::User => {
                (self.user_places.get(&principal.id)).map(|place| Assignee::User(moved_to(*place)))
            }
            PrincipalKind::Group => {
                (group_places.get(&principal.id)).map(|place| Assignee::Group(*place))
            }
        };
        let applications = (self.applications.into_values())
            .map(|facts| ApplicationFacts {
                application: facts.application,
                required: facts.required,
                assignees: facts.assigned.iter().filter_map(place).collect(),
            })
            .collect();
        Collection {
            instance,
            applications,
            users,
            groups,
            missing: named(self.missing),
            observed_from: self.observed.map(|(from, _)| from),
            observed_until: self.observed.map(|(_, until)| until),
            operations: Vec::new(),
            counts: super::plan::KnownCounts::default(),
        }
    }
}

impl Members {
    fn moved(self, moved_to: impl Fn(UserIndex) -> UserIndex) -> Self {
        let moved = |members: Vec<UserIndex>| {
            let mut members: Vec<UserIndex> = members.into_iter().map(&moved_to).collect();
            members.sort_unstable();
            members
        };
        match self {
            Self::Read(members) => Self::Read(moved(members)),
            Self::Partly(members) => Self::Partly(moved(members)),
            Self::NotRead => Self::NotRead,
        }
    }
}

/// The users by id, and for each old place the new one.
fn sorted_users(users: Vec<UserFacts>) -> (Vec<UserFacts>, Vec<UserIndex>) {
    let mut sorted: Vec<(UserIndex, UserFacts)> = (0..).zip(users).collect();
    sorted.sort_unstable_by(|(_, left), (_, right)| left.user.id.cmp(&right.user.id));
    let mut moved = vec![0; sorted.len()];
    for ((old, _), new) in sorted.iter().zip(0..) {
        if let Some(place) = moved.get_mut(*old as usize) {
            *place = new;
        }
    }
    (sorted.into_iter().map(|(_, facts)| facts).collect(), moved)
}

fn named(missing: BTreeSet<Missing>) -> Vec<Missing> {
    let unnamed = missing.len().saturating_sub(MISSING_NAMED_MAX);
    let mut named: Vec<Missing> = missing.into_iter().take(MISSING_NAMED_MAX).collect();
    if unnamed > 0 {
        named.push(Missing {
            scope: format!("{unnamed} further scopes"),
            reason: "too many to name; mend the reasons above first".to_owned(),
        });
    }
    named
}
