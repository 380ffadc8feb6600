//! What no release may change: bytes once written decode for ever.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails; clippy allows this only inside test functions"
)]

mod golden;
mod golden_email;
mod schema;
