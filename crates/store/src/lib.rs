//! Every SQL statement but those of the log: functions over a connection, whose
//! caller owns the transaction.

use sqlx::migrate::Migrator;

/// The numbered, forward-only migrations; applied by `fte migrate`, never by a service.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");
