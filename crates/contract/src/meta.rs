//! What every event carries.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::event::DecodeError;
use crate::id::EventId;
use crate::wire;

/// The schema version that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventMeta {
    pub event_id: EventId,
    /// The event, request or row that led to this one.
    pub cause_id: Uuid,
    /// When the thing happened, to the microsecond.
    pub event_time: DateTime<Utc>,
    pub schema_version: u32,
}

impl EventMeta {
    /// The meta of what comes from outside: it is its own cause, named after what it is there.
    pub fn named(name: &str, event_time: DateTime<Utc>) -> Self {
        let event_id = EventId::named(name);
        let cause_id = event_id.as_uuid();
        Self { event_id, cause_id, event_time, schema_version: SCHEMA_VERSION }
    }

    /// The meta of the event that `cause` gives in this role.
    pub fn derived(cause: impl Into<Uuid>, role: &str, event_time: DateTime<Utc>) -> Self {
        let cause_id = cause.into();
        Self {
            event_id: EventId::derived(cause_id, role),
            cause_id,
            event_time,
            schema_version: SCHEMA_VERSION,
        }
    }

    pub(crate) fn to_wire(&self) -> wire::EventMeta {
        wire::EventMeta {
            event_id: self.event_id.to_string(),
            cause_id: self.cause_id.to_string(),
            event_time: Some(to_timestamp(self.event_time)),
            schema_version: self.schema_version,
        }
    }

    pub(crate) fn from_wire(meta: Option<wire::EventMeta>) -> Result<Self, DecodeError> {
        let meta = meta.ok_or(DecodeError::Field("meta"))?;
        let time = meta.event_time.ok_or(DecodeError::Field("meta.event_time"))?;
        Ok(Self {
            event_id: parse(&meta.event_id, "meta.event_id")?,
            cause_id: parse(&meta.cause_id, "meta.cause_id")?,
            event_time: from_timestamp(time, "meta.event_time")?,
            schema_version: meta.schema_version,
        })
    }
}

/// Parses a string field, or names it.
pub(crate) fn parse<T: std::str::FromStr>(
    text: &str,
    field: &'static str,
) -> Result<T, DecodeError> {
    text.parse().map_err(|_| DecodeError::Field(field))
}

/// To the microsecond, which is what the database keeps.
pub(crate) fn to_timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: time.timestamp_subsec_micros() as i32 * 1_000,
    }
}

pub(crate) fn from_timestamp(
    time: prost_types::Timestamp,
    field: &'static str,
) -> Result<DateTime<Utc>, DecodeError> {
    let nanos = u32::try_from(time.nanos).ok();
    let time = nanos.and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos));
    time.ok_or(DecodeError::Field(field))
}

/// A text that must be there, or its field by name.
pub(crate) fn required(text: String, field: &'static str) -> Result<String, DecodeError> {
    if text.is_empty() { Err(DecodeError::Field(field)) } else { Ok(text) }
}

/// An empty text means that there is none.
pub(crate) fn optional(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
