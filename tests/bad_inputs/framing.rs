//! Requests that are no gRPC, or gRPC with broken frames, headers or messages.

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::bench::{Bench, CALLER, assign};
use crate::check::{Refusal, check_answer, refusal};
use crate::wire::{Connection, GRPC, encode, frame, post};

const ASSIGN: &str = "AccessService/Assign";
const MALFORMED: Refusal<'_> = refusal(Code::InvalidArgument, "MESSAGE_MALFORMED");
const TOO_LARGE: Refusal<'_> = refusal(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
const UNIMPLEMENTED: Refusal<'_> = refusal(Code::Unimplemented, "NOT_IMPLEMENTED");

fn good() -> Bytes {
    frame(&encode(ASSIGN, &assign()))
}

/// A frame's first five bytes and what follows them.
fn framed(flag: u8, length: u32, message: &[u8]) -> Bytes {
    [&[flag], &length.to_be_bytes()[..], message]
        .concat()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_messages_are_refused_with_a_promised_code() {
    let bench = Bench::demo().await;
    let message = encode(ASSIGN, &assign());
    let length = u32::try_from(message.len()).unwrap();
    let five_megabytes = vec![b'x'; 5 << 20];
    let cases = [
        ("an empty body", Bytes::new(), MALFORMED),
        (
            "half a frame header",
            Bytes::from_static(&[0, 0]),
            MALFORMED,
        ),
        ("invalid UTF-8", frame(b"\x0a\x02\xff\xfe"), MALFORMED),
        (
            "truncated protobuf",
            frame(&message[..message.len() - 3]),
            MALFORMED,
        ),
        ("a wrong wire type", frame(b"\x12\x80\x80"), MALFORMED),
        (
            "a length beyond the message",
            frame(b"\x12\xff\xff\xff\xff\x0f"),
            MALFORMED,
        ),
        ("a group that never ends", frame(b"\x13"), MALFORMED),
        ("field number 0", frame(b"\x02\x00"), MALFORMED),
        ("random bytes", frame(&[0xde, 0xad, 0xbe, 0xef]), MALFORMED),
        ("groups in groups", frame(&[0x13; 100_000]), MALFORMED),
        (
            "compressed, no encoding",
            framed(1, length, &message),
            MALFORMED,
        ),
        ("flag 7", framed(7, length, &message), MALFORMED),
        ("a frame cut", framed(0, length + 10, &message), MALFORMED),
        ("5 MiB", frame(&five_megabytes), TOO_LARGE),
        ("4 GiB announced", framed(0, u32::MAX, b""), TOO_LARGE),
    ];
    let before = bench.footprint().await;
    for (what, body, expected) in cases {
        let answer = bench.send(CALLER, ASSIGN, &[], body).await;
        check_answer(what, &answer, expected);
        assert_eq!(bench.footprint().await, before, "{what}");
    }
    for method in [
        "GrantService/GetGrant",
        "DirectoryService/ListPrincipals",
        "AccessService/AuditReport",
    ] {
        let broken = bench
            .send(CALLER, method, &[], frame(b"\x0a\x02\xff"))
            .await;
        check_answer(method, &broken, MALFORMED);
        let large = bench
            .send(CALLER, method, &[], frame(&five_megabytes))
            .await;
        check_answer(method, &large, TOO_LARGE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_announced_length_is_not_waited_for_nor_allocated() {
    let bench = Bench::demo().await;
    // The stream stays open: whoever answers has not waited for 4 GiB.
    let credential = format!("Bearer {}", bench.token(CALLER));
    let headers = [GRPC, &[("authorization", credential.as_str())]].concat();
    let stream = TcpStream::connect(bench.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut sender: h2::client::SendRequest<Bytes> = sender.ready().await.unwrap();
    let (response, mut body) = sender.send_request(post(ASSIGN, &headers), false).unwrap();
    body.send_data(framed(0, u32::MAX, b""), false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_headers_are_refused() {
    let bench = Bench::demo().await;
    let before = bench.footprint().await;
    for value in [
        "",
        "S",
        "10",
        "10s",
        "-1S",
        "1.5S",
        "123456789S",
        "10 S",
        "S10",
        "10SS",
    ] {
        let answer = bench
            .send(CALLER, ASSIGN, &[("grpc-timeout", value)], good())
            .await;
        check_answer(&format!("grpc-timeout {value:?}"), &answer, MALFORMED);
    }
    for value in ["gzip", "br", "x-unknown", "identity, gzip"] {
        let answer = bench
            .send(CALLER, ASSIGN, &[("grpc-encoding", value)], good())
            .await;
        check_answer(&format!("grpc-encoding {value}"), &answer, UNIMPLEMENTED);
    }
    for path in [
        "AccessService/ApproveGrant",
        "AccessService/assign",
        "NoService/Assign",
        "AccessService",
    ] {
        let answer = bench.send(CALLER, path, &[], good()).await;
        check_answer(path, &answer, UNIMPLEMENTED);
    }
    let answer = bench.send(CALLER, "/", &[], good()).await;
    check_answer("/", &answer, UNIMPLEMENTED);
    let padding = "m".repeat(17 * 1024);
    let answer = bench
        .send(CALLER, ASSIGN, &[("x-padding", &padding)], good())
        .await;
    check_answer("metadata of 17 KiB", &answer, TOO_LARGE);
    assert_eq!(bench.footprint().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_grpc_request_is_never_ok() {
    let bench = Bench::demo().await;
    let before = bench.footprint().await;
    let credential = format!("Bearer {}", bench.token(CALLER));
    let connection = Connection::open(bench.address).await;
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json"),
        Some("application/grpc+json"),
        Some("application/grpc-web"),
        Some("application/grpcfoo"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut headers = vec![("te", "trailers"), ("authorization", credential.as_str())];
        headers.extend(content_type.map(|value| ("content-type", value)));
        let answer = connection
            .exchange(post(ASSIGN, &headers), Some(good()))
            .await;
        assert_eq!(answer.http_status, 415, "{content_type:?}");
        assert!(answer.body.is_empty() && !answer.headers.contains_key("grpc-status"));
    }
    for method in [
        Method::GET,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::HEAD,
    ] {
        let mut request = post(
            ASSIGN,
            &[GRPC, &[("authorization", credential.as_str())]].concat(),
        );
        *request.method_mut() = method.clone();
        let answer = connection.exchange(request, Some(good())).await;
        assert_eq!(answer.http_status, 415, "{method}");
    }
    assert_eq!(bench.footprint().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_are_hung_up_on() {
    let bench = Bench::demo().await;
    let tls_hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let cases: [(&str, &[u8]); 5] = [
        ("HTTP/1.1 GET", b"GET / HTTP/1.1\r\nhost: usher\r\n\r\n"),
        (
            "HTTP/1.1 POST",
            b"POST /usher.v1.AccessService/Assign HTTP/1.1\r\nhost: usher\r\ncontent-type: application/grpc\r\n\r\n",
        ),
        ("TLS", tls_hello),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n and more, so that it is longer than a preface"),
        ("a preface, then noise", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (what, bytes) in cases {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is a hang-up too.
        drop(stream.read_to_end(&mut answer).await);
        assert!(!answer.windows(6).any(|part| part == b"200 OK"), "{what}");
    }
    bench.footprint().await;
}
