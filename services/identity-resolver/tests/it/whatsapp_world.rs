//! A resolver for WhatsApp, its database and what it published; messages as Twilio's
//! customers send them.

use std::sync::Arc;

use bus::{BatchHandler as _, Failure, Headers, Received};
use chrono::{DateTime, TimeDelta, Utc};
use contract::{
    ConversationId, Event as _, EventId, EventMeta, TicketBody, TicketEvent, Topic, WhatsappBody,
    WhatsappInbound, WhatsappMessage,
};
use identity_resolver::WhatsappResolver;
use sqlx::PgPool;
use store::outbox::{OutboxDeleter, OutboxPublisher};
use store::ticket_refs::TicketRefs;
use testkit::{RecordingPublisher, events};

pub(crate) const ANA: &str = "whatsapp:ES.1A2B3C4D5E6F7A8B";

pub(crate) struct WhatsappWorld {
    pub(crate) pool: PgPool,
    pub(crate) log: RecordingPublisher,
    resolver: WhatsappResolver,
    /// Never runs: what is published stays in the outbox for the test to see.
    _deleter: OutboxDeleter,
}

impl WhatsappWorld {
    pub(crate) async fn new(pool: &PgPool) -> Self {
        let log = RecordingPublisher::new();
        let (outbox, deleter) = OutboxPublisher::new(pool.clone(), log.shared());
        let refs = Arc::new(TicketRefs::starting_with(16));
        refs.refill(pool, chassis::clock::now()).await.unwrap();
        let resolver = WhatsappResolver::new(pool.clone(), outbox, refs);
        Self { pool: pool.clone(), log, resolver, _deleter: deleter }
    }

    pub(crate) async fn handle(
        &self,
        events: impl IntoIterator<Item = WhatsappInbound>,
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

/// A text from Ana, who shows her phone, `minutes` after the first.
pub(crate) fn text(number: u32, minutes: i64, body: &str) -> WhatsappInbound {
    message(number, minutes, |message| message.body = body.into())
}

/// As [`text`], with the changed fields of your choice.
pub(crate) fn message(
    number: u32,
    minutes: i64,
    change: impl FnOnce(&mut WhatsappMessage),
) -> WhatsappInbound {
    let message_sid = format!("SM{number:032x}");
    let mut message = WhatsappMessage {
        from: "whatsapp:+34612345678".into(),
        to: "whatsapp:+14155238886".into(),
        sender_id: ANA.into(),
        phone: Some("+34612345678".into()),
        profile_name: "Ana".into(),
        body: String::new(),
        message_type: "text".into(),
        media: Vec::new(),
        location: None,
        button: None,
        replied_to_sid: None,
        opt_out_type: None,
        message_sid,
    };
    change(&mut message);
    let event_id = EventId::named(&format!("twilio:{}", message.message_sid));
    WhatsappInbound {
        meta: EventMeta {
            event_id,
            cause_id: event_id.into(),
            event_time: at(minutes),
            schema_version: 1,
        },
        body: WhatsappBody::Message(message),
    }
}

pub(crate) fn at(minutes: i64) -> DateTime<Utc> {
    events::time() + TimeDelta::minutes(minutes)
}

/// The conversation that message `number` of this sender opens.
pub(crate) fn conversation(sender: &str, number: u32) -> ConversationId {
    ConversationId::named(&format!("whatsapp:{sender}:SM{number:032x}"))
}

pub(crate) fn received(event: WhatsappInbound) -> (WhatsappInbound, Received) {
    let received = Received {
        topic: Topic::WhatsappInbound,
        partition: 0,
        offset: 0,
        key: event.key().into_owned(),
        headers: Headers::default(),
        attempt: 1,
    };
    (event, received)
}
