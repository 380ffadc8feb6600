//! The webhooks of WhatsApp against a log that remembers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod docs;
mod edge_cases;
mod hostile;
mod limits;
mod logs;
mod messages;
mod meters;
mod refused;
mod settings;
mod statuses;
mod support;
mod sweep;
mod unreadable;
