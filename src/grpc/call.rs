//! Calls by name with JSON, as grpcurl makes them: what a person types is what is sent, and what
//! comes back is printed as grpcurl prints it. The demonstration uses this.

use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use super::pb;

/// The largest answer that is taken, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a call by name did not come about.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(#[from] tonic::transport::Error),
    /// The method or the message is not one of the proto's.
    #[error("{0}")]
    Input(String),
    /// The server refused.
    #[error("{code:?}: {message}", code = .0.code(), message = .0.message())]
    Refused(Box<Status>),
}

/// One message that came back.
pub struct Answer {
    /// For looking into it.
    pub value: serde_json::Value,
    /// As grpcurl prints it: fields in the order of the proto.
    pub text: String,
}

/// A refusal as a person reads it.
pub struct Refusal {
    /// `ErrorInfo.reason`; empty without one.
    pub reason: String,
    /// The code with the message, then what is wrong in detail: fields, and what stands in the way.
    pub lines: Vec<String>,
}

impl Refusal {
    /// Reads a status with its details.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone());
        let mut lines = vec![format!("ERROR: {:?}: {}", status.code(), status.message())];
        let fields = details.bad_request().into_iter();
        let fields = fields.flat_map(|request| &request.field_violations);
        lines.extend(fields.map(|field| format!("{}: {}", field.field, field.description)));
        let failures = details.precondition_failure().into_iter();
        let violations = failures.flat_map(|failure| &failure.violations);
        lines.extend(violations.map(|it| format!("{}: {}", it.subject, it.description)));
        Self {
            reason: reason.unwrap_or_default(),
            lines,
        }
    }
}

/// A caller with a token.
pub struct Caller {
    channel: Channel,
    token: String,
    pool: DescriptorPool,
}

impl Caller {
    /// Connects to a server without TLS.
    ///
    /// # Errors
    /// `Connect`, or `Input` when the descriptors cannot be read.
    pub async fn connect(url: String, token: String) -> Result<Self, CallError> {
        let channel = Endpoint::from_shared(url)?.connect().await?;
        let pool = DescriptorPool::decode(pb::DESCRIPTORS)
            .map_err(|error| CallError::Input(error.to_string()))?;
        Ok(Self {
            channel,
            token,
            pool,
        })
    }

    /// Calls `usher.v1.<method>` (for example `AccessService/Assign`) with a JSON message and
    /// answers every message that came.
    ///
    /// # Errors
    /// `Input`, `Refused`. A stream that breaks answers its error, not what came before.
    pub async fn call(&self, method: &str, json: &str) -> Result<Vec<Answer>, CallError> {
        let (service, name) = method
            .split_once('/')
            .ok_or_else(|| CallError::Input(format!("`{method}` has no slash")))?;
        let descriptor = self
            .pool
            .get_service_by_name(&format!("usher.v1.{service}"))
            .and_then(|service| service.methods().find(|method| method.name() == name))
            .ok_or_else(|| CallError::Input(format!("there is no method `{method}`")))?;
        let mut reader = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize_with_options(
            descriptor.input(),
            &mut reader,
            &DeserializeOptions::new(),
        )
        .map_err(|error| CallError::Input(error.to_string()))?;
        let path = http::uri::PathAndQuery::try_from(format!("/usher.v1.{method}"))
            .map_err(|error| CallError::Input(error.to_string()))?;
        let mut request = Request::new(message);
        let credential = MetadataValue::try_from(format!("Bearer {}", self.token))
            .map_err(|error| CallError::Input(error.to_string()))?;
        request.metadata_mut().insert("authorization", credential);
        let mut client = tonic::client::Grpc::new(self.channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX);
        client.ready().await?;
        let codec = DynamicCodec {
            output: descriptor.output(),
        };
        let answered = client
            .server_streaming(request, path, codec)
            .await
            .map_err(refused)?;
        let mut stream = answered.into_inner();
        let mut answers = Vec::new();
        while let Some(message) = stream.message().await.map_err(refused)? {
            answers.push(to_json(&message)?);
        }
        Ok(answers)
    }
}

fn refused(status: Status) -> CallError {
    CallError::Refused(Box::new(status))
}

fn to_json(message: &DynamicMessage) -> Result<Answer, CallError> {
    let options = SerializeOptions::new().skip_default_fields(true);
    let wrong = |error: serde_json::Error| CallError::Input(error.to_string());
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::pretty(&mut text);
    message
        .serialize_with_options(&mut writer, &options)
        .map_err(wrong)?;
    let value = serde_json::from_slice(&text).map_err(wrong)?;
    Ok(Answer {
        value,
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// Messages by their descriptors instead of generated types.
#[derive(Clone)]
struct DynamicCodec {
    output: MessageDescriptor,
}

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item.encode_to_vec());
        Ok(())
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        DynamicMessage::decode(self.output.clone(), bytes)
            .map(Some)
            .map_err(|_| Status::internal("the answer cannot be read"))
    }
}
