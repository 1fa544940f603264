//! A PostgreSQL store that was dumped, restored by PostgreSQL's own means and marked: it does nothing before
//! it is unfrozen either, and its plan is told.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use usher::grpc::pb::{FreezeScope, GrantState};
use usher::simulator::World;

use super::common::brake::{freeze, unfreeze};
use super::common::child::Place;
use super::common::{all_grants, connect, in_time, reason, until};
use super::postgresql::Database;
use super::support::{
    CREATE, Elsewhere, SHORTLY, access, assign, calls, end, operations, refuse, run, simulator,
    text, user_on,
};

/// A program of PostgreSQL's, where Debian has it or by its name.
fn program(name: &str) -> Command {
    let shown = Command::new("pg_config").arg("--bindir").output();
    let folder = shown.ok().filter(|shown| shown.status.success());
    let folder = folder.map(|shown| String::from_utf8(shown.stdout).expect("UTF-8"));
    let program = folder.map(|folder| PathBuf::from(folder.trim()).join(name));
    Command::new(
        program
            .filter(|path| path.exists())
            .unwrap_or_else(|| name.into()),
    )
}

fn carry_out(command: &mut Command) {
    let done = tokio::task::block_in_place(|| command.output()).expect("a program of PostgreSQL's");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn place_on(endpoint: String, database: &Database) -> Place {
    let section = format!("[postgres]\nurl = \"{}\"\n", database.options.url);
    Place::with_section(endpoint, &section)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dumped_store_that_is_marked_does_nothing_before_unfreeze() {
    let simulator = simulator(World::demo()).await;
    let (lost, restored) = (Database::new().await, Database::empty().await);
    let first = place_on(simulator.endpoint_url(), &lost);
    let triple = user_on(&simulator, "bilal.khan", "Amazon Redshift");
    let server = first.serve().await;
    let channel = connect(server.address, &first.data(), "tester").await;
    refuse(&simulator, CREATE, &triple);
    let grant = assign(&channel, &triple, SHORTLY).await;
    let elsewhere = Elsewhere::new();
    let dump = elsewhere.path("usher.dump");
    let arguments = ["--format=custom", "--file", text(&dump), &lost.options.url];
    carry_out(program("pg_dump").args(arguments));
    drop(channel);
    end(server).await;
    simulator.clear_faults();
    let whole = ["--exit-on-error", "--single-transaction", "--dbname"];
    let arguments = [whole.as_slice(), &[&restored.options.url, text(&dump)]].concat();
    carry_out(program("pg_restore").args(arguments));
    let place = place_on(simulator.endpoint_url(), &restored);
    let told = run(&place, &["restore", "--mark"]).good();
    assert!(told.contains("marked as restored"), "{told}");
    let plan = run(&place, &["restore", "--plan"]).good();
    assert!(plan.contains("create 1, delete 0"), "{plan}");
    assert!(plan.contains("frozen on every instance"), "{plan}");
    let before = calls(&simulator, CREATE);
    let server = place.serve().await;
    let channel = connect(server.address, &place.data(), "tester").await;
    until("the work to wait", || async {
        let brake = freeze(operations(&channel), FreezeScope::All).await;
        match brake.grants_waiting_count {
            1 => Ok(()),
            _ => Err(format!("{brake:?}")),
        }
    })
    .await;
    let other = user_on(&simulator, "anna.berg", "Amazon Redshift");
    let refused = access(&channel).assign(in_time(other.assign())).await;
    assert_eq!(reason(&refused.unwrap_err()), "FROZEN");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(calls(&simulator, CREATE), before);
    unfreeze(operations(&channel), FreezeScope::All).await;
    until("the grant", || async {
        let grants = all_grants(&channel).await;
        let states = grants.iter().map(|it| (it.id.as_str(), it.state()));
        let states: Vec<_> = states.collect();
        match states.as_slice() {
            [(id, GrantState::Active)] if *id == grant.id => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(calls(&simulator, CREATE), before + 1);
    // There is no file to restore it from.
    let refused = run(&place, &["restore", "--from", text(&dump)]);
    refused.refused(&["by its own means"]);
}
