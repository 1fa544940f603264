//! `usher adopt` as a person runs it: the real binary, a CSV file, and a server in which people must
//! agree.

use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use usher::simulator::{Fault, FaultAction};

use crate::adoption::{place, put};
use crate::place::Place;

const HEADER: &str = "user,application,owner,duration,justification,ticket\n";
const WIKI: &str = "bilal.khan,Wiki,carla.mendes,1h,the team's notes,INC-1\n";
const REDSHIFT: &str = "anna.berg,Amazon Redshift,,8h,reports,INC-2\n";

/// Runs `usher adopt` on a text; `more` are arguments behind it.
async fn adopt(place: &Place, text: &str, more: &[&str]) -> Output {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("adopt.csv");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .arg("adopt")
        .arg(&file)
        .args(more)
        .env_clear()
        .env("USHER_SERVER", format!("http://{}", place.bench.address))
        .env("USHER_TOKEN", place.person("anna.berg"))
        .stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let done = tokio::time::timeout(Duration::from_secs(60), run).await;
    done.unwrap().unwrap()
}

/// The rows of the answer, without their header.
#[track_caller]
fn rows(done: &Output) -> Vec<[String; 4]> {
    let mut reader = csv::Reader::from_reader(done.stdout.as_slice());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header, vec!["line", "outcome", "grant_id", "reason"]);
    let row = |row: csv::StringRecord| std::array::from_fn(|at| row[at].to_owned());
    reader.records().map(|it| row(it.unwrap())).collect()
}

#[track_caller]
fn ended(done: &Output, code: i32, told: &str) {
    let text = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{text}");
    assert!(text.contains(told), "{told} is not in {text}");
    assert!(
        !text.contains("panicked") && !text.contains("eyJ"),
        "{text}"
    );
}

