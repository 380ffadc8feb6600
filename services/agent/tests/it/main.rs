//! The agent from outside: the policy on the words of customers, the turn on a real
//! PostgreSQL with a publisher that records.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod again;
mod attacks;
mod email;
mod hostile;
mod knowledge;
mod models;
mod openai;
mod outage;
mod periodic;
mod policy;
mod policy_files;
mod policy_meaning;
mod races;
mod round_trips;
mod sentiment;
mod sharing;
mod support;
mod tools;
mod turns;
mod whatsapp;
