//! The routes over a real PostgreSQL and a recording log.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod access;
mod actions;
mod attachments;
mod deliveries;
mod documents;
mod health;
mod lookups;
mod pipeline;
#[allow(dead_code, reason = "shared with the tests of the store")]
#[path = "../../../../crates/store/tests/operations/rows.rs"]
mod rows;
mod support;
