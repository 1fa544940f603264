//! How AWS says no: error codes, their members and their bodies (aws-api.md §1). Decides nothing.

use serde_json::{Map, Value, json};

/// Which AWS service a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    SsoAdmin,
    IdentityStore,
    Organizations,
    Sts,
}

impl Service {
    /// As the call log names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::SsoAdmin => "sso-admin",
            Service::IdentityStore => "identitystore",
            Service::Organizations => "organizations",
            Service::Sts => "sts",
        }
    }

    /// The service name inside a signature, which is the prefix of its IAM actions too.
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Service::SsoAdmin => "sso",
            Service::IdentityStore => "identitystore",
            Service::Organizations => "organizations",
            Service::Sts => "sts",
        }
    }
}

/// An error that AWS answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) http_status: u16,
    /// Members beside `Message`. Boxed, since errors travel far and most have none.
    pub(super) members: Box<Map<String, Value>>,
}

impl Failure {
    /// Any error; 400 as for every client error, 500 for the services' own faults.
    pub(super) fn new(code: &str, message: impl Into<String>) -> Failure {
        let http_status = if ["InternalServerException", "ServiceException"].contains(&code) {
            500
        } else {
            400
        };
        Failure {
            code: code.to_owned(),
            message: message.into(),
            http_status,
            members: Box::default(),
        }
    }

    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Failure {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    pub(super) fn validation(message: impl Into<String>) -> Failure {
        Failure::new("ValidationException", message)
    }

    pub(super) fn serialization(message: impl Into<String>) -> Failure {
        Failure::new("SerializationException", message)
    }

    pub(super) fn throttled(service: Service, retry_after_seconds: Option<u32>) -> Failure {
        if service == Service::Organizations {
            return Failure::new("TooManyRequestsException", "Rate exceeded")
                .with("Type", "RATE_EXCEEDED");
        }
        let failure = Failure::new("ThrottlingException", "Rate exceeded");
        match retry_after_seconds {
            Some(seconds) if service == Service::IdentityStore => {
                failure.with("RetryAfterSeconds", seconds)
            }
            _ => failure,
        }
    }

    pub(super) fn internal(service: Service) -> Failure {
        let code = match service {
            Service::Organizations => "ServiceException",
            _ => "InternalServerException",
        };
        Failure::new(code, "An internal error occurred.")
    }

    /// The wording of aws-api.md §6.
    pub(super) fn not_authorized(
        caller_arn: &str,
        service: Service,
        operation: &str,
        resource: &str,
    ) -> Failure {
        let action = service.signing_name();
        Failure::new(
            "AccessDeniedException",
            format!(
                "User: {caller_arn} is not authorized to perform: {action}:{operation} \
                 on resource: {resource}"
            ),
        )
    }

    /// sso-admin's form, which names no type.
    pub(super) fn not_found(message: impl Into<String>) -> Failure {
        Failure::new("ResourceNotFoundException", message)
    }

    /// identitystore's form: aws-api.md §1.
    pub(super) fn resource_not_found(kind: &str, id: &str) -> Failure {
        let message = match kind {
            "IDENTITY_STORE" => format!("IdentityStore not present for IdentityStoreId: {id}"),
            _ => format!("{kind} not found."),
        };
        Failure::not_found(message)
            .with("ResourceType", kind)
            .with("ResourceId", id)
    }

    /// identitystore's form for a lookup by something else than an id.
    pub(super) fn nothing_named(kind: &str) -> Failure {
        Failure::not_found(format!("{kind} not found.")).with("ResourceType", kind)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Failure {
        Failure::new("ConflictException", message)
    }

    /// identitystore's Conflict for names that are taken.
    pub(super) fn duplicate(message: impl Into<String>) -> Failure {
        Failure::conflict(message).with("Reason", "UNIQUENESS_CONSTRAINT_VIOLATION")
    }

    pub(super) fn expired_credentials() -> Failure {
        Failure::new(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        )
    }

    /// Temporary credentials that nobody was given.
    pub(super) fn unknown_credentials(service: Service) -> Failure {
        let code = match service {
            Service::Sts => "InvalidClientTokenId",
            _ => "UnrecognizedClientException",
        };
        let message = "The security token included in the request is invalid.";
        Failure::new(code, message).of(service)
    }

    /// The same failure as this service answers it: sts says 403 to who may not.
    pub(super) fn of(mut self, service: Service) -> Failure {
        if service == Service::Sts {
            self.http_status = 403;
        }
        self
    }

    /// The body for a client of `service`, and its content type.
    pub(super) fn body(&self, service: Service, request_id: &str) -> (Vec<u8>, &'static str) {
        if service == Service::Sts {
            return (self.query_body(request_id).into_bytes(), "text/xml");
        }
        let mut body = Map::new();
        body.insert("__type".to_owned(), json!(self.code));
        body.insert("Message".to_owned(), json!(self.message));
        // All shapes of the identitystore model carry the request id; the common errors of the
        // protocol (unknown operation, credentials) have no shape.
        let modelled = [
            "ThrottlingException",
            "InternalServerException",
            "ConflictException",
            "ResourceNotFoundException",
            "AccessDeniedException",
            "ValidationException",
            "ServiceQuotaExceededException",
        ];
        if service == Service::IdentityStore && modelled.contains(&self.code.as_str()) {
            body.insert("RequestId".to_owned(), json!(request_id));
        }
        for (name, value) in self.members.iter() {
            body.insert(name.clone(), value.clone());
        }
        (
            Value::Object(body).to_string().into_bytes(),
            super::JSON_CONTENT_TYPE,
        )
    }

    fn query_body(&self, request_id: &str) -> String {
        let fault = if self.http_status >= 500 {
            "Receiver"
        } else {
            "Sender"
        };
        // The Query protocol names the same errors without the suffix, but for one.
        let code = match self.code.as_str() {
            "ValidationException" => "ValidationError",
            code => code.strip_suffix("Exception").unwrap_or(code),
        };
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
             <Type>{fault}</Type><Code>{}</Code><Message>{}</Message></Error>\
             <RequestId>{request_id}</RequestId></ErrorResponse>",
            escape_xml(code),
            escape_xml(&self.message)
        )
    }
}

/// Text as XML content.
pub(super) fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
