//! Lanes in which races are run beside each other: each has a person and an application of its own, so that one race
//! waits for no other, and clients of the same people at two replicas.

use std::time::SystemTime;

use tonic::{Code, Status};
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::{
    ApproveGrantRequest, AssignRequest, CancelGrantRequest, GetGrantRequest, Grant, GrantEventType,
    GrantState,
};
use usher::simulator::{CallEffect, Simulator, World};

use super::common::asked::Key;
use super::common::targets::add_user;
use super::common::{Triple, application, in_time, reason, revoke_of, until, user};
use super::fleet::Roster;
use super::people::{AGREED_TO, LEADS, People, PersonChannel, REQUESTER};
use super::worlds::add_application;

/// How far ahead a grant begins of which nothing is to go to AWS.
const LATER: std::time::Duration = std::time::Duration::from_secs(86_400);

/// The people of a lane at one replica.
#[derive(Clone)]
pub(crate) struct Voices {
    pub(crate) requester: PersonChannel,
    pub(crate) leads: [PersonChannel; 2],
}

/// A lane. Its races come one after the other.
pub(crate) struct Lane {
    pub(crate) number: usize,
    user_id: String,
    application_arn: String,
    /// At each of two replicas.
    pub(crate) at: [Voices; 2],
}

impl Voices {
    pub(crate) fn of(people: &People, roster: &Roster, replica: usize) -> Self {
        let address = roster.address(replica);
        Self {
            requester: people.channel(address, REQUESTER),
            leads: LEADS.map(|lead| people.channel(address, lead)),
        }
    }
}

impl Lane {
    /// A lane with what it needs in the world.
    pub(crate) fn add(world: &mut World, number: usize) -> (String, String) {
        let application_arn = add_application(world, number);
        (add_user(world, number), application_arn)
    }

    pub(crate) fn new(
        number: usize,
        (user_id, application_arn): (String, String),
        at: [Voices; 2],
    ) -> Self {
        Self {
            number,
            user_id,
            application_arn,
            at,
        }
    }

    fn triple(&self) -> Triple {
        Triple {
            kind: usher::simulator::PrincipalType::User,
            principal_id: self.user_id.clone(),
            application_arn: self.application_arn.clone(),
        }
    }

    /// An Assign of its application that opens at once.
    pub(crate) fn wish(&self, ticket: &str) -> AssignRequest {
        AssignRequest {
            ticket: ticket.to_owned(),
            request_id: ticket.to_owned(),
            ..self.triple().assign()
        }
    }

    /// The same from tomorrow on, of which nothing goes to AWS today.
    pub(crate) fn wish_for_later(&self, ticket: &str) -> AssignRequest {
        AssignRequest {
            start_time: Some((SystemTime::now() + LATER).into()),
            ..self.wish(ticket)
        }
    }

    /// An Assign from tomorrow on to which two leads must agree.
    pub(crate) fn wish_for_agreement(&self, ticket: &str) -> AssignRequest {
        AssignRequest {
            principal: Some(user(&self.user_id)),
            target: Some(application(AGREED_TO)),
            ..self.wish_for_later(ticket)
        }
    }

    /// How many creates and deletes of its assignment had an effect in AWS.
    pub(crate) fn effects(&self, simulator: &Simulator) -> (usize, usize) {
        let key = super::common::asked::Goal::from(&self.triple()).key;
        let calls = simulator.calls();
        let of_it = |call: &&usher::simulator::CallRecord| {
            call.effect == CallEffect::Applied && Key::of_write(call).as_ref() == Some(&key)
        };
        let is_create = |call: &usher::simulator::CallRecord| call.operation.starts_with("Create");
        let effects: Vec<bool> = calls.iter().filter(of_it).map(is_create).collect();
        let creates = effects.iter().filter(|it| **it).count();
        (creates, effects.len() - creates)
    }
}

pub(crate) async fn assign(
    channel: &PersonChannel,
    request: &AssignRequest,
) -> Result<Grant, Status> {
    let mut client = AccessServiceClient::new(channel.clone());
    let answer = client.assign(in_time(request.clone())).await?;
    Ok(answer.into_inner().grant.expect("a grant"))
}

pub(crate) async fn revoke(channel: &PersonChannel, grant_id: &str) -> Result<(), Status> {
    let mut client = AccessServiceClient::new(channel.clone());
    let answer = client.revoke(in_time(revoke_of(grant_id))).await;
    answer.map(drop)
}

pub(crate) async fn approve(channel: &PersonChannel, grant: &Grant) -> Result<(), Status> {
    let request = ApproveGrantRequest {
        grant_id: grant.id.clone(),
        digest: grant.digest.clone(),
        reason: "looked at it".to_owned(),
        ..ApproveGrantRequest::default()
    };
    let mut client = GrantServiceClient::new(channel.clone());
    client.approve_grant(in_time(request)).await.map(drop)
}

pub(crate) async fn cancel(channel: &PersonChannel, grant: &Grant) -> Result<(), Status> {
    let request = CancelGrantRequest {
        grant_id: grant.id.clone(),
        reason: "not needed".to_owned(),
        ..CancelGrantRequest::default()
    };
    let mut client = GrantServiceClient::new(channel.clone());
    client.cancel_grant(in_time(request)).await.map(drop)
}

pub(crate) async fn get(channel: &PersonChannel, grant_id: &str) -> Grant {
    let request = GetGrantRequest {
        grant_id: grant_id.to_owned(),
    };
    let mut client = GrantServiceClient::new(channel.clone());
    let answer = client.get_grant(in_time(request)).await;
    let grant = answer.expect("an answer to GetGrant").into_inner().grant;
    grant.expect("a grant")
}

/// The grant, once it is over.
pub(crate) async fn over(channel: &PersonChannel, grant_id: &str) -> Grant {
    until("its end", || async {
        let grant = get(channel, grant_id).await;
        match grant.state() {
            GrantState::Revoked | GrantState::Expired | GrantState::Failed => Ok(grant),
            _ => Err(format!("{grant:#?}")),
        }
    })
    .await
}

/// How often events of these types are in the timeline of a grant.
pub(crate) fn count(grant: &Grant, types: &[GrantEventType]) -> usize {
    let events = grant.timeline.iter();
    events
        .filter(|event| types.contains(&event.r#type()))
        .count()
}

/// Whether a word was taken; else it must have come too late.
pub(crate) fn is_taken(word: &Result<(), Status>) -> Result<bool, String> {
    match word {
        Ok(()) => Ok(true),
        Err(status)
            if status.code() == Code::FailedPrecondition && reason(status) == "STATE_FORBIDS" =>
        {
            Ok(false)
        }
        Err(status) => Err(format!("{:?} {}", status.code(), reason(status))),
    }
}
