//! The resolver on a real PostgreSQL, with a log that remembers.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod aliases;
mod channel_world;
mod email;
mod email_world;
mod faults;
mod follow_ups;
mod opt_outs;
mod records;
mod staff;
mod start;
mod submissions;
mod thread_corpus;
mod whatsapp;
mod whatsapp_world;

use std::time::Duration;

use bus::{BatchHandler as _, Failure, Headers, Received};
use contract::{ConversationId, TicketRef, Topic, WebformInbound};
use identity_resolver::Resolver;
use sqlx::PgPool;
use store::outbox::{OutboxDeleter, OutboxPublisher};
use testkit::RecordingPublisher;
use testkit::events;

/// Far longer than a batch takes that waits for nobody's lock.
const WITHOUT_LOCKS: Duration = Duration::from_secs(5);

/// A resolver, its database and what it published.
struct World {
    pool: PgPool,
    log: RecordingPublisher,
    resolver: Resolver,
    /// Never runs: what is published stays in the outbox for the test to see.
    _deleter: OutboxDeleter,
}

impl World {
    fn new(pool: PgPool) -> Self {
        let log = RecordingPublisher::new();
        let (outbox, deleter) = OutboxPublisher::new(pool.clone(), log.shared());
        let resolver = Resolver::new(pool.clone(), outbox);
        Self { pool, log, resolver, _deleter: deleter }
    }

    async fn handle(
        &self,
        events: impl IntoIterator<Item = WebformInbound>,
    ) -> Result<(), Failure> {
        self.resolver.handle_batch(events.into_iter().map(received).collect()).await
    }

    async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    /// Rows of every table that the resolver writes.
    async fn rows(&self) -> Vec<i64> {
        sqlx::query_scalar(
            "select count(*) from customers union all select count(*) from customer_identifiers
             union all select count(*) from conversations union all select count(*) from tickets
             union all select count(*) from messages union all select count(*) from outbox
             union all select sum(last_seq)::bigint from conversations",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

fn received(event: WebformInbound) -> (WebformInbound, Received) {
    let received = Received {
        topic: Topic::WebformInbound,
        partition: 0,
        offset: 0,
        key: event.ticket_ref.to_string(),
        headers: Headers::default(),
        attempt: 1,
    };
    (event, received)
}

fn ticket(number: u32) -> TicketRef {
    events::ticket_ref(number)
}

fn conversation(number: u32) -> ConversationId {
    events::conversation(ticket(number))
}
