//! What the routes share: the database, the way into the log, the monitor.

use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use bus::Publisher;
use chassis::problem::Problem;
use contract::ConversationId;
use sqlx::{PgConnection, PgPool};
use store::outbox::{self, OutboxPublisher};

use crate::attachments::Files;
use crate::health::{Log, Monitor};
use crate::pipeline::PipelineTests;
use crate::{NAME, refusal};

/// How long an answer waits for the log. What it has not confirmed by then stands
/// in the outbox, and the relay publishes it.
const PUBLISH_TIME: Duration = Duration::from_secs(3);

/// What the routes are made of.
pub struct Parts {
    pub pool: PgPool,
    pub outbox: OutboxPublisher,
    pub publisher: Arc<dyn Publisher>,
    pub log: Arc<dyn Log>,
    pub pipeline_test_timeout: Duration,
    pub files: Files,
}

/// What the routes need.
#[derive(Clone)]
pub struct Desk {
    pub(crate) pool: PgPool,
    outbox: OutboxPublisher,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) tests: Arc<PipelineTests>,
    pub(crate) files: Arc<Files>,
}

impl From<Parts> for Desk {
    fn from(parts: Parts) -> Self {
        let Parts { pool, outbox, publisher, log, pipeline_test_timeout, files } = parts;
        let monitor = Arc::new(Monitor::new(pool.clone(), log));
        let tests = Arc::new(PipelineTests::new(publisher, pipeline_test_timeout));
        Self { pool, outbox, monitor, tests, files: Arc::new(files) }
    }
}

impl Desk {
    pub(crate) async fn connection(&self) -> Result<impl DerefMut<Target = PgConnection>, Problem> {
        self.pool.acquire().await.map_err(|error| refusal::of_store(error.into()))
    }

    /// Publishes what the conversation has committed. Whatever fails here, the
    /// action stands and the relay publishes it.
    pub(crate) async fn publish(&self, id: ConversationId) {
        let publish = async {
            let records = outbox::pending(&self.pool, NAME, &[id]).await?;
            self.outbox.publish(records).await?;
            anyhow::Ok(())
        };
        let failed = match tokio::time::timeout(PUBLISH_TIME, publish).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "the log did not answer in time".to_owned(),
        };
        tracing::warn!(
            conversation.id = %id,
            error.cause_chain = failed,
            "an action is committed and will be published later"
        );
    }
}
