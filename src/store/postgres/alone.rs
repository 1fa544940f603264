//! A connection of its own, for one transaction that takes as long as it takes: that of a copy. No service uses it.

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _};

use super::PostgresOptions;
use super::schema::{check, unreachable};
use crate::store::StoreError;

/// Connects to a database that is prepared for this version.
pub(in crate::store) async fn connect_alone(
    options: &PostgresOptions,
) -> Result<PgConnection, StoreError> {
    let connect = options.connect().map_err(StoreError::Unusable)?;
    let connect = connect
        .options([
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
        ])
        // Every statement on it may be slow.
        .disable_statement_logging();
    let mut connection = PgConnection::connect_with(&connect)
        .await
        .map_err(unreachable)?;
    check(&mut connection).await?;
    Ok(connection)
}
