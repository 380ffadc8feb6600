//! What Twilio and we say to each other.

pub mod client;
pub mod errors;
pub mod form;
pub mod media;
pub mod signature;
pub mod webhook;
pub mod window;
