//! What is copied: each table of the PostgreSQL store, and where its rows lie in SQLite. A table or column that is not
//! named here is lost by a copy; tests/copy/columns.rs and the test below compare this list with the schemas.

/// A table, and where its rows come from.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name in PostgreSQL.
    pub(super) name: &'static str,
    /// Where its rows lie in SQLite: a table, with a condition where it holds those of another one too.
    pub(super) source: &'static str,
    /// The columns that both have.
    pub(super) columns: &'static str,
    /// Columns that PostgreSQL alone has, with what stands in them: short plain texts and numbers.
    pub(super) constants: &'static [(&'static str, &'static str)],
    /// In which order rows are copied and compared: its key.
    pub(super) key: &'static str,
    /// The column whose values the database numbers.
    pub(super) numbered: Option<&'static str>,
}

impl Table {
    /// One whose rows are a table's of the same name.
    const fn same(name: &'static str, columns: &'static str, key: &'static str) -> Self {
        Self {
            name,
            source: name,
            columns,
            constants: &[],
            key,
            numbered: None,
        }
    }

    /// The same, with numbers of the database's own.
    const fn numbered(self, column: &'static str) -> Self {
        Self {
            numbered: Some(column),
            ..self
        }
    }

    /// Every column of its rows, those that PostgreSQL alone has last.
    pub(super) fn all_columns(&self) -> String {
        let mut columns = self.columns.to_owned();
        for (column, _) in self.constants {
            columns.push_str(", ");
            columns.push_str(column);
        }
        columns
    }
}

/// The key of an assignment.
macro_rules! assignment_key {
    () => {
        "instance_arn, target_kind, target, principal_type, principal_id"
    };
}

/// Every table, those that others refer to first.
pub(super) const TABLES: [Table; 23] = [
    Table::same(
        "assignments",
        concat!(
            assignment_key!(),
            ", standing, standing_seen_at, last_create_at, create_acknowledged, create_seen, last_delete_at, \
             removal_by, removal_reason, removal_at, removed_at, recheck_at, next_attempt_at, end_due_at, \
             failed_attempts, refusing_since, last_failure, version, lease_holder, lease_until, failed_operations, \
             pending_write, pending_since, pending_request_id, asynchronous_slot, pending_own_before, frozen_write, \
             intended_write, work_kind, gone_at"
        ),
        assignment_key!(),
    ),
    Table::same(
        "grants",
        concat!(
            "id, ",
            assignment_key!(),
            ", state, people_count, requested_by, subject, justification, ticket, policies, policy_version, \
             duration_microseconds, created_at, started_at, end_at, ended_at, ending_kind, ending_by, ending_reason, \
             ending_at, failure, version, service, subject_proven, known_as, paths, break_glass, review_due, \
             adopted_from, owner, start_asked_at, lapses_at, look_at, extension, extension_count"
        ),
        "id",
    ),
    Table::same(
        "reviews",
        "grant_id, round, reviewer, vouched_by, caller, service, decision, subject_proven, digest, reason, \
         reviewed_at",
        "grant_id, round, reviewer, vouched_by",
    ),
    Table::same(
        "requests",
        concat!(
            "caller, subject, request_id, content_hash, grant_ids, ",
            assignment_key!(),
            ", used_at"
        ),
        "caller, subject, request_id",
    ),
    Table::same("names", "kind, id, name, seen_at", "kind, id"),
    Table::same("secrets", "name, value", "name"),
    Table::same("policy_sets", "content_hash, version, texts", "content_hash"),
    Table::same(
        "policy_loads",
        "sequence, content_hash, loaded_by, loaded_at, directory, version",
        "sequence",
    )
    .numbered("sequence"),
    Table::same(
        "policy_refusals",
        "last_load, content_hash, problem_count, refused_at",
        "last_load, content_hash",
    ),
    Table::same(
        "freezes",
        "instance_arn, what, frozen_by, reason, frozen_at",
        "instance_arn, what",
    ),
    Table::same(
        "lifted_freezes",
        "instance_arn, what",
        "instance_arn, what",
    ),
    Table::same(
        "mass_changes",
        "id, instance_arn, state, found_at, watched_count, confirmed_by, reason",
        "id",
    ),
    Table::same(
        "mass_change_principals",
        "mass_change_id, principal_type, principal_id",
        "mass_change_id, principal_type, principal_id",
    ),
    Table::same(
        "collected_instances",
        "number, instance_arn, first_whole",
        "number",
    )
    .numbered("number"),
    Table::same(
        "collections",
        "id, instance, state, began_at, ended_at, observed_from, observed_until, is_whole, missing, unread, \
         operations, counts, taken_kind, taken_key, taken_second",
        "id",
    )
    .numbered("id"),
    Table {
        // Held by nobody: whoever held it is dead.
        constants: &[("holder", ""), ("held_until", "0")],
        ..Table::same("reading_runs", "id, instance, began_at, is_finished", "id").numbered("id")
    },
    Table::same(
        "reading_pages",
        "number, instance, operation, about, page, run, began_at, read_at, is_last, content",
        "number",
    )
    .numbered("number"),
    Table::same(
        "facts",
        "instance, kind, key, second_key, from_collection, to_collection, value",
        "instance, kind, key, second_key, from_collection",
    ),
    // SQLite keeps an event with its place in the chain; PostgreSQL has tables of it that are only added to.
    Table::same("events", "sequence, grant_id, body", "sequence").numbered("sequence"),
    Table {
        source: "events WHERE position IS NOT NULL",
        ..Table::same(
            "chained_events",
            "position, sequence, previous_hash, hash, latest_at, about_grant_id",
            "position",
        )
    },
    Table {
        source: "events WHERE position IS NULL",
        ..Table::same("waiting_events", "sequence", "sequence")
    },
    Table::same(
        "log_heads",
        "kind, position, hash, signed_at, key_id, signature",
        "kind, position",
    ),
    Table::same(
        "log_chain",
        "id, position, hash, latest_at, chained_sequence, epoch, holder, lease_until",
        "id",
    ),
];

