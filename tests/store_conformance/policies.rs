//! Policy sets are kept once by what they hold, every load is known, and one log has the events that
//! are about no assignment.

use usher::domain::{
    About, AccessDenied, LoadedBy, PolicyLoad, PolicyRefusal, PolicyTexts, ServiceEvent,
    ServiceFact, Unauthenticated,
};

use super::common::*;

fn load(text: &str, table: &str, second: i64, loaded_by: LoadedBy) -> PolicyLoad {
    let files = [("all.cedar", text), ("tests.toml", table)];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    PolicyLoad {
        version: format!("version of {text}"),
        texts: PolicyTexts(files.into()),
        loaded_by,
        loaded_at: at(second),
        directory: Some(format!("/policies/{second}")).filter(|_| second != 2),
    }
}

fn refusal(content: &str, second: i64) -> PolicyRefusal {
    PolicyRefusal {
        content_hash: content.to_owned(),
        problem_count: 2,
        refused_at: at(second),
    }
}

/// The kinds of all events, with the hash of texts where they have one.
async fn kinds(shelf: &Shelf) -> Vec<String> {
    let bodies = shelf.bodies().await;
    let told = bodies.iter().map(|body| {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", text("kind"), text("content_hash"))
    });
    told.collect()
}

pub(crate) async fn a_policy_set_is_kept_once_and_every_load_is_known(mut shelf: Shelf) {
    assert_eq!(shelf.store.last_policy_load().await.unwrap(), None);
    let loads = [
        load("a", "1", 1, LoadedBy::Start),
        // A restart: nothing changed.
        load("a", "1", 2, LoadedBy::Start),
        // Another table is another set, though its version is the same.
        load("a", "2", 3, LoadedBy::Reload),
        load("a", "1", 4, LoadedBy::Reload),
        // The same texts, and with another default limit another set.
        PolicyLoad {
            version: "with another limit".to_owned(),
            ..load("a", "1", 5, LoadedBy::Start)
        },
    ];
    for load in &loads {
        shelf.store.record_policy_load(load.clone()).await.unwrap();
        let last = shelf.store.last_policy_load().await.unwrap();
        assert_eq!(last.as_ref(), Some(load));
    }
    shelf.restart().await;
    let last = shelf.store.last_policy_load().await.unwrap();
    assert_eq!(last.as_ref(), Some(&loads[4]));
    let hash = |load: &PolicyLoad| load.texts.content_hash().unwrap();
    let (first, other) = (hash(&loads[0]), hash(&loads[2]));
    let changes = [&first, &other, &first, &first].map(|hash| format!("policy_loaded {hash}"));
    assert_eq!(kinds(&shelf).await, changes);
    let count = |table| shelf.count(table);
    assert_eq!(count("SELECT COUNT(*) FROM policy_sets").await, 2);
    assert_eq!(count("SELECT COUNT(*) FROM policy_loads").await, 5);
}

pub(crate) async fn a_set_that_does_not_load_is_told_once_until_one_loads(mut shelf: Shelf) {
    let told = |shelf: &Shelf, content: &str, second| {
        let (store, refusal) = (shelf.store.clone(), refusal(content, second));
        async move { store.record_policy_refusal(refusal).await.unwrap() }
    };
    assert!(told(&shelf, "broken", 1).await);
    assert!(!told(&shelf, "broken", 2).await);
    shelf.restart().await;
    assert!(!told(&shelf, "broken", 3).await);
    assert!(told(&shelf, "broken otherwise", 4).await);
    let good = load("a", "1", 5, LoadedBy::Reload);
    let hash = good.texts.content_hash().unwrap();
    shelf.store.record_policy_load(good).await.unwrap();
    assert!(told(&shelf, "broken", 6).await);
    let expected = [
        "policy_refused broken".to_owned(),
        "policy_refused broken otherwise".to_owned(),
        format!("policy_loaded {hash}"),
        "policy_refused broken".to_owned(),
    ];
    assert_eq!(kinds(&shelf).await, expected);
}

pub(crate) async fn refused_calls_stand_in_the_one_log_and_in_no_timeline(shelf: Shelf) {
    record(&*shelf.store, grant(1, &key(1, 1))).await;
    let before = shelf.store.grant_events(&grant_id(1), 10).await.unwrap();
    let denied = ServiceEvent {
        at: at(7),
        what: ServiceFact::AccessDenied(AccessDenied {
            caller: caller("portal"),
            subject: Some(caller("alice")),
            action: "ReadGrants",
            about: About {
                instance_arn: Some(instance()),
                grant_id: Some(grant_id(1)),
                ..About::default()
            },
            policies: Vec::new(),
            policy_version: "v".to_owned(),
            suppressed_count: 0,
        }),
    };
    let unauthenticated = ServiceEvent {
        at: at(8),
        what: ServiceFact::Unauthenticated(Unauthenticated {
            reason: "CREDENTIAL_MISSING",
            method: "/usher.v1.GrantService/GetGrant",
            issuer: None,
            has_certificate: true,
            suppressed_count: 5,
        }),
    };
    let events = vec![denied, unauthenticated];
    let texts: Vec<_> = events
        .iter()
        .map(|event| event.to_canonical_json().unwrap())
        .collect();
    shelf.store.record_service_events(events).await.unwrap();
    let written: Vec<_> = shelf.bodies().await;
    let written: Vec<_> = written.iter().map(ToString::to_string).collect();
    assert_eq!(written.len(), 3);
    assert_eq!(written[1..], texts);
    let after = shelf.store.grant_events(&grant_id(1), 10).await.unwrap();
    assert_eq!(after, before);
}
