//! A row of a table of expected decisions: from TOML to a question. Whatever a row does not say
//! about ids is made up, always in the same way, so that rows speak of names.

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::Deserialize;

use super::question::Question;
use super::question::{
    Action, ActivationQuestion, BeneficiaryFacts, GrantQuestion, GroupFacts, Resource, Scene,
    Subject, TargetFacts, UserFacts,
};
use super::terms::parse_duration;
use crate::domain::{
    AccountAccess, AccountId, ApplicationArn, InstanceArn, PermissionSetArn, PrincipalId,
    PrincipalKind, PrincipalRef, PrincipalStatus, Target,
};

/// When a row happens that does not say so: a Monday.
const USUAL_TIME: &str = "2026-01-05T10:00:00Z";
const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-0000000000000000";

/// A table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    test: Vec<Row>,
}

/// A row as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What the row shows, in words. Unique.
    pub name: String,
    subject: Person,
    service: Option<String>,
    #[serde(default = "yes")]
    proven: bool,
    action: String,
    target: Option<TargetRow>,
    beneficiary: Option<Person>,
    people_count: Option<u64>,
    duration: Option<String>,
    #[serde(default)]
    justification: String,
    #[serde(default)]
    ticket: String,
    /// It takes over an assignment that is there.
    #[serde(default)]
    adoption: bool,
    at: Option<String>,
    #[serde(default)]
    requested_by_subject: bool,
    /// `Revoke` only: it is about an assignment that is no grant's.
    #[serde(default)]
    assignment: bool,
    #[serde(default)]
    approvals: Approvals,
    /// What shall come out; see `table`. A question that is only to be explained has none.
    pub(super) expect: Option<Expectation>,
    /// The policies that must have decided.
    pub(super) by: Option<Vec<String>>,
}

/// `expect`: one word, or everything that is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Expectation {
    One(String),
    All(Vec<String>),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    user: Option<String>,
    group: Option<String>,
    service: Option<String>,
    unmatched: Option<String>,
    id: Option<String>,
    #[serde(default)]
    email: String,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetRow {
    application: Option<String>,
    account: Option<String>,
    permission_set: Option<String>,
    instance: Option<String>,
    person: Option<Person>,
    #[serde(default)]
    name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approvals {
    #[serde(default)]
    count: u64,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    break_glass: bool,
}

/// A question that owns its facts.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who asks.
    pub scene: Scene,
    kind: AskedKind,
}

#[derive(Debug, Clone)]
enum AskedKind {
    Request(GrantQuestion),
    BreakGlass(GrantQuestion),
    Activate(ActivationQuestion),
    Other(Action, Resource),
}

impl Asked {
    /// The question.
    #[must_use]
    pub fn question(&self) -> Question<'_> {
        match &self.kind {
            AskedKind::Request(grant) => Question::Request(grant),
            AskedKind::BreakGlass(grant) => Question::BreakGlass(grant),
            AskedKind::Activate(activation) => Question::Activate(activation),
            AskedKind::Other(action, resource) => Question::Other(*action, resource),
        }
    }
}

/// Reads the rows of a table.
///
/// # Errors
/// A sentence: what is not TOML or not a row.
pub fn read_rows(text: &str) -> Result<Vec<Row>, String> {
    let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    for (at, row) in table.test.iter().enumerate() {
        if table.test[..at].iter().any(|other| other.name == row.name) {
            return Err(format!("two rows are called `{}`", row.name));
        }
    }
    Ok(table.test)
}

/// Reads one question, which is written like a row.
///
/// # Errors
/// A sentence: what is not TOML or not a row.
pub fn read_row(text: &str) -> Result<Row, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn yes() -> bool {
    true
}

