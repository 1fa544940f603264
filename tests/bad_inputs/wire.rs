//! A client that can also be wrong: HTTP/2 by hand, messages from descriptors or from any bytes.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Method, Request};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MethodDescriptor, SerializeOptions,
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Headers that every gRPC request has.
pub(crate) const GRPC: &[(&str, &str)] =
    &[("content-type", "application/grpc"), ("te", "trailers")];

/// One HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: h2::client::SendRequest<Bytes>,
}

/// What came back for one request.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The HTTP status; 0 when the stream or the connection ended before one.
    pub(crate) http_status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// Why the stream ended early, if it did.
    pub(crate) broken: Option<String>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::try_over(stream).await.unwrap()
    }

    #[allow(dead_code, reason = "not every test of the wire is slow")]
    /// A connection whose streams take so many bytes that were not read.
    pub(crate) async fn with_window(address: SocketAddr, bytes: u32) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(bytes);
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Self { sender }
    }

    #[allow(dead_code, reason = "not every test of the wire is slow")]
    /// Sends a request and reads its answer, with a pause behind the first part of it.
    pub(crate) async fn exchange_slowly(
        &self,
        request: Request<()>,
        body: Bytes,
        pause: Duration,
    ) -> Answer {
        let mut answer = Answer::default();
        let exchanged = self.try_exchange(request, Some(body), &mut answer, pause, &|_| false);
        if let Err(error) = exchanged.await {
            answer.broken = Some(error.to_string());
        }
        answer
    }

    /// A connection, unless the server has closed it already.
    pub(crate) async fn try_over<S>(stream: S) -> Option<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = h2::client::handshake(stream).await.ok()?;
        tokio::spawn(async move {
            // How a connection ends shows in its streams.
            drop(connection.await);
        });
        Some(Self { sender })
    }

    /// Sends a request and waits for all of its answer. Without a body the stream stays open.
    pub(crate) async fn exchange(&self, request: Request<()>, body: Option<Bytes>) -> Answer {
        let mut answer = Answer::default();
        if let Err(error) = self
            .try_exchange(request, body, &mut answer, Duration::ZERO, &|_| false)
            .await
        {
            answer.broken = Some(error.to_string());
        }
        answer
    }

    #[allow(
        dead_code,
        reason = "the table of who may do what looks at streams without an end"
    )]
    /// Sends a request and waits for so much of its answer that it is enough; then the stream is let
    /// go, and the answer is that of one that ended well.
    pub(crate) async fn exchange_until(
        &self,
        request: Request<()>,
        body: Option<Bytes>,
        is_enough: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let mut answer = Answer::default();
        if let Err(error) =
            (self.try_exchange(request, body, &mut answer, Duration::ZERO, &is_enough)).await
        {
            answer.broken = Some(error.to_string());
        }
        answer
    }

    async fn try_exchange(
        &self,
        request: Request<()>,
        body: Option<Bytes>,
        answer: &mut Answer,
        mut pause: Duration,
        is_enough: &impl Fn(&Answer) -> bool,
    ) -> Result<(), h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let (response, mut stream) = sender.send_request(request, false)?;
        if let Some(body) = body {
            // The server may have answered before the body is through; its answer counts.
            drop(stream.send_data(body, true));
        }
        let (parts, mut body) = response.await?.into_parts();
        answer.http_status = parts.status.as_u16();
        answer.headers = parts.headers;
        while let Some(data) = body.data().await {
            let data = data?;
            tokio::time::sleep(std::mem::take(&mut pause)).await;
            body.flow_control().release_capacity(data.len())?;
            answer.body.extend_from_slice(&data);
            if is_enough(answer) {
                answer.trailers.insert("grpc-status", 0.into());
                return Ok(());
            }
        }
        answer.trailers = body.trailers().await?.unwrap_or_default();
        Ok(())
    }
}

impl Answer {
    /// The gRPC status; UNKNOWN with the HTTP status, as a client makes it, when there is none.
    pub(crate) fn status(&self) -> Status {
        Status::from_header_map(&self.trailers)
            .or_else(|| Status::from_header_map(&self.headers))
            .unwrap_or_else(|| {
                let why = self.broken.clone().unwrap_or_default();
                Status::unknown(format!("HTTP {} {why}", self.http_status))
            })
    }

    pub(crate) fn code(&self) -> Code {
        self.status().code()
    }

    pub(crate) fn details(&self) -> ErrorDetails {
        self.status().get_error_details()
    }

    /// `ErrorInfo.reason`; empty without one.
    pub(crate) fn reason(&self) -> String {
        let details = self.details();
        details
            .error_info()
            .map_or_else(String::new, |info| info.reason.clone())
    }

    /// Every message of the answer, fields named as in the proto.
    pub(crate) fn messages(&self, method: &str) -> Vec<Value> {
        let output = method_of(method).output();
        let mut rest = Bytes::copy_from_slice(&self.body);
        let mut messages = Vec::new();
        while rest.len() >= 5 {
            assert_eq!(rest.get_u8(), 0, "not compressed");
            let length = rest.get_u32() as usize;
            if rest.len() < length {
                // A stream that was let go in the middle of a message.
                break;
            }
            let message = DynamicMessage::decode(output.clone(), rest.split_to(length)).unwrap();
            messages.push(to_json(&message));
        }
        messages
    }

    /// The one message of an answer that must be OK.
    pub(crate) fn ok(&self, method: &str) -> Value {
        assert_eq!(self.code(), Code::Ok, "{method}: {:?}", self.status());
        self.messages(method).remove(0)
    }
}

/// A POST to a method of usher.v1, or to any path that starts with a slash.
pub(crate) fn post(method: &str, headers: &[(&str, &str)]) -> Request<()> {
    let path = if method.starts_with('/') {
        method.to_owned()
    } else {
        format!("/usher.v1.{method}")
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://usher{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// A message in its frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap();
    let mut framed = BytesMut::from(&[0_u8][..]);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    framed.freeze()
}

/// The request message of a method, from JSON.
pub(crate) fn encode(method: &str, message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let mut reader = serde_json::Deserializer::from_str(&text);
    let options = DeserializeOptions::new();
    let input = method_of(method).input();
    let parsed = DynamicMessage::deserialize_with_options(input, &mut reader, &options);
    parsed
        .unwrap_or_else(|error| panic!("{method} {message}: {error}"))
        .encode_to_vec()
}

fn method_of(method: &str) -> MethodDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| DescriptorPool::decode(usher::grpc::pb::DESCRIPTORS).unwrap());
    let (service, name) = method.split_once('/').unwrap();
    let service = pool
        .get_service_by_name(&format!("usher.v1.{service}"))
        .unwrap();
    service
        .methods()
        .find(|method| method.name() == name)
        .unwrap()
}

fn to_json(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap()
}
