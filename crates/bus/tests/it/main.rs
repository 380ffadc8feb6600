//! The promises of the bus, on a real broker and a real database. What both logs
//! promise stands in `suite` and runs on each; `kafka` and `postgres` add their own.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod broker;
mod child;
mod fixture;
mod kafka;
mod member;
mod postgres;
mod suite;
mod telemetry;
