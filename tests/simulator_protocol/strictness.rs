//! What AWS refuses, the simulator refuses, naming the member.

use aws_sdk_identitystore::error::ProvideErrorMetadata;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::{Bench, NOBODY};

/// Sends one raw request; status and body.
pub(crate) async fn raw(bench: &Bench, request: Request<Full<bytes::Bytes>>) -> (u16, Value) {
    let address = bench.simulator.address();
    let stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    let driver = tokio::spawn(connection);
    let reply = sender.send_request(request).await.expect("a reply");
    let status = reply.status().as_u16();
    let body = reply
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    driver.abort();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn request(target: &str, body: impl Into<bytes::Bytes>) -> Request<Full<bytes::Bytes>> {
    let service = if target.starts_with("SWB") {
        "sso"
    } else {
        "identitystore"
    };
    let scope = format!("Credential=AK/20260101/us-east-1/{service}/aws4_request");
    Request::builder()
        .method(Method::POST)
        .uri("/some/path/")
        .header("host", "localhost")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {scope}, Signature=00"),
        )
        .body(Full::new(body.into()))
        .expect("a request")
}

#[tokio::test]
async fn bad_input_is_refused_and_the_member_named() {
    let bench = Bench::demo().await;
    let (application, instance) = (bench.application("Wiki"), bench.instance_arn.clone());
    let (sso, store) = ("SWBExternalService", "AWSIdentityStore");
    let good =
        json!({"ApplicationArn": application, "PrincipalId": NOBODY, "PrincipalType": "USER"});
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        body
    };
    let id = bench.store_id.as_str();
    let user = |member: &str, value: Value| {
        let mut body = json!({
            "IdentityStoreId": id, "UserName": "new", "DisplayName": "New",
            "Name": {"GivenName": "N", "FamilyName": "W"},
        });
        body[member] = value;
        body
    };
    let create = "CreateApplicationAssignment";
    let cases = [
        (
            sso,
            create,
            with("ApplicationArn", Value::Null),
            "applicationArn",
        ),
        (
            sso,
            create,
            with("ApplicationArn", json!("")),
            "applicationArn",
        ),
        (
            sso,
            create,
            with("ApplicationArn", json!(format!("{application}\n"))),
            "applicationArn",
        ),
        (
            sso,
            create,
            with("ApplicationArn", json!(application.to_uppercase())),
            "applicationArn",
        ),
        (
            sso,
            create,
            with("ApplicationArn", json!("a".repeat(1225))),
            "applicationArn",
        ),
        (
            sso,
            create,
            with("PrincipalId", json!("engineering")),
            "principalId",
        ),
        (
            sso,
            create,
            with("PrincipalType", json!("ROLE")),
            "principalType",
        ),
        (
            sso,
            "ListApplications",
            json!({"InstanceArn": instance, "MaxResults": 0}),
            "maxResults",
        ),
        (
            sso,
            "ListApplications",
            json!({"InstanceArn": instance, "MaxResults": 101}),
            "maxResults",
        ),
        (
            sso,
            "ListApplications",
            json!({"InstanceArn": instance, "Filter": {"ApplicationAccount": "1"}}),
            "filter.applicationAccount",
        ),
        (
            sso,
            "ListInstances",
            json!({"NextToken": "not a token"}),
            "nextToken",
        ),
        (
            sso,
            "ListInstances",
            json!({"RegionScope": "MARS"}),
            "regionScope",
        ),
        (
            sso,
            "PutApplicationAssignmentConfiguration",
            json!({"ApplicationArn": application}),
            "assignmentRequired",
        ),
        (store, "ListUsers", json!({}), "identityStoreId"),
        (
            store,
            "ListUsers",
            json!({"IdentityStoreId": "d-XYZ"}),
            "identityStoreId",
        ),
        (
            store,
            "ListUsers",
            json!({"IdentityStoreId": id, "NextToken": ""}),
            "nextToken",
        ),
        (
            store,
            "DescribeUser",
            json!({"IdentityStoreId": id, "UserId": "me"}),
            "userId",
        ),
        (
            store,
            "CreateUser",
            user("UserName", json!("two words")),
            "userName",
        ),
        (
            store,
            "CreateUser",
            user("UserName", json!("u".repeat(129))),
            "userName",
        ),
        (
            store,
            "CreateUser",
            user("Name", json!({"GivenName": "N"})),
            "name.familyName",
        ),
        (
            store,
            "CreateUser",
            user("Emails", json!([{"Value": "a"}, {"Value": "b"}])),
            "emails",
        ),
        (
            store,
            "CreateGroup",
            json!({"IdentityStoreId": id, "DisplayName": "bell\u{7}"}),
            "displayName",
        ),
        (
            store,
            "IsMemberInGroups",
            json!({"IdentityStoreId": id, "MemberId": {"UserId": NOBODY}, "GroupIds": vec![NOBODY; 101]}),
            "groupIds",
        ),
        (
            store,
            "GetGroupId",
            json!({"IdentityStoreId": id, "AlternateIdentifier":
                {"UniqueAttribute": {"AttributePath": "userName", "AttributeValue": "x"}}}),
            "userName",
        ),
    ];
    for (service, operation, body, member) in cases {
        let target = format!("{service}.{operation}");
        let (status, reply) = raw(&bench, request(&target, body.to_string())).await;
        assert_eq!(
            (status, &reply["__type"]),
            (400, &json!("ValidationException")),
            "{body}"
        );
        let message = reply["Message"].as_str().expect("a message");
        assert!(message.contains(member), "{member}: {message}");
    }
}

