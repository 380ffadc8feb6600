//! `fte.dlq`: events that could not be handled, whole.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::Serialize;

use crate::event::{DecodeError, Event};
use crate::meta::EventMeta;
use crate::topic::Topic;
use crate::wire;

/// The original record and why it stands here. `error` holds no customer text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetter {
    pub meta: EventMeta,
    /// The name of the original topic.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub group: String,
    pub key: String,
    #[serde(skip)]
    pub headers: Vec<(String, Bytes)>,
    #[serde(skip)]
    pub payload: Bytes,
    pub class: DeadLetterClass,
    pub error: String,
    pub attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterClass {
    /// The bytes do not decode or break the schema.
    Rejected,
    /// Every retry failed.
    Exhausted,
    /// Follows an earlier dead letter of the same key.
    Parked,
}

impl DeadLetterClass {
    pub fn as_str(self) -> &'static str {
        match self {
            DeadLetterClass::Rejected => "rejected",
            DeadLetterClass::Exhausted => "exhausted",
            DeadLetterClass::Parked => "parked",
        }
    }

    fn to_wire(self) -> i32 {
        let value = match self {
            DeadLetterClass::Rejected => wire::ErrorClass::Rejected,
            DeadLetterClass::Exhausted => wire::ErrorClass::Exhausted,
            DeadLetterClass::Parked => wire::ErrorClass::Parked,
        };
        value.into()
    }

    fn from_wire(value: i32) -> Result<Self, DecodeError> {
        match wire::ErrorClass::try_from(value) {
            Ok(wire::ErrorClass::Rejected) => Ok(DeadLetterClass::Rejected),
            Ok(wire::ErrorClass::Exhausted) => Ok(DeadLetterClass::Exhausted),
            Ok(wire::ErrorClass::Parked) => Ok(DeadLetterClass::Parked),
            Ok(wire::ErrorClass::Unspecified) | Err(_) => Err(DecodeError::Field("error_class")),
        }
    }
}

impl Event for DeadLetter {
    fn meta(&self) -> &EventMeta {
        &self.meta
    }

    fn topic(&self) -> Topic {
        Topic::DeadLetters
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.key)
    }

    fn encode(&self) -> Bytes {
        let message = wire::DeadLetter {
            meta: Some(self.meta.to_wire()),
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
            group: self.group.clone(),
            key: self.key.clone(),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| wire::Header { name: name.clone(), value: value.clone() })
                .collect(),
            payload: self.payload.clone(),
            error_class: self.class.to_wire(),
            error: self.error.clone(),
            attempts: self.attempts,
        };
        message.encode_to_vec().into()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let message = wire::DeadLetter::decode(payload)?;
        Ok(Self {
            meta: EventMeta::from_wire(message.meta)?,
            topic: message.topic,
            partition: message.partition,
            offset: message.offset,
            group: message.group,
            key: message.key,
            headers: message.headers.into_iter().map(|h| (h.name, h.value)).collect(),
            payload: message.payload,
            class: DeadLetterClass::from_wire(message.error_class)?,
            error: message.error,
            attempts: message.attempts,
        })
    }
}
