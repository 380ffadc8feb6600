//! What a database error means for the log: the one place that looks at SQLSTATE.

use crate::bus::BusError;
use crate::source::SourceError;

/// Whether the same call may succeed later without anybody's help.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => match database.code() {
            // Connection trouble, rolled back, out of resources, being shut down,
            // lock not available, the system itself.
            Some(code) => {
                ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
            }
            None => false,
        },
        sqlx::Error::Configuration(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::RowNotFound
        | sqlx::Error::TypeNotFound { .. } => false,
        // Connection, pool and protocol: the next connection may be better.
        _ => true,
    }
}

/// Whether the statement was rolled back because it met others: again at once.
pub(super) fn is_collision(error: &sqlx::Error) -> bool {
    // Serialisation failure, deadlock.
    error
        .as_database_error()
        .and_then(|database| database.code())
        .is_some_and(|code| code == "40001" || code == "40P01")
}

pub(super) fn bus_error(error: sqlx::Error) -> BusError {
    if may_pass(&error) {
        BusError::Unavailable(error.into())
    } else {
        BusError::Refused(error.into())
    }
}

pub(super) fn source_error(error: sqlx::Error) -> SourceError {
    if may_pass(&error) {
        SourceError::Unavailable(error.into())
    } else {
        SourceError::Fatal(error.into())
    }
}
