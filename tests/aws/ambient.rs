//! Settings and credentials are found as every AWS tool finds them. A process has one environment,
//! so each case runs `usher check` with its own.

use std::path::Path;

use tempfile::TempDir;

use crate::support::bench;

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
];
const REGION: (&str, &str) = ("AWS_REGION", "us-east-1");

/// What `usher check` says of its credentials, with only these variables and this home.
async fn outcome(home: &Path, endpoint_url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .arg("check")
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", endpoint_url)
        .envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = String::from_utf8(output.await.unwrap().unwrap().stdout).unwrap();
    let found = output
        .lines()
        .find(|line| line.contains("credentials") || line.contains("AWS"));
    found.unwrap_or(&output).to_owned()
}

fn credentials_of(arn: &str) -> String {
    format!("ok       credentials: {arn}")
}

#[tokio::test]
async fn variables_profiles_and_credential_processes_are_found() {
    let bench = bench().await;
    let url = bench.simulator.endpoint_url();
    let arn = bench.simulator.world().caller.arn;
    let home = TempDir::new().unwrap();
    let by_variables = [KEYS[0], KEYS[1], REGION];
    assert_eq!(
        outcome(home.path(), &url, &by_variables).await,
        credentials_of(&arn)
    );

    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let process =
        r#"echo '{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"x"}'"#;
    let profiles = format!(
        "[profile audit]\nregion = us-east-1\ncredential_process = /bin/sh -c \"{}\"\n",
        process.replace('"', "\\\"")
    );
    std::fs::write(home.path().join(".aws/config"), profiles).unwrap();
    let by_profile = [("AWS_PROFILE", "audit")];
    assert_eq!(
        outcome(home.path(), &url, &by_profile).await,
        credentials_of(&arn)
    );

    // A proxy of the environment gets nothing that is meant for this machine.
    let proxied = [
        KEYS[0],
        KEYS[1],
        REGION,
        ("HTTP_PROXY", "http://192.0.2.1:9"),
    ];
    assert_eq!(
        outcome(home.path(), &url, &proxied).await,
        credentials_of(&arn)
    );
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let bench = bench().await;
    let url = bench.simulator.endpoint_url();
    let home = TempDir::new().unwrap();
    let nowhere = outcome(home.path(), &url, &KEYS).await;
    assert!(nowhere.contains("AWS_REGION"), "{nowhere}");
    let unsigned = outcome(home.path(), &url, &[REGION]).await;
    assert!(unsigned.starts_with("missing  credentials"), "{unsigned}");
    assert!(unsigned.contains("sign in"), "{unsigned}");
    assert!(bench.simulator.calls().is_empty());
}