impl Row {
    /// The question that the row asks.
    ///
    /// # Errors
    /// A sentence: what is missing or cannot be.
    pub fn asked(&self) -> Result<Asked, String> {
        let action = Action::ALL
            .into_iter()
            .find(|action| action.as_str() == self.action)
            .ok_or_else(|| {
                let known = Action::ALL.map(Action::as_str).join(", ");
                format!("`{}` is no action; there are {known}", self.action)
            })?;
        let at = self.at.as_deref().unwrap_or(USUAL_TIME);
        let now: Timestamp = at
            .parse()
            .map_err(|_| format!("`at` is not a time such as {USUAL_TIME}"))?;
        let scene = Scene {
            subject: self.subject.subject()?,
            service: self.service.clone(),
            subject_proven: self.proven,
            now,
        };
        let kind = match action {
            Action::Request => AskedKind::Request(self.grant()?),
            Action::BreakGlass => AskedKind::BreakGlass(self.grant()?),
            Action::Activate => AskedKind::Activate(ActivationQuestion {
                grant: self.grant()?,
                path: self.approvals.path.clone(),
                approval_count: self.approvals.count,
                approver_groups: self.approvals.groups.clone(),
                break_glass: self.approvals.break_glass,
            }),
            _ => AskedKind::Other(action, self.resource(action)?),
        };
        Ok(Asked { scene, kind })
    }

    fn target(&self) -> Result<&TargetRow, String> {
        let missing = "needs a target, such as target = { application = \"Amazon Redshift\" }";
        self.target.as_ref().ok_or_else(|| missing.to_owned())
    }

    fn beneficiary(&self) -> Result<BeneficiaryFacts, String> {
        let person = self.beneficiary.as_ref().unwrap_or(&self.subject);
        let principal = person.principal()?;
        let own = self.subject.principal().ok();
        Ok(BeneficiaryFacts {
            is_subject: own.is_some_and(|(own, _)| own == principal.0),
            principal: principal.0,
            name: principal.1,
        })
    }

    fn grant(&self) -> Result<GrantQuestion, String> {
        let duration = match self.duration.as_deref() {
            None => return Err("needs a duration such as \"8h\", or \"none\"".to_owned()),
            Some("none") => None,
            Some(text) => Some(
                parse_duration(text)
                    .ok_or_else(|| format!("`{text}` is not a duration such as 8h"))?,
            ),
        };
        Ok(GrantQuestion {
            target: self.target()?.facts()?,
            beneficiary: self.beneficiary()?,
            people_count: self.people_count.unwrap_or(1),
            duration,
            justification: self.justification.clone(),
            ticket: self.ticket.clone(),
            adoption: self.adoption,
        })
    }

    fn resource(&self, action: Action) -> Result<Resource, String> {
        let is_assignment = action == Action::ReadAssignments || self.assignment;
        match action {
            Action::ActFor => {
                let person = self.target()?.person.as_ref();
                let person = person.ok_or("needs target = { person = { user = \"…\" } }")?;
                match person.subject()? {
                    Subject::User(user) => Ok(Resource::User(user)),
                    Subject::Service(_) | Subject::Unmatched(_) => {
                        Err("needs a person who is a user".to_owned())
                    }
                }
            }
            Action::Approve | Action::Revoke | Action::ReadGrants | Action::ReadAssignments => {
                let target = self.target()?.facts()?;
                let beneficiary = self.beneficiary()?;
                Ok(if is_assignment {
                    Resource::Assignment {
                        target,
                        beneficiary,
                    }
                } else {
                    Resource::Grant {
                        id: format!("grant_{}", made_up("grant", &self.name).simple()),
                        target,
                        beneficiary,
                        requested_by_subject: self.requested_by_subject,
                        break_glass: self.approvals.break_glass,
                    }
                })
            }
            _ => {
                let name = self.target.as_ref().and_then(|it| it.instance.as_deref());
                let (arn, alias) = instance(name)?;
                Ok(Resource::Instance { arn, alias })
            }
        }
    }
}

/// An id of a name, always the same.
fn made_up(kind: &str, name: &str) -> uuid::Uuid {
    let hash = digest::digest(&digest::SHA256, format!("{kind} {name}").as_bytes());
    let half = hash.as_ref().iter().take(16);
    uuid::Uuid::from_u128(half.fold(0, |number, byte| (number << 8) | u128::from(*byte)))
}

fn principal_id(kind: &str, name: &str, id: Option<&str>) -> Result<PrincipalId, String> {
    let made_up = made_up(kind, name).to_string();
    let id = match id {
        Some(id) => id,
        None if PrincipalId::has_shape(name) => name,
        None => &made_up,
    };
    PrincipalId::parse(id).map_err(|error| format!("`{id}` {error}"))
}

