//! Local servers as child processes: PostgreSQL with pgvector and a one-node Apache
//! Kafka, for `fte up`, tests and benchmarks. Knows how to start, hold and stop
//! them; what they store is no business of this crate.
//!
//! The programs are not ours: `make setup` puts them into the runtime folder
//! (`FTE_RUNTIME_DIR`, else the nearest `.runtime` from the current folder upwards).

mod error;
mod folder;
mod kafka;
mod launch;
mod port;
mod postgres;
mod process;
mod runtime;

pub use error::ServerError;
pub use kafka::{Kafka, KafkaOptions, SecuredListener};
pub use postgres::{Postgres, PostgresOptions};
pub use process::Process;
pub use runtime::Runtime;
