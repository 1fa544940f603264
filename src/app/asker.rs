//! For whom a call is made: the subject's user, found in the identity store of the instance that the
//! call is about, with the groups that policies name. What it may do, policy decides.

use std::sync::Arc;
use std::time::Duration;

use super::{App, AppError, CallContext};
use crate::domain::{
    CallerName, Identity, Instance, MatchBy, Person, PrincipalId, PrincipalKind, PrincipalRef,
    PrincipalStatus, User, UserId,
};
use crate::identity_center::Call;
use crate::policy::{Action, GroupFacts, PolicySet, Resource, Scene, Subject, UserFacts};

/// How old a subject's user and memberships may be behind a change (DESIGN.md §7).
const FRESH: Duration = Duration::from_secs(60);
/// And behind a read.
const FRESH_FOR_READING: Duration = Duration::from_secs(900);

/// For whom a call is made, as one instance knows it.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// The policy set that decides the call.
    pub(super) policy: Arc<PolicySet>,
    /// What policy is asked with.
    pub(super) scene: Scene,
    /// Who is authenticated, as events record it.
    pub(super) caller: CallerName,
    /// What grants and events record; the same for the same subject at all times.
    pub(super) subject: CallerName,
}

/// How the facts about a subject are read.
#[derive(Debug, Clone, Copy)]
struct Reading {
    max_age: Duration,
    call: Call,
}

/// What the call is to do, which says how old facts about the subject may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Something is read.
    Read,
    /// Something is changed.
    Change,
}

impl Purpose {
    fn max_age(self) -> Duration {
        match self {
            Self::Read => FRESH_FOR_READING,
            Self::Change => FRESH,
        }
    }
}

impl Asker {
    /// The subject's user.
    pub(super) fn user(&self) -> Option<&UserFacts> {
        match &self.scene.subject {
            Subject::User(user) => Some(user),
            Subject::Service(_) | Subject::Unmatched(_) => None,
        }
    }

    /// Whether a principal is the subject itself.
    pub(super) fn is(&self, principal: &PrincipalRef) -> bool {
        principal.kind == PrincipalKind::User
            && self.user().is_some_and(|user| user.id == principal.id)
    }
}

impl App {
    /// For whom this call is made, on this instance; without one nobody has a user.
    ///
    /// # Errors
    /// `PolicyDenied` where the caller may not act for the subject; `SubjectNotFound` where nobody
    /// is who the caller says to act for, or proof and name disagree; what AWS fails with.
    pub(super) async fn asker(
        &self,
        context: &CallContext,
        instance: Option<&Instance>,
        purpose: Purpose,
    ) -> Result<Asker, AppError> {
        let asker = self.find_asker(context, instance, purpose).await;
        if matches!(asker, Err(AppError::SubjectNotFound)) {
            self.note_unknown_subject(context);
        }
        asker
    }

    async fn find_asker(
        &self,
        context: &CallContext,
        instance: Option<&Instance>,
        purpose: Purpose,
    ) -> Result<Asker, AppError> {
        let reading = Reading {
            max_age: purpose.max_age(),
            call: self.call(context),
        };
        // One set decides the whole call, whatever is loaded meanwhile.
        let policy = self.parts.policy.current();
        match &context.authenticated.caller {
            Identity::Developer(name) => {
                let person = Person {
                    issuer: String::new(),
                    subject: name.to_string(),
                    match_by: MatchBy::UserName,
                    match_value: name.to_string(),
                    external_id_issuer: String::new(),
                };
                // A token of --dev needs nobody in the identity store.
                let subject = if policy.asks_for_people() {
                    self.person(&policy, instance, &person, reading).await?
                } else {
                    Subject::Unmatched(name.to_string())
                };
                Ok(self.asking(context, policy, subject, None, true, context.caller.clone()))
            }
            Identity::Person { person, service } => {
                let subject = self.person(&policy, instance, person, reading).await?;
                let name = name_of(&subject, &context.caller);
                Ok(self.asking(context, policy, subject, service.clone(), true, name))
            }
            Identity::Service(service) => {
                self.asker_of_service(context, policy, instance, service, reading)
                    .await
            }
        }
    }

