//! What makes a type an event of the log.

use std::borrow::Cow;

use bytes::Bytes;

use crate::meta::EventMeta;
use crate::topic::Topic;

/// An event: decoded and checked in one step, so that whoever holds one may trust it.
pub trait Event: Sized + Send + Sync + 'static {
    fn meta(&self) -> &EventMeta;

    fn topic(&self) -> Topic;

    /// The record key: events of one key are handled in order.
    fn key(&self) -> Cow<'_, str>;

    /// The protobuf bytes. The same event gives the same bytes.
    fn encode(&self) -> Bytes;

    /// Fails for bytes that are not this message, or that lack a required field.
    fn decode(payload: &[u8]) -> Result<Self, DecodeError>;
}

/// Why bytes are not an event. Holds no content of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the bytes are not this protobuf message")]
    Wire(#[from] prost::DecodeError),
    #[error("field {0} is missing or invalid")]
    Field(&'static str),
}
