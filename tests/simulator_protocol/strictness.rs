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

/// Service, operation, body, and the member that the refusal must name.
type Case = (&'static str, &'static str, Value, &'static str);

const SSO: &str = "SWBExternalService";
const STORE: &str = "AWSIdentityStore";

fn changed(body: &Value, member: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[member] = value;
    body
}

fn sso_cases(application: &str, instance: &str) -> Vec<Case> {
    let good =
        json!({"ApplicationArn": application, "PrincipalId": NOBODY, "PrincipalType": "USER"});
    let mut cases = Vec::new();
    for (member, value, named) in [
        ("ApplicationArn", Value::Null, "applicationArn"),
        ("ApplicationArn", json!(""), "applicationArn"),
        (
            "ApplicationArn",
            json!(format!("{application}\n")),
            "applicationArn",
        ),
        (
            "ApplicationArn",
            json!(application.to_uppercase()),
            "applicationArn",
        ),
        ("ApplicationArn", json!("a".repeat(1225)), "applicationArn"),
        ("PrincipalId", json!("engineering"), "principalId"),
        ("PrincipalType", json!("ROLE"), "principalType"),
    ] {
        cases.push((
            SSO,
            "CreateApplicationAssignment",
            changed(&good, member, value),
            named,
        ));
    }
    let list = json!({"InstanceArn": instance});
    for (member, value, named) in [
        ("MaxResults", json!(0), "maxResults"),
        ("MaxResults", json!(101), "maxResults"),
        ("NextToken", json!("not a token"), "nextToken"),
        (
            "Filter",
            json!({"ApplicationAccount": "1"}),
            "filter.applicationAccount",
        ),
        (
            "Filter",
            json!({"ApplicationProvider": "custom"}),
            "filter.applicationProvider",
        ),
    ] {
        cases.push((
            SSO,
            "ListApplications",
            changed(&list, member, value),
            named,
        ));
    }
    let put = json!({"ApplicationArn": application});
    cases.push((
        SSO,
        "PutApplicationAssignmentConfiguration",
        put,
        "assignmentRequired",
    ));
    cases.push((
        SSO,
        "ListInstances",
        json!({"RegionScope": "MARS"}),
        "regionScope",
    ));
    cases
}

fn store_cases(id: &str) -> Vec<Case> {
    let user = json!({
        "IdentityStoreId": id, "UserName": "new", "DisplayName": "New",
        "Name": {"GivenName": "N", "FamilyName": "W"},
    });
    let mut cases = Vec::new();
    for (member, value, named) in [
        ("UserName", json!("two words"), "userName"),
        ("UserName", json!("u".repeat(129)), "userName"),
        ("Name", json!({"GivenName": "N"}), "name.familyName"),
        ("DisplayName", Value::Null, "displayName"),
        ("Emails", json!([{"Value": "a"}, {"Value": "b"}]), "emails"),
    ] {
        cases.push((STORE, "CreateUser", changed(&user, member, value), named));
    }
    let (store, groups) = (json!({"IdentityStoreId": id}), vec![NOBODY; 101]);
    let asked = json!({"IdentityStoreId": id, "MemberId": {"UserId": NOBODY}});
    let wrong_path = json!({"AttributePath": "userName", "AttributeValue": "x"});
    let wrong_path = json!({"UniqueAttribute": wrong_path});
    cases.extend([
        (STORE, "ListUsers", json!({}), "identityStoreId"),
        (
            STORE,
            "ListUsers",
            json!({"IdentityStoreId": "d-XYZ"}),
            "identityStoreId",
        ),
        (
            STORE,
            "ListUsers",
            changed(&store, "NextToken", json!("")),
            "nextToken",
        ),
        (
            STORE,
            "DescribeUser",
            changed(&store, "UserId", json!("me")),
            "userId",
        ),
        (
            STORE,
            "CreateGroup",
            changed(&store, "DisplayName", json!("bell\u{7}")),
            "displayName",
        ),
        (
            STORE,
            "IsMemberInGroups",
            changed(&asked, "GroupIds", json!(groups)),
            "groupIds",
        ),
        (
            STORE,
            "GetGroupId",
            changed(&store, "AlternateIdentifier", wrong_path),
            "userName",
        ),
    ]);
    cases
}

#[tokio::test]
async fn bad_input_is_refused_and_the_member_named() {
    let bench = Bench::demo().await;
    let mut cases = sso_cases(&bench.application("Wiki"), &bench.instance_arn);
    cases.extend(store_cases(&bench.store_id));
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
    let switches = bench.simulator.switches();
    let switches = usher::simulator::Switches {
        signature_required: false,
        ..switches
    };
    bench.simulator.set_switches(switches);
    let (status, _) = raw(&bench, unsigned(request(list, body("{}")))).await;
    assert_eq!(status, 200, "as switched");
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
