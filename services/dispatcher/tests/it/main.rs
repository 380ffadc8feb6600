//! The dispatcher on a real PostgreSQL, with a log that remembers.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod email;
mod faults;
mod fence;
mod handoff;
mod sending;
mod whatsapp;

use bus::{BatchHandler as _, Failure, Headers, Received};
use contract::{
    Author, Channel, ConversationId, DeliveryId, Event, Outgoing, Reply, ReplyId, TicketRef,
};
use dispatcher::{Intake, Outlet, Step, Wakers, Worker};
use sqlx::PgPool;
use store::channel_configs::{ChannelConfig, ChannelConfigs};
use store::outbox::{OutboxDeleter, OutboxPublisher};
use testkit::{RecordingPublisher, events};

/// A replica of the dispatcher over one database.
struct World {
    pool: PgPool,
    log: RecordingPublisher,
    outbox: OutboxPublisher,
    intake: Intake,
    web_form: Worker,
    hand_off: Worker,
    /// Never runs: what is published stays in the outbox for the test to see.
    _deleter: OutboxDeleter,
}

impl World {
    fn new(pool: PgPool) -> Self {
        let log = RecordingPublisher::new();
        let wakers = Wakers::default();
        let (outbox, deleter) = OutboxPublisher::new(pool.clone(), log.shared());
        let worker = |outlet| {
            let configs = enabled(Channel::WebForm);
            Worker::new(outlet, pool.clone(), outbox.clone(), wakers.clone(), configs)
        };
        Self {
            web_form: worker(Outlet::WebForm),
            hand_off: worker(Outlet::HandOff),
            intake: Intake::new(pool.clone(), wakers.clone()),
            outbox,
            log,
            _deleter: deleter,
            pool,
        }
    }

    async fn handle(&self, batch: impl IntoIterator<Item = Outgoing>) -> Result<(), Failure> {
        self.intake.handle_batch(batch.into_iter().map(received).collect()).await
    }

    /// Works at both outlets until nothing is due.
    async fn send_all(&self) {
        for worker in [&self.web_form, &self.hand_off] {
            loop {
                let (step, facts) = worker.step().await.unwrap();
                self.outbox.publish(facts).await.unwrap();
                if step == Step::Idle {
                    break;
                }
            }
        }
    }

    /// State, attempt and text of every delivery, in the order of sending.
    async fn deliveries(&self) -> Vec<(String, i32, String)> {
        sqlx::query_as("select state, attempt, body from deliveries order by position")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    async fn states(&self) -> Vec<String> {
        self.deliveries().await.into_iter().map(|(state, ..)| state).collect()
    }

    async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    async fn run(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
    }

    /// The only text that is found; empty where there is none.
    async fn text(&self, query: &'static str) -> String {
        let found: Option<String> = sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap();
        found.unwrap_or_default()
    }
}

/// A channel that may send, everything else as it is by default.
fn enabled(channel: Channel) -> ChannelConfigs {
    ChannelConfigs::fixed([(channel, ChannelConfig { enabled: true, ..Default::default() })])
}

/// Stores the first message of these tickets, as the resolver does.
async fn store_tickets(pool: &PgPool, numbers: impl IntoIterator<Item = u32>) {
    let (ids, refs): (Vec<uuid::Uuid>, Vec<String>) = numbers
        .into_iter()
        .map(|number| (conversation(number).as_uuid(), ticket(number).to_string()))
        .unzip();
    sqlx::query(
        "with known as (
             insert into customers (id, name) values ('00000000-0000-0000-0000-000000000001', 'Sam')
             on conflict do nothing
         ), thread as (
             insert into conversations
                 (id, channel, thread_key, customer_id, identity_level, last_seq, handled_seq)
             select id, 'web_form', ref, '00000000-0000-0000-0000-000000000001', 'self_asserted', 1, 1
             from unnest($1, $2) as row (id, ref)
         ), ticket as (
             insert into tickets (ref, conversation_id, subject, respond_by)
             select ref, id, 'x', app_now() from unnest($1, $2) as row (id, ref)
         )
         insert into messages
             (id, conversation_id, seq, channel, provider_id, body, sent_at, outcome)
         select gen_random_uuid(), id, 1, 'web_form', ref, 'x', app_now() - interval '3 seconds',
             'answered'
         from unnest($1, $2) as row (id, ref)",
    )
    .bind(ids)
    .bind(refs)
    .execute(pool)
    .await
    .unwrap();
}

fn received<E: Event>(event: E) -> (E, Received) {
    let mut headers = Headers::default();
    headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let received = Received {
        topic: event.topic(),
        partition: 0,
        offset: 0,
        key: event.key().into_owned(),
        headers,
        attempt: 1,
    };
    (event, received)
}

/// A reply on a channel; its name tells it from others of the conversation.
fn reply(channel: Channel, number: u32, name: &str, change: impl FnOnce(&mut Reply)) -> Outgoing {
    let mut event = events::reply_with(ticket(number), |reply| {
        reply.reply_id = ReplyId::named(&format!("{name} {number}"));
        reply.parts = vec![format!("{name} for {number}")];
        change(reply);
    });
    event.channel = channel;
    event
}

fn person_reply(channel: Channel, number: u32) -> Outgoing {
    reply(channel, number, "person's", |reply| {
        reply.author = Author::Person;
        reply.author_name = "lisa".into();
        reply.owner_epoch = 1;
    })
}

/// The first part of a reply of this name.
fn delivery(number: u32, name: &str) -> DeliveryId {
    DeliveryId::derived(ReplyId::named(&format!("{name} {number}")), "part-0")
}

fn ticket(number: u32) -> TicketRef {
    events::ticket_ref(number)
}

fn conversation(number: u32) -> ConversationId {
    events::conversation(ticket(number))
}
