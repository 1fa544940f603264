//! Where AWS may be changed: on loopback, and elsewhere only when somebody said so who also
//! authenticates callers (DESIGN.md §4.9).

use usher::cli::{ServiceMode, ServiceOptions, start};
use usher::clock::Clock;
use usher::config::Config;
use usher::identity_center::StaticCredentials;
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

use crate::bench::PERMIT_ALL;

/// Whether a service that starts so may write; or why it does not start.
async fn may_write(mode: ServiceMode, allow_writes: bool, aws_host: &str) -> Result<bool, String> {
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(World::demo(), options).await.unwrap();
    let mut config: Config = toml::from_str("[aws]\nregion = \"us-east-1\"").unwrap();
    let port = simulator.address().port();
    config.aws.endpoint_url = Some(format!("http://{aws_host}:{port}"));
    let data = tempfile::tempdir().unwrap();
    let policies = data.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("all.cedar"), PERMIT_ALL).unwrap();
    config.policy.directory = Some(policies);
    let started = start(ServiceOptions {
        config,
        data_directory: data.path().to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        mode,
        allow_writes,
        credentials: Some(StaticCredentials::simulated()),
        clock: Clock::system(),
    });
    let service = started.await.map_err(|error| error.to_string())?;
    let may_write = service.may_write;
    let ended = service.run_until(std::future::ready(())).await;
    ended.map_err(|error| error.to_string())?;
    Ok(may_write)
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_changed_elsewhere_only_where_writes_are_allowed_and_callers_authenticated() {
    // This machine by an address that is not loopback.
    let elsewhere = "0.0.0.0";
    let (development, authenticated) = (ServiceMode::Development, ServiceMode::Authenticated);
    assert_eq!(may_write(authenticated, false, elsewhere).await, Ok(false));
    assert_eq!(may_write(authenticated, true, elsewhere).await, Ok(true));
    assert_eq!(may_write(development, false, elsewhere).await, Ok(false));
    let refused = may_write(development, true, elsewhere).await.unwrap_err();
    assert!(refused.contains("--allow-writes"), "{refused}");
    assert_eq!(may_write(development, true, "127.0.0.1").await, Ok(true));
}
