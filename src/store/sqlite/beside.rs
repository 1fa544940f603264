//! Looks into a data directory from beside its service, or after it: nothing is made, migrated or
//! locked, and no row changes. For people's commands; the service has its own store.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use super::SqliteStore;
use super::directory::{APPLICATION_ID, DATABASE_FILE, DataDirectory, unusable};
use super::schema::{is_of_this_version, pragma};
use crate::domain::{AssignmentRecord, Brake, Freezes, Grant, PolicyLoad};
use crate::store::sql::{Connection, brake, freezes, open_work, policies, reads};
use crate::store::{OpenWork, StoreError};

/// How long a look waits for a service that writes.
const WAIT_MAX: Duration = Duration::from_secs(3);

impl SqliteStore {
    /// The last policy set that was loaded, read beside the service that has the directory.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt`: it is not a database of this version, or does not answer.
    pub async fn read_last_policy_load(directory: &Path) -> Result<Option<PolicyLoad>, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(directory.join(DATABASE_FILE))
            .busy_timeout(WAIT_MAX)
            .read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let load = policies::last_load(&mut Connection::Sqlite(&mut connection)).await;
        connection.close().await?;
        load
    }

    /// The brakes of every instance on which something is stopped, read beside the service that has
    /// the directory.
    ///
    /// # Errors
    /// `Unusable`: it is not a database of this version. `Unavailable` or `Corrupt`.
    pub async fn read_brakes(directory: &Path) -> Result<Vec<Brake>, StoreError> {
        let mut connection = look_into(directory).await?;
        let brakes = brake::brakes(&mut Connection::Sqlite(&mut connection)).await;
        connection.close().await?;
        brakes
    }

    /// What was frozen on every instance when the store was restored, read beside the service that has the
    /// directory.
    ///
    /// # Errors
    /// As for `read_brakes`.
    pub async fn read_frozen_everywhere(directory: &Path) -> Result<Freezes, StoreError> {
        let mut connection = look_into(directory).await?;
        let frozen = freezes::everywhere(&mut Connection::Sqlite(&mut connection)).await;
        connection.close().await?;
        frozen
    }

    /// What is open in the store, read beside the service that has the directory.
    ///
    /// # Errors
    /// As for `read_brakes`.
    pub async fn read_open_work(directory: &Path) -> Result<OpenWork, StoreError> {
        let mut connection = look_into(directory).await?;
        let read = async {
            let mut transaction = connection.begin().await?;
            open_work::open_work(&mut Connection::Sqlite(&mut transaction)).await
        };
        let read = read.await;
        connection.close().await?;
        read
    }

    /// Every grant that is not over, with the records of all assignments that something is known
    /// of; from one state of the database.
    ///
    /// # Errors
    /// As for `read_brakes`.
    pub async fn read_open(
        directory: &Path,
    ) -> Result<(Vec<Grant>, Vec<AssignmentRecord>), StoreError> {
        let mut connection = look_into(directory).await?;
        let open = async {
            let mut transaction = connection.begin().await?;
            reads::all_open(&mut Connection::Sqlite(&mut transaction)).await
        };
        let open = open.await;
        connection.close().await?;
        open
    }
}

async fn look_into(directory: &Path) -> Result<SqliteConnection, StoreError> {
    let path = directory.join(DATABASE_FILE);
    let name = path.display();
    if !path.exists() {
        return Err(unusable(format!("there is no database {name}")));
    }
    let has_log = {
        let log = directory.join(format!("{DATABASE_FILE}-wal"));
        std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
    };
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(WAIT_MAX)
        .read_only(true)
        // Without a log and a service the file is all there is, and no file is made beside it.
        .immutable(!has_log && !DataDirectory::is_in_use(directory));
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mark = pragma(&mut connection, "application_id").await?;
    if mark != i64::from(APPLICATION_ID) {
        return Err(unusable(format!("{name} is a database of another program")));
    }
    if !is_of_this_version(&mut connection).await? {
        return Err(unusable(format!(
            "{name} was written by another version of usher; use the command of the version that \
             served it last"
        )));
    }
    Ok(connection)
}
