//! Lists of grants: by what they have to do with who asks, by ticket, state and target, page by page.

use serde_json::{Value, json};
use tonic::Code;

use crate::place::{APPROVE, ASSIGN, DENY, GET, LIST, Place, refused, wish, word};

/// Everything that a list answers, one grant a page.
async fn paged(place: &Place, user: &str, message: &Value) -> Vec<Value> {
    let (mut found, mut message) = (Vec::new(), message.clone());
    message["page_size"] = json!(1);
    for _ in 0..50 {
        let page = place.call(user, LIST, &message).await.ok(LIST);
        let grants = page["grants"].as_array().cloned().unwrap_or_default();
        assert!(grants.len() <= 1);
        found.extend(grants.iter().map(|grant| grant["id"].clone()));
        match page["next_page_token"]
            .as_str()
            .filter(|token| !token.is_empty())
        {
            Some(token) => message["page_token"] = json!(token),
            None => return found,
        }
    }
    panic!("pages without end");
}

/// The same list whole and in pages.
async fn listed(place: &Place, user: &str, message: Value) -> Vec<Value> {
    let whole = place.listed(user, &message).await;
    assert_eq!(
        paged(place, user, &message).await,
        whole,
        "{user}: {message}"
    );
    whole
}

fn scope(name: &str) -> Value {
    json!({"scope": format!("GRANT_LIST_SCOPE_{name}")})
}

fn ids(grants: &[&Value]) -> Vec<Value> {
    grants.iter().map(|grant| grant["id"].clone()).collect()
}

