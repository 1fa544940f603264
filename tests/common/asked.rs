//! What clients asked and what they were told: the one side of every judgement, kept in memory
//! for the tests and line by line for the history checker.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::{
    AccountAccess, AssignRequest, AssignmentReference, Grant, Principal,
    PrincipalType as GrantPrincipal, RevokeRequest, Target, TargetKind, revoke_request, target,
};
use usher::simulator::{AccountAssignment, Assignment, CallRecord, PrincipalType, World};

use super::{TokenChannel, Triple, group, reason, revoke_of, user, within};

/// The deadline of calls.
const CALL_TIME: Duration = Duration::from_secs(10);

/// A killed process says nothing; a living one says why it could not record while AWS fails.
const BEFORE_THE_COMMIT: [&str; 5] = [
    "",
    "AWS_UNAVAILABLE",
    "AWS_BUDGET_EXHAUSTED",
    "USHER_ROLE_LACKS_PERMISSION",
    "USHER_CREDENTIALS_INVALID",
];

/// An assignment by ids, whatever kind of target it has: what requests, the store and AWS agree on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `USER` or `GROUP`.
    pub principal_type: &'static str,
    pub principal_id: String,
    /// `APPLICATION` or `ACCOUNT`, as the store writes it.
    pub target_kind: &'static str,
    /// The target's key within its kind, as the store writes it.
    pub target: String,
}

impl Key {
    fn new(
        kind: PrincipalType,
        principal_id: &str,
        target_kind: &'static str,
        target: String,
    ) -> Self {
        Self {
            principal_type: match kind {
                PrincipalType::User => "USER",
                PrincipalType::Group => "GROUP",
            },
            principal_id: principal_id.to_owned(),
            target_kind,
            target,
        }
    }

    fn on_application(kind: PrincipalType, principal_id: &str, application_arn: &str) -> Self {
        let target = application_arn.to_owned();
        Self::new(kind, principal_id, "APPLICATION", target)
    }

    fn on_account(
        kind: PrincipalType,
        principal_id: &str,
        account_id: &str,
        permission_set_arn: &str,
    ) -> Self {
        let target = format!("{account_id}/{permission_set_arn}");
        Self::new(kind, principal_id, "ACCOUNT", target)
    }

    /// Of every row of the simulated world.
    #[must_use]
    pub fn all_of(world: &World) -> Vec<Self> {
        let on_applications = world.assignments.iter().map(Self::of_row);
        let on_accounts = world.account_assignments.iter().map(Self::of_account_row);
        on_applications.chain(on_accounts).collect()
    }

    fn of_row(row: &Assignment) -> Self {
        Self::on_application(row.principal_type, &row.principal_id, &row.application_arn)
    }

    fn of_account_row(row: &AccountAssignment) -> Self {
        let (account_id, set) = (&row.account_id, &row.permission_set_arn);
        Self::on_account(row.principal_type, &row.principal_id, account_id, set)
    }

    /// Of what a write to the simulated AWS was about; none where the call is no such write.
    #[must_use]
    pub fn of_write(call: &CallRecord) -> Option<Self> {
        let text = |member: &str| {
            let value = call.input.get(member).and_then(|value| value.as_str());
            value.expect("a member").to_owned()
        };
        let is_of = |what: &str| {
            let names = [format!("Create{what}"), format!("Delete{what}")];
            names.contains(&call.operation)
        };
        let kind = || match text("PrincipalType").as_str() {
            "GROUP" => PrincipalType::Group,
            _ => PrincipalType::User,
        };
        if is_of("ApplicationAssignment") {
            let (id, arn) = (text("PrincipalId"), text("ApplicationArn"));
            Some(Self::on_application(kind(), &id, &arn))
        } else if is_of("AccountAssignment") {
            let (id, account_id) = (text("PrincipalId"), text("TargetId"));
            let set = text("PermissionSetArn");
            Some(Self::on_account(kind(), &id, &account_id, &set))
        } else {
            None
        }
    }

