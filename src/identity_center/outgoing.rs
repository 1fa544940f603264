//! What an outgoing request is and where it goes, told from the request itself and not from what
//! the code above meant to send.

use std::net::IpAddr;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use crate::domain::Operation;

/// The operation of a request, from the bytes that will be sent; none when Usher has no such
/// operation (aws-api.md §1: target prefixes, and the form of sts).
pub(super) fn operation_of(request: &HttpRequest) -> Option<Operation> {
    if let Some(target) = request.headers().get("x-amz-target") {
        let (prefix, name) = target.split_once('.')?;
        let operation = Operation::from_name(name)?;
        let expected = match operation.service() {
            "sso" => "SWBExternalService",
            "identitystore" => "AWSIdentityStore",
            "organizations" => "AWSOrganizationsV20161128",
            _ => return None,
        };
        return (prefix == expected).then_some(operation);
    }
    let form = std::str::from_utf8(request.body().bytes()?).ok()?;
    let name = form
        .split('&')
        .find_map(|field| field.strip_prefix("Action="))?;
    Operation::from_name(name).filter(|operation| operation.service() == "sts")
}

/// Whether the URL is of this machine: 127.0.0.0/8 or ::1, written out. The name `localhost` is not
/// believed: a resolver may send it anywhere.
pub(super) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn json_request(target: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from("{}"));
        request
            .headers_mut()
            .insert("x-amz-target", target.to_owned());
        request
    }

    #[test]
    fn operations_are_read_from_what_is_sent_and_strangers_are_none() {
        for operation in Operation::ALL.iter().copied() {
            let prefix = match operation.service() {
                "sso" => "SWBExternalService",
                "identitystore" => "AWSIdentityStore",
                "organizations" => "AWSOrganizationsV20161128",
                _ => continue,
            };
            let request = json_request(&format!("{prefix}.{}", operation.name()));
            assert_eq!(operation_of(&request), Some(operation));
        }
        for stranger in [
            "SWBExternalService.DeleteInstance",
            "SWBExternalService.ListUsers",
            "AWSIdentityStore.CreateUser",
            "AWSOrganizationsV20161128.CloseAccount",
            "AWSOrganizationsV20161128.ListUsers",
            "SWBExternalService.ListAccounts",
            "ListUsers",
            "",
        ] {
            assert_eq!(operation_of(&json_request(stranger)), None, "{stranger}");
        }
        let form = |body: &'static str| operation_of(&HttpRequest::new(SdkBody::from(body)));
        let known = Some(Operation::GetCallerIdentity);
        assert_eq!(form("Action=GetCallerIdentity&Version=2011-06-15"), known);
        let known = Some(Operation::AssumeRole);
        assert_eq!(form("Action=AssumeRole&Version=2011-06-15"), known);
        assert_eq!(form("Action=GetSessionToken&Version=2011-06-15"), None);
        assert_eq!(form("Action=ListInstances"), None);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for here in [
            "http://127.0.0.1:4566/",
            "http://127.9.9.9/",
            "http://[::1]:80/",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "https://sso.eu-west-1.amazonaws.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost:1/x",
            "http://LOCALHOST/",
            "http://localhost.example.com/",
            "http://10.0.0.1/",
            "http://127.1/",
            "not a url",
            "/",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
