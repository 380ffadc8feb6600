//! What a dead letter is made of. Its id comes from the place of the record, so a
//! letter that is written twice is one letter.

use contract::{DeadLetter, DeadLetterClass, EventId, EventMeta, SCHEMA_VERSION, Topic};

use chrono::DateTime;

use crate::record::EVENT_ID_HEADER;
use crate::replay::REPLAY_HEADER;
use crate::source::RawRecord;

/// The letter for a record that the group cannot handle. `error` must hold no
/// customer text. A mark of an earlier replay stays behind: it named that try.
pub(crate) fn letter(
    group: &str,
    topic: Topic,
    record: &RawRecord,
    class: DeadLetterClass,
    error: String,
    attempts: u32,
) -> DeadLetter {
    // The log's own timestamp sets apart the records of a topic that was made anew,
    // whose offsets begin again.
    let event_id = EventId::named(&format!(
        "dead-letter:{group}:{topic}:{}:{}:{}",
        record.partition, record.offset, record.timestamp_ms
    ));
    let cause = record.headers.get_str(EVENT_ID_HEADER).and_then(|id| id.parse().ok());
    DeadLetter {
        meta: EventMeta {
            event_id,
            cause_id: cause.unwrap_or(event_id).as_uuid(),
            event_time: DateTime::from_timestamp_millis(record.timestamp_ms).unwrap_or_default(),
            schema_version: SCHEMA_VERSION,
        },
        topic: topic.name().to_owned(),
        partition: record.partition,
        offset: record.offset,
        group: group.to_owned(),
        key: record.key.clone(),
        headers: record
            .headers
            .iter()
            .filter(|(name, _)| *name != REPLAY_HEADER)
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect(),
        payload: record.payload.clone(),
        class,
        error,
        attempts,
    }
}
