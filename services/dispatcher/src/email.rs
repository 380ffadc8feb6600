//! The outlet to e-mail: a draft first, then its sending, so that a mail in doubt can be
//! taken back or found again.

mod account;
mod bounces;
pub(crate) mod pause;
mod recovery;
pub(crate) mod sent;
mod status_links;
mod worker;

pub(crate) use account::{REQUEST_LIMIT, account, start};
pub use bounces::Bounces;
pub use recovery::MailRecovery;
pub use status_links::{StatusLinks, StatusMails};
pub use worker::{MailTuning, MailWorker};

/// As the channel is called, and so its deliveries' outlet.
pub(crate) const OUTLET: &str = "email";

/// Who we are in a mail.
#[derive(Debug, Clone)]
pub struct Ourselves {
    /// The name beside our address.
    pub name: String,
    /// The mailbox's address, in lower case.
    pub address: String,
}
