//! Decisions a second: grants recorded with their request ids and events, each answered when it is on the disk,
//! by 64 clients of one replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use usher::domain::{
    ApplicationArn, AssignmentKey, CallerName, Grant, GrantId, InstanceArn, Justification,
    PrincipalId, PrincipalKind, PrincipalRef, RequestId, Requester, Target,
};
use usher::store::{
    GrantRequest, PostgresOptions, PostgresStore, RequestKey, RequestUse, Store as _,
};

use super::milliseconds;

const CLIENTS: u32 = 64;
const TARGET_PER_SECOND: f64 = 2_000.0;
const MEASURED: Duration = Duration::from_secs(10);

fn request(number: u32) -> GrantRequest {
    let instance = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
    let application = format!(
        "arn:aws:sso::123456789012:application/ssoins-1234567890abcdef/apl-{:016}",
        number % 500
    );
    let principal = format!("04261254-0000-4a5a-9d53-{number:012}");
    let caller = CallerName::parse("service:portal").expect("a name");
    let key = AssignmentKey {
        instance_arn: InstanceArn::parse(instance).expect("an ARN"),
        principal: PrincipalRef {
            kind: PrincipalKind::User,
            id: PrincipalId::parse(&principal).expect("an id"),
        },
        target: Target::Application(ApplicationArn::parse(&application).expect("an ARN")),
    };
    let now = Timestamp::now();
    let id = GrantId::from_uuid(uuid::Uuid::now_v7());
    let grant = Grant {
        justification: Justification::parse("INC-42, the usual").expect("a text"),
        policies: vec!["engineers-redshift".to_owned()],
        policy_version: "1".to_owned(),
        duration: Some(SignedDuration::from_hours(1)),
        ..Grant::new(id, key, Requester::itself(caller.clone()), now)
    };
    let request_id = RequestId::parse(&uuid::Uuid::now_v7().to_string()).expect("an id");
    let request = RequestUse {
        key: RequestKey {
            caller: caller.clone(),
            subject: caller,
            request_id,
        },
        content_hash: "hash".to_owned(),
        at: now,
    };
    GrantRequest {
        grant,
        request: Some(request),
    }
}

pub(crate) async fn run(options: &PostgresOptions) {
    let store = Arc::new(PostgresStore::open(options).await.expect("a store"));
    let numbers = Arc::new(AtomicU32::new(0));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (store, numbers) = (store.clone(), numbers.clone());
        clients.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < MEASURED {
                let asked_at = Instant::now();
                let request = request(numbers.fetch_add(1, Ordering::Relaxed));
                store.record_grant(request).await.expect("a grant");
                times.push(asked_at.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    let per_second =
        f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX)) / began.elapsed().as_secs_f64();
    println!(
        "decisions with {CLIENTS} clients: {per_second:.0}/s (target {TARGET_PER_SECOND:.0}), p50 {:.1} ms, p99 {:.1} ms, {} connections",
        milliseconds(&mut times, 0.5),
        milliseconds(&mut times, 0.99),
        options.connections_max,
    );
    store.close().await;
}
