//! From what the store says to a problem document.

use chassis::problem::Problem;
use store::people::Refusal;

/// Outages shorter than this are the usual ones: a fail-over, a restart.
const RETRY_AFTER_S: u64 = 5;

/// A database that is away or slow is no fault of the request.
pub(crate) fn of_store(error: store::Error) -> Problem {
    match error {
        store::Error::Unavailable(_) | store::Error::Contended(_) | store::Error::Statement(_) => {
            let error = anyhow::Error::new(error);
            tracing::warn!(error.cause_chain = format!("{error:#}"), "the database did not answer");
            unavailable()
        }
        other => Problem::internal(other.into()),
    }
}

pub(crate) fn unavailable() -> Problem {
    Problem::unavailable(RETRY_AFTER_S)
}

/// Why a person's action did not happen. Operators may know each other's names.
pub(crate) fn of_action(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unknown => Problem::not_found(),
        Refusal::Store(error) => of_store(error),
        Refusal::Closed | Refusal::TakenBy(_) | Refusal::NotAPersons | Refusal::OtherText => {
            Problem::conflict(refusal.to_string())
        }
    }
}
