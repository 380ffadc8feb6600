//! Proofs under faults: a seeded load and schedule, and the three truths that must agree.

pub(crate) mod collect;
pub(crate) mod compare;
pub(crate) mod dice;
pub(crate) mod faults;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod plan;
pub(crate) mod schedule;
pub(crate) mod system;
