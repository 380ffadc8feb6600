//! The parts of `fte bench`: load, a bare handler to compare with, and readings of
//! processes and of the database's statement log.

pub(crate) mod bare;
pub(crate) mod calls;
pub(crate) mod exposition;
pub(crate) mod fleet;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod statements;
pub(crate) mod tickets;
