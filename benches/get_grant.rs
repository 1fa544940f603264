//! What a call costs beside the transport: GetGrant with a JWT, policies and limits, as who polls makes it (the
//! same caller about the same grant, while nothing changes), against a tonic service
//! that does nothing and answers as many bytes. h2load makes the load of both, one after the other, and the
//! codes are counted by the server, since h2load takes every HTTP 200 for a success.
//! Run with `cargo bench --bench get_grant`; it needs h2load (Debian: nghttp2-client) and takes a minute.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on says why and ends"
)]

mod load;

use std::net::SocketAddr;

use load::signer::Key;
use load::{echo, load, token_of, usher_on, with_token, write_frame};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use usher::grpc::pb::access_service_client::AccessServiceClient;
use usher::grpc::pb::grant_service_client::GrantServiceClient;
use usher::grpc::pb::{
    AssignRequest, GetBudgetRequest, GetGrantRequest, Principal, Target, principal, target,
};

/// Everybody may ask for a grant and look at it.
const POLICIES: &str = "@id(\"asks\") @approvals(\"0\") @max_duration(\"8h\")\n\
    permit (principal, action == Usher::Action::\"Request\", resource);\n\
    @id(\"reads\")\n\
    permit (principal, action == Usher::Action::\"ReadGrants\", resource);\n";
const TARGET: f64 = 0.7;

#[tokio::main]
async fn main() {
    // Test runs build this too, and only a benchmark run asks for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let key = Key::new("k");
    let usher = usher_on(place.path(), &key, POLICIES).await;
    let (address, metrics) = (usher.address, usher.metrics);
    let token = token_of(&key);
    let (grant_id, bytes) = a_grant(address, &token).await;
    let request = GetGrantRequest { grant_id };
    let file = place.path().join("get_grant.bin");
    write_frame(&file, &request.encode_to_vec());
    let path = "/usher.v1.GrantService/GetGrant";
    let ours = {
        let before = answered_ok(metrics).await;
        let per_second = load(address, path, &file, &token).await;
        let (sent, ok) = (per_second.1, answered_ok(metrics).await - before);
        assert!(ok >= sent, "{ok} of {sent} calls were answered OK");
        per_second.0
    };
    usher.stop.cancel();

    let echo = echo(bytes).await;
    let request = GetBudgetRequest {
        instance: "x".repeat(request.encoded_len() - 2),
    };
    let file = place.path().join("echo.bin");
    write_frame(&file, &request.encode_to_vec());
    let path = "/usher.v1.BudgetService/GetBudget";
    let (bare, _) = load(echo, path, &file, &token).await;
    println!("figure get_grant_answer_bytes {bytes} bytes target -");
    println!("figure get_grant_per_second {ours:.0} 1/s target -");
    println!("figure bare_echo_per_second {bare:.0} 1/s target -");
    println!(
        "figure get_grant_against_bare_echo {:.3} - target >={TARGET}",
        ours / bare
    );
}

/// A grant that is active, and how many bytes its answer has.
async fn a_grant(address: SocketAddr, token: &str) -> (String, usize) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let channel: Channel = endpoint.connect().await.expect("a connection");
    let request = AssignRequest {
        principal: Some(Principal {
            principal: Some(principal::Principal::User("anna.berg".to_owned())),
        }),
        target: Some(Target {
            target: Some(target::Target::Application("Amazon Redshift".to_owned())),
        }),
        duration: std::time::Duration::from_secs(3600).try_into().ok(),
        justification: "INC-42".to_owned(),
        ..AssignRequest::default()
    };
    let mut client = AccessServiceClient::new(channel.clone());
    let made = client.assign(with_token(request, token)).await;
    let grant = made
        .expect("an answer")
        .into_inner()
        .grant
        .expect("a grant");
    let mut client = GrantServiceClient::new(channel);
    let request = GetGrantRequest {
        grant_id: grant.id.clone(),
    };
    let answer = client.get_grant(with_token(request, token)).await;
    (
        grant.id,
        answer.expect("the grant").into_inner().encoded_len(),
    )
}

/// How often GetGrant was answered OK, as the server counts it.
async fn answered_ok(metrics: SocketAddr) -> f64 {
    let mut stream = TcpStream::connect(metrics).await.expect("the admin port");
    let request = "GET /metrics HTTP/1.1\r\nhost: usher\r\nconnection: close\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("a page");
    let is_it = |line: &&str| {
        line.starts_with("grpc_server_handled_total{")
            && line.contains("\"GetGrant\"")
            && line.contains("grpc_code=\"OK\"")
    };
    let line = page.lines().find(is_it);
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}
