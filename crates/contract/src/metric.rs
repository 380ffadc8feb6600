//! `fte.metrics`: typed facts that metrics and analysts count.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};

use crate::event::{DecodeError, Event};
use crate::id::ConversationId;
use crate::meta::{EventMeta, parse};
use crate::topic::Topic;
use crate::wire;
use crate::words::{Category, Channel};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricFact {
    pub meta: EventMeta,
    pub channel: Channel,
    pub conversation_id: Option<ConversationId>,
    pub fact: Fact,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    MessageReceived,
    TurnFinished(TurnFinished),
    /// The first reply of a conversation was handed to the provider, or stored
    /// for the status page. Counted from the first message's event time.
    FirstReplyDelivered {
        latency_us: u64,
    },
    SendFailed {
        reason: String,
    },
    DuplicateIgnored,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TurnFinished {
    pub outcome: TurnOutcome,
    pub category: Option<Category>,
    pub messages: u32,
    /// The conversation's first outcome; escalation counts conversations.
    pub first_outcome: bool,
    pub first_hand_over: bool,
    pub duration_us: u64,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    /// The customer's mood, from -1 to 1; `None` where no words were read.
    pub sentiment: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    Answered,
    HandedOver,
    NoAnswer,
}

impl TurnOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            TurnOutcome::Answered => "answered",
            TurnOutcome::HandedOver => "handed_over",
            TurnOutcome::NoAnswer => "no_answer",
        }
    }

    fn to_wire(self) -> i32 {
        let value = match self {
            TurnOutcome::Answered => wire::TurnOutcome::Answered,
            TurnOutcome::HandedOver => wire::TurnOutcome::HandedOver,
            TurnOutcome::NoAnswer => wire::TurnOutcome::NoAnswer,
        };
        value.into()
    }

    fn from_wire(value: i32) -> Result<Self, DecodeError> {
        match wire::TurnOutcome::try_from(value) {
            Ok(wire::TurnOutcome::Answered) => Ok(TurnOutcome::Answered),
            Ok(wire::TurnOutcome::HandedOver) => Ok(TurnOutcome::HandedOver),
            Ok(wire::TurnOutcome::NoAnswer) => Ok(TurnOutcome::NoAnswer),
            Ok(wire::TurnOutcome::Unspecified) | Err(_) => {
                Err(DecodeError::Field("turn_finished.outcome"))
            }
        }
    }
}

impl Fact {
    /// The word under which the fact is stored and counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Fact::MessageReceived => "message_received",
            Fact::TurnFinished(_) => "turn_finished",
            Fact::FirstReplyDelivered { .. } => "first_reply_delivered",
            Fact::SendFailed { .. } => "send_failed",
            Fact::DuplicateIgnored => "duplicate_ignored",
        }
    }
}

impl Event for MetricFact {
    fn meta(&self) -> &EventMeta {
        &self.meta
    }

    fn topic(&self) -> Topic {
        Topic::Metrics
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Owned(match self.conversation_id {
            Some(id) => id.to_string(),
            None => self.meta.cause_id.to_string(),
        })
    }

    fn encode(&self) -> Bytes {
        use wire::metric_fact::Fact as WireFact;
        let fact = match &self.fact {
            Fact::MessageReceived => WireFact::MessageReceived(wire::MessageReceived {}),
            Fact::TurnFinished(turn) => WireFact::TurnFinished(wire::TurnFinished {
                outcome: turn.outcome.to_wire(),
                category: turn.category.map_or(0, Category::to_wire),
                messages: turn.messages,
                first_outcome: turn.first_outcome,
                first_hand_over: turn.first_hand_over,
                duration_us: turn.duration_us,
                prompt_tokens: turn.prompt_tokens,
                completion_tokens: turn.completion_tokens,
                sentiment: turn.sentiment,
            }),
            Fact::FirstReplyDelivered { latency_us } => {
                WireFact::FirstReplyDelivered(wire::FirstReplyDelivered { latency_us: *latency_us })
            }
            Fact::SendFailed { reason } => {
                WireFact::SendFailed(wire::SendFailed { reason: reason.clone() })
            }
            Fact::DuplicateIgnored => WireFact::DuplicateIgnored(wire::DuplicateIgnored {}),
        };
        let message = wire::MetricFact {
            meta: Some(self.meta.to_wire()),
            channel: self.channel.to_wire(),
            conversation_id: self.conversation_id.map(|id| id.to_string()).unwrap_or_default(),
            fact: Some(fact),
        };
        message.encode_to_vec().into()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        use wire::metric_fact::Fact as WireFact;
        let message = wire::MetricFact::decode(payload)?;
        let fact = match message.fact.ok_or(DecodeError::Field("fact"))? {
            WireFact::MessageReceived(_) => Fact::MessageReceived,
            WireFact::TurnFinished(turn) => Fact::TurnFinished(TurnFinished {
                outcome: TurnOutcome::from_wire(turn.outcome)?,
                category: Category::maybe_from_wire(turn.category),
                messages: turn.messages,
                first_outcome: turn.first_outcome,
                first_hand_over: turn.first_hand_over,
                duration_us: turn.duration_us,
                prompt_tokens: turn.prompt_tokens,
                completion_tokens: turn.completion_tokens,
                sentiment: turn.sentiment,
            }),
            WireFact::FirstReplyDelivered(first) => {
                Fact::FirstReplyDelivered { latency_us: first.latency_us }
            }
            WireFact::SendFailed(failed) => Fact::SendFailed { reason: failed.reason },
            WireFact::DuplicateIgnored(_) => Fact::DuplicateIgnored,
        };
        let conversation_id = match message.conversation_id.as_str() {
            "" => None,
            id => Some(parse(id, "conversation_id")?),
        };
        Ok(Self {
            meta: EventMeta::from_wire(message.meta)?,
            channel: Channel::from_wire(message.channel, "channel")?,
            conversation_id,
            fact,
        })
    }
}
