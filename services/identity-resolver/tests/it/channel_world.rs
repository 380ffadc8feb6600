//! A resolver of a channel, its database and what it published.

use std::sync::Arc;

use bus::{BatchHandler, Failure, Headers, Received};
use chrono::{DateTime, TimeDelta, Utc};
use contract::{ConversationId, Event, TicketBody, TicketEvent};
use sqlx::PgPool;
use store::outbox::{OutboxDeleter, OutboxPublisher};
use store::ticket_refs::TicketRefs;
use testkit::{RecordingPublisher, events};

pub(crate) struct ChannelWorld<R> {
    pub(crate) pool: PgPool,
    pub(crate) log: RecordingPublisher,
    resolver: R,
    /// Never runs: what is published stays in the outbox for the test to see.
    _deleter: OutboxDeleter,
}

impl<R: BatchHandler> ChannelWorld<R> {
    pub(crate) async fn with(
        pool: &PgPool,
        resolver: fn(PgPool, OutboxPublisher, Arc<TicketRefs>) -> R,
    ) -> Self {
        let log = RecordingPublisher::new();
        let (outbox, deleter) = OutboxPublisher::new(pool.clone(), log.shared());
        let refs = Arc::new(TicketRefs::starting_with(16));
        refs.refill(pool, chassis::clock::now()).await.unwrap();
        let resolver = resolver(pool.clone(), outbox, refs);
        Self { pool: pool.clone(), log, resolver, _deleter: deleter }
    }

    pub(crate) async fn handle(
        &self,
        events: impl IntoIterator<Item = R::Event>,
    ) -> Result<(), Failure> {
        self.resolver.handle_batch(events.into_iter().map(received).collect()).await
    }

    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn texts(&self, query: &'static str) -> Vec<String> {
        sqlx::query_scalar(query).fetch_all(&self.pool).await.unwrap()
    }

    pub(crate) async fn run(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
    }

    /// Conversation and number of every wake-up, as published.
    pub(crate) fn wake_ups(&self) -> Vec<(ConversationId, u64)> {
        let number = |event: TicketEvent| match event.body {
            TicketBody::MessageStored { seq, .. } => (event.conversation_id, seq),
            TicketBody::TurnDue { .. } => panic!("no turn is due"),
        };
        self.log.events::<TicketEvent>().into_iter().map(number).collect()
    }

    /// Marks everything as answered, as the agent does.
    pub(crate) async fn answer_all(&self) {
        self.run(
            "update messages set outcome = 'answered', outcome_reason = 'answered'
                 where outcome is null;
             update conversations set handled_seq = last_seq",
        )
        .await;
    }
}

pub(crate) fn at(minutes: i64) -> DateTime<Utc> {
    events::time() + TimeDelta::minutes(minutes)
}

fn received<E: Event>(event: E) -> (E, Received) {
    let received = Received {
        topic: event.topic(),
        partition: 0,
        offset: 0,
        key: event.key().into_owned(),
        headers: Headers::default(),
        attempt: 1,
    };
    (event, received)
}
