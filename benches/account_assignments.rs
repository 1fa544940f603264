//! How long 1,200 changes of account assignments take through the whole service: 600 made, 600
//! removed, in 60 accounts, at AWS's pace (20 operations a second) with 3 s for each asynchronous
//! operation and ten of them at once. The figure of a peer is 61 minutes (aws-api.md §3c).
//!
//! A plain program: `cargo bench --profile dev --bench account_assignments`. It prints figures and
//! ends with 1 when an assignment is not where it should be, whatever the time was.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;
use usher::config::Config;
use usher::grpc::pb::{
    AccountAccess, AssignRequest, GetGrantRequest, GrantState, Target, principal, target,
};
use usher::simulator::{
    AccountAssignment, AccountStatus, EnabledStatus, PrincipalType, Settings, User, World,
    WorldSizes,
};

use common::{Begin, TestService, revoke_of, user};

const ACCOUNTS: usize = 60;
const USERS_PER_ACCOUNT: usize = 10;
const ASYNCHRONOUS_MILLISECONDS: u64 = 3_000;
const OUTSTANDING_MAX: usize = 10;
/// What the whole may take.
const TARGET_SECONDS: f64 = 600.0;
/// Calls in flight at once: what one caller may have by default.
const CALLS_AT_ONCE: usize = 48;
/// How long a caller waits for one answer.
const CALL_TIME: Duration = Duration::from_secs(20);
/// How often a caller asks for a grant that is not where it should be.
const ASK_AGAIN: Duration = Duration::from_secs(2);

fn world() -> World {
    World::generate(
        11,
        &WorldSizes {
            applications: 1,
            groups: 1,
            users: 100,
            accounts: ACCOUNTS + 2,
            permission_sets: 5,
            assignments_per_account: 0,
            ..WorldSizes::default()
        },
    )
}

/// Every account with ten users, one permission set each.
fn wishes(world: &World) -> Vec<AssignRequest> {
    let management = &world.caller.account_id;
    let people = world.users.iter();
    // Usher gives nothing to who cannot sign in.
    let people: Vec<&User> = people
        .filter(|row| row.user_status == Some(EnabledStatus::Enabled))
        .collect();
    let people = &people;
    let accounts = world.accounts.iter();
    let accounts = accounts
        .filter(|row| row.status == AccountStatus::Active && row.account_id != *management)
        .take(ACCOUNTS);
    accounts
        .enumerate()
        .flat_map(|(at, account)| {
            (0..USERS_PER_ACCOUNT).map(move |place| {
                let person = people[(at * USERS_PER_ACCOUNT + place) % people.len()];
                let set = &world.permission_sets[place % world.permission_sets.len()];
                AssignRequest {
                    principal: Some(user(&person.user_id)),
                    target: Some(Target {
                        target: Some(target::Target::AccountAccess(AccountAccess {
                            account: account.account_id.clone(),
                            permission_set: set.permission_set_arn.clone(),
                        })),
                    }),
                    justification: "a figure".to_owned(),
                    request_id: format!("figure-{at}-{place}"),
                    ..AssignRequest::default()
                }
            })
        })
        .collect()
}

/// The assignment that a wish is about.
fn wished(wish: &AssignRequest) -> AccountAssignment {
    let user = match wish.principal.as_ref().and_then(|it| it.principal.as_ref()) {
        Some(principal::Principal::User(id)) => id.clone(),
        other => panic!("{other:?}"),
    };
    match wish.target.as_ref().and_then(|it| it.target.as_ref()) {
        Some(target::Target::AccountAccess(access)) => AccountAssignment {
            account_id: access.account.clone(),
            permission_set_arn: access.permission_set.clone(),
            principal_type: PrincipalType::User,
            principal_id: user,
        },
        other => panic!("{other:?}"),
    }
}

fn standing(service: &TestService) -> HashSet<AccountAssignment> {
    let world = service.simulator.world();
    world.account_assignments.iter().cloned().collect()
}

