//! The log: topics with ordered keys, consumer groups and dead letters, on Apache
//! Kafka or on PostgreSQL, behind one publisher and one consumer runner.
//!
//! Promises, the same on both: events of one key are handled in order, each at
//! least once; a crash resumes where the last finished event stood; replicas of a
//! group share the partitions; what cannot be handled stands in `fte.dlq`.

mod bus;
mod clock;
mod crash;
mod dead_letters;
mod handler;
mod kafka;
mod lag;
mod meters;
mod migrate;
mod parking;
mod postgres;
mod reader;
mod record;
mod replay;
mod runner;
mod source;
mod topics;
pub mod trace;

pub use bus::{Bus, BusConfig, BusError, ConsumerError, ConsumerSettings, PostgresConfig};
pub use crash::{CRASH_POINTS, crash_point, sabotage};
pub use dead_letters::{DeadLetterError, DeadLetters, Letter, LetterFilter, LetterState};
pub use handler::{BatchHandler, Failure, Handler, Outcome};
pub use kafka::KafkaConfig;
pub use lag::Lag;
pub use migrate::migrate;
pub use reader::{ReadFrom, ReadRecord, ReadSettings, Reader};
pub use record::{Headers, PublishError, Publisher, Received, Record};
pub use replay::{ReplayReport, ReplaySettings};
pub use topics::{TopicChange, TopicSpec};