    /// Of a grant as the server tells it.
    #[must_use]
    pub fn of_grant(grant: &Grant) -> Self {
        let principal = grant.principal.clone().expect("a principal");
        let kind = match principal.r#type() {
            GrantPrincipal::Group => PrincipalType::Group,
            _ => PrincipalType::User,
        };
        let target = grant.target.clone().expect("a target");
        match target.kind() {
            TargetKind::Account => {
                let set = &target.permission_set_arn;
                Self::on_account(kind, &principal.id, &target.account_id, set)
            }
            _ => Self::on_application(kind, &principal.id, &target.application_arn),
        }
    }

    /// As the history checker reads it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "principal_type": self.principal_type,
            "principal_id": self.principal_id,
            "target_kind": self.target_kind,
            "target": self.target,
        })
    }
}

/// What calls can be about: an assignment with the names that requests have for it. Another kind
/// of target is another value.
#[derive(Clone, Debug)]
pub struct Goal {
    pub key: Key,
    pub principal: Principal,
    pub target: Target,
}

impl From<&Triple> for Goal {
    fn from(triple: &Triple) -> Self {
        Self {
            key: Key::on_application(triple.kind, &triple.principal_id, &triple.application_arn),
            principal: triple.principal(),
            target: triple.target(),
        }
    }
}

impl From<&AccountAssignment> for Goal {
    fn from(row: &AccountAssignment) -> Self {
        let access = AccountAccess {
            account: row.account_id.clone(),
            permission_set: row.permission_set_arn.clone(),
        };
        Self {
            key: Key::of_account_row(row),
            principal: match row.principal_type {
                PrincipalType::User => user(&row.principal_id),
                PrincipalType::Group => group(&row.principal_id),
            },
            target: Target {
                target: Some(target::Target::AccountAccess(access)),
            },
        }
    }
}

/// What a call is about.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Assign, with no end or for so long.
    Give { duration: Option<Duration> },
    /// Assign with no end, from then on.
    GiveLater { begins_at: SystemTime },
    /// Revoke of one grant.
    EndGrant { grant_id: String },
    /// Revoke of the assignment.
    EndAssignment,
}

/// What a client knows of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing: the process was killed, or refused before it could record.
    Unknown,
    /// OK, with the grant for an Assign.
    Ok { grant_id: Option<String> },
    /// There was nothing to end.
    NothingThere,
}

/// Every sending of every call with its answer, in the order of the answers.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Value>>>);

impl Journal {
    /// As JSON Lines.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let lines = self.0.lock().expect("no panic");
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn add(&self, line: Value) {
        self.0.lock().expect("no panic").push(line);
    }
}

/// One call, with its repeats by the same request id.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number; the ticket of an Assign.
    pub number: usize,
    pub goal: Goal,
    pub wish: Wish,
    pub has_request_id: bool,
    pub told: Told,
    /// When it was first sent.
    pub began: Instant,
    /// When it was last over.
    pub ended: Instant,
    /// When it was answered.
    pub answered: Option<Instant>,
}

impl Asked {
    /// The ticket that names this call on its grant.
    #[must_use]
    pub fn ticket(&self) -> String {
        format!("call-{}", self.number)
    }

