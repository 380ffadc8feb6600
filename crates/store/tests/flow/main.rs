//! What carries the flow, on a real PostgreSQL: outbox, relay, periodic jobs.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod jobs;
mod mailboxes;
mod outbox;
mod relay;

use bus::Record;
use contract::ConversationId;
use sqlx::PgPool;
use testkit::events;

const SERVICE: &str = "some-service";

fn conversation(number: u32) -> ConversationId {
    events::conversation(events::ticket_ref(number))
}

/// Message `seq` of a conversation, as a record.
fn record(number: u32, seq: u64) -> Record {
    Record::of(&events::message_stored(conversation(number), seq))
}

async fn insert(pool: &PgPool, number: u32, seqs: impl IntoIterator<Item = u64>) -> Vec<Record> {
    let records: Vec<Record> = seqs.into_iter().map(|seq| record(number, seq)).collect();
    store::outbox::insert(pool, SERVICE, Some(conversation(number)), &records).await.unwrap();
    records
}

async fn entries(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from outbox").fetch_one(pool).await.unwrap()
}
