//! A question in Cedar's form: the request, and only the entities that it is about. A subject is in
//! its groups and a target in its containers; nothing else of the directory is needed, because
//! policies are validated to look no further than one step.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityUid, EvalResult, Request, RestrictedExpression,
};
use jiff::{SignedDuration, Timestamp};

use super::compared::{Holder, TextAttribute};
use super::question::{
    ActivationQuestion, BeneficiaryFacts, GrantQuestion, Question, Resource, Scene, Subject,
    TargetFacts, UserFacts,
};
use super::vocabulary::{Kind, action, entity};
use crate::domain::{AccountAccess, InstanceArn, PrincipalId, PrincipalKind, Target};

type Value = RestrictedExpression;
type Attributes = Vec<(String, Value)>;

/// A question that Cedar can answer.
pub(super) struct Facts {
    /// Who, what, about what, when.
    pub(super) request: Request,
    /// The subject and the resource.
    pub(super) entities: Entities,
    /// The subject.
    pub(super) subject: EntityUid,
    /// The subject and what it is in: what a principal scope may name.
    pub(super) subject_in: HashSet<EntityUid>,
    /// The resource.
    pub(super) resource: EntityUid,
    /// The resource and what it is in.
    pub(super) resource_in: HashSet<EntityUid>,
}

