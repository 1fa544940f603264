//! Every kind of fault, quotas and late visibility, as a client meets them.

use std::time::{Duration, Instant};

use serde_json::{Map, json};
use usher::simulator::{
    CallEffect, CallOutcome, CallRecord, Fault, FaultAction, Settings, Switches, World,
};

use super::{Bench, code};

const CREATE: &str = "CreateApplicationAssignment";

/// Waits until the newest call is as wanted; the simulator says when, no time is guessed.
async fn newest_call(bench: &Bench, wanted: impl Fn(&CallRecord) -> bool) -> CallRecord {
    let poll = async {
        loop {
            if let Some(call) = bench.simulator.calls().pop().filter(&wanted) {
                return call;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll)
        .await
        .expect("the state comes")
}

/// What ends a call, what the client then sees, and whether the effect is done.
fn endings() -> Vec<(FaultAction, &'static str, bool)> {
    vec![
        (FaultAction::Throttle, "ThrottlingException", false),
        (
            FaultAction::InternalError {
                after_effect: false,
            },
            "InternalServerException",
            false,
        ),
        (
            FaultAction::InternalError { after_effect: true },
            "InternalServerException",
            true,
        ),
        (FaultAction::Conflict, "ConflictException", false),
        (FaultAction::AccessDenied, "AccessDeniedException", false),
        (
            FaultAction::ExpiredCredentials,
            "ExpiredTokenException",
            false,
        ),
        (
            FaultAction::Error {
                code: "TeapotException".to_owned(),
                message: "short and stout".to_owned(),
                http_status: Some(418),
                members: Map::from_iter([("Handle".to_owned(), json!("here"))]),
                after_effect: true,
            },
            "TeapotException",
            true,
        ),
        (FaultAction::DropBeforeEffect, "dropped", false),
        (FaultAction::DropAfterEffect, "dropped", true),
    ]
}

#[tokio::test]
async fn errors_before_and_after_the_effect_come_as_scripted() {
    for (action, wanted, effect) in endings() {
        let bench = Bench::demo().await;
        let (redshift, anna) = (
            bench.application("Amazon Redshift"),
            bench.user("anna.berg"),
        );
        let kind = action.kind();
        bench.simulator.add_fault(
            Fault::new(CREATE, action)
                .times(1)
                .only_if("PrincipalId", anna.as_str()),
        );
        let other = bench.user("bilal.khan");
        assert_eq!(bench.assign_user(&redshift, &other).await, Ok(()), "{kind}");
        assert_eq!(
            bench.assign_user(&redshift, &anna).await,
            Err(wanted.to_owned()),
            "{kind}"
        );
        assert_eq!(
            bench.describes_user(&redshift, &anna).await,
            effect,
            "{kind}"
        );
        let call = bench.simulator.calls().remove(1);
        assert_eq!(call.faults, [kind]);
        assert_eq!(call.effect == CallEffect::Applied, effect, "{kind}");
        let outcome = if wanted == "dropped" {
            CallOutcome::Dropped
        } else {
            CallOutcome::Error
        };
        assert_eq!(call.outcome, outcome);
        assert_eq!(
            bench.assign_user(&redshift, &anna).await,
            Ok(()),
            "{kind} is spent"
        );
        assert_eq!(bench.simulator.faults()[0].hit, 1);
    }
}

#[tokio::test]
async fn delays_take_their_time_and_survive_a_client_that_hangs_up() {
    let bench = Bench::demo().await;
    let (redshift, anna) = (
        bench.application("Amazon Redshift"),
        bench.user("anna.berg"),
    );
    for action in [
        FaultAction::DelayBeforeEffect { milliseconds: 60 },
        FaultAction::DelayAfterEffect { milliseconds: 60 },
    ] {
        bench
            .simulator
            .add_fault(Fault::new("ListInstances", action).times(1));
        let began = Instant::now();
        bench.sso.list_instances().send().await.expect("late");
        assert!(began.elapsed() >= Duration::from_millis(60));
    }
    bench.simulator.clear_faults();
    bench.simulator.add_fault(Fault::new(
        CREATE,
        FaultAction::DelayBeforeEffect { milliseconds: 100 },
    ));
    let hung_up = {
        let call = bench.assign_user(&redshift, &anna);
        tokio::time::timeout(Duration::from_millis(40), call).await
    };
    assert!(hung_up.is_err());
    let call = newest_call(&bench, |call| call.effect == CallEffect::Applied).await;
    assert_eq!(call.operation, CREATE);
    assert!(bench.describes_user(&redshift, &anna).await);
}

#[tokio::test]
async fn an_effect_can_come_later_than_its_lost_reply() {
    let bench = Bench::demo().await;
    let (redshift, anna) = (
        bench.application("Amazon Redshift"),
        bench.user("anna.berg"),
    );
    bench.simulator.add_fault(Fault::new(
        CREATE,
        FaultAction::EffectLater { milliseconds: 150 },
    ));
    assert_eq!(
        bench.assign_user(&redshift, &anna).await,
        Err("dropped".to_owned())
    );
    let call = newest_call(&bench, |call| call.effect == CallEffect::Later).await;
    assert_eq!(call.effect_time_seconds, None);
    assert!(bench.simulator.world().assignments_of(&redshift).is_empty());
    let call = newest_call(&bench, |call| call.effect == CallEffect::Applied).await;
    assert!(
        call.effect_time_seconds
            .is_some_and(|time| time >= call.time_seconds + 0.15)
    );
    assert!(bench.describes_user(&redshift, &anna).await);
}

#[tokio::test]
async fn replies_can_lack_members_or_their_end() {
    let bench = Bench::demo().await;
    let redshift = bench.application("Amazon Redshift");
    let read = || {
        let call = bench.sso.get_application_assignment_configuration();
        call.application_arn(&redshift).send()
    };
    let members = vec!["AssignmentRequired".to_owned()];
    bench
        .simulator
        .add_fault(Fault::new("*", FaultAction::OmitReplyMembers { members }).times(1));
    // The trap of aws-api.md §1: the SDK reads the absence as "open to everyone".
    assert!(!read().await.expect("a reply").assignment_required());
    bench
        .simulator
        .add_fault(Fault::new("*", FaultAction::TruncateReply { bytes: 5 }).times(1));
    assert!(read().await.is_err());
    assert!(read().await.expect("a reply").assignment_required());
}

#[tokio::test]
async fn reads_lag_behind_writes_for_as_long_as_set() {
    let hour = 3_600_000;
    let settings = Settings {
        visibility_milliseconds: hour,
        ..Settings::unlimited()
    };
    let bench = Bench::with(World::demo(), Switches::default(), settings).await;
    let (redshift, anna) = (
        bench.application("Amazon Redshift"),
        bench.user("anna.berg"),
    );
    let listed = |application: String| {
        let sso = bench.sso.clone();
        async move {
            let call = sso
                .list_application_assignments()
                .application_arn(application);
            call.send()
                .await
                .expect("a page")
                .application_assignments()
                .len()
        }
    };
    bench.assign_user(&redshift, &anna).await.expect("assigned");
    assert!(!bench.describes_user(&redshift, &anna).await);
    assert_eq!(listed(redshift.clone()).await, 0);
    assert_eq!(bench.simulator.world().assignments_of(&redshift).len(), 1);
    let quicksight = bench.application("Amazon QuickSight");
    bench
        .unassign_user(&quicksight, &anna)
        .await
        .expect("taken away");
    assert!(bench.describes_user(&quicksight, &anna).await);
    assert_eq!(listed(quicksight).await, 2);
    // A fault can say otherwise for one write.
    let at_once = FaultAction::LateVisibility { milliseconds: 0 };
    bench.simulator.add_fault(Fault::new(CREATE, at_once));
    let bilal = bench.user("bilal.khan");
    bench
        .assign_user(&redshift, &bilal)
        .await
        .expect("assigned");
    assert!(bench.describes_user(&redshift, &bilal).await);
    assert_eq!(listed(redshift).await, 1);
}

#[tokio::test]
async fn reads_catch_up_with_writes() {
    let settings = Settings {
        visibility_milliseconds: 50,
        ..Settings::unlimited()
    };
    let bench = Bench::with(World::demo(), Switches::default(), settings).await;
    let (redshift, anna) = (
        bench.application("Amazon Redshift"),
        bench.user("anna.berg"),
    );
    bench.assign_user(&redshift, &anna).await.expect("assigned");
    let catch_up = async { while !bench.describes_user(&redshift, &anna).await {} };
    tokio::time::timeout(Duration::from_secs(10), catch_up)
        .await
        .expect("it becomes visible");
}

#[tokio::test]
async fn quotas_throttle_and_say_so() {
    // So slow a refill that the test's own time gives nothing.
    let settings = Settings {
        sso_admin_rate_per_second: Some(0.001),
        sso_admin_burst: 3.0,
        identity_store_rate_per_second: Some(0.001),
        identity_store_burst: 2.0,
        ..Settings::unlimited()
    };
    let bench = Bench::with(World::demo(), Switches::default(), settings.clone()).await;
    let providers = || bench.sso.list_application_providers().send();
    bench.sso.list_instances().send().await.expect("1 of 3");
    providers().await.expect("2 of 3");
    providers().await.expect("3 of 3");
    assert_eq!(
        providers().await.map_err(code).err().as_deref(),
        Some("ThrottlingException")
    );
    let users = || {
        bench
            .store
            .list_users()
            .identity_store_id(&bench.store_id)
            .send()
    };
    let groups = || {
        bench
            .store
            .list_groups()
            .identity_store_id(&bench.store_id)
            .send()
    };
    users().await.expect("1 of 2");
    users().await.expect("2 of 2");
    groups().await.expect("another bucket");
    let throttled = users()
        .await
        .expect_err("over the quota")
        .into_service_error();
    let aws_sdk_identitystore::operation::list_users::ListUsersError::ThrottlingException(inner) =
        &throttled
    else {
        panic!("{throttled:?}")
    };
    assert_eq!(inner.retry_after_seconds, 1);
    assert_eq!(
        bench
            .simulator
            .calls()
            .iter()
            .filter(|call| call.throttled)
            .count(),
        2
    );
    let collective = Switches {
        identity_store_collective_quota: true,
        ..Switches::default()
    };
    bench.simulator.set_switches(collective);
    users().await.expect("1 of 2");
    groups().await.expect("2 of 2");
    assert!(users().await.is_err());
    bench
        .simulator
        .set_settings(settings)
        .expect("the same again");
    users().await.expect("full buckets after a setting");
}

#[tokio::test]
async fn latency_is_at_least_what_was_set() {
    let settings = Settings {
        latency_milliseconds: 40,
        jitter_milliseconds: 5,
        ..Settings::unlimited()
    };
    let bench = Bench::with(World::demo(), Switches::default(), settings).await;
    let began = Instant::now();
    bench.sso.list_instances().send().await.expect("instances");
    assert!(began.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn the_end_waits_for_no_delay_and_closes_the_port() {
    let bench = Bench::demo().await;
    let hour = 3_600_000;
    let delay = FaultAction::DelayBeforeEffect { milliseconds: hour };
    bench
        .simulator
        .add_fault(Fault::new("ListInstances", delay).times(1));
    bench.simulator.add_fault(Fault::new(
        CREATE,
        FaultAction::EffectLater { milliseconds: hour },
    ));
    let (redshift, anna) = (
        bench.application("Amazon Redshift"),
        bench.user("anna.berg"),
    );
    assert_eq!(
        bench.assign_user(&redshift, &anna).await,
        Err("dropped".to_owned())
    );
    let waiting = tokio::spawn(bench.sso.list_instances().send());
    newest_call(&bench, |call| call.operation == "ListInstances").await;
    let address = bench.simulator.address();
    let end = bench.simulator.clone().stop();
    tokio::time::timeout(Duration::from_secs(10), end)
        .await
        .expect("it ends");
    assert_eq!(
        waiting
            .await
            .expect("no panic")
            .map_err(code)
            .err()
            .as_deref(),
        Some("dropped")
    );
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
