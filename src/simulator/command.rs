//! `usher simulate`: a simulator in a process of its own, until it is told to end.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Settings, Simulator, SimulatorError, SimulatorOptions, Switches, World, WorldError, WorldSizes,
};

/// Arguments of `usher simulate`. Without a world it serves the one of `usher demo`.
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// Loopback address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Serve the world of this JSON file, in the form that GET /_control/world answers
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    world: Option<PathBuf>,
    /// Serve a world made from this number
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Applications of a made world
    #[arg(long, value_name = "COUNT", requires = "seed")]
    applications: Option<usize>,
    /// Groups of a made world
    #[arg(long, value_name = "COUNT", requires = "seed")]
    groups: Option<usize>,
    /// Users of a made world
    #[arg(long, value_name = "COUNT", requires = "seed")]
    users: Option<usize>,
    /// Mean of assignments per application of a made world
    #[arg(long, value_name = "COUNT", requires = "seed")]
    assignments_per_application: Option<usize>,
    /// Mean of members per group of a made world
    #[arg(long, value_name = "COUNT", requires = "seed")]
    members_per_group: Option<usize>,
    /// Accounts of a made world's organization
    #[arg(long, value_name = "COUNT", requires = "seed")]
    accounts: Option<usize>,
    /// Account instances of a made world, in different accounts and Regions
    #[arg(long, value_name = "COUNT", requires = "accounts")]
    account_instances: Option<usize>,
    /// Name of a role in every account of a made world
    #[arg(long, value_name = "NAME", requires = "accounts")]
    role_name: Option<String>,
    /// External id of those roles
    #[arg(long, value_name = "TEXT", requires = "role_name")]
    role_external_id: Option<String>,
    /// Permission sets of a made world
    #[arg(long, value_name = "COUNT", requires = "seed")]
    permission_sets: Option<usize>,
    /// Mean of account assignments per account of a made world
    #[arg(long, value_name = "COUNT", requires = "seed")]
    assignments_per_account: Option<usize>,
    /// Switches as JSON, for example '{"repeat_create":"conflict"}'; see docs/simulator.md
    #[arg(long, value_name = "JSON", value_parser = parse::<Switches>)]
    switches: Option<Switches>,
    /// Settings as JSON, for example '{"latency_milliseconds":30}'; see docs/simulator.md
    #[arg(long, value_name = "JSON", value_parser = parse::<Settings>)]
    settings: Option<Settings>,
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Serves until SIGINT or SIGTERM. Prints `listening on ADDRESS` when it serves, then what to
/// export for AWS tools.
pub async fn run(args: SimulateArgs) -> Result<(), SimulatorError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SimulatorError::Terminal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(SimulatorError::Terminal)?;
    let world = world_of(&args)?;
    let region = world
        .instances
        .first()
        .and_then(|row| row.primary_region.clone());
    let options = SimulatorOptions {
        listen: args.listen,
        switches: args.switches.unwrap_or_default(),
        settings: args.settings.unwrap_or_default(),
    };
    let simulator = Simulator::start(world, options).await?;
    announce(
        &simulator,
        &region.unwrap_or_else(|| "us-east-1".to_owned()),
    )
    .map_err(SimulatorError::Terminal)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}

fn world_of(args: &SimulateArgs) -> Result<World, SimulatorError> {
    if let Some(path) = &args.world {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| SimulatorError::File {
            path: path.clone(),
            source,
        })?;
        return World::from_json(&text).map_err(WorldError::into);
    }
    let Some(seed) = args.seed else {
        return Ok(World::demo());
    };
    let default = WorldSizes::default();
    let sizes = WorldSizes {
        applications: args.applications.unwrap_or(default.applications),
        groups: args.groups.unwrap_or(default.groups),
        users: args.users.unwrap_or(default.users),
        assignments_per_application: args
            .assignments_per_application
            .unwrap_or(default.assignments_per_application),
        members_per_group: args.members_per_group.unwrap_or(default.members_per_group),
        accounts: args.accounts.unwrap_or(default.accounts),
        account_instances: args.account_instances.unwrap_or(default.account_instances),
        role_name: args.role_name.clone(),
        role_external_id: args.role_external_id.clone(),
        permission_sets: args.permission_sets.unwrap_or(default.permission_sets),
        assignments_per_account: (args.assignments_per_account)
            .unwrap_or(default.assignments_per_account),
    };
    let world = World::generate(seed, &sizes);
    // A role's name and external id come from the command line.
    world.check()?;
    Ok(world)
}

fn announce(simulator: &Simulator, region: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", simulator.address())?;
    writeln!(out, "export AWS_ENDPOINT_URL={}", simulator.endpoint_url())?;
    writeln!(out, "export AWS_REGION={region}")?;
    writeln!(out, "export AWS_DEFAULT_REGION={region}")?;
    writeln!(out, "export AWS_ACCESS_KEY_ID=simulated")?;
    writeln!(out, "export AWS_SECRET_ACCESS_KEY=simulated")?;
    out.flush()
}
