//! What no release may change: bytes once written decode for ever.

mod golden;
mod schema;