impl Facts {
    /// The text of an attribute; none where the entity has no such text.
    pub(super) fn text(&self, attribute: &TextAttribute) -> Option<String> {
        let holder = match attribute.holder {
            Holder::Principal => &self.subject,
            Holder::Resource => &self.resource,
        };
        match self.entities.get(holder)?.attr(&attribute.name)? {
            Ok(EvalResult::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// An entity in the making.
#[derive(Clone)]
struct Draft {
    id: EntityUid,
    parents: HashSet<EntityUid>,
    attributes: Attributes,
}

impl Draft {
    fn new(id: EntityUid) -> Self {
        Self {
            id,
            parents: HashSet::new(),
            attributes: Vec::new(),
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.attributes.push((key.to_owned(), text(value)));
    }

    /// An attribute that is absent when it is not known.
    fn known(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    fn with_itself(&self) -> HashSet<EntityUid> {
        let mut all = self.parents.clone();
        all.insert(self.id.clone());
        all
    }

    /// The account and the permission set of an access.
    fn account_access(&mut self, access: &AccountAccess, facts: &TargetFacts) {
        self.text("account_id", access.account.as_str());
        self.known("account_name", &facts.account_name);
        self.text("permission_set_arn", access.permission_set.as_str());
        self.known("permission_set_name", &facts.name);
    }

    fn finish(self) -> Option<Entity> {
        let attributes: HashMap<String, Value> = self.attributes.into_iter().collect();
        Entity::new(self.id, attributes, self.parents).ok()
    }
}

/// Puts a question into Cedar's form; none when a fact has no such form, such as a year that
/// Cedar does not know.
///
/// Of a user's groups it takes those in `groups`, by name or id: what no policy names, none can ask.
pub(super) fn facts(
    scene: &Scene,
    question: &Question<'_>,
    groups: &BTreeSet<String>,
) -> Option<Facts> {
    let subject = subject(&scene.subject, groups);
    let (resource, mut context) = match question {
        Question::Request(grant) | Question::BreakGlass(grant) => {
            (target(&grant.target), grant_context(grant)?)
        }
        Question::Activate(activation) => (
            target(&activation.grant.target),
            activation_context(activation)?,
        ),
        Question::Other(_, resource) => (about(resource, groups)?, Vec::new()),
    };
    call_context(scene, &mut context);
    // Who is asked about themself is one entity, and one set of facts.
    let is_one = subject.id == resource.id;
    let resource = if is_one { subject.clone() } else { resource };
    let subject_in = subject.with_itself();
    let resource_in = resource.with_itself();
    let request = Request::new(
        subject.id.clone(),
        action(question.action()).clone(),
        resource.id.clone(),
        Context::from_pairs(context).ok()?,
        None,
    )
    .ok()?;
    let (subject_id, resource_id) = (subject.id.clone(), resource.id.clone());
    let others = if is_one {
        None
    } else {
        Some(resource.finish()?)
    };
    let entities = Entities::from_entities([subject.finish()?].into_iter().chain(others), None);
    Some(Facts {
        request,
        entities: entities.ok()?,
        subject: subject_id,
        subject_in,
        resource: resource_id,
        resource_in,
    })
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

fn subject(subject: &Subject, groups: &BTreeSet<String>) -> Draft {
    match subject {
        Subject::User(user_facts) => user(user_facts, groups),
        Subject::Service(name) => {
            let mut draft = Draft::new(entity(Kind::Service, name));
            draft.text("name", name);
            draft
        }
        Subject::Unmatched(name) => Draft::new(entity(Kind::Unmatched, name)),
    }
}

fn user(user: &UserFacts, groups: &BTreeSet<String>) -> Draft {
    let mut draft = Draft::new(entity(Kind::User, user.id.as_str()));
    draft.text("id", user.id.as_str());
    draft.text("name", &user.name);
    draft.known("email", &user.email);
    for group in &user.groups {
        if groups.contains(group.id.as_str()) {
            draft.parents.insert(entity(Kind::Group, group.id.as_str()));
        }
        // A name that looks like an id would put its group in the place of another.
        if groups.contains(&group.name) && !PrincipalId::has_shape(&group.name) {
            draft.parents.insert(entity(Kind::Group, &group.name));
        }
    }
    draft
}

fn instance_names(arn: &InstanceArn, alias: &str) -> Vec<EntityUid> {
    let mut names = vec![entity(Kind::Instance, arn.as_str())];
    if !alias.is_empty() && !alias.starts_with("arn:") {
        names.push(entity(Kind::Instance, alias));
    }
    names
}

/// What a target is in.
fn containers(facts: &TargetFacts) -> HashSet<EntityUid> {
    let mut all: HashSet<EntityUid> = instance_names(&facts.instance, &facts.instance_alias)
        .into_iter()
        .collect();
    if let Target::AccountAccess(access) = &facts.target {
        all.insert(entity(Kind::Account, access.account.as_str()));
        all.insert(entity(Kind::PermissionSet, access.permission_set.as_str()));
    }
    all
}

fn target_id(target: &Target) -> EntityUid {
    let kind = match target {
        Target::Application(_) => Kind::Application,
        Target::AccountAccess(_) => Kind::AccountAccess,
    };
    entity(kind, &target.key())
}

fn target(facts: &TargetFacts) -> Draft {
    let mut draft = Draft::new(target_id(&facts.target));
    draft.parents = containers(facts);
    match &facts.target {
        Target::Application(arn) => {
            draft.text("arn", arn.as_str());
            draft.known("name", &facts.name);
        }
        Target::AccountAccess(access) => draft.account_access(access, facts),
    }
    draft
}

fn about(resource: &Resource, groups: &BTreeSet<String>) -> Option<Draft> {
    Some(match resource {
        Resource::Instance { arn, alias } => {
            let mut draft = Draft::new(entity(Kind::Instance, arn.as_str()));
            draft.parents = instance_names(arn, alias).into_iter().collect();
            draft.parents.remove(&draft.id);
            draft.text("arn", arn.as_str());
            draft.known("alias", alias);
            draft
        }
        Resource::Grant {
            id,
            target,
            beneficiary,
            requested_by_subject,
            break_glass,
        } => {
            let mut draft = held(entity(Kind::Grant, id), target, beneficiary)?;
            draft.text("id", id);
            let asked = Value::new_bool(*requested_by_subject);
            let taken = Value::new_bool(*break_glass);
            draft.attributes.extend([
                ("requested_by_subject".to_owned(), asked),
                ("break_glass".to_owned(), taken),
            ]);
            draft
        }
        Resource::Assignment {
            target,
            beneficiary,
        } => {
            let id = format!(
                "{} {} {}",
                target.target.key(),
                beneficiary.principal.kind.as_str(),
                beneficiary.principal.id
            );
            held(entity(Kind::Assignment, &id), target, beneficiary)?
        }
        Resource::User(facts) => user(facts, groups),
    })
}

/// What grants and assignments have in common: a target that somebody has.
fn held(id: EntityUid, target: &TargetFacts, beneficiary: &BeneficiaryFacts) -> Option<Draft> {
    let mut draft = Draft::new(id);
    draft.parents = containers(target);
    draft.parents.insert(target_id(&target.target));
    draft.attributes = beneficiary_values(beneficiary)?;
    draft.text("target_kind", target.target.kind());
    match &target.target {
        Target::Application(arn) => {
            draft.text("application_arn", arn.as_str());
            draft.known("application_name", &target.name);
        }
        Target::AccountAccess(access) => draft.account_access(access, target),
    }
    Some(draft)
}

fn beneficiary_values(beneficiary: &BeneficiaryFacts) -> Option<Attributes> {
    let key = match beneficiary.principal.kind {
        PrincipalKind::User => "beneficiary_user",
        PrincipalKind::Group => "beneficiary_group",
    };
    let principal = Value::new_record([
        ("id".to_owned(), text(beneficiary.principal.id.as_str())),
        ("name".to_owned(), text(&beneficiary.name)),
    ]);
    Some(vec![
        (key.to_owned(), principal.ok()?),
        (
            "beneficiary_is_subject".to_owned(),
            Value::new_bool(beneficiary.is_subject),
        ),
    ])
}

fn call_context(scene: &Scene, context: &mut Attributes) {
    if let Some(service) = &scene.service {
        context.push(("service".to_owned(), text(service)));
    }
    let proven = Value::new_bool(scene.subject_proven);
    context.push(("subject_proven".to_owned(), proven));
    context.push(("now".to_owned(), Value::new_datetime(written(scene.now))));
}

/// A time as Cedar reads it, to the second.
fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn number(value: u64) -> Value {
    Value::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Whole seconds; a part of one counts as one, so that no limit is passed by less than a second.
fn seconds(duration: SignedDuration) -> i64 {
    let begun = i64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(begun)
}

fn grant_context(question: &GrantQuestion) -> Option<Attributes> {
    let mut context = beneficiary_values(&question.beneficiary)?;
    context.push(("people_count".to_owned(), number(question.people_count)));
    if let Some(duration) = question.duration {
        let seconds = Value::new_long(seconds(duration));
        context.push(("duration_seconds".to_owned(), seconds));
    }
    context.push(("justification".to_owned(), text(&question.justification)));
    let adopts = Value::new_bool(question.adoption);
    context.push(("adoption".to_owned(), adopts));
    context.push(("ticket".to_owned(), text(&question.ticket)));
    Some(context)
}

fn activation_context(question: &ActivationQuestion) -> Option<Attributes> {
    let mut context = grant_context(&question.grant)?;
    let groups = question.approver_groups.iter().map(|name| text(name));
    context.extend([
        ("approval_count".to_owned(), number(question.approval_count)),
        ("approver_groups".to_owned(), Value::new_set(groups)),
        (
            "break_glass".to_owned(),
            Value::new_bool(question.break_glass),
        ),
        ("path".to_owned(), text(&question.path)),
    ]);
    Some(context)
}