async fn ask_with(place: &Place, user: &str, application: &str, ticket: &str) -> Value {
    let mut wanted = wish(user, application);
    wanted["ticket"] = json!(ticket);
    let answer = place.call(user, ASSIGN, &wanted).await.ok(ASSIGN);
    answer["grant"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_tell_what_grants_have_to_do_with_whom() {
    let place = Place::start().await;
    let one = ask_with(&place, "anna.berg", "Amazon Redshift", "INC-1").await;
    let two = ask_with(&place, "bilal.khan", "Amazon Redshift", "INC-2").await;
    let three = ask_with(&place, "anna.berg", "Amazon QuickSight", "INC-3").await;
    let mut wanted = wish("bilal.khan", "Amazon Redshift");
    wanted["ticket"] = json!("INC-4");
    let four = place.call("anna.berg", ASSIGN, &wanted).await.ok(ASSIGN)["grant"].clone();

    // Newest first; whoever asked for it or has it.
    let mine = listed(&place, "anna.berg", scope("MINE")).await;
    assert_eq!(mine, ids(&[&four, &three, &one]));
    let mine = listed(&place, "bilal.khan", scope("MINE")).await;
    assert_eq!(mine, ids(&[&four, &two]));
    assert_eq!(
        listed(&place, "anna.berg", scope("ALL")).await,
        ids(&[&four, &three, &one])
    );
    assert_eq!(listed(&place, "carla.mendes", scope("ALL")).await, ids(&[]));

    // Nobody can agree to their own.
    let can = listed(&place, "bilal.khan", scope("CAN_APPROVE")).await;
    assert_eq!(can, ids(&[&one]));
    let can = listed(&place, "carla.mendes", scope("CAN_APPROVE")).await;
    assert_eq!(can, ids(&[&four, &two, &one]));
    let can = listed(&place, "emi.sato", scope("CAN_APPROVE")).await;
    assert_eq!(can, ids(&[&four, &three, &two, &one]));
    assert_eq!(
        listed(&place, "anna.berg", scope("CAN_APPROVE")).await,
        ids(&[])
    );

    // Who has spoken has spoken, and sees what came of it.
    place.approve("carla.mendes", &one).await.ok(APPROVE);
    place.call("carla.mendes", DENY, &word(&two)).await.ok(DENY);
    let can = listed(&place, "carla.mendes", scope("CAN_APPROVE")).await;
    assert_eq!(can, ids(&[&four]));
    let said = listed(&place, "carla.mendes", scope("REVIEWED")).await;
    assert_eq!(said, ids(&[&two, &one]));
    assert_eq!(
        listed(&place, "emi.sato", scope("REVIEWED")).await,
        ids(&[])
    );
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_narrow_by_ticket_state_and_target() {
    let place = Place::start().await;
    let one = ask_with(&place, "anna.berg", "Amazon Redshift", "INC-1").await;
    let two = ask_with(&place, "anna.berg", "Amazon Redshift", "INC-2").await;
    let three = ask_with(&place, "anna.berg", "Amazon QuickSight", "INC-1").await;
    place.call("carla.mendes", DENY, &word(&two)).await.ok(DENY);
    let lists = [
        (json!({"ticket": "INC-1"}), ids(&[&three, &one])),
        (json!({"ticket": "INC-9"}), ids(&[])),
        (json!({"states": ["GRANT_STATE_DENIED"]}), ids(&[&two])),
        (
            json!({"states": ["GRANT_STATE_PENDING_APPROVAL", "GRANT_STATE_DENIED"]}),
            ids(&[&three, &two, &one]),
        ),
        (
            json!({"target": {"application": "Amazon Redshift"}}),
            ids(&[&two, &one]),
        ),
        (
            json!({"target": {"application": "Amazon Redshift"}, "ticket": "INC-1",
                "states": ["GRANT_STATE_PENDING_APPROVAL"], "scope": "GRANT_LIST_SCOPE_MINE"}),
            ids(&[&one]),
        ),
        (json!({"principal": {"user": "bilal.khan"}}), ids(&[])),
        (json!({"unreviewed_break_glass": true}), ids(&[])),
    ];
    for (message, expected) in lists {
        assert_eq!(
            listed(&place, "anna.berg", message.clone()).await,
            expected,
            "{message}"
        );
    }
    let narrowed = json!({"scope": "GRANT_LIST_SCOPE_CAN_APPROVE", "ticket": "INC-1"});
    assert_eq!(listed(&place, "dmitri.orlov", narrowed).await, ids(&[&one]));
    // A page's token is for its own list and its own reader.
    let first = json!({"page_size": 1});
    let page = place.call("anna.berg", LIST, &first).await.ok(LIST);
    let token = page["next_page_token"].clone();
    let other = json!({"page_size": 1, "page_token": token, "ticket": "INC-1"});
    let answer = place.call("anna.berg", LIST, &other).await;
    assert_eq!(answer.code(), Code::InvalidArgument);
    let same = json!({"page_size": 1, "page_token": token});
    let answer = place.call("bilal.khan", LIST, &same).await;
    assert_eq!(answer.code(), Code::InvalidArgument);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_turn_it_is_is_asked_and_who_is_asked_sees() {
    let place = Place::start().await;
    let asked = place.ask("anna.berg", "Amazon QuickSight").await;
    let get = json!({"grant_id": asked["id"]});
    // Before its turn the ticket system sees it, and is not asked.
    place.serve("tickets", &[], GET, &get).await.ok(GET);
    let can = scope("CAN_APPROVE");
    let tickets = || async {
        let answer = place.serve("tickets", &[], LIST, &can).await.ok(LIST);
        answer["grants"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(tickets().await, 0);
    assert_eq!(
        listed(&place, "emi.sato", can.clone()).await,
        ids(&[&asked])
    );
    place.call("emi.sato", GET, &get).await.ok(GET);
    place.approve("emi.sato", &asked).await.ok(APPROVE);
    assert_eq!(listed(&place, "emi.sato", can.clone()).await, ids(&[]));
    assert_eq!(tickets().await, 1);
    place
        .serve("tickets", &[], APPROVE, &word(&asked))
        .await
        .ok(APPROVE);
    assert_eq!(tickets().await, 0);
    // Who has nothing to do with it sees nothing at any time.
    let answer = place.call("dmitri.orlov", GET, &get).await;
    refused("a stranger", &answer, Code::NotFound, "GRANT_NOT_FOUND");
    place.bench.end().await;
}
