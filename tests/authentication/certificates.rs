//! Client certificates: who gets a connection at all, and as whom a connection counts.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;

use crate::bench::{Bench, Client, PERMIT_ALL, SERVER_NAME, check_refused};
use crate::pki::{Authority, Pair, client, install};
use crate::signer::{Key, key_set};
use crate::tokens::issuers;

pub(crate) const PORTAL: &str = "URI:spiffe://example.org/portal";
pub(crate) const TICKETS: &str = "DNS:tickets.internal";

/// A service with a server certificate, a CA for clients, and a file of keys.
pub(crate) struct Secured {
    pub(crate) bench: Bench,
    pub(crate) servers: Authority,
    pub(crate) clients: Authority,
    pub(crate) installed: Pair,
    pub(crate) client_ca: std::path::PathBuf,
    pub(crate) key: Key,
    pub(crate) files: tempfile::TempDir,
}

impl Secured {
    /// A connection with a certificate of these alternative names.
    pub(crate) async fn connect(&self, name: &str, alternative_names: &str) -> Client {
        let pair = self.clients.issue(name, alternative_names);
        let config = client(&[&self.servers], Some(&pair));
        self.bench.secure(&config).await.unwrap()
    }

    /// A connection without a certificate.
    pub(crate) async fn connect_without(&self) -> Client {
        let config = client(&[&self.servers], None);
        self.bench.secure(&config).await.unwrap()
    }
}

pub(crate) async fn secured(more: &str) -> Secured {
    secured_with(more, PERMIT_ALL).await
}

/// The same with these policies.
pub(crate) async fn secured_with(more: &str, policies: &str) -> Secured {
    let files = tempfile::tempdir().unwrap();
    let place = |name: &str| files.path().join(name);
    let servers = Authority::new(files.path(), "servers");
    let clients = Authority::new(files.path(), "clients");
    let installed = Pair {
        certificate: place("server.pem"),
        key: place("server.key"),
    };
    install(
        &servers.issue("server", &format!("DNS:{SERVER_NAME},IP:127.0.0.1")),
        &installed,
    );
    let client_ca = place("client-ca.pem");
    std::fs::copy(clients.certificate(), &client_ca).unwrap();
    let key = Key::new("key-1");
    std::fs::write(place("keys.json"), key_set(&[&key])).unwrap();
    let config = issuers(&place("keys.json")) + &sections(&installed, &client_ca) + more;
    Secured {
        bench: Bench::start_with(&config, policies).await,
        servers,
        clients,
        installed,
        client_ca,
        key,
        files,
    }
}

fn sections(server: &Pair, client_ca: &Path) -> String {
    format!(
        r#"
        [[authentication.certificates]]
        service = "portal"
        spiffe = "spiffe://example.org/portal"
        [[authentication.certificates]]
        service = "tickets"
        dns = "tickets.internal"
        [tls]
        certificate_file = "{}"
        key_file = "{}"
        client_ca_file = "{}"
        reload_seconds = 1
        handshake_seconds_max = 2
        "#,
        server.certificate.display(),
        server.key.display(),
        client_ca.display()
    )
}

/// Good certificates of nobody, or of several: refused also with a good token.
async fn good_for_nobody(secured: &Secured, token: &str) {
    for (name, names) in [
        ("unknown", "DNS:unknown.internal"),
        ("wildcard", "DNS:*.internal"),
        ("longer", "URI:spiffe://example.org/portal/a"),
        ("another-scheme", "URI:https://example.org/portal"),
        (
            "both",
            "URI:spiffe://example.org/portal,DNS:tickets.internal",
        ),
        (
            "two-ids",
            "URI:spiffe://example.org/portal,URI:spiffe://example.org/x",
        ),
        // The common name is `tickets.internal` here, and does not count.
        ("tickets.internal", "DNS:unknown.internal"),
    ] {
        let pair = secured.clients.issue(name, names);
        let config = client(&[&secured.servers], Some(&pair));
        let connection = secured.bench.secure(&config).await.unwrap();
        for headers in [&[][..], &[("authorization", token)][..]] {
            let answer = connection.list(headers).await;
            check_refused(name, &answer, Code::Unauthenticated, "CREDENTIAL_INVALID");
        }
    }
}

