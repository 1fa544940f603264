//! Starts with policies that do not load: where a set of theirs was in force, it goes on, so that access
//! ends in time; everywhere else the start is refused as it always was.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use usher::cli::ServiceMode;
use usher::config::Config;

use crate::record::{ENGINEERS, OF_POLICIES, Place, READS, Running, SEEN_WITHIN, events};

const BROKEN: &str = "nothing of Cedar";
const ASSIGN: &str = "AccessService/Assign";

fn kinds(events: Vec<Value>) -> Vec<Value> {
    let events = events.into_iter();
    events.map(|mut event| event["kind"].take()).collect()
}

async fn refusal(place: &Place) -> String {
    let refused = place.start().await.err();
    refused.unwrap().to_string()
}

/// A start and an end, after which there is a set that was in force.
async fn version_of_a_good_start(place: &Place) -> String {
    let service = place.start().await.unwrap();
    let version = service.version().await;
    service.end().await;
    version
}

/// How a wish for so long is answered: none where it is granted.
async fn answer_to(service: &Running, seconds: u32) -> String {
    let wanted = json!({
        "principal": {"user": "anna.berg"}, "target": {"application": "Amazon Redshift"},
        "duration": format!("{seconds}s"), "justification": "INC-42", "validate_only": true,
    });
    service.ask(ASSIGN, wanted).await.reason()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_broken_policies_is_recorded_once_and_a_restart_changes_nothing() {
    let place = Place::new().await;
    let good = format!("{READS}{ENGINEERS}");
    place.write_policies(BROKEN);
    for _ in 0..2 {
        let refused = refusal(&place).await;
        assert!(refused.contains("do not load"), "{refused}");
        assert!(refused.contains("nothing stands in"), "{refused}");
    }
    let recorded = events(&place.data(), &OF_POLICIES, 1).await;
    assert_eq!(kinds(recorded), ["policy_refused"]);

    place.write_policies(&good);
    let first = version_of_a_good_start(&place).await;
    assert_eq!(version_of_a_good_start(&place).await, first);
    place.write_policies(BROKEN);
    for _ in 0..2 {
        assert_eq!(version_of_a_good_start(&place).await, first);
    }
    let recorded = events(&place.data(), &OF_POLICIES, 3).await;
    let expected = ["policy_refused", "policy_loaded", "policy_refused"];
    assert_eq!(kinds(recorded), expected);
    // The same version is in force again: no other set came between.
    place.write_policies(&good);
    assert_eq!(version_of_a_good_start(&place).await, first);
    events(&place.data(), &OF_POLICIES, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_broken_policies_decides_by_those_that_were_in_force_until_they_are_mended() {
    let place = Place::new().await;
    let first = version_of_a_good_start(&place).await;
    place.write_policies(BROKEN);
    let service = place.start().await.unwrap();
    assert_eq!(service.version().await, first);
    assert_eq!(answer_to(&service, 3600).await, "");
    assert_eq!(answer_to(&service, 3601).await, "PATH_LIMITS_EXCEEDED");
    let (code, told) = place.check().await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("missing  policies in "), "{told}");
    let in_force = format!("warning  policies in force: version {first} since ");
    assert!(told.contains(&in_force), "{told}");
    assert!(told.contains("a start goes on with this version"), "{told}");

    // Broken otherwise: the same. Mended: that is in force.
    place.write_policies(&format!("{BROKEN}, and more"));
    events(&place.data(), &OF_POLICIES, 3).await;
    assert_eq!(service.version().await, first);
    place.write_policies(&format!("{READS}{}", ENGINEERS.replace("1h", "2h")));
    let began = Instant::now();
    while service.version().await == first {
        assert!(began.elapsed() < SEEN_WITHIN);
    }
    assert_eq!(answer_to(&service, 3601).await, "");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_or_whose_table_fails_is_like_one_that_does_not_load() {
    let place = Place::new().await;
    let first = version_of_a_good_start(&place).await;
    let table = place.policies().join("tests.toml");
    let row = "[[test]]\nname = \"a\"\nsubject = { user = \"a\" }\naction = \"Operate\"\n";
    std::fs::write(&table, format!("{row}expect = \"allowed\"\n")).unwrap();
    assert_eq!(version_of_a_good_start(&place).await, first);
    // A table that held is a part of what was in force.
    std::fs::write(&table, format!("{row}expect = \"denied\"\n")).unwrap();
    assert_eq!(version_of_a_good_start(&place).await, first);
    std::fs::remove_dir_all(place.policies()).unwrap();
    assert_eq!(version_of_a_good_start(&place).await, first);
}

/// The configuration with something of it changed.
fn config_with(place: &Place, was: &str, is: &str) -> Config {
    let text = std::fs::read_to_string(place.config()).unwrap();
    assert!(text.contains(was), "{was}: {text}");
    toml::from_str(&text.replace(was, is)).unwrap()
}

async fn refused_as(place: &Place, mode: ServiceMode, config: Config, why: &str) {
    let refused = place.start_as(mode, config).await.err();
    let refused = refused.unwrap().to_string();
    assert!(refused.contains(why), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_set_of_the_same_folder_and_limits_stands_in_for_policies() {
    let place = Place::new().await;
    version_of_a_good_start(&place).await;
    place.write_policies(BROKEN);
    let mode = ServiceMode::Authenticated;

    let folder = place.policies().display().to_string();
    let other = place.files.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("all.cedar"), BROKEN).unwrap();
    let config = config_with(&place, &folder, &other.display().to_string());
    refused_as(&place, mode, config, "no set of this folder").await;

    let none = config_with(&place, &format!("directory = \"{folder}\""), "");
    refused_as(&place, mode, none, "written policies").await;

    let reload = "reload_seconds = 1\n";
    let limits = format!("{reload}duration_max_default = \"12h\"\n");
    let config = config_with(&place, reload, &limits);
    refused_as(&place, mode, config, "would not decide as it did").await;

    let bounds = "[policy.bounds]\npolicies_max = 1\n[limits]";
    let config = config_with(&place, "[limits]", bounds);
    refused_as(&place, mode, config, "does not load any more").await;

    // All of it as it was: it goes on.
    version_of_a_good_start(&place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developers_built_in_policies_stand_in_for_nothing() {
    let place = Place::new().await;
    place.write_policies(BROKEN);
    let written = Config::read(&place.config()).unwrap();
    let mut built_in = written.clone();
    built_in.policy.directory = None;
    built_in.authentication.issuers.clear();
    let service = place.start_as(ServiceMode::Development, built_in).await;
    service.unwrap().end().await;
    for mode in [ServiceMode::Development, ServiceMode::Authenticated] {
        let why = "no set of this folder";
        refused_as(&place, mode, written.clone(), why).await;
    }
    let (_, told) = place.check().await;
    assert!(told.contains("a start is refused, since no set"), "{told}");
    assert!(Path::new(&place.data()).exists());
}
