//! What the publisher must know of the topics, read once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::Topic;
use sqlx::PgPool;

use crate::postgres::{error, in_time};
use crate::record::PublishError;

/// A topic's shape. Its partition count never changes, so it is never read again;
/// a changed size limit is seen after a restart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) partitions: i32,
    pub(super) max_message_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Partitions {
    pool: PgPool,
    shapes: Mutex<HashMap<Topic, Shape>>,
}

impl Partitions {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, shapes: Mutex::default() }
    }

    pub(super) async fn shape(&self, topic: Topic) -> Result<Shape, PublishError> {
        if let Some(shape) = self.known(topic) {
            return Ok(shape);
        }
        self.load().await.map_err(|error| PublishError::Unavailable(error.into()))?;
        // Not the record's fault, and `fte topics apply` mends it.
        self.known(topic).ok_or_else(|| {
            PublishError::Unavailable(anyhow::anyhow!("topic {topic} has no partitions yet"))
        })
    }

    fn known(&self, topic: Topic) -> Option<Shape> {
        self.lock().get(&topic).copied()
    }

    async fn load(&self) -> Result<(), sqlx::Error> {
        let rows: Vec<(String, i32, i64)> = retry_once(|| {
            sqlx::query_as(
                "select p.topic, count(*)::integer, t.max_message_bytes
                 from queue_partitions p join queue_topics t using (topic)
                 group by p.topic, t.max_message_bytes",
            )
            .fetch_all(&self.pool)
        })
        .await?;
        let mut shapes = self.lock();
        for (name, partitions, max_message_bytes) in rows {
            if let Ok(topic) = name.parse() {
                let max_message_bytes = usize::try_from(max_message_bytes).unwrap_or(usize::MAX);
                shapes.insert(topic, Shape { partitions, max_message_bytes });
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Shape>> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pooled connection may have died since its last use; the second try gets
/// another. Only for statements that may run twice.
pub(super) async fn retry_once<T, F: Future<Output = Result<T, sqlx::Error>>>(
    attempt: impl Fn() -> F,
) -> Result<T, sqlx::Error> {
    match in_time(attempt()).await {
        Err(error) if error::may_pass(&error) => in_time(attempt()).await,
        result => result,
    }
}
