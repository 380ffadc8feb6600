//! Telling a person's own tools that a conversation waits, by a signed webhook
//! (Standard Webhooks). The address comes from outside, so it is only ever spoken to
//! under the rules of [`addresses`].

pub mod addresses;
pub mod endpoint;
pub mod escalation;
pub mod signature;
