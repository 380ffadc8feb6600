//! What a model plans for its turn's one transaction. Nothing of it is written yet.

use contract::{Category, Priority};

use crate::sendable::Sendable;
use crate::tools::Escalation;

/// What the model plans for the turn's one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plans {
    pub(crate) response: Option<Sendable>,
    pub(crate) escalation: Option<Escalation>,
    pub(crate) ticket: Option<Filing>,
    /// Why the last words that were proposed may not be sent.
    pub(crate) refused: Option<String>,
}

/// What a model says of the ticket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filing {
    pub(crate) subject: String,
    pub(crate) category: Category,
    pub(crate) priority: Priority,
}

impl Plans {
    pub(crate) fn are_concluded(&self) -> bool {
        self.response.is_some() || self.escalation.is_some()
    }
}
