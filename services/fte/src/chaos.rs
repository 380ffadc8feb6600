//! Proofs under faults: a seeded load and schedule, and the three truths that must agree.

pub(crate) mod ledger;
