//! A store to try, and grants, requests and steps to try it with.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use usher::domain::intent::EndRequest;
use usher::domain::plan::Changes;
use usher::domain::{
    Actor, ApplicationArn, AssignmentKey, CallerName, Event, EventKind, Grant, GrantId,
    InstanceArn, Justification, PrincipalId, PrincipalKind, PrincipalRef, RequestId, Requester,
    Target, Transition,
};
use usher::store::{
    Claim, ClaimLimit, GrantRequest, Holder, OfEachKind, PostgresStore, RequestKey, RequestOutcome,
    RequestUse, SqliteOptions, SqliteStore, Store,
};

use crate::postgresql::Database;

/// A place that holds one store, which can be closed and opened again.
pub(crate) struct Shelf {
    place: Place,
    pub(crate) store: Arc<dyn Store>,
}

enum Place {
    Directory(TempDir),
    Database(Database),
}

impl Shelf {
    pub(crate) async fn sqlite() -> Self {
        Self::on(Place::Directory(tempfile::tempdir().unwrap())).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::on(Place::Database(Database::new().await)).await
    }

    async fn on(place: Place) -> Self {
        let store = place.open().await;
        Self { place, store }
    }

    /// The bodies of all events, oldest first.
    pub(crate) async fn bodies(&self) -> Vec<serde_json::Value> {
        match &self.place {
            Place::Directory(directory) => {
                crate::store_rows::bodies(&directory.path().join("usher.sqlite3")).await
            }
            Place::Database(database) => {
                let bodies = database
                    .texts("SELECT body FROM events ORDER BY sequence")
                    .await;
                let bodies = bodies
                    .iter()
                    .map(|body| serde_json::from_str(body).unwrap());
                bodies.collect()
            }
        }
    }

    /// The one number that a question answers.
    pub(crate) async fn count(&self, question: &'static str) -> i64 {
        match &self.place {
            Place::Directory(directory) => {
                crate::store_rows::count(&directory.path().join("usher.sqlite3"), question).await
            }
            Place::Database(database) => database.count(question).await,
        }
    }

    /// Closes the store and opens it again.
    pub(crate) async fn restart(&mut self) {
        self.store.close().await;
        self.store = self.place.open().await;
    }
}

impl Place {
    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Directory(directory) => {
                let store = SqliteStore::open(directory.path(), SqliteOptions::default());
                Arc::new(store.await.unwrap())
            }
            Self::Database(database) => {
                Arc::new(PostgresStore::open(&database.options).await.unwrap())
            }
        }
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn instance() -> InstanceArn {
    InstanceArn::parse("arn:aws:sso:::instance/ssoins-1234567890abcdef").unwrap()
}

pub(crate) fn application(number: u64) -> ApplicationArn {
    let arn =
        format!("arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-{number:016}");
    ApplicationArn::parse(&arn).unwrap()
}

pub(crate) fn target(number: u64) -> Target {
    Target::Application(application(number))
}

pub(crate) fn principal(kind: PrincipalKind, number: u64) -> PrincipalRef {
    let id = format!("04261254-0000-4a5a-9d53-{number:012}");
    PrincipalRef {
        kind,
        id: PrincipalId::parse(&id).unwrap(),
    }
}

pub(crate) fn key(application_number: u64, user_number: u64) -> AssignmentKey {
    AssignmentKey {
        instance_arn: instance(),
        principal: principal(PrincipalKind::User, user_number),
        target: Target::Application(application(application_number)),
    }
}

pub(crate) fn caller(name: &str) -> CallerName {
    CallerName::parse(name).unwrap()
}

pub(crate) fn grant_id(number: u128) -> GrantId {
    GrantId::from_uuid(uuid::Uuid::from_u128(number))
}

/// A grant whose number is also the second of its creation.
pub(crate) fn grant(number: u32, key: &AssignmentKey) -> Grant {
    let requester = Requester {
        caller: caller("portal"),
        subject: caller("alice"),
        service: None,
        subject_proven: true,
        known_as: None,
    };
    let id = grant_id(number.into());
    Grant {
        justification: Justification::parse("a reason").unwrap(),
        policies: vec!["development".to_owned()],
        policy_version: "1".to_owned(),
        duration: Some(SignedDuration::from_secs(3600)),
        ..Grant::new(id, key.clone(), requester, at(number.into()))
    }
}

pub(crate) fn request_use(id: &str, content_hash: &str) -> RequestUse {
    RequestUse {
        key: RequestKey {
            caller: caller("portal"),
            subject: caller("alice"),
            request_id: RequestId::parse(id).unwrap(),
        },
        content_hash: content_hash.to_owned(),
        at: at(0),
    }
}

pub(crate) fn end_request(second: i64) -> EndRequest {
    EndRequest {
        caller: caller("portal"),
        subject: caller("bob"),
        reason: Justification::parse("done").unwrap(),
        now: at(second),
    }
}

pub(crate) fn holder(name: &str) -> Holder {
    Holder(name.to_owned())
}

/// The slots of every instance here.
pub(crate) const SLOTS: usize = 3;

pub(crate) fn limit(claims_max: usize) -> ClaimLimit {
    ClaimLimit {
        claims_max: OfEachKind::all(claims_max),
        outstanding_max: SLOTS,
        kept_for_ends: 0,
    }
}

/// Records a grant without a request id.
pub(crate) async fn record(store: &dyn Store, grant: Grant) -> Grant {
    let request = GrantRequest {
        grant,
        request: None,
    };
    match store.record_grant(request).await.unwrap() {
        RequestOutcome::Recorded(grant) => grant,
        other => panic!("{other:?}"),
    }
}

/// The only claim that there is.
pub(crate) async fn claim_one(store: &dyn Store, name: &str, second: i64) -> Claim {
    let mut claims = store
        .claim_due(
            &holder(name),
            &[instance()],
            at(second),
            at(second + 60),
            limit(10),
        )
        .await
        .unwrap();
    assert_eq!(claims.len(), 1);
    claims.remove(0)
}

/// A step that activates every grant of the claim, due again when the first one ends.
pub(crate) fn activation(claim: &Claim, second: i64) -> Changes {
    let mut changes = Changes {
        record: claim.record.clone(),
        grants: Vec::new(),
        events: Vec::new(),
    };
    for grant in &claim.grants {
        let next = grant.apply(Transition::Activate, at(second)).unwrap();
        changes.record.next_attempt_at = next.end_at;
        changes.events.push(Event::new(
            EventKind::Activated,
            at(second),
            Actor::Usher,
            claim.record.key.clone(),
            Some(grant.id.clone()),
        ));
        changes.grants.push(next);
    }
    changes
}

/// A step that changes nothing but when the assignment is due.
pub(crate) fn rest(claim: &Claim, due: Option<Timestamp>) -> Changes {
    let mut record = claim.record.clone();
    record.next_attempt_at = due;
    Changes {
        record,
        grants: Vec::new(),
        events: Vec::new(),
    }
}
