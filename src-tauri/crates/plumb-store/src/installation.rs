//! Which installation of the program this is: whoever shares the record is one.

use sqlx::SqliteConnection;

use crate::error::{StoreError, attempt};

/// A name that no other installation has: 32 letters and digits.
pub async fn id(conn: &mut SqliteConnection) -> Result<String, StoreError> {
    let found =
        sqlx::query_file_scalar!("queries/installation/get.sql").fetch_one(&mut *conn).await;
    attempt(conn, "reading which installation this is", found).await
}
