//! For whom a call is made: what goes on when AWS does not answer, how soon groups that policies name
//! are seen, what a service must be permitted, and what nobody is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{Fault, FaultAction, World};

use crate::bench::{Bench, Client, PERMIT_ALL, check_refused};
use crate::certificates::{PORTAL, secured, secured_with};
use crate::signer::{Key, key_set};
use crate::tokens::{issuers, service_account};

const ASSIGN: &str = "AccessService/Assign";
const GET: &str = "GrantService/GetGrant";
const GRANTS: &str = "GrantService/ListGrants";
const REVOKE: &str = "AccessService/Revoke";
pub(crate) const REPORT: &str = "AccessService/AuditReport";
const WHO: &str = "DirectoryService/WhoAmI";
/// Engineers get what they want for themselves, and see and end it.
const ENGINEERS: &str = r#"
@id("asks") @approvals("0") @max_duration("none")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request", resource)
when { context.beneficiary_is_subject };
@id("own")
permit (principal in Usher::Group::"engineering",
  action in [Usher::Action::"ReadGrants", Usher::Action::"Revoke"], resource is Usher::Grant)
when { resource.beneficiary_is_subject };
"#;
/// What is known of people is read anew after a second, and kept for longer.
pub(crate) const SOON_OLD: &str = "[directory]\nmax_age_seconds = 1\n";
pub(crate) const SECOND: Duration = Duration::from_millis(1100);

/// A service without TLS, and a key whose tokens it takes.
pub(crate) struct Place {
    pub(crate) bench: Bench,
    pub(crate) client: Client,
    pub(crate) key: Key,
    _files: tempfile::TempDir,
}

async fn place(config: &str, policies: &str) -> Place {
    place_in(World::demo(), config, policies).await
}

pub(crate) async fn place_in(world: World, config: &str, policies: &str) -> Place {
    let (files, key) = (tempfile::tempdir().unwrap(), Key::new("key-1"));
    let jwks = files.path().join("keys.json");
    std::fs::write(&jwks, key_set(&[&key])).unwrap();
    let config = format!("{}{config}", issuers(&jwks));
    let bench = Bench::start_in(world, &config, policies).await;
    Place {
        client: bench.plain().await,
        bench,
        key,
        _files: files,
    }
}

impl Place {
    fn token(&self, user: &str) -> String {
        let claims = json!({"preferred_username": user, "sub": user, "azp": null});
        format!("Bearer {}", self.key.token(claims))
    }

    async fn call(&self, user: &str, method: &str, message: &Value) -> crate::wire::Answer {
        let token = self.token(user);
        let headers = [("authorization", token.as_str())];
        self.client.call(method, &headers, message).await
    }

    async fn who(&self, user: &str) -> Value {
        self.call(user, WHO, &json!({})).await.ok(WHO)
    }