/// Asks until the service takes it, as its answers say, then until the access stands.
async fn assign(service: &TestService, wish: AssignRequest) -> String {
    let mut client = service.access();
    let grant = loop {
        let mut request = Request::new(wish.clone());
        request.set_timeout(CALL_TIME);
        match client.assign(request).await {
            Ok(answer) => break answer.into_inner().grant.expect("a grant"),
            Err(status) if status.code() == Code::ResourceExhausted => {
                let pause = status
                    .get_details_retry_info()
                    .and_then(|info| info.retry_delay);
                tokio::time::sleep(pause.unwrap_or(ASK_AGAIN)).await;
            }
            Err(status) => panic!("Assign: {status}"),
        }
    };
    reach(service, &grant.id, GrantState::Active).await;
    grant.id
}

async fn revoke(service: &TestService, id: &str) {
    let mut request = Request::new(revoke_of(id));
    request.set_timeout(CALL_TIME);
    service
        .access()
        .revoke(request)
        .await
        .expect("a revocation");
    reach(service, id, GrantState::Revoked).await;
}

async fn reach(service: &TestService, id: &str, wanted: GrantState) {
    loop {
        let request = GetGrantRequest {
            grant_id: id.to_owned(),
        };
        let grant = service.grants().get_grant(request).await;
        let grant = grant
            .expect("an answer")
            .into_inner()
            .grant
            .expect("a grant");
        if grant.state() == wanted {
            return;
        }
        let open = [GrantState::Provisioning, GrantState::Revoking];
        assert!(open.contains(&grant.state()), "{grant:#?}");
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Runs all of them, so many at once.
async fn all<T: Send + 'static, F>(work: impl Iterator<Item = F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CALLS_AT_ONCE));
    let mut running = JoinSet::new();
    for one in work {
        let room = Arc::clone(&room);
        running.spawn(async move {
            let _place = room.acquire_owned().await.expect("an open semaphore");
            one.await
        });
    }
    running.join_all().await
}

#[tokio::main]
async fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!(
            "a benchmark of several minutes: cargo bench --profile dev --bench account_assignments"
        );
        return ExitCode::SUCCESS;
    }
    let mut config = Config::default();
    config.aws.region = Some("us-east-1".to_owned());
    let world = world();
    let wishes = wishes(&world);
    let service = Arc::new(
        TestService::start_with(Begin {
            world,
            settings: Settings {
                asynchronous_milliseconds: ASYNCHRONOUS_MILLISECONDS,
                outstanding_assignments_max: None,
                ..Settings::default()
            },
            config,
            ..Begin::default()
        })
        .await,
    );
    let count = wishes.len();
    let before = standing(&service);
    let mut expected = before.clone();
    expected.extend(wishes.iter().map(wished));
    assert_eq!(expected.len(), before.len() + count, "each wish is new");
    let begun = Instant::now();
    let made = wishes.into_iter().map(|wish| {
        let service = Arc::clone(&service);
        async move { assign(&service, wish).await }
    });
    let ids: Vec<String> = all(made).await;
    let made_in = begun.elapsed();
    let wrong_made = standing(&service).symmetric_difference(&expected).count();
    let removed = ids.into_iter().map(|id| {
        let service = Arc::clone(&service);
        async move { revoke(&service, &id).await }
    });
    all(removed).await;
    let total = begun.elapsed().as_secs_f64();
    let wrong_left = standing(&service).symmetric_difference(&before).count();
    let wrong = wrong_made + wrong_left;
    let operations = service.simulator.calls().len();
    let throttled = service
        .simulator
        .calls()
        .iter()
        .filter(|call| call.throttled)
        .count();
    let outstanding = service.simulator.outstanding_assignments_max_seen();
    println!(
        "figure account_assignment_operations_count {} count target 1200",
        count * 2
    );
    println!(
        "figure account_assignment_operations_made_seconds {:.1} s",
        made_in.as_secs_f64()
    );
    println!("figure account_assignment_operations_seconds {total:.1} s target {TARGET_SECONDS}");
    println!(
        "figure account_assignment_outstanding_max {outstanding} count target {OUTSTANDING_MAX}"
    );
    println!("figure account_assignment_wrong {wrong} count target 0");
    println!("figure account_assignment_aws_operations {operations} count");
    println!("figure account_assignment_throttled {throttled} count target 0");
    if wrong == 0 && outstanding <= OUTSTANDING_MAX {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