    /// Whether it has to be sent again, and may be.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.has_request_id && self.told == Told::Unknown
    }

    fn request_id(&self) -> String {
        if self.has_request_id {
            self.ticket()
        } else {
            String::new()
        }
    }

    /// Sends it and keeps what was told.
    pub async fn send(
        mut self,
        client: AccessServiceClient<TokenChannel>,
        journal: Journal,
    ) -> Self {
        self.send_within(client, CALL_TIME, &BEFORE_THE_COMMIT, &journal)
            .await;
        self
    }

    /// Sends it with so much time and keeps what was told, which may be a refusal for these reasons.
    pub async fn send_within(
        &mut self,
        mut client: AccessServiceClient<TokenChannel>,
        call_time: Duration,
        lawful: &[&str],
        journal: &Journal,
    ) {
        let began_at = epoch_seconds();
        let answer = match &self.wish {
            Wish::Give { .. } | Wish::GiveLater { .. } => {
                let request = AssignRequest {
                    principal: Some(self.goal.principal.clone()),
                    target: Some(self.goal.target.clone()),
                    justification: "a test".to_owned(),
                    duration: self.duration(),
                    start_time: self.start_time(),
                    ticket: self.ticket(),
                    request_id: self.request_id(),
                    ..AssignRequest::default()
                };
                let answer = client.assign(within(request, call_time)).await;
                answer.map(|answer| answer.into_inner().grant.map(|grant| grant.id))
            }
            Wish::EndGrant { grant_id } => {
                self.end(&mut client, revoke_of(grant_id), call_time).await
            }
            Wish::EndAssignment => {
                let assignment = AssignmentReference {
                    principal: Some(self.goal.principal.clone()),
                    target: Some(self.goal.target.clone()),
                };
                let request = RevokeRequest {
                    revocation: Some(revoke_request::Revocation::Assignment(assignment)),
                    reason: "a test".to_owned(),
                    ..RevokeRequest::default()
                };
                self.end(&mut client, request, call_time).await
            }
        };
        self.ended = Instant::now();
        journal.add(self.line(began_at, &answer));
        match answer {
            Ok(grant_id) => {
                self.told = Told::Ok { grant_id };
                self.answered = Some(self.ended);
            }
            Err(status) if reason(&status) == "ASSIGNMENT_NOT_FOUND" => {
                self.told = Told::NothingThere;
            }
            Err(status) => assert!(
                lawful.contains(&reason(&status).as_str()),
                "{self:#?}: {status:?}"
            ),
        }
    }

    async fn end(
        &self,
        client: &mut AccessServiceClient<TokenChannel>,
        request: RevokeRequest,
        call_time: Duration,
    ) -> Result<Option<String>, tonic::Status> {
        let request = RevokeRequest {
            request_id: self.request_id(),
            ..request
        };
        let answer = client.revoke(within(request, call_time)).await;
        answer.map(|_| None)
    }

    fn duration(&self) -> Option<prost_types::Duration> {
        match self.wish {
            Wish::Give { duration } => duration.map(|time| time.try_into().expect("a duration")),
            _ => None,
        }
    }

    /// A repeat asks for the same: a request id stands for one content.
    fn start_time(&self) -> Option<prost_types::Timestamp> {
        match self.wish {
            Wish::GiveLater { begins_at } => Some(begins_at.into()),
            _ => None,
        }
    }

    fn line(&self, began_at: f64, answer: &Result<Option<String>, tonic::Status>) -> Value {
        let mut line = self.goal.key.to_json();
        let (call, duration, asked_grant_id) = match &self.wish {
            Wish::Give { duration } => ("assign", duration.map(|time| time.as_secs_f64()), None),
            Wish::GiveLater { .. } => ("assign", None, None),
            Wish::EndGrant { grant_id } => ("revoke_grant", None, Some(grant_id)),
            Wish::EndAssignment => ("revoke_assignment", None, None),
        };
        line["call"] = json!(call);
        line["request_id"] = json!(self.request_id());
        line["duration_seconds"] = json!(duration);
        line["asked_grant_id"] = json!(asked_grant_id);
        line["ticket"] = json!(self.ticket());
        line["began_at"] = json!(began_at);
        line["ended_at"] = json!(epoch_seconds());
        match answer {
            Ok(grant_id) => {
                line["answer"] = json!("OK");
                line["grant_id"] = json!(grant_id);
            }
            Err(status) => {
                line["answer"] = json!(format!("{:?}", status.code()));
                line["reason"] = json!(reason(status));
            }
        }
        line
    }
}

/// Now, as the simulator's log counts time.
#[must_use]
pub fn epoch_seconds() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}
