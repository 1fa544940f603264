//! The ways through the indexes: what is asked for often reads no table from end to end.

use sqlx::{AssertSqlSafe, Row as _};

use super::tests::open;
use crate::domain::grant::tests::grant;
use crate::domain::{Grant, GrantState, Operation, PrincipalRef};
use crate::store::sql::due::{self, Due};
use crate::store::sql::facts_write::key_behind;
use crate::store::sql::readings_rows::{Held, readings_query};
use crate::store::sql::{
    Sql, brake, counts, facts_compare, facts_lookup, facts_read, log_reads, mass_changes, reads,
    slots,
};
use crate::store::{
    GrantFilter, GrantScope, LogRange, OfSubject, ReadBy, ReadingKey, Store as _, WantedReadings,
    WorkKind,
};
use jiff::Timestamp;

/// How SQLite would go about each statement, one step a line.
async fn ways(statements: &[String]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let mut reader = store.sqlite_reader().await.unwrap();
    let mut ways = Vec::new();
    for statement in statements {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
            .fetch_all(&mut *reader)
            .await
            .unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        ways.push(steps.join("\n"));
    }
    drop(reader);
    store.close().await;
    ways
}

fn assert_way(way: &str, index: &str) {
    assert!(way.contains(&format!("INDEX {index} ")), "{index}:\n{way}");
    for table in ["SCAN grants", "SCAN assignments", "SCAN events", "SCAN a"] {
        let is_scan = way.lines().any(|step| step == table);
        assert!(!is_scan, "{table}:\n{way}");
    }
}

fn principal() -> PrincipalRef {
    grant(1, GrantState::Active).principal
}

#[tokio::test]
async fn scopes_use_indexes() {
    let sample = grant(1, GrantState::Active);
    let scope = GrantScope::Principal(principal());
    let grants = reads::open_grants_query(&sample.instance_arn, &scope);
    let records = reads::records_query(&sample.instance_arn, &scope);
    let ways = ways(&[grants.sql(), records.sql()]).await;
    assert_way(&ways[0], "grants_open_of_principal");
    assert_way(&ways[1], "assignments_of_principal");
}

/// Lists, and the index that each is to use.
fn lists(sample: &Grant) -> Vec<(GrantFilter, &'static str)> {
    let base = GrantFilter {
        instance: Some(sample.instance_arn.clone()),
        ..GrantFilter::default()
    };
    let states = vec![GrantState::Active, GrantState::Revoked];
    vec![
        (base.clone(), "grants_of_instance"),
        (
            GrantFilter {
                states: vec![GrantState::Revoked],
                ..base.clone()
            },
            "grants_of_state",
        ),
        (
            GrantFilter {
                states: states.clone(),
                ..base.clone()
            },
            "grants_of_state",
        ),
        (
            GrantFilter {
                states: states.clone(),
                principal: Some(principal()),
                ..base.clone()
            },
            "grants_of_principal",
        ),
        (
            GrantFilter {
                states: states.clone(),
                target: Some(sample.target.clone()),
                ..base.clone()
            },
            "grants_of_target",
        ),
        (
            GrantFilter {
                states: states.clone(),
                requested_by: Some("portal".to_owned()),
                ..base.clone()
            },
            "grants_of_requester",
        ),
        (
            GrantFilter {
                states,
                ticket: Some("T-1".to_owned()),
                ..base
            },
            "grants_of_ticket",
        ),
    ]
}

/// Lists by what grants have to do with people.
fn lists_of_people(sample: &Grant) -> Vec<(GrantFilter, &'static str)> {
    let base = GrantFilter {
        instance: Some(sample.instance_arn.clone()),
        ..GrantFilter::default()
    };
    vec![
        (
            GrantFilter {
                review_due: true,
                ..base.clone()
            },
            "grants_unreviewed",
        ),
        (
            GrantFilter {
                open_wish: true,
                ..base.clone()
            },
            "grants_wishes",
        ),
        (
            GrantFilter {
                reviewed_by: Some("user:1".to_owned()),
                ..base.clone()
            },
            "reviews_of_reviewer",
        ),
        (
            GrantFilter {
                of_subject: Some(OfSubject {
                    subject: "user:1".to_owned(),
                    user: Some(principal().id),
                }),
                ..base.clone()
            },
            "grants_of_subject",
        ),
    ]
}

