//! `fte.tickets.outgoing`: what is to be delivered.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};

use crate::event::{DecodeError, Event};
use crate::id::{ConversationId, HandOffId, ReplyId};
use crate::meta::{EventMeta, parse};
use crate::ticket_ref::TicketRef;
use crate::topic::Topic;
use crate::wire;
use crate::words::{Author, Category, Channel, IdentityLevel, Plan, Priority};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outgoing {
    pub meta: EventMeta,
    pub conversation_id: ConversationId,
    pub channel: Channel,
    pub ticket_ref: TicketRef,
    pub body: OutgoingBody,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutgoingBody {
    Reply(Reply),
    HandOff(HandOff),
}

/// A text for the customer, in the parts in which it is sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reply {
    pub reply_id: ReplyId,
    pub author: Author,
    /// Shown to the customer when a person writes; else empty.
    pub author_name: String,
    /// The conversation's owner epoch at the decision. An agent's reply of an
    /// older epoch is cancelled, never sent.
    pub owner_epoch: u64,
    /// First and last message covered; 0 when the reply covers none.
    pub first_seq: u64,
    pub last_seq: u64,
    pub parts: Vec<String>,
}

/// A conversation on its way to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandOff {
    pub hand_off_id: HandOffId,
    /// The person or queue that takes over.
    pub person: String,
    /// Where mail reaches that person; `None` for a queue.
    pub person_email: Option<String>,
    pub category: Category,
    pub priority: Priority,
    pub reason: String,
    pub summary: String,
    pub tried: String,
    pub suggested_next_step: String,
    pub customer_name: String,
    pub plan: Option<Plan>,
    pub identity_level: IdentityLevel,
    /// −1.0 … +1.0; `None` while nothing has measured it.
    pub sentiment: Option<f64>,
    pub owner_epoch: u64,
}

impl Event for Outgoing {
    fn meta(&self) -> &EventMeta {
        &self.meta
    }

    fn topic(&self) -> Topic {
        Topic::TicketsOutgoing
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Owned(self.conversation_id.to_string())
    }

    fn encode(&self) -> Bytes {
        use wire::outgoing::Body;
        let body = match &self.body {
            OutgoingBody::Reply(reply) => Body::Reply(wire::Reply {
                reply_id: reply.reply_id.to_string(),
                author: reply.author.to_wire(),
                author_name: reply.author_name.clone(),
                owner_epoch: reply.owner_epoch,
                first_seq: reply.first_seq,
                last_seq: reply.last_seq,
                parts: reply.parts.clone(),
            }),
            OutgoingBody::HandOff(hand_off) => Body::HandOff(wire::HandOff {
                hand_off_id: hand_off.hand_off_id.to_string(),
                person: hand_off.person.clone(),
                person_email: hand_off.person_email.clone(),
                category: hand_off.category.to_wire(),
                priority: hand_off.priority.to_wire(),
                reason: hand_off.reason.clone(),
                summary: hand_off.summary.clone(),
                tried: hand_off.tried.clone(),
                suggested_next_step: hand_off.suggested_next_step.clone(),
                customer_name: hand_off.customer_name.clone(),
                plan: hand_off.plan.map_or(0, Plan::to_wire),
                identity_level: hand_off.identity_level.to_wire(),
                sentiment: hand_off.sentiment,
                owner_epoch: hand_off.owner_epoch,
            }),
        };
        let message = wire::Outgoing {
            meta: Some(self.meta.to_wire()),
            conversation_id: self.conversation_id.to_string(),
            channel: self.channel.to_wire(),
            ticket_ref: self.ticket_ref.to_string(),
            body: Some(body),
        };
        message.encode_to_vec().into()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        use wire::outgoing::Body;
        let message = wire::Outgoing::decode(payload)?;
        let body = match message.body.ok_or(DecodeError::Field("body"))? {
            Body::Reply(reply) => OutgoingBody::Reply(Reply {
                reply_id: parse(&reply.reply_id, "reply.reply_id")?,
                author: Author::from_wire(reply.author, "reply.author")?,
                author_name: reply.author_name,
                owner_epoch: reply.owner_epoch,
                first_seq: reply.first_seq,
                last_seq: reply.last_seq,
                parts: reply.parts,
            }),
            Body::HandOff(hand_off) => OutgoingBody::HandOff(HandOff {
                hand_off_id: parse(&hand_off.hand_off_id, "hand_off.hand_off_id")?,
                person: hand_off.person,
                person_email: hand_off.person_email,
                category: Category::from_wire(hand_off.category, "hand_off.category")?,
                priority: Priority::from_wire(hand_off.priority, "hand_off.priority")?,
                reason: hand_off.reason,
                summary: hand_off.summary,
                tried: hand_off.tried,
                suggested_next_step: hand_off.suggested_next_step,
                customer_name: hand_off.customer_name,
                plan: Plan::maybe_from_wire(hand_off.plan),
                identity_level: IdentityLevel::from_wire(
                    hand_off.identity_level,
                    "hand_off.identity_level",
                )?,
                sentiment: hand_off.sentiment,
                owner_epoch: hand_off.owner_epoch,
            }),
        };
        Ok(Self {
            meta: EventMeta::from_wire(message.meta)?,
            conversation_id: parse(&message.conversation_id, "conversation_id")?,
            channel: Channel::from_wire(message.channel, "channel")?,
            ticket_ref: parse(&message.ticket_ref, "ticket_ref")?,
            body,
        })
    }
}
