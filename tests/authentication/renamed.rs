//! A user is renamed to another's name: names find users, and from then on only ids count.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::World;

use crate::bench::{Bench, Client, check_refused};
use crate::signer::{Key, key_set};
use crate::tokens::issuers;

const GRANTS: &str = "GrantService/ListGrants";
const GET: &str = "GrantService/GetGrant";
const REVOKE: &str = "AccessService/Revoke";
const WHO: &str = "DirectoryService/WhoAmI";
/// Everybody gets what they want for themselves, and sees and ends what is theirs. Redshift is only
/// for Anna's user, by id.
const OWN: &str = r#"
@id("for-anna") @approvals("0") @max_duration("none")
permit (principal == Usher::User::"d4e8f4a8-0000-4000-8000-000000000001",
  action == Usher::Action::"Request", resource is Usher::Application)
when { context.beneficiary_is_subject && resource.name == "Amazon Redshift" };
@id("for-engineers") @approvals("0") @max_duration("none")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Request", resource is Usher::Application)
when { context.beneficiary_is_subject && resource.name == "Amazon QuickSight" };
@id("own")
permit (principal, action in [Usher::Action::"ReadGrants", Usher::Action::"Revoke"], resource is Usher::Grant)
when { resource.beneficiary_is_subject || resource.requested_by_subject };
"#;
/// Facts about users live for the shortest time that may be configured.
const SHORT: &str = "[directory]\nkept_seconds = 1\nmax_age_seconds = 1\n\
    accounts_max_age_seconds = 1\nmiss_max_age_seconds = 1\n";

/// Who has a token with the user name, and calls.
struct Person<'a> {
    client: &'a Client,
    bearer: String,
}

impl Person<'_> {
    async fn call(&self, method: &str, message: &Value) -> crate::wire::Answer {
        let headers = [("authorization", self.bearer.as_str())];
        self.client.call(method, &headers, message).await
    }

    /// The id of the user that the token stands for now; null for none.
    async fn user_id(&self) -> Value {
        self.call(WHO, &json!({})).await.ok(WHO)["user"]["id"].clone()
    }

    async fn until_user_is(&self, id: &Value) {
        let started = Instant::now();
        while self.user_id().await != *id {
            assert!(started.elapsed() < Duration::from_secs(30), "not {id}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks for an application for the user of this id.
    async fn assign(&self, user: &Value, application: &str) -> crate::wire::Answer {
        let message = json!({
            "principal": {"user": user}, "target": {"application": application},
            "duration": "3600s",
        });
        self.call("AccessService/Assign", &message).await
    }
}

fn person<'a>(client: &'a Client, key: &Key, user_name: &str) -> Person<'a> {
    let token = key.token(json!({"preferred_username": user_name, "sub": user_name, "azp": null}));
    Person {
        client,
        bearer: format!("Bearer {token}"),
    }
}

fn rename(world: &mut World, from: &str, to: &str) {
    let user = world.users.iter_mut().find(|user| user.user_name == from);
    to.clone_into(&mut user.unwrap().user_name);
}

async fn bench(config: &str) -> (Bench, Key, tempfile::TempDir) {
    let (files, key) = (tempfile::tempdir().unwrap(), Key::new("key-1"));
    let jwks = files.path().join("keys.json");
    std::fs::write(&jwks, key_set(&[&key])).unwrap();
    let bench = Bench::start_with(&format!("{}{config}", issuers(&jwks)), OWN).await;
    (bench, key, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_renamed_to_another_gains_nothing_of_the_other() {
    let (bench, key, _files) = bench(SHORT).await;
    let client = bench.plain().await;
    let world = bench.simulator.world();
    let id = |name: &str| json!(world.user_named(name).unwrap().user_id);
    let (anna, dmitri) = (id("anna.berg"), id("dmitri.orlov"));
    let named_anna = person(&client, &key, "anna.berg");
    let given = named_anna.assign(&anna, "Amazon Redshift").await;
    let grant = given.ok("AccessService/Assign")["grant"].clone();
    assert_eq!(
        grant["subject"],
        json!(format!("user:{}", anna.as_str().unwrap()))
    );

    bench.simulator.edit_world(|world| {
        rename(world, "anna.berg", "anna.berg.gone");
        rename(world, "dmitri.orlov", "anna.berg");
    });
    // Whoever the issuer calls so is now Dmitri's user: he has his own ids and groups, not hers.
    named_anna.until_user_is(&dmitri).await;
    let the_grant = json!({"grant_id": grant["id"]});
    for (method, message) in [(GET, &the_grant), (REVOKE, &the_grant)] {
        let answer = named_anna.call(method, message).await;
        check_refused(method, &answer, Code::NotFound, "GRANT_NOT_FOUND");
    }
    let listed = named_anna.call(GRANTS, &json!({})).await.ok(GRANTS);
    assert!(listed.get("grants").is_none(), "{listed}");
    for application in ["Amazon Redshift", "Amazon QuickSight"] {
        for user in [&anna, &dmitri] {
            let answer = named_anna.assign(user, application).await;
            check_refused(
                application,
                &answer,
                Code::PermissionDenied,
                "POLICY_DENIED",
            );
        }
    }
    // His own old name is nobody's, and takes nothing along.
    let named_dmitri = person(&client, &key, "dmitri.orlov");
    assert_eq!(named_dmitri.user_id().await, json!(null));
    let answer = named_dmitri.call(GET, &the_grant).await;
    check_refused("the old name", &answer, Code::NotFound, "GRANT_NOT_FOUND");

    // Her grant is still hers, by her id, under whatever name: she sees it, has more, and ends it.
    let renamed = person(&client, &key, "anna.berg.gone");
    assert_eq!(renamed.user_id().await, anna);
    let seen = renamed.call(GET, &the_grant).await.ok(GET)["grant"].clone();
    assert_eq!(seen["subject"], grant["subject"]);
    assert_eq!(seen["principal"]["id"], anna);
    let more = renamed.assign(&anna, "Amazon QuickSight").await;
    assert_eq!(more.code(), Code::Ok, "{:?}", more.status());
    assert_eq!(renamed.call(REVOKE, &the_grant).await.code(), Code::Ok);
    drop(client);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_while_after_a_rename_a_token_is_whom_it_was_before_and_nobody_else() {
    let (bench, key, _files) = bench("").await;
    let client = bench.plain().await;
    let world = bench.simulator.world();
    let anna = json!(world.user_named("anna.berg").unwrap().user_id);
    let (named_anna, named_dmitri) = (
        person(&client, &key, "anna.berg"),
        person(&client, &key, "dmitri.orlov"),
    );
    assert_eq!(named_anna.user_id().await, anna);
    bench.simulator.edit_world(|world| {
        rename(world, "anna.berg", "anna.berg.gone");
        rename(world, "dmitri.orlov", "anna.berg");
    });
    // Facts behind changes are at most a minute old, and this is sooner. Whom nobody asked about
    // before is looked up now.
    assert_eq!(named_anna.user_id().await, anna);
    assert_eq!(named_dmitri.user_id().await, json!(null));
    // A name in a request is always looked up: it means whoever has it now, and that is not her.
    let answer = named_anna
        .assign(&json!("anna.berg"), "Amazon Redshift")
        .await;
    check_refused("by name", &answer, Code::PermissionDenied, "POLICY_DENIED");
    drop(client);
    bench.end().await;
}
