//! `usher adopt` over TLS: whom it believes, and how it proves its caller.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use usher::simulator::{Assignment, PrincipalType};

use crate::certificates::{PORTAL, Secured, secured};

/// Runs `usher adopt` for one assignment; `more` are arguments behind it.
async fn adopt(secured: &Secured, token: &str, more: &[&str]) -> Output {
    let file = secured.files.path().join("adopt.csv");
    let text = "user,application,duration,justification\nbilal.khan,Wiki,1h,the team's notes\n";
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .arg("adopt")
        .arg(&file)
        .args(["--server", &format!("https://{}", secured.bench.address)])
        .args(more)
        .env_clear()
        .env("USHER_TOKEN", token)
        .stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    run.await.unwrap()
}

#[track_caller]
fn ended(done: &Output, code: i32, told: &str) {
    let text = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(done.status.code(), Some(code), "{text}");
    assert!(text.contains(told), "{told} is not in {text}");
    assert!(
        !text.contains("panicked") && !text.contains("eyJ"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn adopt_believes_the_named_authority_and_shows_a_token_or_a_certificate() {
    let secured = secured("").await;
    secured.bench.simulator.edit_world(|world| {
        let assignment = Assignment {
            application_arn: world
                .application_named("Wiki")
                .unwrap()
                .application_arn
                .clone(),
            principal_type: PrincipalType::User,
            principal_id: world.user_named("bilal.khan").unwrap().user_id.clone(),
        };
        world.assignments.push(assignment);
    });
    let path = |path: &std::path::Path| path.display().to_string();
    let (servers, strangers) = (
        path(&secured.servers.certificate()),
        path(&secured.clients.certificate()),
    );
    let token = secured.key.token(json!({}));
    let stranger = adopt(&secured, &token, &["--ca-certificate", &strangers]).await;
    ended(&stranger, 1, "cannot connect to https://127.0.0.1:");
    let nobody = adopt(&secured, " ", &["--ca-certificate", &servers]).await;
    ended(&nobody, 1, "put a token into USHER_TOKEN");
    let wrong = adopt(&secured, "eyJ", &["--ca-certificate", &servers]).await;
    assert_eq!(wrong.status.code(), Some(1));

    let told = adopt(
        &secured,
        &token,
        &["--ca-certificate", &servers, "--validate-only"],
    )
    .await;
    ended(&told, 0, "2,WOULD_BE_ADOPTED,,");
    let pair = secured.clients.issue("portal", PORTAL);
    let (certificate, key) = (path(&pair.certificate), path(&pair.key));
    let by_certificate = [
        "--ca-certificate",
        &servers,
        "--client-certificate",
        &certificate,
        "--client-key",
        &key,
    ];
    std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = adopt(&secured, "", &by_certificate).await;
    ended(&open, 1, "chmod 600");
    crate::pki::put(&std::fs::read(&pair.key).unwrap(), &pair.key);
    ended(
        &adopt(&secured, "", &by_certificate).await,
        0,
        "2,ADOPTED,grant_",
    );
    secured.bench.end().await;
}
