//! Facts in, figures out: the consumer and the routes over a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod figures;
mod refusals;
mod support;
