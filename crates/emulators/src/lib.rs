//! Providers on this machine: what they check, answer and call is written from their
//! contracts, not from our clients, so that neither can hide the other's mistake.

mod clock;
pub mod gmail;
pub mod handoff;
pub mod openai;
mod server;
pub mod twilio;
