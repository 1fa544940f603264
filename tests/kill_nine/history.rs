//! What clients asked and what they were told: the one side of the judgement.

use std::time::{Duration, Instant};

use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::{AssignRequest, RevokeRequest};

use super::common::{TokenChannel, Triple, reason, revoke_of, within};

/// The deadline of calls.
const CALL_TIME: Duration = Duration::from_secs(10);

/// What a call is about.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// Assign, with no end or for so long.
    Give { duration: Option<Duration> },
    /// Revoke of one grant.
    EndGrant { grant_id: String },
    /// Revoke of the assignment.
    EndAssignment,
}

/// What a client knows of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing: the process was killed, or refused before it could record.
    Unknown,
    /// OK, with the grant for an Assign.
    Ok { grant_id: Option<String> },
    /// There was nothing to end.
    NothingThere,
}

/// One call, with its repeats by the same request id.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Its number; the ticket of an Assign.
    pub(crate) number: usize,
    pub(crate) triple: Triple,
    pub(crate) wish: Wish,
    pub(crate) has_request_id: bool,
    pub(crate) told: Told,
    /// When it was first sent.
    pub(crate) began: Instant,
    /// When it was last over.
    pub(crate) ended: Instant,
    /// When it was answered.
    pub(crate) answered: Option<Instant>,
}

impl Asked {
    /// The ticket that names this call on its grant.
    pub(crate) fn ticket(&self) -> String {
        format!("call-{}", self.number)
    }

    /// Whether it has to be sent again, and may be.
    pub(crate) fn is_open(&self) -> bool {
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
    pub(crate) async fn send(mut self, mut client: AccessServiceClient<TokenChannel>) -> Self {
        let told = match &self.wish {
            Wish::Give { duration } => {
                let request = AssignRequest {
                    duration: duration.map(|time| time.try_into().expect("a duration")),
                    ticket: self.ticket(),
                    request_id: self.request_id(),
                    ..self.triple.assign()
                };
                let answer = client.assign(within(request, CALL_TIME)).await;
                answer.map(|answer| answer.into_inner().grant.map(|grant| grant.id))
            }
            Wish::EndGrant { grant_id } => self.end(&mut client, revoke_of(grant_id)).await,
            Wish::EndAssignment => self.end(&mut client, self.triple.revoke()).await,
        };
        self.ended = Instant::now();
        match told {
            Ok(grant_id) => {
                self.told = Told::Ok { grant_id };
                self.answered = Some(self.ended);
            }
            Err(status) if reason(&status) == "ASSIGNMENT_NOT_FOUND" => {
                self.told = Told::NothingThere;
            }
            // A killed process says nothing; a living one says why it could not record.
            Err(status) => assert!(
                ["", "AWS_UNAVAILABLE", "AWS_BUDGET_EXHAUSTED"].contains(&reason(&status).as_str()),
                "{self:#?}: {status:?}"
            ),
        }
        self
    }

    async fn end(
        &self,
        client: &mut AccessServiceClient<TokenChannel>,
        request: RevokeRequest,
    ) -> Result<Option<String>, tonic::Status> {
        let request = RevokeRequest {
            request_id: self.request_id(),
            ..request
        };
        let answer = client.revoke(within(request, CALL_TIME)).await;
        answer.map(|_| None)
    }
}
