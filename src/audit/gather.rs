//! Facts on their way into a `Collection`: in whatever order they arrive, each once.
//!
//! What is repeated over pages (lists shift while they are read) counts once; what was read before
//! a failure stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::accounts::AccountList;
use super::beside::Shown;
use super::collection::{
    AccessFacts, ApplicationFacts, Assignee, Collection, GroupFacts, Joined, Members, Missing,
    UserFacts, UserIndex,
};
use super::places::{account_facts, account_ids, moved_joined, sorted_users};
use super::plan::KnownCounts;
use crate::domain::facts::Gap;
use crate::domain::{
    AccountAccess, AccountId, Application, ApplicationArn, AssignmentRequired, Group, GroupId,
    Instance, Membership, PermissionSet, PermissionSetArn, PrincipalKind, PrincipalRef,
    PrincipalStatus, Target, User, UserId,
};

/// What has been gathered so far.
#[derive(Default)]
pub(super) struct Gathered {
    applications: BTreeMap<ApplicationArn, GatheredApplication>,
    permission_sets: BTreeMap<PermissionSetArn, PermissionSet>,
    account_access: BTreeMap<AccountAccess, BTreeSet<PrincipalRef>>,
    user_places: HashMap<UserId, UserIndex>,
    users: Vec<UserFacts>,
    groups: BTreeMap<GroupId, GatheredGroup>,
    /// What could not be read, why, and the facts that nobody saw for it.
    missing: BTreeSet<(String, String, Vec<Gap>)>,
    /// Who put users into groups, each once.
    authors: HashSet<Arc<str>>,
    observed: Option<(Timestamp, Timestamp)>,
    /// How long the lists were that were read to their end.
    pub(super) listed: KnownCounts,
    /// Groups that are known to exist before anything names them.
    pub(super) confirmed_groups: HashMap<GroupId, Group>,
    /// What lists showed, where that is kept whether or not anything names it.
    pub(super) shown: Option<Shown>,
}

struct GatheredApplication {
    application: Application,
    required: AssignmentRequired,
    assigned: BTreeSet<PrincipalRef>,
}

struct GatheredGroup {
    group: Group,
    status: PrincipalStatus,
    members: Members,
    joined: Vec<Joined>,
}

impl Gathered {
    /// A fact was read at this time.
    pub(super) fn observe(&mut self, at: Timestamp) {
        let (from, until) = self.observed.unwrap_or((at, at));
        self.observed = Some((from.min(at), until.max(at)));
    }

