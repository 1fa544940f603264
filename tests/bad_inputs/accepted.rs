//! Inputs that look wrong and are right: they must work, and come out again as they went in.

use serde_json::{Value, json};
use usher::domain::report::unguarded;
use usher::simulator::{Assignment, EnabledStatus, PrincipalType};

use crate::bench::{Bench, Setup, assign, with};

const ASSIGN: &str = "AccessService/Assign";
const LIST: &str = "AccessService/ListAssignments";

/// Group names that AWS takes (aws-api.md §2) and that break what quotes or escapes badly.
const NAMES: [&str; 12] = [
    "a \"quoted\", name",
    "two\nlines",
    "windows\r\nlines",
    "\tTab first",
    "=SUM(A1:A9)",
    "+1",
    "@everyone",
    "\u{ff1d}wide",
    "O'Brien; DROP TABLE grants; --",
    "数据团队 Ærøskøbing мир",
    "$1 {} %s \\n \\",
    "e\u{301}\u{1f469}\u{200d}\u{1f4bb}",
];

/// The cells of a CSV report: the header and the rows.
async fn csv_report(bench: &Bench, view: &str) -> (csv::StringRecord, Vec<csv::StringRecord>) {
    let request = json!({"view": view, "format": "REPORT_FORMAT_CSV"});
    let method = "AccessService/AuditReport";
    let answer = bench.call(method, request).await;
    assert_eq!(answer.code(), tonic::Code::Ok, "{:?}", answer.status());
    let text: String = answer
        .messages(method)
        .iter()
        .filter_map(|message| message["text"].as_str())
        .collect();
    let mut reader = csv::ReaderBuilder::new()
        .flexible(false)
        .from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    (header, reader.records().map(Result::unwrap).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_that_aws_takes_works_from_assign_to_report() {
    let mut setup = Setup::default();
    let (group, application) = (
        setup.world.groups[0].clone(),
        setup.world.applications[0].clone(),
    );
    for (number, name) in NAMES.iter().enumerate() {
        let mut group = group.clone();
        group.group_id = format!("d4e8f4a8-0000-4000-8000-0000000002{number:02}");
        group.display_name = (*name).to_owned();
        setup.world.groups.push(group);
        let mut application = application.clone();
        application.application_arn = application
            .application_arn
            .replace("apl-0123456789abcdef", &format!("apl-a{number:015}"));
        application.name = (*name).to_owned();
        setup.world.applications.push(application);
    }
    let bench = Bench::start(setup).await;
    for name in NAMES {
        let (principal, target) = (json!({"group": name}), json!({"application": name}));
        let message = with(assign(), json!({"principal": principal, "target": target}));
        let granted = bench.ok(ASSIGN, message).await;
        let grant = &granted["grant"];
        assert_eq!(grant["state"], "GRANT_STATE_ACTIVE", "{name:?}: {granted}");
        assert_eq!(grant["principal"]["name"], name);
        assert_eq!(grant["target"]["application_name"], name);
        let listed = bench
            .ok(LIST, json!({"principal": principal, "target": target}))
            .await;
        let row = &listed["assignments"][0];
        assert_eq!(
            (&row["principal"]["name"], &row["provenance"]),
            (&json!(name), &json!("PROVENANCE_GRANT"))
        );
        let found = bench
            .ok(
                "DirectoryService/ListPrincipals",
                json!({"principal": principal}),
            )
            .await;
        assert_eq!(found["principals"][0]["principal"]["name"], name, "{found}");
        let found = bench
            .ok("DirectoryService/ListApplications", json!({"name": name}))
            .await;
        assert_eq!(
            found["applications"].as_array().map(Vec::len),
            Some(1),
            "{found}"
        );
    }
    let (header, rows) = csv_report(&bench, "REPORT_VIEW_ASSIGNMENTS").await;
    let column = |name: &str| header.iter().position(|cell| cell == name).unwrap();
    for name in NAMES {
        let row = rows
            .iter()
            .find(|row| unguarded(&row[column("group_name")]) == name);
        let row = row.unwrap_or_else(|| panic!("{name:?} is not in the report"));
        assert_eq!(unguarded(&row[column("application_name")]), name);
    }
    let runs = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}']);
    assert!(
        !rows.iter().flatten().any(runs),
        "a cell that a spreadsheet would run"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_inert() {
    let bench = Bench::demo().await;
    let formula = "=cmd|'/c calc'!A1";
    let tickets = [
        "INC'; DROP TABLE grants; --",
        "$1",
        "%",
        "_",
        "\\",
        "{\"a\":1}",
    ];
    for ticket in tickets {
        let message = with(
            assign(),
            json!({"ticket": ticket, "justification": formula}),
        );
        let granted = bench.ok(ASSIGN, message).await;
        assert_eq!(granted["grant"]["justification"], formula);
        let listed = bench
            .ok("GrantService/ListGrants", json!({"ticket": ticket}))
            .await;
        let grants = listed["grants"].as_array().unwrap();
        assert_eq!(grants.len(), 1, "{ticket}");
        assert_eq!(grants[0]["ticket"], ticket);
    }
    let (header, rows) = csv_report(&bench, "REPORT_VIEW_ACCESS").await;
    let column = header
        .iter()
        .position(|cell| cell == "justification")
        .unwrap();
    let cells: Vec<&str> = rows
        .iter()
        .map(|row| &row[column])
        .filter(|cell| !cell.is_empty())
        .collect();
    assert!(!cells.is_empty());
    assert!(
        cells
            .iter()
            .all(|cell| cell.starts_with('\'') && unguarded(cell) == formula),
        "{cells:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_themselves_are_within() {
    let bench = Bench::demo().await;
    let longest = json!({
        "justification": "\u{1f600}".repeat(2000),
        "ticket": "\u{1f600}".repeat(256),
        "request_id": "r".repeat(128),
        "duration": format!("{}s", 36_525_i64 * 86_400),
    });
    let granted = bench.ok(ASSIGN, with(assign(), longest)).await;
    assert_eq!(granted["grant"]["state"], "GRANT_STATE_ACTIVE");
    let lines = with(
        assign(),
        json!({"justification": "two\nlines\tand a tab", "duration": "1s"}),
    );
    assert_eq!(
        bench.ok(ASSIGN, lines).await["grant"]["justification"],
        "two\nlines\tand a tab"
    );
    let mut endless = assign();
    endless.as_object_mut().unwrap().remove("duration");
    let granted = bench.ok(ASSIGN, endless).await;
    assert!(granted["grant"].get("end_time").is_none());
    for name in ["ANNA.BERG", "anna.berg@example.com"] {
        let found = json!({"principal": {"user": name}});
        let found = bench.ok("DirectoryService/ListPrincipals", found).await;
        assert_eq!(
            found["principals"][0]["principal"]["name"], "anna.berg",
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_application_is_given_with_a_warning() {
    let mut setup = Setup::default();
    setup.world.applications[0].status = EnabledStatus::Disabled;
    let bench = Bench::start(setup).await;
    for validate_only in [true, false] {
        let message = with(assign(), json!({"validate_only": validate_only}));
        let answer = bench.ok(ASSIGN, message).await;
        let types: Vec<&Value> = answer["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|warning| &warning["type"])
            .collect();
        assert!(
            types.contains(&&json!("WARNING_TYPE_APPLICATION_DISABLED")),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_was_there_outlives_its_grant() {
    let mut setup = Setup::default();
    let held = Assignment {
        application_arn: setup.world.applications[0].application_arn.clone(),
        principal_type: PrincipalType::User,
        principal_id: setup.world.users[0].user_id.clone(),
    };
    setup.world.assignments.push(held.clone());
    let bench = Bench::start(setup).await;
    let granted = bench.ok(ASSIGN, assign()).await;
    assert_eq!(granted["grant"]["standing"], "STANDING_YES", "{granted}");
    let revoke = json!({"grant_id": granted["grant"]["id"]});
    let revoked = bench.ok("AccessService/Revoke", revoke).await;
    assert_eq!(
        revoked["grants"][0]["state"], "GRANT_STATE_REVOKED",
        "{revoked}"
    );
    assert_eq!(
        revoked["assignment_state"], "ASSIGNMENT_STATE_PRESENT",
        "{revoked}"
    );
    assert!(bench.simulator.world().assignments.contains(&held));
}
