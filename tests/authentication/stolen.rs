//! A stolen certificate of the portal, without anybody's token: what its thief can do is what the
//! policies let the portal do on its word, and nothing else.

use serde_json::json;
use tonic::Code;

use crate::bench::{Client, check_refused};
use crate::certificates::{PORTAL, secured_with};

const ASSIGN: &str = "AccessService/Assign";
const GRANTS: &str = "GrantService/ListGrants";
const WHO: &str = "DirectoryService/WhoAmI";
/// People may do everything; the portal acts as the first line says.
const PEOPLE: &str = r#"
@id("asks") @approvals("0") @max_duration("none")
permit (principal is Usher::User, action == Usher::Action::"Request", resource);
@id("reads")
permit (principal is Usher::User, action in [Usher::Action::"Revoke", Usher::Action::"ReadGrants",
  Usher::Action::"ReadAssignments", Usher::Action::"ReadAudit", Usher::Action::"ReadDirectory"], resource);
"#;
const WITH_PROOF: &str = r#"
@id("acts") permit (principal == Usher::Service::"portal", action == Usher::Action::"ActFor", resource)
when { context.subject_proven };
"#;
const ON_ITS_WORD: &str = r#"
@id("acts") permit (principal == Usher::Service::"portal", action == Usher::Action::"ActFor",
  resource in Usher::Group::"engineering");
"#;
/// Everybody of the demo world who is enabled, and whether in `engineering`.
const EVERYBODY: [(&str, bool); 5] = [
    ("anna.berg", true),
    ("bilal.khan", true),
    ("carla.mendes", true),
    ("dmitri.orlov", false),
    ("emi.sato", false),
];

/// What the thief asks for in somebody's name, and the answers' codes.
async fn tried(thief: &Client, user: &str) -> Vec<Code> {
    let redshift = json!({
        "principal": {"user": user}, "target": {"application": "Amazon Redshift"},
        "duration": "3600s", "justification": "mine now",
    });
    let mut codes = Vec::new();
    for (method, message) in [(WHO, json!({})), (GRANTS, json!({})), (ASSIGN, redshift)] {
        let headers = [("usher-on-behalf-of", user)];
        codes.push(thief.call(method, &headers, &message).await.code());
    }
    codes
}

/// The portal itself sees nothing and is given nothing.
async fn check_itself(thief: &Client) {
    let listed = thief.call(GRANTS, &[], &json!({})).await;
    assert!(listed.ok(GRANTS).get("grants").is_none());
    let redshift = json!({
        "principal": {"user": "anna.berg"}, "target": {"application": "Amazon Redshift"},
        "duration": "3600s",
    });
    let answer = thief.call(ASSIGN, &[], &redshift).await;
    check_refused("itself", &answer, Code::PermissionDenied, "POLICY_DENIED");
    let report = json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS"});
    let answer = thief.call("AccessService/AuditReport", &[], &report).await;
    check_refused("a report", &answer, Code::NotFound, "INSTANCE_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_certificate_is_nobody_where_policy_wants_proof() {
    let secured = secured_with("", &format!("{WITH_PROOF}{PEOPLE}")).await;
    let thief = secured.connect("portal", PORTAL).await;
    for (user, _) in EVERYBODY {
        assert_eq!(
            tried(&thief, user).await,
            [Code::PermissionDenied; 3],
            "{user}"
        );
    }
    // The portal hears what is missing: its person's token, and not more rights of its person's.
    let headers = [("usher-on-behalf-of", "anna.berg")];
    let told = thief.call(GRANTS, &headers, &json!({})).await;
    assert!(told.status().message().contains("usher-subject-token"));
    let metadata = told.details().error_info().unwrap().metadata.clone();
    assert_eq!(metadata["header"], "usher-subject-token");
    assert_eq!(metadata["action"], "ActFor");
    check_itself(&thief).await;
    // Tokens that were given to others are no proof; one that Anna gave to the portal is, of Anna.
    let proof = |changes| async {
        let token = secured.key.token(changes);
        let headers = [("usher-subject-token", token.as_str())];
        thief.call(GRANTS, &headers, &json!({})).await
    };
    for azp in [json!("tickets-web"), json!(null)] {
        let answer = proof(json!({ "azp": azp })).await;
        check_refused(
            "foreign",
            &answer,
            Code::Unauthenticated,
            "CREDENTIAL_INVALID",
        );
    }
    assert_eq!(proof(json!({})).await.code(), Code::Ok);
    let token = secured.key.token(json!({}));
    let another = [
        ("usher-subject-token", token.as_str()),
        ("usher-on-behalf-of", "bilal.khan"),
    ];
    let answer = thief.call(GRANTS, &another, &json!({})).await;
    check_refused("another", &answer, Code::PermissionDenied, "POLICY_DENIED");
    let writes = secured.bench.simulator.calls();
    assert!(
        writes
            .iter()
            .all(|call| !call.operation.starts_with("Create"))
    );
    drop(thief);
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_certificate_is_exactly_whom_policy_lets_it_name() {
    let secured = secured_with("", &format!("{ON_ITS_WORD}{PEOPLE}")).await;
    let thief = secured.connect("portal", PORTAL).await;
    for (user, is_named) in EVERYBODY {
        let expected = if is_named {
            Code::Ok
        } else {
            Code::PermissionDenied
        };
        assert_eq!(tried(&thief, user).await, [expected; 3], "{user}");
    }
    check_itself(&thief).await;
    // What the thief took is written down as the portal's, for those whom it named.
    let headers = [("usher-on-behalf-of", "anna.berg")];
    let listed = thief.call(GRANTS, &headers, &json!({})).await.ok(GRANTS);
    let grants = listed["grants"].as_array().unwrap();
    assert_eq!(grants.len(), 3);
    for grant in grants {
        assert_eq!(grant["requested_by"], "service:portal");
        let id = grant["principal"]["id"].as_str().unwrap();
        assert_eq!(grant["subject"], format!("user:{id}"));
    }
    drop(thief);
    secured.bench.end().await;
}
