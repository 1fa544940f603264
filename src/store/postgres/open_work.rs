//! What is open in a PostgreSQL store, for who looks at it before it goes on. It must never write.

use super::PostgresStore;
use crate::store::sql::{Ways as _, open_work};
use crate::store::{OpenWork, StoreError};

impl PostgresStore {
    /// What is open in the store, from one state of it.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn open_work(&self) -> Result<OpenWork, StoreError> {
        let mut reader = self.reader().await?;
        let mut snapshot = reader.begin().await?;
        open_work::open_work(&mut snapshot.connection()).await
    }
}