/// No connection: another CA, a certificate of other times, one that signed itself.
async fn not_good(secured: &Secured, token: &str) {
    let (bench, clients, files) = (&secured.bench, &secured.clients, secured.files.path());
    let strangers = Authority::new(files, "strangers");
    let refused = [
        strangers.issue("portal", PORTAL),
        clients.issue_for("expired", PORTAL, ["20200101000000Z", "20210101000000Z"]),
        clients.issue_for("early", PORTAL, ["20900101000000Z", "20910101000000Z"]),
        Pair {
            certificate: files.join("strangers/ca.pem"),
            key: files.join("strangers/ca.key"),
        },
    ];
    for pair in refused {
        let connection = bench
            .secure(&client(&[&secured.servers], Some(&pair)))
            .await;
        let reached = match connection {
            Some(connection) => {
                let answer = connection.list(&[("authorization", token)]).await;
                answer.http_status
            }
            None => 0,
        };
        assert_eq!(reached, 0, "{}", pair.certificate.display());
    }
    // Whom the server is of, the client checks.
    assert!(bench.secure(&client(&[&strangers], None)).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_proves_its_service_and_no_other() {
    let secured = secured("").await;
    let connection = secured.connect("portal", PORTAL).await;
    assert_eq!(connection.caller(&[]).await, json!("service:portal"));
    let names = format!("{TICKETS},DNS:other.internal");
    let connection = secured.connect("tickets", &names).await;
    assert_eq!(connection.caller(&[]).await, json!("service:tickets"));

    let token = format!("Bearer {}", secured.key.token(json!({})));
    good_for_nobody(&secured, &token).await;
    not_good(&secured, &token).await;

    // Without a certificate a token does, and nothing does not.
    let connection = secured.connect_without().await;
    let answer = connection.list(&[]).await;
    check_refused(
        "nothing",
        &answer,
        Code::Unauthenticated,
        "CREDENTIAL_MISSING",
    );
    let answer = connection.list(&[("authorization", &token)]).await;
    assert_eq!(answer.code(), Code::Ok);
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_certificates_are_required_a_token_alone_is_nothing() {
    let secured = secured("client_certificates = \"REQUIRED\"").await;
    let token = secured.key.token(json!({}));
    let without = client(&[&secured.servers], None);
    let reached = match secured.bench.secure(&without).await {
        Some(connection) => connection.list_as(&token).await.http_status,
        None => 0,
    };
    assert_eq!(reached, 0);
    let connection = secured.connect("portal", PORTAL).await;
    assert_eq!(connection.list_as(&token).await.code(), Code::Ok);
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_in_plain_text_and_slow_handshakes_hold_nobody_up() {
    let secured = secured("").await;
    let bench = &secured.bench;
    let token = secured.key.token(json!({}));
    let stream = TcpStream::connect(bench.address).await.unwrap();
    let plain = crate::wire::Connection::try_over(stream).await.unwrap();
    let answer = Client(plain).list_as(&token).await;
    assert_eq!(answer.http_status, 0, "{answer:?}");

    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(TcpStream::connect(bench.address).await.unwrap());
    }
    let started = Instant::now();
    let connection = secured.connect_without().await;
    assert_eq!(connection.list_as(&token).await.code(), Code::Ok);
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    // Each is closed after its time.
    for mut stream in slow {
        let mut said = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut said));
        drop(end.await.unwrap());
    }
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_through_a_portal_still_counts_when_it_is_looked_at_again() {
    let policies = r#"
@id("two") @approvals("2") @max_duration("8h")
permit (principal, action == Usher::Action::"Request", resource);
@id("through-the-portal")
permit (principal, action == Usher::Action::"Approve", resource)
when { context has service && context.service == "portal" };
@id("seen")
permit (principal, action in [Usher::Action::"ReadGrants", Usher::Action::"ActFor"], resource);
"#;
    let secured = secured_with("", policies).await;
    let portal = secured.connect("portal", PORTAL).await;
    let bearer = |user: &str| {
        let token = secured
            .key
            .token(json!({"preferred_username": user, "sub": user}));
        format!("Bearer {token}")
    };
    let call = async |user: &str, method: &str, message: &serde_json::Value| {
        let bearer = bearer(user);
        let headers = [("authorization", bearer.as_str())];
        let answer = portal.call(method, &headers, message).await;
        answer.ok(method)["grant"].clone()
    };
    let asked = json!({
        "principal": {"user": "anna.berg"}, "target": {"application": "Amazon Redshift"},
        "duration": "3600s", "justification": "the quarterly report",
        "start_time": (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string(),
    });
    let asked = call("anna.berg", "AccessService/Assign", &asked).await;
    let word = json!({"grant_id": asked["id"], "digest": asked["digest"], "reason": "fine"});
    let approve = "GrantService/ApproveGrant";
    let one = call("bilal.khan", approve, &word).await;
    assert_eq!(one["state"], "GRANT_STATE_PENDING_APPROVAL");
    // The first word is asked about again with the second: it came through the portal too.
    let two = call("carla.mendes", approve, &word).await;
    assert_eq!(two["state"], "GRANT_STATE_SCHEDULED", "{two:#}");
    secured.bench.end().await;
}
