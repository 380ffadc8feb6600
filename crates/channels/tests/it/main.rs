//! Clients against the emulators, which know only the providers' contracts.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod twilio;
