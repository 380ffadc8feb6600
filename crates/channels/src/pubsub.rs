//! What Google Pub/Sub pushes to us, and how we know that it is Google who does.

mod keys;
pub mod push;
mod token;

pub use keys::Keys;
pub use token::{Expected, Refused, Verifier};

pub use crate::verified::Verified;
