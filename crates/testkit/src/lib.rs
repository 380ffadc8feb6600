//! For tests only: waiting without sleeping, a publisher that remembers, and events
//! with sensible content. What a test does not care about, it does not write.

#![allow(clippy::panic, clippy::expect_used, reason = "a test that cannot go on fails")]

pub mod events;
mod publisher;
mod statements;
mod wait;

pub use publisher::RecordingPublisher;
pub use statements::StatementCount;
pub use wait::{LIMIT, wait_for, wait_for_some, wait_within};
