//! What others keep outside of Usher, by rules of the configuration: lists and reports say so, a grant
//! still counts, and adoption leaves it alone.

use std::process::Command;

use serde_json::{Value, json};
use usher::grpc::call::Caller;

use crate::adoption::put;
use crate::place::{POLICIES, Place, wish};

const ADOPT: &str = "GrantService/AdoptAssignments";
const ASSIGNMENTS: &str = "AccessService/ListAssignments";
const READERS: &str = r#"
@id("security-reads")
permit (principal in Usher::Group::"security",
  action in [Usher::Action::"ReadAssignments", Usher::Action::"ReadAudit"], resource);
@id("engineering-ends-assignments")
permit (principal in Usher::Group::"engineering", action == Usher::Action::"Revoke", resource is Usher::Assignment);
"#;
/// Terraform keeps what bilal has; every other access to the Wiki is the portal's.
const RULES: &str = r#"
    [[external_assignments]]
    owner = "terraform"
    user = "bilal.*"
    [[external_assignments]]
    owner = "the portal"
    application = "Wiki"
"#;

async fn place() -> Place {
    let place = Place::start_configured(&format!("{POLICIES}{READERS}"), RULES).await;
    place.bench.simulator.edit_world(|world| {
        world.assignments.clear();
        world.account_assignments.clear();
        put(world, "bilal.khan", "Wiki");
        put(world, "carla.mendes", "Wiki");
        put(world, "anna.berg", "Amazon Redshift");
    });
    place
}

/// User name, provenance and owner of the rows that are asked for.
async fn listed(place: &Place, message: Value) -> Vec<[String; 3]> {
    let answer = place.call("emi.sato", ASSIGNMENTS, &message).await;
    let answer = answer.ok(ASSIGNMENTS);
    let rows = answer["assignments"].as_array().cloned();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        [
            text(&row["principal"]["name"]),
            text(&row["provenance"]),
            text(&row["external_owner"]),
        ]
    };
    let mut rows: Vec<_> = rows.unwrap_or_default().iter().map(row).collect();
    rows.sort();
    rows
}

/// User name and provenance of a report's rows.
async fn reported(place: &Place, view: &str) -> Vec<[String; 2]> {
    let url = format!("http://{}", place.bench.address);
    let caller = Caller::connect(url, place.person("emi.sato"))
        .await
        .unwrap();
    let message = json!({"view": view, "format": "REPORT_FORMAT_CSV"}).to_string();
    let answers = caller.call("AccessService/AuditReport", &message).await;
    let texts: String = (answers.unwrap().iter())
        .filter_map(|part| part.value["text"].as_str().map(str::to_owned))
        .collect();
    let mut reader = csv::Reader::from_reader(texts.as_bytes());
    let header = reader.headers().unwrap().clone();
    let place_of = |name| header.iter().position(|it| it == name).unwrap();
    let (user, group, provenance) = (
        place_of("user_name"),
        place_of("group_name"),
        place_of("provenance"),
    );
    let rows = reader.records().map(|row| row.unwrap());
    let rows = rows.filter(|row| row[group].is_empty() && !row[provenance].is_empty());
    let mut rows: Vec<_> = rows
        .map(|row| [row[user].to_owned(), row[provenance].to_owned()])
        .collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_keep_is_told_with_its_owner() {
    let place = place().await;
    // Names of people are known once they were read.
    let wiki = || json!({"target": {"application": "Wiki"}});
    for user in ["bilal.khan", "carla.mendes"] {
        let message = json!({"principal": {"user": user}});
        let answer = place.call("emi.sato", ASSIGNMENTS, &message).await;
        answer.ok(ASSIGNMENTS);
    }
    let rows = listed(&place, wiki()).await;
    assert_eq!(
        rows,
        [
            ["bilal.khan", "PROVENANCE_EXTERNAL", "terraform"],
            ["carla.mendes", "PROVENANCE_EXTERNAL", "the portal"],
        ]
    );
    let redshift = json!({"principal": {"user": "anna.berg"}});
    let rows = listed(&place, redshift).await;
    assert_eq!(rows, [["anna.berg", "PROVENANCE_UNRECORDED", ""]]);
    let only = |provenance: &str| {
        let mut message = wiki();
        message["provenance"] = json!([provenance]);
        message
    };
    assert_eq!(listed(&place, only("PROVENANCE_EXTERNAL")).await.len(), 2);
    assert_eq!(listed(&place, only("PROVENANCE_UNRECORDED")).await.len(), 0);
    // A report of all access is the first collection that sees everything.
    for (view, otherwise) in [
        ("REPORT_VIEW_ASSIGNMENTS", "UNRECORDED"),
        ("REPORT_VIEW_ACCESS", "STANDING"),
    ] {
        assert_eq!(
            reported(&place, view).await,
            [
                ["anna.berg", otherwise],
                ["bilal.khan", "EXTERNAL"],
                ["carla.mendes", "EXTERNAL"],
            ]
        );
    }

    // A grant that holds it still counts.
    let grant = place.ask("bilal.khan", "Wiki").await;
    place
        .until("bilal.khan", &grant, "GRANT_STATE_ACTIVE")
        .await;
    let rows = listed(&place, only("PROVENANCE_GRANT")).await;
    assert_eq!(rows, [["bilal.khan", "PROVENANCE_GRANT", ""]]);
    let rows = reported(&place, "REPORT_VIEW_ASSIGNMENTS").await;
    assert_eq!(rows[1], ["bilal.khan", "GRANT"]);
    // It stood before, and is Terraform's again when the grant is over.
    place.later(2 * 3600);
    place
        .until("bilal.khan", &grant, "GRANT_STATE_EXPIRED")
        .await;
    let rows = listed(&place, wiki()).await;
    assert_eq!(rows[0], ["bilal.khan", "PROVENANCE_EXTERNAL", "terraform"]);
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_keep_is_not_taken_over() {
    let place = place().await;
    let rows = ["bilal.khan", "carla.mendes", "anna.berg"].map(|user| wish(user, "Wiki"));
    for validate_only in [true, false] {
        let message = json!({"adoptions": rows, "validate_only": validate_only});
        let answer = place.call("anna.berg", ADOPT, &message).await.ok(ADOPT);
        for (row, owner) in [(0, "terraform"), (1, "the portal")] {
            let result = &answer["results"][row];
            assert_eq!(result["error_reason"], "EXTERNALLY_OWNED", "{result}");
            let told = result["error_message"].as_str().unwrap();
            assert!(told.starts_with(owner), "{told}");
            assert_eq!(result["outcome"], "ADOPTION_OUTCOME_REFUSED");
        }
        // Of what is not there nothing is said.
        assert_eq!(answer["results"][2]["error_reason"], "ASSIGNMENT_NOT_FOUND");
    }
    place.bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_without_a_server_knows_the_rules_too() {
    let place = place().await;
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("usher.toml");
    std::fs::write(&config, RULES).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .args(["audit", "--view", "assignments", "--per-second", "1000"])
        .env_clear()
        .env("USHER_CONFIG", &config)
        .env("AWS_ENDPOINT_URL", place.bench.simulator.endpoint_url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "simulated")
        .env("AWS_SECRET_ACCESS_KEY", "simulated");
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let report = String::from_utf8(run.await.unwrap().stdout).unwrap();
    for (user, provenance) in [("bilal.khan", ",EXTERNAL,"), ("anna.berg", ",UNRECORDED,")] {
        let row = report.lines().find(|line| line.contains(user));
        assert!(row.is_some_and(|row| row.contains(provenance)), "{report}");
    }
    place.bench.end().await;
}