fn instance(name: Option<&str>) -> Result<(InstanceArn, String), String> {
    let (arn, alias) = match name {
        None => (INSTANCE, ""),
        Some(arn) if arn.starts_with("arn:") => (arn, ""),
        Some(alias) => (INSTANCE, alias),
    };
    let parsed = InstanceArn::parse(arn).map_err(|error| format!("`{arn}` {error}"))?;
    Ok((parsed, alias.to_owned()))
}

impl Person {
    fn subject(&self) -> Result<Subject, String> {
        match (&self.user, &self.service, &self.unmatched, &self.group) {
            (Some(name), None, None, None) => Ok(Subject::User(UserFacts {
                id: principal_id("user", name, self.id.as_deref())?,
                name: name.clone(),
                email: self.email.clone(),
                status: if self.disabled {
                    PrincipalStatus::Disabled
                } else {
                    PrincipalStatus::Enabled
                },
                groups: self.memberships()?,
            })),
            (None, Some(name), None, None) => Ok(Subject::Service(name.clone())),
            (None, None, Some(name), None) => Ok(Subject::Unmatched(name.clone())),
            _ => Err(
                "a subject is one of { user = \"…\" }, { service = \"…\" }, { unmatched = \"…\" }"
                    .to_owned(),
            ),
        }
    }

    fn memberships(&self) -> Result<Vec<GroupFacts>, String> {
        let groups = self.groups.iter().map(|name| {
            let is_id = PrincipalId::has_shape(name);
            Ok(GroupFacts {
                id: principal_id("group", name, None)?,
                name: if is_id { String::new() } else { name.clone() },
            })
        });
        groups.collect()
    }

    fn principal(&self) -> Result<(PrincipalRef, String), String> {
        let (kind, word, name) = match (&self.user, &self.group) {
            (Some(name), None) => (PrincipalKind::User, "user", name),
            (None, Some(name)) => (PrincipalKind::Group, "group", name),
            _ => return Err("needs beneficiary = { user = \"…\" } or { group = \"…\" }".to_owned()),
        };
        let id = principal_id(word, name, self.id.as_deref())?;
        Ok((PrincipalRef { kind, id }, name.clone()))
    }
}

impl TargetRow {
    fn facts(&self) -> Result<TargetFacts, String> {
        let (instance, instance_alias) = instance(self.instance.as_deref())?;
        let text = |error: crate::domain::InvalidValue| error.to_string();
        let instance_id = instance.instance_id();
        match (&self.application, &self.account, &self.permission_set) {
            (Some(application), None, None) => {
                let is_arn = application.starts_with("arn:");
                let id = made_up("application", application).simple().to_string();
                let made = format!("arn:aws:sso::000000000000:application/{instance_id}/apl-{}", &id[..16]);
                let arn = if is_arn { application } else { &made };
                let name = if is_arn { &self.name } else { application };
                Ok(TargetFacts {
                    target: Target::Application(ApplicationArn::parse(arn).map_err(text)?),
                    name: name.clone(),
                    account_name: String::new(),
                    instance,
                    instance_alias,
                })
            }
            (None, Some(account), Some(set)) => {
                let id = made_up("permission set", set).simple().to_string();
                let made = format!("arn:aws:sso:::permissionSet/{instance_id}/ps-{}", &id[..16]);
                let is_arn = set.starts_with("arn:");
                let is_id = AccountId::parse(account).is_ok();
                let number = made_up("account", account).as_u128() % 1_000_000_000_000;
                let number = format!("{number:012}");
                let account_id = if is_id { account } else { &number };
                Ok(TargetFacts {
                    target: Target::AccountAccess(AccountAccess {
                        account: AccountId::parse(account_id).map_err(text)?,
                        permission_set: PermissionSetArn::parse(if is_arn { set } else { &made })
                            .map_err(text)?,
                    }),
                    name: if is_arn { self.name.clone() } else { set.clone() },
                    account_name: if is_id { String::new() } else { account.clone() },
                    instance,
                    instance_alias,
                })
            }
            _ => Err("a target is { application = \"…\" } or { account = \"…\", permission_set = \"…\" }".to_owned()),
        }
    }
}
