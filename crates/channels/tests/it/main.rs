//! Clients against the emulators, which know only the providers' contracts, and our
//! reading of signatures against the provider's own library.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod gmail;
mod google_library;
mod handoff;
mod mail_corpus;
mod mail_hostile;
mod mail_properties;
mod twilio;
mod twilio_library;
