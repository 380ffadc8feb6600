//! How far the groups are behind.

use contract::Topic;

/// One group's distance from the end of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    pub group: String,
    pub topic: Topic,
    pub partition: i32,
    /// The first offset that the group has not finished.
    pub committed: i64,
    /// The offset that the next record will get.
    pub end: i64,
}

impl Lag {
    /// Records between the group and the end.
    pub fn records(&self) -> i64 {
        (self.end - self.committed).max(0)
    }
}
