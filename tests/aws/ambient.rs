//! Settings and credentials are found as every AWS tool finds them. A process has one environment,
//! so each case runs this test binary again with its own.

use std::path::Path;

use tempfile::TempDir;
use usher::budget::Budget;
use usher::identity_center::{AwsConfig, IdentityCenter, SdkIdentityCenter, WriteMode};

use crate::support::{bench, call, plenty};

const CHILD: &str = "USHER_TEST_CHILD";
const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
];
const REGION: (&str, &str) = ("AWS_REGION", "us-east-1");

/// What `caller_identity` comes to in a process with only these variables and this home.
async fn outcome(home: &Path, endpoint_url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "ambient::the_child", "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env(CHILD, "yes")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", endpoint_url)
        .envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = String::from_utf8(output.await.unwrap().unwrap().stdout).unwrap();
    let found = output.split("OUTCOME[").nth(1);
    found
        .and_then(|rest| rest.split(']').next())
        .unwrap_or(&output)
        .to_owned()
}

#[tokio::test]
#[ignore = "runs as a child of the other tests in this file"]
async fn the_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let budget = Budget::new(plenty()).unwrap();
    let config = AwsConfig::default();
    let outcome = match SdkIdentityCenter::connect(&config, budget, WriteMode::Never).await {
        Err(error) => error.to_string(),
        Ok(port) => match port.caller_identity(call()).await {
            Ok(identity) => identity.arn,
            Err(failure) => failure.kind.as_str().to_owned(),
        },
    };
    println!("OUTCOME[{outcome}]");
}

#[tokio::test]
async fn variables_profiles_and_credential_processes_are_found() {
    let bench = bench().await;
    let url = bench.simulator.endpoint_url();
    let arn = bench.simulator.world().caller.arn;
    let home = TempDir::new().unwrap();
    let by_variables = [KEYS[0], KEYS[1], REGION];
    assert_eq!(outcome(home.path(), &url, &by_variables).await, arn);

    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let process =
        r#"echo '{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"x"}'"#;
    let profiles = format!(
        "[profile audit]\nregion = us-east-1\ncredential_process = /bin/sh -c \"{}\"\n",
        process.replace('"', "\\\"")
    );
    std::fs::write(home.path().join(".aws/config"), profiles).unwrap();
    let by_profile = [("AWS_PROFILE", "audit")];
    assert_eq!(outcome(home.path(), &url, &by_profile).await, arn);

    // A proxy of the environment gets nothing that is meant for this machine.
    let proxied = [
        KEYS[0],
        KEYS[1],
        REGION,
        ("HTTP_PROXY", "http://192.0.2.1:9"),
    ];
    assert_eq!(outcome(home.path(), &url, &proxied).await, arn);
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let bench = bench().await;
    let url = bench.simulator.endpoint_url();
    let home = TempDir::new().unwrap();
    let nowhere = outcome(home.path(), &url, &KEYS).await;
    assert!(nowhere.contains("AWS_REGION"), "{nowhere}");
    assert_eq!(
        outcome(home.path(), &url, &[REGION]).await,
        "credentials_invalid"
    );
    assert!(bench.simulator.calls().is_empty());
}
