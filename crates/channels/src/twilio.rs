//! What Twilio and we say to each other.

pub mod form;
pub mod signature;
pub mod webhook;
