//! What a failed statement means. Foreign errors enter here and nowhere else;
//! SQLSTATE and constraint names decide, never a message.

use std::future::Future;

use contract::{Classified, FailureClass};

/// Tries of one step that loses against other transactions. Every loss means that
/// somebody else got on, so a handful is enough.
const TRIES: u32 = 5;

/// Why a statement failed, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database as a whole is away, full or not reachable in time.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// Deadlock, serialisation failure or lock time-out: the same again may pass.
    #[error("the statement lost against another transaction")]
    Contended(#[source] sqlx::Error),
    /// A row that stands, or that is missing, is in the way (unique, foreign key).
    #[error("a row conflicts with {constraint}")]
    Conflict {
        constraint: String,
        #[source]
        source: sqlx::Error,
    },
    /// The values can never be stored: check, not null, not a valid text.
    #[error("a value is refused by {constraint}")]
    Invalid {
        constraint: String,
        #[source]
        source: sqlx::Error,
    },
    /// A stored row is not what the program expects.
    #[error("a row does not decode")]
    Row(#[source] sqlx::Error),
    /// Anything else: a statement that does not fit the schema, a time-out of one statement.
    #[error("the statement failed")]
    Statement(#[source] sqlx::Error),
}

impl Error {
    /// Whether the named constraint refused the row.
    pub fn violates(&self, name: &str) -> bool {
        match self {
            Error::Conflict { constraint, .. } | Error::Invalid { constraint, .. } => {
                constraint == name
            }
            _ => false,
        }
    }

    /// A stored word or number outside what the program knows.
    pub(crate) fn row(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Row(sqlx::Error::Decode(Box::new(error)))
    }
}

impl Classified for Error {
    fn class(&self) -> FailureClass {
        match self {
            Error::Unavailable(_) => FailureClass::Unavailable,
            // A row in the way is a race with another replica: the next try sees it.
            Error::Contended(_) | Error::Conflict { .. } | Error::Statement(_) => {
                FailureClass::Retry
            }
            Error::Invalid { .. } | Error::Row(_) => FailureClass::Reject,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        match &error {
            Sqlx::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                let constraint = database.constraint().unwrap_or("no named constraint").to_owned();
                by_sqlstate(&code, constraint, error)
            }
            Sqlx::Io(_)
            | Sqlx::Tls(_)
            | Sqlx::Protocol(_)
            | Sqlx::PoolTimedOut
            | Sqlx::PoolClosed
            | Sqlx::WorkerCrashed => Error::Unavailable(error),
            Sqlx::Decode(_)
            | Sqlx::ColumnDecode { .. }
            | Sqlx::ColumnNotFound(_)
            | Sqlx::ColumnIndexOutOfBounds { .. }
            | Sqlx::TypeNotFound { .. }
            | Sqlx::Encode(_) => Error::Row(error),
            _ => Error::Statement(error),
        }
    }
}

/// The one table of SQLSTATEs.
fn by_sqlstate(code: &str, constraint: String, source: sqlx::Error) -> Error {
    match code {
        // Serialisation failure, deadlock, lock time-out.
        "40001" | "40P01" | "55P03" => Error::Contended(source),
        // Unique, foreign key, exclusion.
        "23505" | "23503" | "23P01" => Error::Conflict { constraint, source },
        // A fail-over left us on a standby; the database is not created yet.
        "25006" | "3D000" => Error::Unavailable(source),
        // Shutdown, crash recovery, start-up, a database being dropped; the rest of
        // class 57 is a cancelled statement.
        code if code.starts_with("57P") => Error::Unavailable(source),
        // Connection, authorisation (a password being rotated), resources, I/O.
        code if ["08", "28", "53", "58"].iter().any(|class| code.starts_with(class)) => {
            Error::Unavailable(source)
        }
        // Other constraints, and data that no column of its type can hold.
        code if code.starts_with("23") || code.starts_with("22") => {
            Error::Invalid { constraint, source }
        }
        _ => Error::Statement(source),
    }
}

/// Runs a whole transaction again at once while it loses against others; after
/// the last try the error goes to the caller as [`Error::Contended`].
pub async fn retry_serialization<T, F, Fut>(mut step: F) -> Result<T, Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    for _ in 1..TRIES {
        match step().await {
            Err(Error::Contended(error)) => {
                tracing::debug!(error = %error, "the transaction runs again");
            }
            other => return other,
        }
    }
    step().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn class_of(code: &str) -> FailureClass {
        by_sqlstate(code, String::new(), sqlx::Error::RowNotFound).class()
    }

    #[test]
    fn a_database_that_is_away_full_or_starting_is_unavailable() {
        for code in
            ["08006", "08001", "53300", "53100", "57P01", "57P02", "57P03", "58030", "25006"]
        {
            assert_eq!(class_of(code), FailureClass::Unavailable, "{code}");
        }
        for error in [sqlx::Error::PoolTimedOut, sqlx::Error::WorkerCrashed] {
            assert_eq!(Error::from(error).class(), FailureClass::Unavailable);
        }
    }

    #[test]
    fn races_are_tried_again_and_impossible_values_are_rejected() {
        for code in ["40001", "40P01", "55P03", "23505", "23503", "57014", "42P01", "XX000"] {
            assert_eq!(class_of(code), FailureClass::Retry, "{code}");
        }
        for code in ["23514", "23502", "22021", "22001", "22P05"] {
            assert_eq!(class_of(code), FailureClass::Reject, "{code}");
        }
        let row = Error::from(sqlx::Error::ColumnNotFound("seq".into()));
        assert_eq!(row.class(), FailureClass::Reject);
    }

    #[tokio::test]
    async fn a_step_that_loses_runs_again_at_once_but_not_for_ever() {
        let runs = Cell::new(0);
        let lost = || Error::Contended(sqlx::Error::RowNotFound);

        let won = retry_serialization(async || {
            runs.set(runs.get() + 1);
            if runs.get() < 3 { Err(lost()) } else { Ok(runs.get()) }
        })
        .await;
        let never: Result<(), Error> = retry_serialization(async || Err(lost())).await;

        assert_eq!(won.unwrap(), 3);
        assert_eq!(never.unwrap_err().class(), FailureClass::Retry);
    }
}
