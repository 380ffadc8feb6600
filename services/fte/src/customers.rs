//! The company's records of its customers, as a file brings them.

pub(crate) mod columns;
pub(crate) mod import;
pub(crate) mod row;
