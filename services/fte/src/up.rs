//! The parts of `fte up`: what it chooses, what it starts, and the one origin before it.

mod backoff;
pub(crate) mod data;
pub(crate) mod database;
pub(crate) mod gmail;
pub(crate) mod in_process;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod origin;
pub(crate) mod processes;
mod proxy;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod told;
pub(crate) mod twilio;

pub(crate) use proxy::Proxy;