#[tokio::test]
async fn lists_use_indexes_and_never_sort_a_whole_state() {
    let sample = grant(1, GrantState::Active);
    let mut filters = lists(&sample);
    filters.extend(lists_of_people(&sample));
    for after in [None, Some(&sample.id)] {
        let queries: Vec<_> = filters
            .iter()
            .map(|(filter, _)| reads::grants_query(filter, after, 10).sql())
            .collect();
        for (way, (_, index)) in ways(&queries).await.iter().zip(&filters) {
            assert_way(way, index);
            // Each state's page comes in order from the index; only the pages, each within the
            // limit, are put together by a sort.
            let steps: Vec<&str> = way.lines().collect();
            let sorts_rows = steps.windows(2).any(|pair| {
                pair[0].starts_with("SEARCH grants") && pair[1].contains("TEMP B-TREE")
            });
            assert!(!sorts_rows, "{way}");
        }
    }
}

#[tokio::test]
async fn due_work_and_events_use_indexes() {
    let sample = grant(1, GrantState::Active);
    let instances = [sample.instance_arn];
    let now = Timestamp::UNIX_EPOCH;
    let due_of = |kind, due| due::due_query(&instances[0], true, now, 8, kind, due).sql();
    let ways = ways(&[
        due_of(WorkKind::Rest, Due::Ends),
        due_of(WorkKind::Rest, Due::All),
        due::NEXT_DUE.to_owned(),
        due::DUE_COUNT.to_owned(),
        reads::EVENTS_OF_GRANT.to_owned(),
        slots::full_query(&instances, 9).sql(),
        slots::PENDING.to_owned(),
        brake::UNDER_WAY.to_owned(),
        brake::WAITING.to_owned(),
        mass_changes::BENEFICIARIES.to_owned(),
        due_of(WorkKind::Asked, Due::Ends),
    ])
    .await;
    assert_way(&ways[0], "assignments_ends");
    assert_way(&ways[1], "assignments_due");
    assert_way(&ways[2], "assignments_due");
    assert!(!ways[2].contains("TEMP B-TREE"), "{}", ways[2]);
    assert_way(&ways[3], "assignments_due");
    assert!(ways[3].contains("COVERING INDEX"), "{}", ways[3]);
    assert_way(&ways[4], "events_of_grant");
    assert!(!ways[4].contains("TEMP B-TREE"), "{}", ways[4]);
    assert_way(&ways[5], "assignments_outstanding");
    assert_way(&ways[6], "assignments_outstanding");
    assert_way(&ways[7], "assignments_intended");
    assert_way(&ways[8], "assignments_frozen");
    assert_way(&ways[10], "assignments_due");
    assert_way(&ways[9], "grants_beneficiaries");
    assert!(!ways[9].contains("TEMP B-TREE"), "{}", ways[9]);
}

#[tokio::test]
async fn grants_are_counted_from_indexes_without_those_that_are_over() {
    let statements = [
        (
            Sql::both(counts::BEGINNING),
            "COVERING INDEX grants_beginning",
        ),
        (counts::ACTIVE, "COVERING INDEX grants_ends"),
        (counts::REVOKING, "COVERING INDEX grants_endings"),
        (
            counts::OVERDUE_ACTIVE,
            "COVERING INDEX grants_ends (end_at<?)",
        ),
        (
            counts::OVERDUE_REVOKING,
            "COVERING INDEX grants_endings (ending_at<?)",
        ),
        // A few grants at any time, each looked up.
        (counts::WISHES, "INDEX grants_wishes"),
    ];
    let ways = ways(&statements.map(|(sql, _)| sql.sqlite.to_owned())).await;
    for (way, (_, index)) in ways.iter().zip(statements) {
        assert!(way.contains(index), "{index}:\n{way}");
        assert!(!way.contains("TEMP B-TREE"), "{way}");
    }
}