async fn grants(place: &Place) -> usize {
    place.listed("anna.berg", &json!({})).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_assignments_is_taken_over_once_however_often_it_is_sent() {
    let place = place().await;
    let gone = "carla.mendes,Wiki,,1h,never there,\n";
    let text = format!("{HEADER}{WIKI}{REDSHIFT}{gone}");

    let would = adopt(&place, &text, &["--validate-only"]).await;
    ended(
        &would,
        4,
        "3 rows: 1 would be adopted, 1 would wait for somebody, 1 refused",
    );
    let told = rows(&would);
    assert_eq!(told[0], ["2", "WOULD_BE_ADOPTED", "", ""]);
    assert_eq!(
        told[1],
        [
            "3",
            "WOULD_WAIT",
            "",
            "redshift-by-two-leads wants 2 of group:leads"
        ]
    );
    assert_eq!(told[2][1], "REFUSED");
    assert!(told[2][3].starts_with("ASSIGNMENT_NOT_FOUND: "), "{told:?}");
    assert_eq!(grants(&place).await, 0, "nothing is recorded");

    let first = adopt(&place, &text, &[]).await;
    ended(
        &first,
        4,
        "3 rows: 1 adopted, 1 wait for somebody, 1 refused",
    );
    let told = rows(&first);
    assert_eq!(
        [&told[0][1], &told[1][1], &told[2][1]],
        ["ADOPTED", "WAITS", "REFUSED"]
    );
    assert!(told[0][2].starts_with("grant_") && told[1][2].starts_with("grant_"));
    assert!(!told[1][3].is_empty(), "it says for whom it waits");
    let again = adopt(&place, &text, &[]).await;
    assert_eq!(rows(&again), told);
    assert_eq!(grants(&place).await, 2);

    // What was refused stands by now: the same file takes it over, and nothing else.
    place
        .bench
        .simulator
        .edit_world(|world| put(world, "carla.mendes", "Wiki"));
    let whole = adopt(&place, &text, &[]).await;
    ended(&whole, 0, "3 rows: 2 adopted, 1 wait for somebody");
    assert_eq!(rows(&whole)[..2], told[..2]);
    assert_eq!(grants(&place).await, 3);
    assert_eq!(place.writes(), [""; 0], "nothing changed in AWS");

    // A repeat behind the end says so.
    place.later(2 * 3600);
    let grant = json!({"id": told[0][2]});
    place
        .until("anna.berg", &grant, "GRANT_STATE_EXPIRED")
        .await;
    let late = adopt(&place, &text, &[]).await;
    ended(&late, 4, "are over");
    assert_eq!(
        rows(&late)[0][1..],
        ["OVER", &told[0][2], "its grant is EXPIRED"]
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_faults_sends_nothing_and_names_them_all() {
    let place = place().await;
    let text = format!("{HEADER}{WIKI},Wiki,,1h,why,\nanna.berg,Wiki,,1 hour,why,\n");
    let done = adopt(&place, &text, &[]).await;
    ended(&done, 1, "nothing was sent");
    ended(&done, 1, "line 3, column user: ");
    ended(&done, 1, "line 4, column duration: `1 hour`");
    assert_eq!(done.stdout, b"");
    assert_eq!(grants(&place).await, 0);

    // And so do arguments with faults.
    let good = format!("{HEADER}{WIKI}");
    for (more, wanted) in [
        (&["--server", "http://192.0.2.1:50051"][..], "not encrypted"),
        (&["--server", "https://127.0.0.1:1"], "--ca-certificate"),
        (
            &["--server", "http://127.0.0.1:1"],
            "cannot connect to http://127.0.0.1:1",
        ),
        (&["--token-file", "/nonexistent"], "/nonexistent: "),
        (&["--ca-certificate", "x.pem"], "certificates are for https"),
    ] {
        ended(&adopt(&place, &good, more).await, 1, wanted);
    }
    let unknown = adopt(&place, &good, &["--instance", "elsewhere"]).await;
    assert_eq!(rows(&unknown)[0][1], "REFUSED");
    place.bench.end().await;
}

/// Passes bytes on to a server, until it is dropped.
struct Line {
    address: SocketAddr,
    passing: JoinHandle<()>,
}

impl Line {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let passing = tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(server).await.unwrap();
            drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
        });
        Self { address, passing }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_goes_on_where_it_was() {
    let place = place().await;
    let simulator = &place.bench.simulator;
    let slow = simulator.edit_world(|world| {
        for user in ["carla.mendes", "dmitri.orlov", "emi.sato"] {
            put(world, user, "Wiki");
        }
        world.user_named("dmitri.orlov").unwrap().user_id.clone()
    });
    // Two calls: the second stops at its first row until the line is cut.
    let row = |user: &str| format!("{user},Wiki,,1h,why,\n");
    let strangers: String = (0..19).map(|it| row(&format!("nobody-{it}"))).collect();
    let text = [
        HEADER.to_owned(),
        row("carla.mendes"),
        strangers,
        row("dmitri.orlov"),
        row("emi.sato"),
    ]
    .concat();
    let wait = FaultAction::DelayBeforeEffect { milliseconds: 3000 };
    let fault = Fault::new("DescribeApplicationAssignment", wait);
    simulator.add_fault(fault.only_if("PrincipalId", slow).times(1));
    let line = Line::to(place.bench.address).await;
    let through = format!("http://{}", line.address);
    let cutting = async {
        let started = Instant::now();
        while !simulator.faults().iter().any(|fault| fault.hit > 0) {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "no second call"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        line.passing.abort();
    };
    let by_line = ["--server", through.as_str()];
    let (cut, ()) = tokio::join!(adopt(&place, &text, &by_line), cutting);
    ended(&cut, 1, "the rows on the lines 22 to 23 have no answer");
    ended(&cut, 1, "run the same command again to go on");
    let told = rows(&cut);
    assert_eq!(told.len(), 20, "what is known is told");

    let whole = adopt(&place, &text, &[]).await;
    ended(&whole, 4, "22 rows: 3 adopted, 19 refused");
    assert_eq!(rows(&whole)[0], told[0]);
    assert_eq!(grants(&place).await, 3);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_with_a_duration_is_taken_over() {
    let place = place().await;
    let endpoint = place.bench.simulator.endpoint_url();
    let report = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command
            .args(["audit", "--view", "assignments", "--per-second", "1000"])
            .env_clear()
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "simulated")
            .env("AWS_SECRET_ACCESS_KEY", "simulated");
        command.output().unwrap()
    });
    let report = String::from_utf8(report.await.unwrap().stdout).unwrap();
    let mut lines = report.lines();
    let header = format!("{},duration\r\n", lines.next().unwrap());
    let kept = lines.filter(|line| line.contains(",Wiki,") && line.contains("bilal.khan"));
    let rows_kept: String = kept.map(|line| format!("{line},1h\r\n")).collect();
    let done = adopt(&place, &format!("{header}{rows_kept}"), &[]).await;
    ended(&done, 0, "1 rows: 1 adopted");
    assert_eq!(rows(&done)[0][1], "ADOPTED");
    place.bench.end().await;
}
