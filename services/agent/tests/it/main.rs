//! The agent from outside: the policy on the words of customers, the turn on a real
//! PostgreSQL with a publisher that records.

mod policy;
