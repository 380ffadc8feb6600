//! What operators and the metrics ask of the database, on a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod channel_configs;
mod facts;
mod fence;
mod health;
mod knowledge;
mod merges;
mod overtaken;
mod people;
mod records;
mod rows;
mod starts;
mod views;
