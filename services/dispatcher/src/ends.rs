//! Writes down how tries ended, and publishes what follows.

use bus::Record;
use sqlx::PgPool;
use store::deliveries::{self, Finished};
use store::outbox::OutboxPublisher;
use store::{Error, retry_serialization};

use crate::SERVICE;
use crate::in_hand::chain;

/// Writes ends down. Returns the facts of those that count, to be published.
pub(crate) async fn write(pool: &PgPool, ended: &[Finished]) -> Result<Vec<Record>, Error> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let written = retry_serialization(|| deliveries::finish(pool, SERVICE, ended)).await?;
    let records = ended.iter().flat_map(|end| end.first_reply.iter().chain(&end.records));
    Ok(records.filter(|record| written.contains(&record.event_id)).cloned().collect())
}

/// What is not published here stays in the outbox for the relay.
pub(crate) async fn publish(outbox: &OutboxPublisher, facts: Vec<Record>) {
    if let Err(error) = outbox.publish(facts).await {
        tracing::warn!(error.cause_chain = chain(&error), "facts wait in the outbox");
    }
}
