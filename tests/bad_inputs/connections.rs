//! Connections that mean no good, or no longer any: silent ones, too many, too many streams on
//! one, and those that are still open while the server goes.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::Code;

use crate::bench::{Bench, CALLER, Setup};
use crate::wire::{Answer, Connection, GRPC, encode, frame, post};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Waits until the server closes a connection on which these bytes were sent, and answers how long
/// that took.
async fn closed_after(bench: &Bench, bytes: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    let started = Instant::now();
    stream.write_all(bytes).await.unwrap();
    // A reset is a close too.
    let mut said = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said));
    drop(
        end.await
            .unwrap_or_else(|_| panic!("still open after {} bytes", bytes.len())),
    );
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_or_not_enough_are_closed() {
    let mut setup = Setup::default();
    setup.config.limits.first_byte_seconds_max = 1;
    setup.config.limits.keepalive_interval_seconds = 1;
    setup.config.limits.keepalive_timeout_seconds = 1;
    let bench = Bench::start(setup).await;
    let whole = [PREFACE, SETTINGS].concat();
    let (silent, one_byte, nearly, pings_ignored) = tokio::join!(
        closed_after(&bench, b""),
        closed_after(&bench, &PREFACE[..1]),
        closed_after(&bench, &PREFACE[..PREFACE.len() - 1]),
        closed_after(&bench, &whole),
    );
    for (what, time) in [
        ("silent", silent),
        ("one byte", one_byte),
        ("nearly a preface", nearly),
    ] {
        assert!(time >= Duration::from_millis(900), "{what}: {time:?}");
        assert!(time < Duration::from_secs(10), "{what}: {time:?}");
    }
    assert!(
        pings_ignored >= Duration::from_millis(900),
        "{pings_ignored:?}"
    );
    // A connection that speaks stays.
    bench.footprint().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_asked_to_go_at_its_age_and_ended_after_the_grace() {
    let mut setup = Setup::default();
    setup.config.limits.connection_age_seconds_max = 1;
    setup.config.limits.connection_grace_seconds = 3;
    let bench = Bench::start(setup).await;
    let started = Instant::now();
    let polite = async {
        let connection = Connection::open(bench.address).await;
        let health = post("/grpc.health.v1.Health/Check", GRPC);
        loop {
            let call = connection.exchange(health.clone(), Some(frame(&[])));
            if call.await.broken.is_some() {
                return started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // It never answers that it has heard.
    let whole = [PREFACE, SETTINGS].concat();
    let deaf = closed_after(&bench, &whole);
    let (polite, deaf) = tokio::join!(polite, deaf);
    assert!(polite >= Duration::from_millis(900), "{polite:?}");
    assert!(polite < Duration::from_secs(3), "{polite:?}");
    assert!(deaf >= Duration::from_millis(3900), "{deaf:?}");
    assert!(deaf < Duration::from_secs(10), "{deaf:?}");
    // A new connection is served as ever; the bench's own is past its age too.
    let connection = Connection::open(bench.address).await;
    let health = post("/grpc.health.v1.Health/Check", GRPC);
    let answer = connection.exchange(health, Some(frame(&[]))).await;
    assert_eq!(answer.code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_cap_are_closed_and_make_room_when_they_end() {
    let mut setup = Setup::default();
    setup.config.limits.connections_max = 3;
    let bench = Bench::start(setup).await;
    bench.footprint().await;
    let alive = |answer: Answer| answer.code() == Code::Ok;
    let health = post("/grpc.health.v1.Health/Check", GRPC);
    let mut held = Vec::new();
    for _ in 0..2 {
        let connection = Connection::open(bench.address).await;
        assert!(alive(
            connection.exchange(health.clone(), Some(frame(&[]))).await
        ));
        held.push(connection);
    }
    for _ in 0..10 {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        drop(stream.write_all(PREFACE).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        assert!(
            answer.is_empty(),
            "one beyond the cap is closed without a word"
        );
    }
    bench.footprint().await;
    held.pop();
    let mut code = Code::Unknown;
    for _ in 0..500 {
        let stream = TcpStream::connect(bench.address).await.unwrap();
        if let Some(connection) = Connection::try_over(stream).await {
            code = connection
                .exchange(health.clone(), Some(frame(&[])))
                .await
                .code();
        }
        if code == Code::Ok {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        code,
        Code::Ok,
        "the place of a closed connection is free again"
    );
}

/// An HPACK string: its length and itself, not compressed.
fn hpack_text(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        out.push(u8::try_from(length).unwrap());
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        out.push(u8::try_from(length).unwrap());
    }
    out.extend_from_slice(text.as_bytes());
}

/// A HEADERS frame that opens a call and never ends it.
fn open_stream(id: u32, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in headers {
        block.push(0);
        hpack_text(&mut block, name);
        hpack_text(&mut block, value);
    }
    let mut frame = u32::try_from(block.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[1, 4]);
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend(block);
    frame
}

/// Reads frames until the end: how many streams were reset as refused, and whether the server said
/// goodbye.
async fn count_refusals(mut stream: tokio::net::tcp::OwnedReadHalf, until: usize) -> (usize, bool) {
    let (mut refused, mut goodbye) = (0, false);
    let mut header = [0_u8; 9];
    while refused < until && stream.read_exact(&mut header).await.is_ok() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
        match header[3] {
            3 if payload == [0, 0, 0, 7] => refused += 1,
            7 => goodbye = true,
            _ => {}
        }
    }
    (refused, goodbye)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_streams_on_one_connection_disturb_nobody() {
    let bench = Bench::demo().await;
    let credential = format!("Bearer {}", bench.token("flood"));
    let headers = [
        (":path", "/usher.v1.AccessService/Assign"),
        (":authority", "usher"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", &credential),
    ];
    let (read, mut write) = TcpStream::connect(bench.address)
        .await
        .unwrap()
        .into_split();
    let counting = tokio::spawn(count_refusals(read, 10_000 - 128));
    let mut bytes = [PREFACE, SETTINGS].concat();
    for number in 0..10_000_u32 {
        bytes.extend(open_stream(number * 2 + 1, &headers));
    }
    // The server may hang up in the middle: that is one way to refuse.
    drop(write.write_all(&bytes).await);
    let started = Instant::now();
    bench.footprint().await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "others were held up"
    );
    let (refused, goodbye) = counting.await.unwrap();
    assert!(refused >= 10_000 - 128 || goodbye, "{refused} refused");
    drop(write);
    // What the flood held is free again.
    let instances = "DirectoryService/ListInstances";
    let mut code = Code::Unknown;
    for _ in 0..500 {
        code = bench.call_as("flood", instances, json!({})).await.code();
        if code == Code::Ok {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(code, Code::Ok);
}

/// A way to the server that can hold back what the server says.
async fn held_back(bench: &Bench, mut may_pass: watch::Receiver<bool>) -> Connection {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, server) = (listener.local_addr().unwrap(), bench.address);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = from_server.read(&mut buffer).await {
            drop(may_pass.wait_for(|may| *may).await);
            if length == 0 || to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    });
    Connection::open(address).await
}

/// What a call gets that reaches the server while it is shutting down.
pub(crate) async fn call_while_shutting_down() -> Answer {
    let bench = Bench::demo().await;
    let (passing, may_pass) = watch::channel(true);
    let connection = held_back(&bench, may_pass).await;
    let credential = format!("Bearer {}", bench.token(CALLER));
    let headers = [GRPC, &[("authorization", credential.as_str())]].concat();
    let method = "DirectoryService/ListInstances";
    let call = || {
        connection.exchange(
            post(method, &headers),
            Some(frame(&encode(method, &json!({})))),
        )
    };
    assert_eq!(call().await.code(), Code::Ok);
    // The goodbye does not reach the client, so that it opens one more stream.
    passing.send_replace(false);
    bench.stop.cancel();
    while TcpStream::connect(bench.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let (answer, ()) = tokio::join!(call(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        passing.send_replace(true);
    });
    let Bench { running, .. } = bench;
    assert!(running.await.unwrap().is_ok(), "the server ended in order");
    answer
}
