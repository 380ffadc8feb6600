//! Whether the tables are those of this program.

use sqlx::PgPool;

use crate::{Error, MIGRATOR};

/// How many migrations of this program the database does not have.
pub async fn pending(pool: &PgPool) -> Result<usize, Error> {
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success")
            .fetch_all(pool)
            .await?;
    Ok(MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version)).count())
}
