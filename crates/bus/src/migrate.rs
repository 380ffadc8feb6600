//! Brings the tables of the log and of dead letters up to date.

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

/// Beside the tables of `store`, whose migrations have numbers of their own.
const VERSION_TABLE: &str = "_bus_migrations";

/// Applies the migrations of the bus. Needed with either log: parked letters stand
/// in PostgreSQL in both cases.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    let mut migrator: Migrator = sqlx::migrate!("./migrations");
    migrator.dangerous_set_table_name(VERSION_TABLE);
    migrator.run(pool).await
}