    /// Something could not be read, and these facts could not be seen for it.
    pub(super) fn miss(&mut self, scope: String, reason: &str, mut gaps: Vec<Gap>) {
        gaps.sort_unstable();
        self.missing.insert((scope, reason.to_owned(), gaps));
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

    /// A permission set is there, with what is known of it.
    pub(super) fn permission_set(&mut self, set: PermissionSet) {
        self.permission_sets.insert(set.arn.clone(), set);
    }

    /// A permission set is there, whatever it is called.
    pub(super) fn has_permission_set(&mut self, arn: PermissionSetArn) {
        let nameless = PermissionSet {
            arn: arn.clone(),
            name: String::new(),
            description: String::new(),
            session_duration: String::new(),
        };
        self.permission_sets.entry(arn).or_insert(nameless);
    }

    /// An account has a permission set.
    pub(super) fn account_access(&mut self, access: AccountAccess) {
        self.has_permission_set(access.permission_set.clone());
        self.account_access.entry(access).or_default();
    }

    /// The accounts that have a permission set.
    pub(super) fn accounts_named(&self) -> BTreeSet<&AccountId> {
        account_ids(&self.account_access)
    }

    /// The accounts with their permission sets that are known so far.
    pub(super) fn every_access(&self) -> Vec<AccountAccess> {
        self.account_access.keys().cloned().collect()
    }

    /// Keeps only what somebody is assigned to: the question is about one principal.
    pub(super) fn forget_unassigned_access(&mut self) {
        (self.account_access).retain(|_, assigned| !assigned.is_empty());
        let kept: BTreeSet<&PermissionSetArn> = (self.account_access.keys())
            .map(|access| &access.permission_set)
            .collect();
        self.permission_sets.retain(|arn, _| kept.contains(arn));
    }

    /// The permission sets whose names are not known.
    pub(super) fn permission_sets_without_names(&self) -> Vec<PermissionSetArn> {
        (self.permission_sets.iter())
            .filter(|(_, set)| set.name.is_empty())
            .map(|(arn, _)| arn.clone())
            .collect()
    }

    /// A principal is assigned. Answers whether it is a group that nobody had named before.
    pub(super) fn assigned(&mut self, target: &Target, principal: PrincipalRef) -> bool {
        let is_new_group = match principal.kind {
            PrincipalKind::User => {
                self.user_place(&principal.id);
                false
            }
            PrincipalKind::Group => !self.groups.contains_key(&principal.id),
        };
        if is_new_group {
            let group = Group {
                id: principal.id.clone(),
                display_name: String::new(),
                description: String::new(),
            };
            self.known_group(group, PrincipalStatus::Unknown);
        }
        match target {
            Target::Application(arn) => {
                if let Some(facts) = self.applications.get_mut(arn) {
                    facts.assigned.insert(principal);
                }
            }
            Target::AccountAccess(access) => {
                if let Some(assigned) = self.account_access.get_mut(access) {
                    assigned.insert(principal);
                }
            }
        }
        is_new_group
    }

    /// An assigned group exists.
    pub(super) fn group_exists(&mut self, group: Group) {
        if let Some(facts) = self.groups.get_mut(&group.id) {
            facts.group = group;
            facts.status = PrincipalStatus::Enabled;
        }
    }

    /// A group with what a collection knew of it.
    pub(super) fn known_group(&mut self, group: Group, status: PrincipalStatus) {
        let id = group.id.clone();
        let facts = GatheredGroup {
            group,
            status,
            members: Members::NotRead,
            joined: Vec::new(),
        };
        self.groups.insert(id, facts);
    }

    /// Whether something names a group.
    pub(super) fn names_group(&self, id: &GroupId) -> bool {
        self.groups.contains_key(id)
    }

    /// Whether something names a user.
    pub(super) fn names_user(&self, id: &UserId) -> bool {
        self.user_places.contains_key(id)
    }

    /// An assigned group was deleted.
    pub(super) fn group_is_deleted(&mut self, id: &GroupId) {
        if let Some(facts) = self.groups.get_mut(id) {
            facts.group.display_name.clear();
            facts.group.description.clear();
            facts.status = PrincipalStatus::Deleted;
            facts.members = Members::NotRead;
            facts.joined = Vec::new();
        }
    }

    /// The members of an assigned group; all of them, unless it failed on the way. That AWS
    /// answered about its members says that the group exists, whether or not its name is known.
    pub(super) fn members(&mut self, id: &GroupId, members: Vec<Membership>, is_complete: bool) {
        let mut places = Vec::with_capacity(members.len());
        let mut joined = Vec::new();
        for membership in members {
            let user = self.user_place(&membership.user_id);
            places.push(user);
            let by = self.author(membership.created_by);
            if membership.created_at.is_some() || by.is_some() {
                joined.push(Joined {
                    user,
                    since: membership.created_at,
                    by,
                });
            }
        }
        places.sort_unstable();
        places.dedup();
        joined.sort_by_key(|it| it.user);
        joined.dedup_by_key(|it| it.user);
        if let Some(facts) = self.groups.get_mut(id) {
            if is_complete || !places.is_empty() {
                facts.status = PrincipalStatus::Enabled;
            }
            facts.joined = joined;
            facts.members = if is_complete {
                Members::Read(places)
            } else if places.is_empty() {
                Members::NotRead
            } else {
                Members::Partly(places)
            };
        }
    }

    fn author(&mut self, name: String) -> Option<Arc<str>> {
        if name.is_empty() {
            return None;
        }
        if let Some(known) = self.authors.get(name.as_str()) {
            return Some(Arc::clone(known));
        }
        let name: Arc<str> = name.into();
        self.authors.insert(Arc::clone(&name));
        Some(name)
    }

    /// The report names this user, whatever becomes known of it.
    pub(super) fn name_user(&mut self, id: &UserId) {
        self.user_place(id);
    }

    /// A user with what a collection knew of it.
    pub(super) fn known_user(&mut self, known: UserFacts) {
        let place = self.user_place(&known.user.id);
        if let Some(facts) = self.users.get_mut(place as usize) {
            *facts = known;
        }
    }

    /// A user exists. Unless `keep`, a report has it only if something names it.
    pub(super) fn user_exists(&mut self, user: User, keep: bool) {
        if keep || self.names_user(&user.id) {
            self.known_user(UserFacts { user, exists: true });
        } else if let Some(shown) = &mut self.shown {
            shown.users.push(user);
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
                external_ids: Vec::new(),
            },
            exists: false,
        });
        place
    }

    /// Sorts everything and gives everything its place. The list of accounts names them, where it
    /// was read.
    pub(super) fn finish(
        mut self,
        instance: Instance,
        accounts: Option<&AccountList>,
    ) -> Collection {
        let shown = self.shown.take();
        let beside = shown.map(|shown| shown.beside(&self, &instance, accounts));
        let (users, moved) = sorted_users(self.users);
        let moved_to = |place: UserIndex| moved.get(place as usize).copied().unwrap_or(place);
        let group_places: HashMap<GroupId, u32> = self.groups.keys().cloned().zip(0..).collect();
        let groups = (self.groups.into_values())
            .map(|facts| GroupFacts {
                group: facts.group,
                status: facts.status,
                members: facts.members.moved(moved_to),
                joined: moved_joined(facts.joined, moved_to),
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
        let (account_facts, account_places) =
            account_facts(&instance, &self.account_access, accounts);
        let set_places: HashMap<PermissionSetArn, u32> =
            self.permission_sets.keys().cloned().zip(0..).collect();
        let account_access = (self.account_access.iter())
            .filter_map(|(access, assigned)| {
                Some(AccessFacts {
                    account: *account_places.get(&access.account)?,
                    permission_set: *set_places.get(&access.permission_set)?,
                    assignees: assigned.iter().filter_map(place).collect(),
                })
            })
            .collect();
        Collection {
            missing: (self.missing.into_iter())
                .map(|(scope, reason, gaps)| Missing {
                    instance_arn: Some(instance.arn.clone()),
                    scope,
                    reason,
                    gaps,
                })
                .collect(),
            instance,
            applications,
            accounts: account_facts,
            permission_sets: self.permission_sets.into_values().collect(),
            account_access,
            users,
            groups,
            beside: beside.unwrap_or_default(),
            observed_from: self.observed.map(|(from, _)| from),
            observed_until: self.observed.map(|(_, until)| until),
            operations: Vec::new(),
            counts: self.listed,
        }
    }
}
