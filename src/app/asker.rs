//! For whom a call is made: the subject, with its user as the instance knows it that the call is
//! about, and whether the caller may act for it. What the subject may do, policy decides; nothing
//! here guesses who somebody is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::subject::{Reading, nobody, unmatched};
use super::{App, AppError, CallContext};
use crate::domain::{
    Actor, CallerName, Identity, Instance, MatchBy, Person, PrincipalKind, PrincipalRef, UserId,
};
use crate::identity_center::Call;
use crate::policy::{Action, PolicySet, Resource, Scene, Subject, UserFacts};

/// How old a subject's user and memberships may be at most behind a change (DESIGN.md §7).
pub(super) const FRESH: Duration = Duration::from_secs(60);
/// And behind a read.
const FRESH_FOR_READING: Duration = Duration::from_secs(900);

/// How old the facts of a target may be to which access is asked for: in an emergency nobody waits to hear
/// again that it is there.
pub(super) fn age_of_target(by_configuration: Duration, is_emergency: bool) -> Duration {
    if is_emergency {
        by_configuration.max(FRESH_FOR_READING)
    } else {
        by_configuration
    }
}

/// Time in which AWS has had its chance: less proves nothing of it.
const TIME_FOR_AWS: Duration = Duration::from_secs(2);

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

/// What the call is to do, which says how old facts about the subject may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Something is read.
    Read,
    /// Access ends, or somebody looks at what a change would be decided by: as fresh as behind a
    /// change, but an AWS that does not answer keeps nobody from it.
    End,
    /// Access is asked for.
    Change,
}

impl Purpose {
    /// Facts are never older than the configuration lets them be behind a change.
    fn max_age(self, by_configuration: Duration) -> Duration {
        match self {
            Self::Read => FRESH_FOR_READING,
            Self::End | Self::Change => FRESH.min(by_configuration),
        }
    }
}

impl Asker {
    /// The subject's user.
    pub(super) fn user(&self) -> Option<&UserFacts> {
        user_of(&self.scene.subject)
    }

    /// Whether the subject is a user who is not enabled: nothing is permitted to it, and nothing told.
    pub(super) fn is_disabled(&self) -> bool {
        self.user().is_some_and(|user| !user.is_enabled())
    }

    /// Who asks, as events name it.
    pub(super) fn actor(&self) -> Actor {
        Actor::Caller {
            caller: self.caller.clone(),
            subject: self.subject.clone(),
        }
    }

    /// Whether a principal is the subject itself.
    pub(super) fn is(&self, principal: &PrincipalRef) -> bool {
        principal.kind == PrincipalKind::User
            && self.user().is_some_and(|user| user.id == principal.id)
    }
}

