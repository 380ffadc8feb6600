//! What topics should be, and what stands between that and what they are.

use std::fmt;
use std::time::Duration;

use contract::Topic;

/// One topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    pub topic: Topic,
    pub partitions: i32,
    /// Copies of each partition; the PostgreSQL log has the database's own.
    pub replication: i32,
    pub min_insync_replicas: i32,
    pub retention: Duration,
    pub max_message_bytes: usize,
}

/// One difference between a topic and its spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChange {
    Create(TopicSpec),
    /// A setting that `apply` changes.
    Set {
        topic: Topic,
        setting: &'static str,
        from: String,
        to: String,
    },
    /// A difference that `apply` refuses: another partition count would send the
    /// keys elsewhere, past their own unfinished records.
    Refuse {
        topic: Topic,
        setting: &'static str,
        from: String,
        to: String,
    },
}

impl fmt::Display for TopicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopicChange::Create(spec) => {
                write!(f, "create {} with {} partitions", spec.topic, spec.partitions)
            }
            TopicChange::Set { topic, setting, from, to } => {
                write!(f, "set {setting} of {topic} from {from} to {to}")
            }
            TopicChange::Refuse { topic, setting, from, to } => {
                write!(f, "refuse to change {setting} of {topic} from {from} to {to}")
            }
        }
    }
}
