//! What `usher serve` refuses, with a sentence that helps, and how it ends when it is told to.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use usher::grpc::pb::AssignRequest;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::simulator::{Fault, FaultAction, Settings, Simulator, SimulatorOptions, World};

use super::common::child::{Place, bytes_of};
use super::common::{application, connect, group, in_time};

/// `drain_seconds_max` of the tests, with room for a slow machine.
const END_WITHIN: Duration = Duration::from_secs(8);
const SERVE: [&str; 4] = ["serve", "--dev", "--listen", "127.0.0.1:0"];
const DATABASE: &str = "usher.sqlite3";

async fn simulator() -> Simulator {
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    let started = Simulator::start(World::demo(), options).await;
    started.expect("a simulator")
}

/// Runs a command that has to refuse, off this runtime's threads.
async fn refusal(place: &Place, arguments: &[&str], wanted: &[&str]) {
    let (code, told) = tokio::task::block_in_place(|| place.run_to_end(arguments));
    assert_eq!(code, Some(1), "{arguments:?}: {told}");
    let lines: Vec<&str> = told.lines().collect();
    let begin = lines.iter().rposition(|line| line.starts_with("usher: "));
    let said = lines[begin.unwrap_or_else(|| panic!("{told}"))..].join("\n");
    for text in wanted {
        assert!(said.contains(text), "{text:?} is not in {said:?}");
    }
    assert!(!told.contains("panicked"), "{told}");
}

