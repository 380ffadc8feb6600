//! `fte.tickets.incoming`: wake-ups for the agent. The row is the truth.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::Serialize;

use crate::event::{DecodeError, Event};
use crate::id::{ConversationId, MessageId};
use crate::meta::{EventMeta, parse};
use crate::topic::Topic;
use crate::wire;
use crate::words::Channel;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TicketEvent {
    pub meta: EventMeta,
    pub conversation_id: ConversationId,
    pub channel: Channel,
    pub body: TicketBody,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketBody {
    /// A message was written under its conversation's lock as number `seq`.
    MessageStored { message_id: MessageId, seq: u64 },
    /// Messages up to `seq` still wait for an outcome.
    TurnDue { seq: u64 },
}

impl TicketEvent {
    /// The number of the newest message this event knows of.
    pub fn seq(&self) -> u64 {
        match self.body {
            TicketBody::MessageStored { seq, .. } | TicketBody::TurnDue { seq } => seq,
        }
    }
}

impl Event for TicketEvent {
    fn meta(&self) -> &EventMeta {
        &self.meta
    }

    fn topic(&self) -> Topic {
        Topic::TicketsIncoming
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Owned(self.conversation_id.to_string())
    }

    fn encode(&self) -> Bytes {
        use wire::ticket_event::Body;
        let body = match self.body {
            TicketBody::MessageStored { message_id, seq } => {
                Body::MessageStored(wire::MessageStored { message_id: message_id.to_string(), seq })
            }
            TicketBody::TurnDue { seq } => Body::TurnDue(wire::TurnDue { seq }),
        };
        let message = wire::TicketEvent {
            meta: Some(self.meta.to_wire()),
            conversation_id: self.conversation_id.to_string(),
            channel: self.channel.to_wire(),
            body: Some(body),
        };
        message.encode_to_vec().into()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        use wire::ticket_event::Body;
        let message = wire::TicketEvent::decode(payload)?;
        let body = match message.body.ok_or(DecodeError::Field("body"))? {
            Body::MessageStored(stored) => TicketBody::MessageStored {
                message_id: parse(&stored.message_id, "message_stored.message_id")?,
                seq: stored.seq,
            },
            Body::TurnDue(due) => TicketBody::TurnDue { seq: due.seq },
        };
        Ok(Self {
            meta: EventMeta::from_wire(message.meta)?,
            conversation_id: parse(&message.conversation_id, "conversation_id")?,
            channel: Channel::from_wire(message.channel, "channel")?,
            body,
        })
    }
}