    /// Asks until WhoAmI tells it, which is long before a quarter of an hour.
    async fn until(&self, user: &str, what: &str, is_so: impl Fn(&Value) -> bool) {
        let started = Instant::now();
        while !is_so(&self.who(user).await) {
            assert!(started.elapsed() < Duration::from_secs(30), "not {what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn end(self) {
        drop(self.client);
        self.bench.end().await;
    }
}

fn redshift(user: &str) -> Value {
    json!({
        "principal": {"user": user}, "target": {"application": "Amazon Redshift"},
        "duration": "3600s", "justification": "INC-42",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aws_that_does_not_answer_keeps_nobody_from_ending_what_is_theirs() {
    let faults = [
        (
            FaultAction::InternalError {
                after_effect: false,
            },
            Code::Unavailable,
        ),
        (FaultAction::DropBeforeEffect, Code::Unavailable),
        (FaultAction::Throttle, Code::ResourceExhausted),
    ];
    let place = place(SOON_OLD, ENGINEERS).await;
    for (fault, expected) in faults {
        let given = place
            .call("anna.berg", ASSIGN, &redshift("anna.berg"))
            .await;
        let id = given.ok(ASSIGN)["grant"]["id"].clone();
        tokio::time::sleep(SECOND).await;
        place.bench.simulator.add_fault(Fault::new("*", fault));
        let grant = json!({"grant_id": id});
        let seen = place.call("anna.berg", GET, &grant).await.ok(GET);
        assert_eq!(seen["grant"]["id"], id);
        // What is asked for waits for AWS: nobody gets anything by what was once so.
        let asked = place
            .call("anna.berg", ASSIGN, &redshift("anna.berg"))
            .await;
        assert_eq!(asked.code(), expected, "{:?}", asked.status());
        // Whoever nobody has seen is nobody: there is no guess.
        let unseen = place.call("bilal.khan", REVOKE, &grant).await;
        assert_eq!(unseen.code(), expected, "{:?}", unseen.status());
        let ended = place.call("anna.berg", REVOKE, &grant).await;
        assert_eq!(ended.code(), Code::Ok, "{:?}", ended.status());
        place.bench.simulator.clear_faults();
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_comes_or_is_renamed_is_seen_as_soon_as_a_member() {
    let forbid = r#"@id("not-them") forbid (principal in Usher::Group::"suspended",
      action == Usher::Action::"ReadDirectory", resource);"#;
    let place = place(SOON_OLD, &format!("{PERMIT_ALL}{forbid}")).await;
    let may_read = |told: &Value| {
        let actions = told["allowed_actions"].as_array();
        actions.is_some_and(|all| all.contains(&json!("ReadDirectory")))
    };
    assert!(may_read(&place.who("anna.berg").await));
    let calls = || place.bench.simulator.calls();
    let describes = |calls: Vec<usher::simulator::CallRecord>| {
        let describes = calls.iter().filter(|it| it.operation == "DescribeGroup");
        describes.count()
    };
    let before = describes(calls());
    place.bench.simulator.edit_world(|world| {
        let group = world.groups.iter_mut();
        let group = group
            .into_iter()
            .find(|it| it.display_name == "engineering");
        "suspended".clone_into(&mut group.unwrap().display_name);
    });
    place
        .until("anna.berg", "forbidden by name", |told| !may_read(told))
        .await;
    assert_eq!(place.who("anna.berg").await["groups"], json!(["suspended"]));
    place.bench.simulator.edit_world(|world| {
        let mut groups = world.groups.iter_mut();
        let group = groups.find(|it| it.display_name == "suspended");
        "engineering".clone_into(&mut group.unwrap().display_name);
    });
    place.until("anna.berg", "free again", may_read).await;
    assert_eq!(describes(calls()), before);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_user_went_after_it_was_read_has_none() {
    let place = place("[policy]\nreload_seconds = 1\n", PERMIT_ALL).await;
    let before = place.who("anna.berg").await;
    assert_eq!(before["user"]["name"], "anna.berg", "{before}");
    let id = before["user"]["id"].clone();
    place.bench.simulator.edit_world(|world| {
        world.users.retain(|user| id != user.user_id);
        world.memberships.retain(|row| id != row.user_id);
        world.assignments.retain(|row| id != row.principal_id);
    });
    // Now memberships count, which nobody has read yet: the record is not a minute old.
    let groups = r#"@id("x") forbid (principal in Usher::Group::"x", action, resource);"#;
    place.bench.write_policies(&format!("{PERMIT_ALL}{groups}"));
    place
        .until("casper.ghost", "in force", |told| {
            told["policy_version"] != before["policy_version"]
        })
        .await;
    let told = place.who("anna.berg").await;
    assert_eq!(told.get("user"), None, "{told}");
    assert!(told["unmatched_reason"].as_str().is_some(), "{told}");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_no_user_fits_is_named_with_the_issuer() {
    let policies = r#"
        @id("of-corp") permit (principal == Usher::Unmatched::"corp/casper",
          action == Usher::Action::"ReadDirectory", resource);
        @id("of-anybody") permit (principal == Usher::Unmatched::"casper",
          action == Usher::Action::"ReadAudit", resource);
    "#;
    let place = place("", policies).await;
    let told = place.who("casper").await;
    assert_eq!(told["allowed_actions"], json!(["ReadDirectory"]), "{told}");
    let mail = json!({"iss": "https://mail.example.com", "email": "casper", "azp": null});
    let token = format!("Bearer {}", place.key.token(mail));
    let told = place.client.who_am_i(&token).await;
    assert_eq!(told.get("allowed_actions"), None, "{told}");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_over_the_connection_of_a_service_needs_that_it_may_act() {
    let acts = |service: &str| {
        format!(
            "@id(\"acts\") permit (principal == Usher::Service::\"{service}\", \
             action == Usher::Action::\"ActFor\", resource in Usher::Group::\"engineering\") \
             when {{ context.subject_proven }};\n{ENGINEERS}"
        )
    };
    for (service, expected) in [("tickets", Code::PermissionDenied), ("portal", Code::Ok)] {
        let secured = secured_with("", &acts(service)).await;
        let portal = secured.connect("portal", PORTAL).await;
        let token = format!("Bearer {}", secured.key.token(json!({})));
        let person = [("authorization", token.as_str())];
        let answer = portal.call(WHO, &person, &json!({})).await;
        assert_eq!(answer.code(), expected, "{service}: {:?}", answer.status());
        let answer = portal.call(ASSIGN, &person, &redshift("anna.berg")).await;
        assert_eq!(answer.code(), expected, "{service}: {:?}", answer.status());
        if expected == Code::Ok {
            let grant = answer.ok(ASSIGN)["grant"].clone();
            assert_eq!(grant["requested_by"], "service:portal");
            let id = grant["principal"]["id"].as_str().unwrap();
            assert_eq!(grant["subject"], json!(format!("user:{id}")));
        } else {
            check_refused("portal", &answer, expected, "POLICY_DENIED");
        }
        // Without the service the token is the person's own.
        let itself = secured.connect_without().await;
        let answer = itself.call(WHO, &person, &json!({})).await;
        assert_eq!(answer.ok(WHO)["caller"], "person:corp:u-1");
        drop((portal, itself));
        secured.bench.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn persons_over_one_service_share_neither_request_ids_nor_page_tokens() {
    let secured = secured("").await;
    let portal = secured.connect("portal", PORTAL).await;
    let token = |user: &str| {
        let claims = json!({"preferred_username": user, "sub": user});
        format!("Bearer {}", secured.key.token(claims))
    };
    let (anna, bilal) = (token("anna.berg"), token("bilal.khan"));
    let mut ids = Vec::new();
    for (token, user) in [
        (&anna, "anna.berg"),
        (&bilal, "bilal.khan"),
        (&anna, "anna.berg"),
    ] {
        let mut message = redshift(user);
        message["request_id"] = json!("0191f3c2-0000-7000-8000-000000000001");
        let headers = [("authorization", token.as_str())];
        let answer = portal.call(ASSIGN, &headers, &message).await;
        ids.push(answer.ok(ASSIGN)["grant"]["id"].clone());
    }
    assert_eq!(ids[0], ids[2]);
    assert_ne!(ids[0], ids[1]);
    let list = |token: String, page: Value| {
        let portal = &portal;
        async move {
            let message = json!({"page_size": 1, "page_token": page});
            let headers = [("authorization", token.as_str())];
            portal.call(GRANTS, &headers, &message).await
        }
    };
    let first = list(anna.clone(), json!("")).await.ok(GRANTS);
    let page = first["next_page_token"].clone();
    assert_eq!(list(anna, page.clone()).await.code(), Code::Ok);
    let answer = list(bilal, page).await;
    check_refused("hers", &answer, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    drop(portal);
    secured.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_may_not_act_does_not_hear_who_exists() {
    let policies = format!(
        "@id(\"acts\") permit (principal == Usher::Service::\"portal\", \
         action == Usher::Action::\"ActFor\", resource in Usher::Group::\"engineering\");\n\
         @id(\"not-the-boss\") forbid (principal, action == Usher::Action::\"ActFor\", resource) \
         when {{ resource.name == \"the.boss\" }};\n{ENGINEERS}"
    );
    let place = place("", &policies).await;
    let service = format!("Bearer {}", place.key.token(service_account(json!({}))));
    let proof = place.key.token(json!({}));
    let nobodys_id = "d4e8f4a8-0000-4000-8000-0000000000ff";
    let mut told = Vec::new();
    for name in [
        "dmitri.orlov",
        "casper.ghost",
        "casper@example.com",
        nobodys_id,
        "the.boss",
    ] {
        let named = [
            ("authorization", service.as_str()),
            ("usher-on-behalf-of", name),
        ];
        let proven = [named[0], named[1], ("usher-subject-token", proof.as_str())];
        for headers in [&named[..], &proven[..]] {
            let answer = place.client.call(WHO, headers, &json!({})).await;
            check_refused(name, &answer, Code::PermissionDenied, "POLICY_DENIED");
            told.push(answer.status().message().to_owned());
        }
    }
    // A name that is forbidden to everybody is so, whether anybody has it or not.
    let (others, the_boss) = told.split_at(8);
    assert!(others.iter().all(|it| *it == told[0]), "{told:?}");
    assert!(the_boss.iter().all(|it| *it != told[0]), "{told:?}");
    let named = [
        ("authorization", service.as_str()),
        ("usher-on-behalf-of", "anna.berg"),
    ];
    let answer = place.client.call(WHO, &named, &json!({})).await;
    assert_eq!(answer.code(), Code::Ok);
    place.end().await;

    // Who may act for everybody hears that there is nobody, and that proof and name disagree.
    let place = self::place("", PERMIT_ALL).await;
    let service = format!("Bearer {}", place.key.token(service_account(json!({}))));
    let proof = place.key.token(json!({}));
    for headers in [
        &[("usher-on-behalf-of", "casper.ghost")][..],
        &[
            ("usher-on-behalf-of", "bilal.khan"),
            ("usher-subject-token", proof.as_str()),
        ],
    ] {
        let headers = [&[("authorization", service.as_str())], headers].concat();
        let answer = place.client.call(WHO, &headers, &json!({})).await;
        check_refused("nobody", &answer, Code::NotFound, "SUBJECT_NOT_FOUND");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_names_the_policy_that_could_not_be_evaluated() {
    let breaks = r#"@id("breaks") forbid (principal, action == Usher::Action::"ReadAudit", resource)
        when { context.now.offset(duration("9223372036854775807ms")) < context.now };"#;
    let place = place("", &format!("{PERMIT_ALL}{breaks}")).await;
    let report = json!({"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_ROWS"});
    let answer = place.call("anna.berg", REPORT, &report).await;
    check_refused("breaks", &answer, Code::PermissionDenied, "POLICY_DENIED");
    let details = format!("{:?}", answer.details());
    assert!(details.contains("breaks"), "{details}");
    place.end().await;
}
