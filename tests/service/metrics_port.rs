//! The admin port by itself: one path, bounded, there while the service is full, gone with it.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::common::child::Place;
use super::common::scrape::{Scrape, http};
use super::common::{TestService, until};
use super::metrics::with_admin_port;

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_answers_one_path_and_ends_with_the_service() {
    let mut service = TestService::start_with(with_admin_port()).await;
    let address = service.metrics_address().expect("an admin port");
    for line in [
        "GET /",
        "GET /metrics/",
        "GET /healthz",
        "GET //metrics",
        "POST /metrics",
        "HEAD /metrics",
        "DELETE /metrics",
    ] {
        let answer = http(address, line).await.expect("an answer");
        assert_eq!(answer.status, 404, "{line}");
        assert_eq!(answer.body, "", "{line}");
    }
    let told = Scrape::of(address).await;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(told.value("usher_build_info", &version), Some(1.0));
    let started = told.value("process_start_time_seconds", &[]);
    let now = jiff::Timestamp::now().as_duration().as_secs_f64();
    let is_now = started.is_some_and(|at| (now - 60.0..=now).contains(&at));
    assert!(is_now, "{started:?}");
    service.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_bounded_and_those_who_say_nothing_make_room() {
    let mut begin = with_admin_port();
    begin.config.metrics.connections_max = 2;
    begin.config.metrics.head_seconds_max = 3;
    begin.config.metrics.connection_seconds_max = 5;
    let service = TestService::start_with(begin).await;
    let address = service.metrics_address().expect("an admin port");
    let silent = TcpStream::connect(address).await.expect("a place");
    let mut half = TcpStream::connect(address).await.expect("a place");
    half.write_all(b"GET /metrics HTTP/1.1\r\nhost:")
        .await
        .expect("sent");
    // Both are in the backlog or accepted; the third is closed without an answer.
    until("a third to be turned away", || async {
        match http(address, "GET /metrics").await {
            None => Ok(()),
            Some(answer) => Err(answer.status.to_string()),
        }
    })
    .await;
    for (what, mut stream) in [("silent", silent), ("half", half)] {
        let began = Instant::now();
        let mut said = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said));
        drop(end.await.unwrap_or_else(|_| panic!("{what} is still open")));
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
    }
    until("room", || async {
        match http(address, "GET /metrics").await {
            Some(answer) if answer.status == 200 => Ok(()),
            _ => Err("no answer".to_owned()),
        }
    })
    .await;
    // A head beyond all measure gets no page.
    let long = format!("GET /metrics?{}", "x".repeat(100_000));
    let answer = http(address, &long).await;
    assert!(answer.is_none_or(|answer| answer.status >= 400));
    // A connection serves one request.
    let answer = http(address, "GET /metrics").await.expect("an answer");
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_answers_while_the_service_is_full() {
    let mut begin = with_admin_port();
    begin.config.limits.connections_max = 1;
    // The one connection is the test's own channel.
    let service = TestService::start_with(begin).await;
    until("the service to turn others away", || async {
        let mut stream = TcpStream::connect(service.address())
            .await
            .expect("the backlog");
        let mut said = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut said));
        match end.await {
            Ok(_) if said.is_empty() => Ok(()),
            _ => Err(format!("{said:?}")),
        }
    })
    .await;
    let told = service.scrape().await;
    assert_eq!(told.started("WhoAmI"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_there_is_no_admin_port_and_a_taken_one_is_told() {
    let service = TestService::start().await;
    assert_eq!(service.metrics_address(), None);
    let mut options = service.options();
    let other = tempfile::tempdir().expect("a directory");
    options.data_directory = other.path().to_owned();
    options.config.metrics.address = Some(service.address());
    let Err(problem) = usher::cli::start(options).await else {
        panic!("it started");
    };
    let problem = problem.to_string();
    let expected = format!("cannot listen on {}", service.address());
    assert!(problem.contains(&expected), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_opens_the_admin_port() {
    let service = TestService::start().await;
    let place = Place::new(service.simulator.endpoint_url());
    let arguments = ["--metrics-address", "127.0.0.1:0", "--log-format", "json"];
    let server = place.begin(&arguments).await.expect("it listens");
    let log = place.last_log_lines();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let told: Vec<serde_json::Value> = lines.collect();
    let address = told
        .iter()
        .find_map(|line| line["fields"]["address"].as_str())
        .unwrap_or_else(|| panic!("no address: {log}"));
    let told = Scrape::of(address.parse().expect("an address")).await;
    assert!(told.kinds.contains_key("usher_build_info"));
    drop(server);
}
