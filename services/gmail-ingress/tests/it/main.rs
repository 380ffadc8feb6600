//! The webhook and the reading of the mailbox, against a Google that does what it is told.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod docs;
mod faults;
mod gaps;
mod google;
mod notifying;
mod pushes;
mod reading;
mod support;
mod tokens;
mod wired;
mod world;
