//! What every log promises.

pub(crate) mod batches;
pub(crate) mod failures;
pub(crate) mod letters;
pub(crate) mod order;
pub(crate) mod resume;
pub(crate) mod signals;
pub(crate) mod tools;
