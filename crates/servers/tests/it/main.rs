//! The local servers, started for real: ready when they say so, gone when told.

mod kafka;
mod postgres;
