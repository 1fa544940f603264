//! The decision log of a database that is only looked at: a copy, a backup, or a data directory, also
//! beside the service that has it. Changes nothing, and believes nothing that the table says of itself.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use super::directory::{DATABASE_FILE, DataDirectory, SQLITE_MAGIC, unusable};
use super::schema::look_options;
use crate::domain::log::{Link, LogRecord};
use crate::domain::log_head::LogHead;
use crate::store::StoreError;
use crate::store::sql::log_chain::head_from_row;
use crate::store::sql::log_reads::{hash_from_column, record_from_row};
use crate::store::sql::rows::{count, count_to_column};
use crate::store::sql::{Connection, query, reads};

/// How long a look waits for a service beside it.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// A log that is looked at.
pub struct LogCopy {
    connection: SqliteConnection,
}

/// A record as it lies there, or the place of one that cannot be read.
pub type Looked = Result<LogRecord, u64>;

impl LogCopy {
    /// Whether a file is a database, and not an export.
    #[must_use]
    pub fn is_database(file: &Path) -> bool {
        let mut begin = [0; SQLITE_MAGIC.len()];
        let read = File::open(file).and_then(|mut file| file.read_exact(&mut begin));
        read.is_ok() && begin == *SQLITE_MAGIC
    }

    /// Opens a data directory, or a file that is a database.
    ///
    /// # Errors
    /// `Unusable` with a sentence where it holds no decision log; `Unavailable` or `Corrupt` where it
    /// cannot be read.
    pub async fn open(place: &Path) -> Result<Self, StoreError> {
        let is_directory = place.is_dir();
        let database = if is_directory {
            place.join(DATABASE_FILE)
        } else {
            place.to_owned()
        };
        let name = database.display().to_string();
        if !Self::is_database(&database) {
            return Err(unusable(format!(
                "{name} is not there, or is no database of usher's"
            )));
        }
        // A link would be opened where it leads to, and SQLite's other files lie there.
        let database = std::fs::canonicalize(&database).unwrap_or(database);
        let is_served = is_directory && DataDirectory::is_in_use(place);
        let mut connection = connect(&database, is_served).await?;
        let has_log = sqlx::query(
            "SELECT 1 FROM pragma_table_info('log_chain') WHERE name = 'chained_sequence'",
        )
        .fetch_optional(&mut connection)
        .await?;
        if has_log.is_none() {
            return Err(unusable(format!(
                "{name} was last used by a version of usher without a decision log; start this one on it once"
            )));
        }
        Ok(Self { connection })
    }

    /// What the database says that its chain ends with.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn end(&mut self) -> Result<Link, StoreError> {
        let row = query("SELECT position, hash FROM log_chain WHERE id = 1")
            .fetch_one(&mut self.lent())
            .await?;
        Ok(Link {
            position: count(&row, "position")?,
            hash: hash_from_column(&row, "hash")?,
        })
    }

    /// How many events are not chained yet.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn count_unchained(&mut self) -> Result<u64, StoreError> {
        let row = query("SELECT COUNT(*) AS count FROM events WHERE position IS NULL")
            .fetch_one(&mut self.lent())
            .await?;
        count(&row, "count")
    }

    /// The bodies of the events behind a place, and of those that are not chained yet.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn bodies_behind(&mut self, place: u64) -> Result<Vec<String>, StoreError> {
        let rows = query("SELECT body FROM events WHERE position IS NULL OR position > $1")
            .bind(count_to_column(place))
            .fetch_all(&mut self.lent())
            .await?;
        let bodies = rows.iter().map(|row| Ok(row.try_get("body")?));
        bodies.collect()
    }

    /// The body of the newest event that tells of a restore; none where there is none.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn last_restore(&mut self) -> Result<Option<String>, StoreError> {
        let row = query(
            "SELECT body FROM events WHERE body LIKE '%\"kind\":\"restored\"%' \
             ORDER BY sequence DESC LIMIT 1",
        )
        .fetch_optional(&mut self.lent())
        .await?;
        Ok(row.map(|row| row.try_get("body")).transpose()?)
    }

    /// The state of a grant; none where there is no such grant.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn grant_state(&mut self, id: &str) -> Result<Option<String>, StoreError> {
        let row = query("SELECT state FROM grants WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(&mut self.lent())
            .await?;
        Ok(row.map(|row| row.try_get("state")).transpose()?)
    }

    /// Every head and checkpoint that is kept there, oldest first.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn heads(&mut self) -> Result<Vec<LogHead>, StoreError> {
        let rows = query("SELECT * FROM log_heads ORDER BY position, kind")
            .fetch_all(&mut self.lent())
            .await?;
        rows.iter().map(head_from_row).collect()
    }

    /// A secret that is kept there.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn secret(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        reads::secret(&mut self.lent(), name).await
    }

    /// Records after a place, in the order of their places, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn records(&mut self, after: u64, limit: usize) -> Result<Vec<Looked>, StoreError> {
        let rows = query(
            "SELECT position, previous_hash, hash, body FROM events WHERE position > $1 \
             ORDER BY position LIMIT $2",
        )
        .bind(count_to_column(after))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut self.lent())
        .await?;
        rows.iter()
            .map(|row| match record_from_row(row) {
                Ok(record) => Ok(Ok(record)),
                Err(_) => Ok(Err(
                    u64::try_from(row.try_get::<i64>("position")?).unwrap_or(after + 1)
                )),
            })
            .collect()
    }

    fn lent(&mut self) -> Connection<'_> {
        Connection::Sqlite(&mut self.connection)
    }

    /// Lets it go.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}

async fn connect(database: &PathBuf, is_served: bool) -> Result<SqliteConnection, StoreError> {
    let options = if is_served {
        SqliteConnectOptions::new()
            .filename(database)
            .busy_timeout(WAIT_MAX)
            .read_only(true)
    } else {
        look_options(database, WAIT_MAX)
    };
    Ok(SqliteConnection::connect_with(&options).await?)
}