fn put(place: &Place, bytes: &[u8]) -> std::path::PathBuf {
    std::fs::create_dir_all(place.data()).expect("a directory");
    let path = place.data().join(DATABASE);
    std::fs::write(&path, bytes).expect("a file");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_or_damaged_database_is_refused_and_left_as_it_is() {
    let simulator = simulator().await;
    let mut foreign = b"SQLite format 3\0".to_vec();
    foreign.resize(4096, 0);
    let cases: [(&[u8], &str); 4] = [
        (b"this is a shopping list, not a database", "not a database"),
        (b"", "not a database"),
        (b"SQLite format 3\0", "not a database"),
        (&foreign, "another program"),
    ];
    for (bytes, wanted) in cases {
        let place = Place::new(simulator.endpoint_url());
        let path = put(&place, bytes);
        refusal(&place, &SERVE, &[wanted, DATABASE, "left as it is"]).await;
        assert_eq!(bytes_of(&path), bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ushers_own_database_damaged_later_is_refused() {
    let simulator = simulator().await;
    let place = Place::new(simulator.endpoint_url());
    let mut server = place.serve().await;
    assign(&place, &server).await;
    server.signal("TERM");
    let ended = server.end_within(END_WITHIN).await.expect("an end");
    assert_eq!(ended.code(), Some(0));
    let path = place.data().join(DATABASE);
    let log = place.data().join(format!("{DATABASE}-wal"));
    assert!(
        !log.exists(),
        "after an end in order the file alone is whole"
    );
    let whole = bytes_of(&path);
    assert!(whole.len() > 8192, "it holds something");
    let mut scribbled = whole.clone();
    for byte in scribbled.iter_mut().skip(4096) {
        *byte = 0xA5;
    }
    let cut = whole.get(..whole.len() / 2).expect("half of it").to_vec();
    for damaged in [scribbled, cut] {
        std::fs::write(&path, &damaged).expect("a file");
        refusal(&place, &SERVE, &[DATABASE, "damaged"]).await;
        assert_eq!(bytes_of(&path), damaged, "it was changed");
    }
    std::fs::write(&path, &whole).expect("a file");
    let mut server = place.serve().await;
    server.signal("TERM");
    assert!(server.end_within(END_WITHIN).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kill_left_beside_a_damaged_database_is_left_as_it_is() {
    let simulator = simulator().await;
    let place = Place::new(simulator.endpoint_url());
    let mut server = place.serve().await;
    assign(&place, &server).await;
    server.kill();
    let path = place.data().join(DATABASE);
    let log = place.data().join(format!("{DATABASE}-wal"));
    let logged = bytes_of(&log);
    assert!(!logged.is_empty(), "a kill leaves a log");
    let mut scribbled = bytes_of(&path);
    for byte in scribbled.iter_mut().skip(4096) {
        *byte = 0xA5;
    }
    std::fs::write(&path, &scribbled).expect("a file");
    refusal(&place, &SERVE, &[DATABASE, "damaged"]).await;
    assert_eq!(bytes_of(&path), scribbled, "the database was changed");
    assert_eq!(bytes_of(&log), logged, "the log was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_one_is_refused() {
    let simulator = simulator().await;
    let place = Place::new(simulator.endpoint_url());
    std::fs::write(place.data(), b"a file").expect("a file");
    refusal(&place, &SERVE, &["is a file", "name a directory"]).await;
    assert_eq!(bytes_of(&place.data()), b"a file");
    let place = Place::new(simulator.endpoint_url());
    std::fs::create_dir_all(place.data()).expect("a directory");
    let key = place.data().join("development-token.key");
    std::fs::write(&key, b"short").expect("a file");
    readable_by(&key, 0o644);
    refusal(&place, &SERVE, &["may be read by others", "chmod 600"]).await;
    readable_by(&key, 0o600);
    refusal(&place, &SERVE, &["32 bytes", "remove it"]).await;
}

fn readable_by(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(file, permissions).expect("permissions");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_in_use_is_refused_and_its_user_not_disturbed() {
    let simulator = simulator().await;
    let place = Place::new(simulator.endpoint_url());
    let mut server = place.serve().await;
    refusal(&place, &SERVE, &["in use by another usher"]).await;
    assign(&place, &server).await;
    // A kill frees it at once.
    server.kill();
    let mut next = place.serve().await;
    next.signal("INT");
    assert!(next.end_within(END_WITHIN).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_version_does_not_serve_it_says() {
    let simulator = simulator().await;
    let place = Place::new(simulator.endpoint_url());
    refusal(&place, &["serve", "--listen", "127.0.0.1:0"], &["--dev"]).await;
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"] {
        let arguments = ["serve", "--dev", "--listen", listen];
        refusal(&place, &arguments, &["loopback", listen]).await;
    }
    assert!(!Path::new(&place.data()).exists(), "nothing was made");
    // Nobody answers at this address.
    let nowhere = Place::new("http://127.0.0.1:9".to_owned());
    refusal(&nowhere, &SERVE, &["GetCallerIdentity", "AWS_ENDPOINT_URL"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_within_the_drain_time_whatever_clients_do() {
    for signal in ["INT", "TERM"] {
        let simulator = simulator().await;
        let place = Place::new(simulator.endpoint_url());
        let mut server = place.serve().await;
        let channel = connect(server.address, &place.data(), "tester").await;
        // One that speaks HTTP/2 and then says nothing, one that never says anything.
        let mut silent = TcpStream::connect(server.address).expect("a connection");
        silent
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .expect("a preface");
        let mut mute = TcpStream::connect(server.address).expect("a connection");
        // One whose call is under way.
        let slow = FaultAction::DelayBeforeEffect { milliseconds: 900 };
        simulator.add_fault(Fault::new("CreateApplicationAssignment", slow).times(1));
        let calling = tokio::spawn(async move {
            let mut client = AccessServiceClient::new(channel);
            client.assign(in_time(request())).await
        });
        super::common::until("the call to be under way", || async {
            let calls = simulator.calls();
            let creating = calls
                .iter()
                .any(|call| call.operation == "CreateApplicationAssignment");
            if creating {
                Ok(())
            } else {
                Err("not yet".to_owned())
            }
        })
        .await;
        let began = Instant::now();
        server.signal(signal);
        let ended = server.end_within(END_WITHIN).await;
        let ended = ended.unwrap_or_else(|| panic!("{signal}: {}", place.last_log_lines()));
        assert_eq!(ended.code(), Some(0), "{}", place.last_log_lines());
        println!("{signal}: ended after {:?}", began.elapsed());
        // What is recorded is answered, shutdown or not.
        let answer = calling.await.expect("no panic");
        assert!(answer.is_ok(), "{answer:?}");
        for connection in [&mut silent, &mut mute] {
            let time = connection.set_read_timeout(Some(END_WITHIN));
            time.expect("a time");
            let rest = connection.read_to_end(&mut Vec::new());
            let still_open = rest.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            assert!(!still_open, "its end was not told");
        }
    }
}

fn request() -> AssignRequest {
    AssignRequest {
        principal: Some(group("engineering")),
        target: Some(application("Amazon Redshift")),
        ..AssignRequest::default()
    }
}

async fn assign(place: &Place, server: &super::common::child::Server) {
    let channel = connect(server.address, &place.data(), "tester").await;
    let mut client = AccessServiceClient::new(channel);
    let answer = client.assign(in_time(request())).await;
    assert!(answer.expect("OK").into_inner().grant.is_some());
}
