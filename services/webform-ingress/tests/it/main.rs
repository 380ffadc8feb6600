//! The web form's routes against a real PostgreSQL and a log that remembers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod browser;
mod docs;
mod follow_up;
mod hostile;
mod keys;
mod limits;
mod logs;
mod pages;
mod refs;
mod settings;
mod start;
mod status;
mod submit;
mod support;
mod webdriver;
