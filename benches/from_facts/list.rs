//! Pages of ListAssignments out of a million assignments.

use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use usher::domain::facts::FactKind;
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::{GetBudgetRequest, ListAssignmentsRequest, ListAssignmentsResponse};

use super::load::signer::Key;
use super::load::{echo, load, token_of, usher_on, with_token, write_frame};
use super::seeded::{self, Sizes};

/// Three policies: who may list what, one by group, one that keeps something out.
const POLICIES: &str = "@id(\"lists\")\n\
    permit (principal, action == Usher::Action::\"ReadAssignments\", resource);\n\
    @id(\"audits\")\n\
    permit (principal, action == Usher::Action::\"ReadAudit\", resource);\n\
    @id(\"not-payroll\")\n\
    forbid (principal, action == Usher::Action::\"ReadAssignments\", resource)\n\
    when { resource has application_name && resource.application_name == \"Payroll\" };\n";
const SIZES: Sizes = Sizes {
    applications: 5_000,
    members_of_a_group: 10,
    groups_of_an_application: 40,
    users_of_an_application: 160,
};
const PAGE: i32 = 100;
/// Different places of the list that are asked for in turn.
const PLACES: usize = 200;
const CALLS_PER_SECOND: u32 = 500;
const SECONDS: u32 = 10;
const CONNECTIONS: usize = 8;
const TARGET_MILLISECONDS: f64 = 10.0;

pub(crate) async fn run() {
    let place = tempfile::tempdir().expect("a directory");
    let count = seeded::write(&place.path().join("data"), &SIZES).await;
    let assignments = count(FactKind::Assignment);
    println!("figure list_assignments_stored {assignments} assignments target -");
    let key = Key::new("k");
    let usher = usher_on(place.path(), &key, POLICIES).await;
    let address = usher.address;
    let token = token_of(&key);
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        channels.push(endpoint.connect().await.expect("a connection"));
    }
    let (requests, bytes) = places(&channels[0], &token).await;
    println!("figure list_assignments_answer_bytes {bytes} B target -");
    paced(&channels, &token, &requests).await;
    drop(channels);

    let file = place.path().join("list.bin");
    let first = requests.first().expect("a page");
    write_frame(&file, &first.encode_to_vec());
    let path = "/usher.v1.AccessService/ListAssignments";
    let (ours, _) = load(address, path, &file, &token).await;
    usher.stop.cancel();
    let echo = echo(bytes).await;
    let request = GetBudgetRequest {
        instance: "x".repeat(first.encoded_len()),
    };
    let file = place.path().join("echo.bin");
    write_frame(&file, &request.encode_to_vec());
    let (bare, _) = load(echo, "/usher.v1.BudgetService/GetBudget", &file, &token).await;
    println!("figure list_assignments_per_second {ours:.0} 1/s target -");
    println!("figure bare_echo_per_second {bare:.0} 1/s target -");
    println!(
        "figure list_assignments_against_bare_echo {:.3} - target -",
        ours / bare
    );
}

async fn page(
    channel: &Channel,
    token: &str,
    request: ListAssignmentsRequest,
) -> Result<ListAssignmentsResponse, tonic::Status> {
    let mut client = AccessServiceClient::new(channel.clone());
    let answer = client.list_assignments(with_token(request, token)).await;
    answer.map(tonic::Response::into_inner)
}

/// Requests for different pages of the list, and the bytes of a page.
async fn places(channel: &Channel, token: &str) -> (Vec<ListAssignmentsRequest>, usize) {
    let mut requests = Vec::new();
    let mut bytes = 0;
    let mut page_token = String::new();
    // Far apart, so that pages of different applications are read.
    let begun = Instant::now();
    while requests.len() < PLACES {
        let request = ListAssignmentsRequest {
            page_size: PAGE,
            page_token: page_token.clone(),
            ..ListAssignmentsRequest::default()
        };
        let answer = page(channel, token, request.clone()).await.expect("a page");
        assert_eq!(answer.assignments.len(), 100, "a whole page");
        bytes = answer.encoded_len();
        page_token = answer.next_page_token;
        requests.push(request);
    }
    let alone = begun.elapsed().as_secs_f64() * 1_000.0 / PLACES as f64;
    println!("figure list_assignments_one_after_the_other_milliseconds {alone:.2} ms target -");
    (requests, bytes)
}

/// Calls at their rate, whatever the others take.
async fn paced(channels: &[Channel], token: &str, requests: &[ListAssignmentsRequest]) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
    let mut calls = JoinSet::new();
    for (request, channel) in (requests.iter().cycle())
        .zip(channels.iter().cycle())
        .take((CALLS_PER_SECOND * SECONDS) as usize)
    {
        ticks.tick().await;
        let (channel, request, token) = (channel.clone(), request.clone(), token.to_owned());
        calls.spawn(async move {
            let begun = Instant::now();
            let answer = page(&channel, &token, request).await.ok()?;
            assert_eq!(answer.assignments.len(), 100, "a whole page");
            Some(begun.elapsed().as_secs_f64() * 1_000.0)
        });
    }
    let answers = calls.join_all().await;
    let refused = answers.iter().filter(|took| took.is_none()).count();
    println!(
        "figure list_assignments_at_{CALLS_PER_SECOND}_per_second_refused {refused} calls target 0"
    );
    let mut took: Vec<f64> = answers.into_iter().flatten().collect();
    took.sort_by(f64::total_cmp);
    for (percent, target) in [(50, "-".to_owned()), (99, TARGET_MILLISECONDS.to_string())] {
        let value = took[(took.len() - 1) * percent / 100];
        println!(
            "figure list_assignments_at_{CALLS_PER_SECOND}_per_second_p{percent}_milliseconds {value:.2} ms target {target}"
        );
    }
}
