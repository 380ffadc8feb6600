//! The whole product, started as a person starts it and driven from outside.
//!
//! The services' programs must be built before (`cargo build --workspace`); `make test`
//! does. Each test brings its own database and log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails; clippy allows this only inside test functions"
)]

mod chaos;
mod collector;
mod commands;
mod compose;
mod customer;
mod customers;
mod email;
mod eval;
mod faults;
mod google;
mod layers;
mod manifests;
mod observed;
mod product;
mod replicas;
mod thread;
mod whatsapp;
mod wired;
