//! Several instances, each with an identity store of its own: what one of them says of a subject, or
//! does not say, hides nothing of the others.

use serde_json::{Value, json};
use tonic::Code;
use usher::simulator::{EnabledStatus, Fault, FaultAction, World, WorldSizes};

use crate::bench::{PERMIT_ALL, check_refused};
use crate::subjects::{REPORT, SECOND, SOON_OLD, place_in};
use crate::tokens::service_account;

const LIST: &str = "DirectoryService/ListInstances";

/// An organization with an account instance, each with an identity store of its own, in which Usher
/// looks by roles; and a user of the first whom the second does not have.
fn two_stores() -> (World, [String; 2], [String; 2]) {
    let mut world = World::generate(
        7,
        &WorldSizes {
            accounts: 4,
            account_instances: 1,
            role_name: Some("usher-audit".to_owned()),
            role_external_id: Some("a-handshake".to_owned()),
            applications: 6,
            groups: 6,
            users: 12,
            permission_sets: 1,
            ..WorldSizes::default()
        },
    );
    let stores = [0, 1].map(|place: usize| world.instances[place].identity_store_id.clone());
    let here = world.users.iter_mut().filter(|user| {
        user.identity_store_id == stores[0] && user.user_status != Some(EnabledStatus::Disabled)
    });
    for (user, name) in here.zip(["only.here", "only.here.too"]) {
        name.clone_into(&mut user.user_name);
    }
    let arns = [0, 1].map(|place: usize| world.instances[place].instance_arn.clone());
    (world, arns, stores)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_store_that_does_not_know_a_subject_or_does_not_answer_hides_no_other() {
    let discovery = "[discovery]\nrole_name = \"usher-audit\"\nexternal_id = \"a-handshake\"\n\
        regions = [\"us-east-1\", \"eu-west-1\", \"ap-southeast-2\"]\n";
    let (world, [arn, other], stores) = two_stores();
    let place = place_in(world, &format!("{SOON_OLD}{discovery}"), PERMIT_ALL).await;
    let service = format!("Bearer {}", place.key.token(service_account(json!({}))));
    let ask = |method: &'static str, user: &'static str| {
        let headers = [
            ("authorization", service.clone()),
            ("usher-on-behalf-of", user.to_owned()),
        ];
        let message = if method == REPORT {
            json!({"view": "REPORT_VIEW_INSTANCES", "format": "REPORT_FORMAT_ROWS"})
        } else {
            json!({})
        };
        let place = &place;
        async move {
            let headers = [
                (headers[0].0, headers[0].1.as_str()),
                (headers[1].0, headers[1].1.as_str()),
            ];
            place.client.call(method, &headers, &message).await
        }
    };
    let itself = [("authorization", service.as_str())];
    let all = place.client.call(LIST, &itself, &json!({})).await.ok(LIST);
    assert_eq!(all["instances"].as_array().unwrap().len(), 2);

    let listed = ask(LIST, "only.here").await.ok(LIST);
    let listed = listed["instances"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["instance_arn"], json!(arn));
    let summary = |answer: &crate::wire::Answer| {
        let messages = answer.messages(REPORT);
        messages.last().unwrap()["summary"].clone()
    };
    let told = summary(&ask(REPORT, "only.here").await);
    assert_eq!(told["row_count"], json!("1"), "{told}");
    assert_eq!(told.get("missing"), None, "{told}");
    for method in [LIST, REPORT] {
        let nobody = ask(method, "nobody.anywhere").await;
        check_refused(method, &nobody, Code::NotFound, "SUBJECT_NOT_FOUND");
    }

    // The other store fails: that is told, and hides nothing else.
    let down = |store: &str| Fault {
        input: [("IdentityStoreId".to_owned(), json!(store))].into(),
        ..Fault::new(
            "GetUserId",
            FaultAction::InternalError {
                after_effect: false,
            },
        )
    };
    place.bench.simulator.add_fault(down(&stores[1]));
    tokio::time::sleep(SECOND).await;
    let listed = ask(LIST, "only.here").await.ok(LIST);
    assert_eq!(listed["instances"].as_array().unwrap().len(), 1);
    let told = summary(&ask(REPORT, "only.here.too").await);
    assert_eq!(told["row_count"], json!("1"), "{told}");
    let missing = told["missing"].as_array().unwrap();
    let is_other = |it: &Value| it["instance_arn"] == json!(other);
    assert!(missing.iter().any(is_other), "{told}");
    // Where no store answers there is nothing to tell.
    place.bench.simulator.add_fault(down(&stores[0]));
    let answer = ask(LIST, "not.asked.before").await;
    assert_eq!(answer.code(), Code::Unavailable, "{:?}", answer.status());
    place.end().await;
}