/// The one table that holds a row from its beginning on: where the chain ends.
pub(super) const CHAIN: &str = "log_chain";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use sqlx::{Connection as _, Row as _};

    use super::*;
    use crate::store::{SqliteOptions, SqliteStore, Store as _};

    type Columns = BTreeMap<String, BTreeSet<String>>;

    /// The columns of every table of a SQLite store.
    async fn columns_of_sqlite() -> Columns {
        let place = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(place.path(), SqliteOptions::default());
        store.await.unwrap().close().await;
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(place.path().join("usher.sqlite3"));
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        let rows = sqlx::query(
            "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
        );
        let rows = rows.fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let mut columns = Columns::new();
        for row in rows {
            columns.entry(row.get(0)).or_default().insert(row.get(1));
        }
        columns
    }

    #[tokio::test]
    async fn every_column_of_sqlite_is_copied() {
        let mut copied = Columns::new();
        for table in &TABLES {
            let source = table.source.split(' ').next().unwrap();
            let columns = table.columns.split(", ").map(str::to_owned);
            copied.entry(source.to_owned()).or_default().extend(columns);
        }
        assert_eq!(copied, columns_of_sqlite().await);
    }

    #[test]
    fn rows_come_after_those_they_refer_to() {
        let place = |name| TABLES.iter().position(|table| table.name == name).unwrap();
        for (before, after) in [
            ("assignments", "grants"),
            ("grants", "reviews"),
            ("policy_sets", "policy_loads"),
            ("mass_changes", "mass_change_principals"),
            ("collected_instances", "collections"),
            ("collected_instances", "reading_runs"),
            ("collected_instances", "reading_pages"),
            ("events", "chained_events"),
        ] {
            assert!(place(before) < place(after), "{before}, {after}");
        }
    }
}
