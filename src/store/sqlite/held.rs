//! The database of a data directory that nobody serves, locked for as long as somebody reads all of it. Nothing is
//! made or migrated, and no byte of it changes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::directory::{DATABASE_FILE, DataDirectory, unusable};
use super::schema::{check_database, is_of_this_version, look_options};
use crate::store::StoreError;

/// How long a statement waits for somebody who looks at the database.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// A database that is ours alone to read.
pub(in crate::store) struct HeldDatabase {
    connection: SqliteConnection,
    directory: DataDirectory,
    had_index: bool,
}

impl HeldDatabase {
    /// Locks a data directory and opens its database.
    ///
    /// # Errors
    /// `Unusable` with a sentence: there is none, a service has it, it is damaged, another program's or of another
    /// schema version.
    pub(in crate::store) async fn open(directory: &Path) -> Result<Self, StoreError> {
        let name = directory.join(DATABASE_FILE);
        let name = name.display();
        if !directory.join(DATABASE_FILE).exists() {
            return Err(unusable(format!(
                "there is no database {name}; name the data directory of the service with --data-dir"
            )));
        }
        let directory = DataDirectory::lock(directory)?;
        directory.has_database()?;
        check_database(&directory, WAIT_MAX).await?;
        let had_index = directory.companion("-shm").exists();
        let options = look_options(&directory.database(), WAIT_MAX).disable_statement_logging();
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let is_of_this_version = is_of_this_version(&mut connection).await?;
        let held = Self {
            connection,
            directory,
            had_index,
        };
        if !is_of_this_version {
            held.close().await?;
            return Err(unusable(format!(
                "the database {name} was last served by an older version of usher; start this version on it once, \
                 which upgrades it, stop it, and copy then"
            )));
        }
        Ok(held)
    }

    /// The connection; it cannot write.
    pub(in crate::store) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Lets it go.
    pub(in crate::store) async fn close(self) -> Result<(), StoreError> {
        let closed = self.connection.close().await;
        if !self.had_index {
            // At most an index that SQLite made to read a log that a kill had left.
            drop(fs::remove_file(self.directory.companion("-shm")));
        }
        drop(self.directory);
        Ok(closed?)
    }
}
