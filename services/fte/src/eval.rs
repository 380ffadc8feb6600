//! The parts of `fte eval`: labelled sets, what came of them, and the gate.

pub(crate) mod database;
pub(crate) mod gate;
pub(crate) mod labels;
pub(crate) mod outcome;
pub(crate) mod print;
pub(crate) mod report;
pub(crate) mod sentences;
pub(crate) mod set;
pub(crate) mod share;
