//! The outlet to WhatsApp: sends that take time, may be refused, and may end in doubt.

mod receipts;
mod recovery;
mod worker;

use channels::twilio::errors::{Action, Meaning};

pub use receipts::Receipts;
pub use recovery::Recovery;
pub use worker::{Tuning, WhatsappWorker};

use crate::sender::SUPPORT_QUEUE;

/// As the channel is called, and so its deliveries' outlet.
pub(crate) const OUTLET: &str = "whatsapp";

/// Who goes on after a failure of this meaning. Nobody writes to a customer who does
/// not want it.
fn successor(meaning: &Meaning) -> Option<&'static str> {
    match meaning.action {
        Action::Suppress => None,
        Action::Wait | Action::Person | Action::Settings | Action::Unknown => Some(SUPPORT_QUEUE),
    }
}

/// Whether a status of Twilio's says that the message will not arrive.
fn is_failure(status: &str) -> bool {
    matches!(status, "failed" | "undelivered" | "canceled")
}
