//! Rows as lines of PostgreSQL's COPY: what goes there and what comes back are the same bytes, so that a digest over
//! them compares a table on both sides. Knows no table.

use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _};

/// Why a value cannot be copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLine {
    /// It is not of its column's type.
    #[error("column {column} holds something else than {kind}")]
    OtherType {
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
    /// PostgreSQL's texts hold no such letter.
    #[error("a text in column {column} holds the letter NUL, which PostgreSQL does not keep")]
    Nul {
        /// The column.
        column: String,
    },
}

/// Adds a row to `lines`: its values as COPY writes them, and after them those that stand in every row.
pub(super) fn push_row(
    lines: &mut Vec<u8>,
    row: &SqliteRow,
    constants: &[(&str, &str)],
) -> Result<(), NoLine> {
    for (place, column) in row.columns().iter().enumerate() {
        if place > 0 {
            lines.push(b'\t');
        }
        push_value(lines, row, place, column.type_info().name()).map_err(|fault| {
            let column = column.name().to_owned();
            match fault {
                Fault::Type(kind) => NoLine::OtherType { column, kind },
                Fault::Nul => NoLine::Nul { column },
            }
        })?;
    }
    for (_, constant) in constants {
        lines.push(b'\t');
        push_text(lines, constant);
    }
    lines.push(b'\n');
    Ok(())
}

enum Fault {
    Type(String),
    Nul,
}

fn push_value(
    lines: &mut Vec<u8>,
    row: &SqliteRow,
    place: usize,
    declared: &str,
) -> Result<(), Fault> {
    let other = |_| Fault::Type(declared.to_owned());
    match declared {
        "INTEGER" => match row.try_get::<Option<i64>, _>(place).map_err(other)? {
            Some(number) => lines.extend_from_slice(number.to_string().as_bytes()),
            None => push_none(lines),
        },
        "TEXT" => match row.try_get::<Option<&str>, _>(place).map_err(other)? {
            Some(text) if text.contains('\0') => return Err(Fault::Nul),
            Some(text) => push_text(lines, text),
            None => push_none(lines),
        },
        "BLOB" => match row.try_get::<Option<&[u8]>, _>(place).map_err(other)? {
            Some(bytes) => push_bytes(lines, bytes),
            None => push_none(lines),
        },
        _ => return Err(Fault::Type(declared.to_owned())),
    }
    Ok(())
}

fn push_none(lines: &mut Vec<u8>) {
    lines.extend_from_slice(b"\\N");
}

/// The letters that COPY escapes, and no others: what comes back is compared byte by byte.
fn push_text(lines: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        let escaped = match byte {
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            _ => {
                lines.push(byte);
                continue;
            }
        };
        lines.extend_from_slice(&[b'\\', escaped]);
    }
}

fn push_bytes(lines: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    lines.extend_from_slice(b"\\\\x");
    for byte in bytes {
        for half in [byte >> 4, byte & 0x0f] {
            lines.extend(DIGITS.get(usize::from(half)));
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    async fn line(select: &'static str) -> Result<String, NoLine> {
        let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:")
            .await
            .unwrap();
        let table = "CREATE TABLE t (i INTEGER, t TEXT, b BLOB)";
        for statement in [table, select] {
            sqlx::raw_sql(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        let row = sqlx::query("SELECT i, t, b FROM t");
        let row = row.fetch_one(&mut connection).await.unwrap();
        let mut lines = Vec::new();
        push_row(&mut lines, &row, &[("c", ""), ("d", "0")])?;
        Ok(String::from_utf8(lines).unwrap())
    }

    #[tokio::test]
    async fn values_are_written_as_copy_writes_them() {
        let all = "INSERT INTO t VALUES (-7, char(92, 8, 12, 10, 13, 9, 11, 1, 1078), x'00ff1a')";
        let written = "-7\t\\\\\\b\\f\\n\\r\\t\\v\u{1}ж\t\\\\x00ff1a\t\t0\n";
        assert_eq!(line(all).await.unwrap(), written);
        let none = "INSERT INTO t VALUES (NULL, NULL, NULL)";
        assert_eq!(line(none).await.unwrap(), "\\N\t\\N\t\\N\t\t0\n");
        // A text that looks like none is none of them.
        let odd = "INSERT INTO t VALUES (0, '\\N', x'')";
        assert_eq!(line(odd).await.unwrap(), "0\t\\\\N\t\\\\x\t\t0\n");
    }

    #[tokio::test]
    async fn what_is_not_of_its_columns_type_is_named() {
        for (row, column) in [
            ("INSERT INTO t VALUES ('seven', '', x'')", "column i"),
            ("INSERT INTO t VALUES (1, x'00', x'')", "column t"),
            ("INSERT INTO t VALUES (1, '', 5)", "column b"),
            ("INSERT INTO t VALUES (1, char(97, 0, 98), x'')", "NUL"),
        ] {
            let refused = line(row).await.unwrap_err().to_string();
            assert!(refused.contains(column), "{refused}");
        }
    }
}