    async fn asker_of_service(
        &self,
        context: &CallContext,
        policy: Arc<PolicySet>,
        instance: Option<&Instance>,
        service: &str,
        reading: Reading,
    ) -> Result<Asker, AppError> {
        let authenticated = &context.authenticated;
        let itself = Subject::Service(service.to_owned());
        let proven = match &authenticated.subject_proof {
            Some(person) => Some(self.person(&policy, instance, person, reading).await?),
            None => None,
        };
        let named = match &authenticated.on_behalf_of {
            Some(text) => Some(self.named_subject(&policy, instance, text, reading).await?),
            None => None,
        };
        let is_proven = proven.is_some();
        let subject = match (proven, named) {
            (None, None) => {
                return Ok(self.asking(
                    context,
                    policy,
                    itself,
                    None,
                    true,
                    context.caller.clone(),
                ));
            }
            (Some(proven), None) => proven,
            (None, Some(named)) => named,
            (Some(proven), Some(named)) if user_id(&proven) == user_id(&named) => proven,
            (Some(_), Some(_)) => return Err(AppError::SubjectNotFound),
        };
        let Subject::User(user) = &subject else {
            return Err(AppError::SubjectNotFound);
        };
        let scene = Scene {
            subject: itself,
            service: None,
            subject_proven: is_proven,
            now: self.parts.clock.now(),
        };
        let (person, name) = (
            Resource::User(user.clone()),
            name_of(&subject, &context.caller),
        );
        let decision = policy.decide(&scene, Action::ActFor, &person);
        self.permitted_to_act(&context.caller, &name, &person, decision)?;
        Ok(self.asking(
            context,
            policy,
            subject,
            Some(service.to_owned()),
            is_proven,
            name,
        ))
    }

    fn asking(
        &self,
        context: &CallContext,
        policy: Arc<PolicySet>,
        subject: Subject,
        service: Option<String>,
        subject_proven: bool,
        name: CallerName,
    ) -> Asker {
        Asker {
            policy,
            scene: Scene {
                subject,
                service,
                subject_proven,
                now: self.parts.clock.now(),
            },
            caller: context.caller.clone(),
            subject: name,
        }
    }

    /// The user behind a token.
    async fn person(
        &self,
        policy: &PolicySet,
        instance: Option<&Instance>,
        person: &Person,
        reading: Reading,
    ) -> Result<Subject, AppError> {
        let Some(instance) = instance else {
            return Ok(Subject::Unmatched(person.match_value.clone()));
        };
        let directory = &self.parts.directory;
        let user = directory.user_of(instance, person, reading.max_age, reading.call);
        match user.await? {
            Some(user) => self.with_groups(policy, instance, user, reading).await,
            None => Ok(Subject::Unmatched(person.match_value.clone())),
        }
    }

    /// The user whom a service names.
    async fn named_subject(
        &self,
        policy: &PolicySet,
        instance: Option<&Instance>,
        text: &str,
        reading: Reading,
    ) -> Result<Subject, AppError> {
        let instance = instance.ok_or(AppError::SubjectNotFound)?;
        let directory = &self.parts.directory;
        let Reading { max_age, call } = reading;
        let user = match PrincipalId::parse(text) {
            Ok(id) => directory.user(instance, &id, max_age, call).await?,
            Err(_) => directory.user_named(instance, text, max_age, call).await?,
        };
        let user = user.ok_or(AppError::SubjectNotFound)?;
        self.with_groups(policy, instance, user, reading).await
    }

    /// The user with those groups that policies name: one operation for each hundred groups of the
    /// user, where policies name any at all.
    async fn with_groups(
        &self,
        policy: &PolicySet,
        instance: &Instance,
        user: User,
        reading: Reading,
    ) -> Result<Subject, AppError> {
        let named: Vec<String> = policy.groups().map(str::to_owned).collect();
        let groups = if named.is_empty() {
            Vec::new()
        } else {
            let directory = &self.parts.directory;
            let Reading { max_age, call } = reading;
            let (named, memberships) = futures_util::try_join!(
                directory.groups_named(instance, &named, FRESH_FOR_READING, call),
                directory.groups_of_user(instance, &user.id, max_age, call),
            )?;
            let is_in = |group: &crate::domain::Group| {
                let mut rows = memberships.value.iter();
                rows.any(|row| row.group_id == group.id)
            };
            let groups = named.into_iter().filter(is_in);
            let facts = groups.map(|group| GroupFacts {
                id: group.id,
                name: group.display_name,
            });
            facts.collect()
        };
        Ok(Subject::User(UserFacts {
            id: user.id,
            name: user.user_name,
            email: user.email,
            // AWS does not tell the status of every user; who is not known to be disabled is not.
            status: match user.status {
                PrincipalStatus::Unknown => PrincipalStatus::Enabled,
                status => status,
            },
            groups,
        }))
    }
}

fn user_id(subject: &Subject) -> Option<&UserId> {
    match subject {
        Subject::User(user) => Some(&user.id),
        Subject::Service(_) | Subject::Unmatched(_) => None,
    }
}

/// What records name the subject by: its user's id, which outlives every rename.
fn name_of(subject: &Subject, caller: &CallerName) -> CallerName {
    let name = user_id(subject).map(|id| CallerName::parse(&format!("user:{id}")));
    name.and_then(Result::ok).unwrap_or_else(|| caller.clone())
}
