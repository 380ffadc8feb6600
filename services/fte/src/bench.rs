//! The parts of `fte bench`: load, a bare handler to compare with, readings of processes
//! and of the database's statement log, and what is judged how.

pub(crate) mod bare;
pub(crate) mod calls;
pub(crate) mod clients;
pub(crate) mod exposition;
pub(crate) mod judge;
pub(crate) mod load;
pub(crate) mod model_server;
pub(crate) mod process;
pub(crate) mod statements;
pub(crate) mod surroundings;
pub(crate) mod tickets;
