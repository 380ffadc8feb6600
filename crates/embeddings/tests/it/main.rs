//! The real model, and the file that keeps its vectors.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cache;
mod kept;
mod model;