impl App {
    /// For whom this call is made, on this instance; without one nobody has a user. Where AWS does
    /// not answer, facts of a quarter of an hour do where they are kept, but for a change.
    ///
    /// # Errors
    /// `ActingDenied` where the caller may not act for the subject; `SubjectNotFound` where it may,
    /// and nobody is who it says to act for, or proof and name disagree; what AWS fails with.
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
        let now = Instant::now();
        let mut reading = Reading {
            max_age: purpose.max_age(self.default_max_age()),
            call: self.call(context),
        };
        if purpose == Purpose::Change {
            return self.asker_by(context, instance, reading).await;
        }
        // An AWS that hangs or throttles would use up the time in which the call is to be done.
        let time = context.deadline.saturating_duration_since(now);
        reading.call = Call {
            deadline: now + time / 2,
            ..reading.call
        };
        match self.asker_by(context, instance, reading).await {
            // A caller who grants no time does not choose older facts by it.
            Err(error) if error.is_for_want_of_aws() && time >= TIME_FOR_AWS => {
                let kept = Reading {
                    max_age: FRESH_FOR_READING,
                    call: self.call(context),
                };
                self.asker_by(context, instance, kept).await
            }
            answer => answer,
        }
    }

    /// For whom this call is made, on each of these instances. That one of them fails says nothing
    /// of the others.
    pub(super) async fn askers(
        &self,
        context: &CallContext,
        instances: Vec<Arc<Instance>>,
        purpose: Purpose,
    ) -> Vec<(Arc<Instance>, Result<Asker, AppError>)> {
        let asked = instances.into_iter().map(|instance| async move {
            let asker = self.asker(context, Some(&instance), purpose).await;
            if let Err(error) = &asker
                && !error.is_about_the_subject()
            {
                let arn = instance.arn.as_str();
                tracing::warn!(instance.arn = arn, error = %error, "who asks is not known there");
            }
            (instance, asker)
        });
        let at_once = self.parts.audit.instances_at_once.get();
        stream::iter(asked).buffered(at_once).collect().await
    }

    async fn asker_by(
        &self,
        context: &CallContext,
        instance: Option<&Instance>,
        reading: Reading,
    ) -> Result<Asker, AppError> {
        let policy = self.policy_of(context);
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
                    unmatched(&person)
                };
                let name = name_of(user_of(&subject), &context.caller);
                Ok(self.asking(context, policy, subject, None, true, name))
            }
            Identity::Person { person, service } => {
                let subject = self.person(&policy, instance, person, reading).await?;
                if let Some(service) = service {
                    let judged = user_of(&subject).cloned();
                    let judged = judged.unwrap_or_else(|| nobody(&person.match_value));
                    self.check_acting(context, &policy, service, judged, true)?;
                }
                let name = name_of(user_of(&subject), &context.subject);
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
        let proven = match &authenticated.subject_proof {
            Some(person) => {
                let subject = self.person(&policy, instance, person, reading).await?;
                Some((user_of(&subject).cloned(), person.match_value.as_str()))
            }
            None => None,
        };
        let named = match &authenticated.on_behalf_of {
            Some(text) => {
                let user = self.user_called(&policy, instance, text, reading).await?;
                Some((user, text.as_str()))
            }
            None => None,
        };
        let id = |user: &Option<UserFacts>| user.as_ref().map(|user| user.id.clone());
        let (user, text, is_proven, do_agree) = match (proven, named) {
            (None, None) => {
                let itself = Subject::Service(service.to_owned());
                let name = context.caller.clone();
                return Ok(self.asking(context, policy, itself, None, true, name));
            }
            (Some((user, text)), None) => (user, text, true, true),
            (None, Some((user, text))) => (user, text, false, true),
            (Some((proven, _)), Some((user, text))) => {
                let is_proven = user.is_some() && id(&proven) == id(&user);
                (user, text, is_proven, is_proven)
            }
        };
        // First of all: whoever may not act for this one does not hear whether it is anybody.
        let judged = user.clone().unwrap_or_else(|| nobody(text));
        self.check_acting(context, &policy, service, judged, is_proven)?;
        let user = user.filter(|_| do_agree);
        let user = user.ok_or(AppError::SubjectNotFound)?;
        let name = name_of(Some(&user), &context.caller);
        let subject = Subject::User(user);
        let service = Some(service.to_owned());
        Ok(self.asking(context, policy, subject, service, is_proven, name))
    }

    /// Refuses a service that may not act for this user.
    fn check_acting(
        &self,
        context: &CallContext,
        policy: &PolicySet,
        service: &str,
        user: UserFacts,
        subject_proven: bool,
    ) -> Result<(), AppError> {
        let scene = Scene {
            subject: Subject::Service(service.to_owned()),
            service: None,
            subject_proven,
            now: self.parts.clock.now(),
        };
        let name = name_of(Some(&user), &context.subject);
        let person = Resource::User(user);
        let decision = policy.decide(&scene, Action::ActFor, &person);
        let who = (&context.caller, &name);
        self.permitted_to_act(who, &person, subject_proven, decision)
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

    /// The set that decides this call: one for the whole of it, whatever is loaded meanwhile.
    pub(super) fn policy_of(&self, context: &CallContext) -> Arc<PolicySet> {
        let current = || self.parts.policy.current();
        Arc::clone(context.policy.get_or_init(current))
    }
}

/// What to tell where no instance answers: rather that one could not than that one would not.
pub(super) fn the_gravest(errors: Vec<AppError>) -> Option<AppError> {
    let mut errors = errors;
    let failed = errors.iter().position(|it| !it.is_about_the_subject());
    match failed {
        Some(place) => Some(errors.swap_remove(place)),
        None => errors.into_iter().next(),
    }
}

fn user_of(subject: &Subject) -> Option<&UserFacts> {
    match subject {
        Subject::User(user) => Some(user),
        Subject::Service(_) | Subject::Unmatched(_) => None,
    }
}

/// What records name the subject by: its user's id, which outlives every rename.
fn name_of(user: Option<&UserFacts>, otherwise: &CallerName) -> CallerName {
    let id = user.map(|user: &UserFacts| -> &UserId { &user.id });
    let name = id.map(|id| CallerName::parse(&format!("user:{id}")));
    name.and_then(Result::ok)
        .unwrap_or_else(|| otherwise.clone())
}
