//! The control endpoint, driven as a script would.

use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use usher::simulator::{EnabledStatus, World};

use super::strictness::raw;
use super::{Bench, code};

pub(crate) async fn control(
    bench: &Bench,
    method: Method,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = Request::builder()
        .method(method)
        .uri(format!("/_control/{path}"))
        .header("host", "localhost")
        .body(Full::new(body.into()))
        .expect("a request");
    raw(bench, request).await
}

#[tokio::test]
async fn switches_and_settings_change_by_field() {
    let bench = Bench::demo().await;
    assert_eq!(
        control(&bench, Method::GET, "health", Value::Null).await.0,
        200
    );
    let body = json!({"repeat_create": "conflict"});
    let (status, switches) = control(&bench, Method::PUT, "switches", body).await;
    assert_eq!(
        (status, &switches["repeat_create"]),
        (200, &json!("conflict"))
    );
    assert_eq!(switches["default_page_size"], 100);
    let shown = control(&bench, Method::GET, "switches", Value::Null).await;
    assert_eq!(shown, (200, switches));
    let body = json!({"latency_milliseconds": 3});
    let (_, settings) = control(&bench, Method::PUT, "settings", body).await;
    assert_eq!(settings["latency_milliseconds"], 3);
    assert_eq!(settings["sso_admin_rate_per_second"], Value::Null);
    for (path, bad) in [
        ("switches", json!({"repeat_creat": "conflict"})),
        ("switches", json!({"repeat_create": "maybe"})),
        ("settings", json!({"odd_page_rate": 2.0})),
        ("settings", json!([])),
    ] {
        let (status, reply) = control(&bench, Method::PUT, path, bad).await;
        assert_eq!(status, 400);
        assert!(reply["error"].is_string(), "{reply}");
    }
    assert_eq!(bench.simulator.settings().latency_milliseconds, 3);
    assert_eq!(
        control(&bench, Method::GET, "nothing", Value::Null).await.0,
        404
    );
}

#[tokio::test]
async fn faults_are_added_listed_and_cleared() {
    let bench = Bench::demo().await;
    let fault = json!({"operation": "ListInstances", "times": 1, "action": {"kind": "conflict"}});
    assert_eq!(
        control(&bench, Method::POST, "faults", fault.clone())
            .await
            .0,
        200
    );
    let refusal = bench.sso.list_instances().send().await.map_err(code).err();
    assert_eq!(refusal.as_deref(), Some("ConflictException"));
    let (_, listed) = control(&bench, Method::GET, "faults", Value::Null).await;
    assert_eq!(listed["faults"][0]["hit"], 1);
    assert_eq!(listed["faults"][0]["action"]["kind"], "conflict");
    assert_eq!(
        control(&bench, Method::DELETE, "faults", Value::Null)
            .await
            .0,
        200
    );
    assert!(bench.simulator.faults().is_empty());
    let unknown = json!({"operation": "ListInstance", "action": {"kind": "conflict"}});
    assert_eq!(
        control(&bench, Method::POST, "faults", unknown).await.0,
        400
    );
}

#[tokio::test]
async fn the_log_is_shown_from_a_number_on() {
    let bench = Bench::demo().await;
    for _ in 0..3 {
        bench.sso.list_instances().send().await.expect("instances");
    }
    let (_, log) = control(&bench, Method::GET, "log?since=1&limit=1", Value::Null).await;
    assert_eq!(log["dropped"], 0);
    assert_eq!(log["calls"].as_array().map(Vec::len), Some(1));
    assert_eq!(log["calls"][0]["sequence"], 2);
    assert_eq!(log["calls"][0]["outcome"], "ok");
    assert_eq!(
        control(&bench, Method::GET, "log?since=x", Value::Null)
            .await
            .0,
        400
    );
    control(&bench, Method::DELETE, "log", Value::Null).await;
    assert!(bench.simulator.calls().is_empty());
}

#[tokio::test]
async fn the_world_is_shown_whole_and_users_are_disabled() {
    let bench = Bench::demo().await;
    let (_, world) = control(&bench, Method::GET, "world", Value::Null).await;
    let world = World::from_json(&world.to_string()).expect("its own form");
    assert_eq!(world, bench.simulator.world());
    let felix = bench.user("felix.left");
    let path = format!("users/{felix}/status");
    let (status, _) = control(&bench, Method::POST, &path, json!({"status": "ENABLED"})).await;
    assert_eq!(status, 200);
    let user = bench
        .simulator
        .world()
        .user_named("felix.left")
        .cloned()
        .expect("the user");
    assert_eq!(user.user_status, Some(EnabledStatus::Enabled));
    let (status, _) = control(&bench, Method::POST, &path, json!({"status": "ASLEEP"})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn applications_are_added_changed_and_taken_away() {
    let bench = Bench::demo().await;
    let wiki = bench.application("Wiki");
    let change =
        json!({"application_arn": wiki, "status": "DISABLED", "assignment_required": true});
    assert_eq!(
        control(&bench, Method::POST, "applications", change)
            .await
            .0,
        200
    );
    let changed = bench
        .simulator
        .world()
        .application_named("Wiki")
        .cloned()
        .expect("the wiki");
    assert_eq!(
        (changed.status, changed.assignment_required),
        (EnabledStatus::Disabled, true)
    );
    let mut another = json!(changed);
    another["application_arn"] = json!(wiki.replace("apl-2", "apl-9"));
    another["name"] = json!("Another");
    assert_eq!(
        control(&bench, Method::POST, "applications", another)
            .await
            .0,
        200
    );
    let gone = json!({"application_arn": wiki});
    assert_eq!(
        control(&bench, Method::DELETE, "applications", gone.clone())
            .await
            .0,
        200
    );
    assert_eq!(
        control(&bench, Method::DELETE, "applications", gone)
            .await
            .0,
        404
    );
    let listed = bench
        .sso
        .list_applications()
        .instance_arn(&bench.instance_arn)
        .send()
        .await;
    let names: Vec<_> = listed
        .expect("applications")
        .applications()
        .iter()
        .filter_map(|row| row.name().map(str::to_owned))
        .collect();
    assert!(names.contains(&"Another".to_owned()) && !names.contains(&"Wiki".to_owned()));
}
