//! A report of a million rows, streamed from facts that are kept.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tonic::transport::{Channel, Endpoint};
use usher::domain::facts::FactKind;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::{AuditReportRequest, ReportFormat, ReportView, audit_report_response::Part};
use usher::simulator::{Settings, Simulator, SimulatorOptions, World};

use super::load::with_token;
use super::seeded::{self, Sizes};

const SIZES: Sizes = Sizes {
    applications: 500,
    members_of_a_group: 50,
    groups_of_an_application: 40,
    users_of_an_application: 0,
};
const TARGET_ROWS_PER_SECOND: f64 = 100_000.0;
const TARGET_MEGABYTES: f64 = 64.0;
const TARGET_FIRST_ROW_SECONDS: f64 = 1.0;
/// How often the server's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const RUNS: usize = 3;

/// A server of its own, so that its memory is nobody else's.
struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) async fn run() {
    let place = tempfile::tempdir().expect("a directory");
    let count = seeded::write(&place.path().join("data"), &SIZES).await;
    let assignments = count(FactKind::Assignment);
    println!("figure report_of_assignments {assignments} assignments target -");
    let options = SimulatorOptions {
        settings: Settings::unlimited(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(World::demo(), options).await;
    let simulator = simulator.expect("a simulator");
    let server = serve(place.path(), &simulator.endpoint_url());
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).expect("an address");
    let channel = endpoint.connect().await.expect("a connection");
    for run in 1..=RUNS {
        report(&server, &channel, run).await;
    }
}

fn usher(place: &Path, endpoint_url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", place)
        .env("AWS_ENDPOINT_URL", endpoint_url)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "simulated")
        .env("AWS_SECRET_ACCESS_KEY", "simulated")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("USHER_DATA_DIR", place.join("data"))
        .stdin(Stdio::null());
    command
}

fn serve(place: &Path, endpoint_url: &str) -> Server {
    let mut child = usher(
        place,
        endpoint_url,
        &["serve", "--dev", "--listen", "127.0.0.1:0"],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .expect("usher");
    let out = child.stdout.take().expect("its output");
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on ");
    let address = address.expect("an address").to_owned();
    let token = usher(place, endpoint_url, &["token", "--subject", "auditor"]).output();
    let token = String::from_utf8(token.expect("a token").stdout).expect("text");
    Server {
        child,
        address,
        token: token.trim().to_owned(),
    }
}

/// What the server has in memory, in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes
        .and_then(|it| it.parse::<u64>().ok())
        .expect("a number")
        * 1024
}

async fn report(server: &Server, channel: &Channel, run: usize) {
    let process = server.child.id();
    let idle = resident(process);
    let (is_over, peak) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(idle)),
    );
    let watching = {
        let (is_over, peak) = (Arc::clone(&is_over), Arc::clone(&peak));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                peak.fetch_max(resident(process), Ordering::Relaxed);
                std::thread::sleep(LOOK_EVERY);
            }
        })
    };
    let request = AuditReportRequest {
        view: ReportView::Access.into(),
        format: ReportFormat::Csv.into(),
        max_age: Some(prost_types::Duration {
            seconds: 86_400,
            nanos: 0,
        }),
        ..AuditReportRequest::default()
    };
    let begun = Instant::now();
    let mut client = AccessServiceClient::new(channel.clone());
    let answer = client
        .audit_report(with_token(request, &server.token))
        .await;
    let mut parts = answer.expect("a report").into_inner();
    let (mut rows, mut first_row, mut told) = (0_usize, None, 0);
    while let Some(message) = parts.message().await.expect("a part") {
        match message.part {
            Some(Part::Text(text)) => {
                first_row.get_or_insert_with(|| begun.elapsed());
                rows += text.bytes().filter(|byte| *byte == b'\n').count();
            }
            Some(Part::Summary(summary)) => told = summary.row_count,
            _ => {}
        }
    }
    let took = begun.elapsed().as_secs_f64();
    is_over.store(true, Ordering::Relaxed);
    watching.join().expect("no panic");
    let first_row = first_row.expect("a row").as_secs_f64();
    let per_second = told as f64 / (took - first_row);
    let grown = peak.load(Ordering::Relaxed).saturating_sub(idle) as f64 / 1_048_576.0;
    println!("figure report_{run}_rows {told} rows ({rows} lines) in {took:.1} s target -");
    println!(
        "figure report_{run}_rows_per_second {per_second:.0} 1/s target >={TARGET_ROWS_PER_SECOND}"
    );
    println!(
        "figure report_{run}_first_row_seconds {first_row:.2} s target {TARGET_FIRST_ROW_SECONDS}"
    );
    println!("figure report_{run}_memory_grows_megabytes {grown:.0} MiB target {TARGET_MEGABYTES}");
}