#[tokio::test]
async fn the_log_is_read_by_its_places_times_and_grants() {
    let sql = |range: &LogRange| log_reads::records_query(range, 10).sql();
    let by_time = LogRange {
        after: 5,
        from: Some(Timestamp::UNIX_EPOCH),
        grant_id: None,
    };
    let by_grant = LogRange {
        grant_id: Some(grant(1, GrantState::Active).id),
        ..LogRange::default()
    };
    let ways = ways(&[
        sql(&LogRange::default()),
        sql(&by_time),
        sql(&by_grant),
        log_reads::BEFORE.sqlite.to_owned(),
    ])
    .await;
    assert_way(&ways[0], "events_chained");
    assert_way(&ways[1], "events_chained");
    assert!(ways[1].contains("INDEX events_by_time "), "{}", ways[1]);
    assert_way(&ways[2], "events_about_grant");
    assert!(ways[3].contains("INDEX events_chained"), "{}", ways[3]);
    let is_sorted = |way: &String| way.contains("TEMP B-TREE");
    assert!(!ways[..3].iter().any(is_sorted), "{ways:#?}");
}

#[tokio::test]
async fn facts_are_read_in_the_order_of_an_index() {
    let ways = ways(&[
        facts_read::FACTS_OF_KIND.sqlite.to_owned(),
        facts_read::FACTS_OF.sqlite.to_owned(),
        facts_read::FACTS_WITH.sqlite.to_owned(),
        facts_compare::CHANGES.sqlite.to_owned(),
        facts_compare::INTERVALS.sqlite.to_owned(),
        facts_compare::SPANS.sqlite.to_owned(),
        facts_lookup::GRANTS_OF_IDS.sqlite.to_owned(),
        facts_lookup::FACTS_OF_KEYS.sqlite.to_owned(),
        key_behind(1, &Default::default(), None, 9).sql(),
    ])
    .await;
    let keys = [
        "PRIMARY KEY (instance=? AND kind=? AND (key,second_key)>(?,?))",
        "PRIMARY KEY (instance=? AND kind=? AND key=? AND second_key>?)",
        "INDEX facts_second (instance=? AND kind=? AND second_key=? AND key>?)",
        "PRIMARY KEY (instance=? AND kind=? AND (key,second_key)>(?,?))",
        "PRIMARY KEY (instance=? AND kind=? AND (key,second_key,from_collection)>(?,?,?))",
        "INDEX facts_second (instance=? AND kind=? AND second_key=?)",
        "g USING INDEX sqlite_autoindex_grants_1 (id=?)",
        "f USING PRIMARY KEY (instance=? AND kind=? AND key=? AND second_key=? AND from_collection<?)",
        "PRIMARY KEY (instance=? AND (kind,key,second_key)>(?,?,?))",
    ];
    for (way, keys) in ways.iter().zip(keys) {
        assert!(way.contains(keys), "{way}");
        assert!(!way.contains("TEMP B-TREE"), "{way}");
    }
}

#[tokio::test]
async fn which_readings_there_are_is_told_without_their_contents() {
    let instance = grant(1, GrantState::Active).instance_arn;
    let after = ReadingKey {
        operation: Operation::ListUsers,
        about: String::new(),
    };
    let held = Held {
        process: "this".to_owned(),
        runs: Vec::new(),
    };
    let question = |by, after| {
        let since = Timestamp::UNIX_EPOCH;
        let wanted = WantedReadings { since, by };
        let question = readings_query(&instance, wanted, &held, after, 9).unwrap();
        question.sql()
    };
    let ways = ways(&[
        question(ReadBy::Anybody, None),
        question(ReadBy::Interrupted, Some(&after)),
    ])
    .await;
    for way in &ways {
        let index = "SEARCH p USING COVERING INDEX reading_pages_whole (instance=?";
        assert!(way.contains(index), "{way}");
        assert!(
            !way.contains("GROUP BY") && !way.contains("ORDER BY"),
            "{way}"
        );
    }
    assert!(ways[1].contains("(operation,about)>(?,?)"), "{}", ways[1]);
}
