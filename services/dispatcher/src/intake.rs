//! The consumer: writes deliveries down and wakes the workers. It sends nothing, so
//! trouble at a provider never touches an offset.

use std::collections::BTreeSet;

use bus::{BatchHandler, Failure, Received};
use contract::{
    Author, Classified, DeliveryId, FailureClass, HandOff, Outgoing, OutgoingBody, Reply,
};
use sqlx::PgPool;
use store::deliveries::{self, NewDelivery};
use store::retry_serialization;
use uuid::Uuid;

use crate::handoff::Ways;
use crate::outlet::{Outlet, Wakers};

/// The header that continues a trace.
const TRACEPARENT: &str = "traceparent";

/// Writes down what is to be delivered.
pub struct Intake {
    pool: PgPool,
    wakers: Wakers,
    ways: Ways,
}

/// An event that can never be delivered.
#[derive(Debug, thiserror::Error)]
#[error("the reply has no parts")]
struct NoParts;

impl Classified for NoParts {
    fn class(&self) -> FailureClass {
        FailureClass::Reject
    }
}

impl Intake {
    pub fn new(pool: PgPool, wakers: Wakers) -> Self {
        Self { pool, wakers, ways: Ways::default() }
    }

    /// People are told of hand-offs these ways; without, they look into their list.
    pub fn telling(self, ways: Ways) -> Self {
        Self { ways, ..self }
    }
}

impl BatchHandler for Intake {
    type Event = Outgoing;

    async fn handle_batch(&self, batch: Vec<(Outgoing, Received)>) -> Result<(), Failure> {
        let mut new = Vec::with_capacity(batch.len());
        for (event, received) in batch {
            let traceparent = received.headers.get_str(TRACEPARENT).map(str::to_owned);
            new.extend(deliveries_of(event, traceparent, self.ways)?);
        }
        retry_serialization(|| deliveries::insert(&self.pool, &new)).await?;
        let outlets: BTreeSet<_> = new.iter().map(|delivery| delivery.outlet).collect();
        for outlet in outlets {
            self.wakers.wake(outlet);
        }
        Ok(())
    }
}

fn deliveries_of(
    event: Outgoing,
    traceparent: Option<String>,
    ways: Ways,
) -> Result<Vec<NewDelivery>, NoParts> {
    match &event.body {
        OutgoingBody::Reply(reply) if reply.parts.is_empty() => Err(NoParts),
        OutgoingBody::Reply(reply) => Ok(parts(&event, reply, traceparent)),
        OutgoingBody::HandOff(hand_off) => Ok(vec![NewDelivery {
            notice: ways.first(hand_off),
            ..to_person(&event, hand_off, traceparent)
        }]),
    }
}

fn parts(event: &Outgoing, reply: &Reply, traceparent: Option<String>) -> Vec<NewDelivery> {
    let outlet = Outlet::name_for(event.channel);
    (0..)
        .zip(&reply.parts)
        .map(|(part, text)| NewDelivery {
            id: DeliveryId::derived(reply.reply_id, &format!("part-{part}")),
            conversation_id: event.conversation_id,
            outlet,
            reply_id: reply.reply_id.into(),
            part,
            author: reply.author,
            author_name: reply.author_name.clone(),
            owner_epoch: reply.owner_epoch,
            first_seq: reply.first_seq,
            last_seq: reply.last_seq,
            body: text.clone(),
            hand_off: None,
            notice: None,
            traceparent: traceparent.clone(),
        })
        .collect()
}

/// A hand-off goes also when a person has been quicker: what the agent knows helps
/// them. So its author is the system, which no takeover cancels.
fn to_person(event: &Outgoing, hand_off: &HandOff, traceparent: Option<String>) -> NewDelivery {
    let reply_id = Uuid::from(hand_off.hand_off_id);
    NewDelivery {
        id: DeliveryId::derived(reply_id, "part-0"),
        conversation_id: event.conversation_id,
        outlet: Outlet::HandOff.as_str(),
        reply_id,
        part: 0,
        author: Author::System,
        author_name: String::new(),
        owner_epoch: hand_off.owner_epoch,
        first_seq: 0,
        last_seq: 0,
        body: hand_off.summary.clone(),
        hand_off: serde_json::to_value(hand_off).ok(),
        notice: None,
        traceparent,
    }
}