#[tokio::test]
async fn broken_protocol_is_refused_as_aws_does() {
    let bench = Bench::demo().await;
    let list = "SWBExternalService.ListInstances";
    let body = |text: &str| text.to_owned();
    let unsigned = |mut request: Request<Full<bytes::Bytes>>| {
        request.headers_mut().remove("authorization");
        request
    };
    let mut elsewhere = request("AWSIdentityStore.ListUsers", body("{}"));
    elsewhere
        .headers_mut()
        .insert("x-amz-target", list.parse().expect("a header"));
    let cases = [
        (request(list, body("{")), 400, "SerializationException"),
        (request(list, body("[]")), 400, "SerializationException"),
        (
            request(list, body("{\"MaxResults\":\"1\"}")),
            400,
            "SerializationException",
        ),
        (
            request("SWBExternalService.Nothing", body("{}")),
            400,
            "UnknownOperationException",
        ),
        (
            request("AWSIdentityStore.ListInstances", body("{}")),
            400,
            "UnknownOperationException",
        ),
        (
            request("Other.ListInstances", body("{}")),
            400,
            "UnknownOperationException",
        ),
        (
            unsigned(request(list, body("{}"))),
            400,
            "MissingAuthenticationTokenException",
        ),
        (elsewhere, 400, "InvalidSignatureException"),
        (
            request(list, vec![b' '; 1024 * 1024 + 1]),
            413,
            "RequestEntityTooLargeException",
        ),
    ];
    for (request, status, code) in cases {
        let (answered, reply) = raw(&bench, request).await;
        assert_eq!((answered, &reply["__type"]), (status, &json!(code)));
    }
    let (status, _) = raw(&bench, request(list, body(""))).await;
    assert_eq!(status, 200, "an empty body is an empty object");
}

#[tokio::test]
async fn errors_carry_their_members_and_the_request_id() {
    let bench = Bench::demo().await;
    let error = bench
        .store
        .describe_user()
        .identity_store_id(&bench.store_id)
        .user_id(NOBODY);
    let error = error.send().await.expect_err("nobody").into_service_error();
    let aws_sdk_identitystore::operation::describe_user::DescribeUserError::ResourceNotFoundException(
        inner,
    ) = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(inner.resource_id(), Some(NOBODY));
    assert_eq!(
        inner.resource_type().map(|kind| kind.as_str()),
        Some("USER")
    );
    assert!(inner.request_id.as_ref().is_some_and(|id| id.len() == 36));
    assert_eq!(error.message(), Some("USER not found."));
    let logged = &bench.simulator.calls()[0];
    assert_eq!(Some(&logged.request_id), inner.request_id.as_ref());
    let users = bench
        .store
        .list_users()
        .identity_store_id("d-0000000000")
        .send()
        .await;
    let message = users
        .expect_err("no store")
        .into_service_error()
        .message()
        .map(str::to_owned);
    assert_eq!(
        message.as_deref(),
        Some("IdentityStore not present for IdentityStoreId: d-0000000000")
    );
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let options = usher::simulator::SimulatorOptions {
        listen: ([0, 0, 0, 0], 0).into(),
        ..Default::default()
    };
    let refused =
        usher::simulator::Simulator::start(usher::simulator::World::demo(), options).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("loopback")));
}
