//! `fte tail`: a topic as one JSON line an event.

use std::process::ExitCode;
use std::str::FromStr;

use bus::{ReadFrom, ReadRecord, ReadSettings};
use chassis::settings::{BusSettings, DatabaseSettings};
use chrono::{DateTime, Utc};
use clap::Args;
use contract::{
    DeadLetter, EmailInbound, Event, MetricFact, Outgoing, TicketEvent, Topic, WebformInbound,
    WhatsappInbound,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::output::line;

/// Print a topic's events as JSON lines
///
/// The events hold what customers wrote: treat the output as personal data.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Topic, such as fte.metrics
    topic: Topic,
    /// Where to start: beginning, latest, or an RFC 3339 time
    #[arg(long, default_value = "beginning")]
    from: From,
    /// Only events of this key
    #[arg(long)]
    key: Option<String>,
    /// Wait for more at the end
    #[arg(long)]
    follow: bool,
    /// Go on where the last reader of this group stopped
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    bus: BusSettings,
}

#[derive(Debug, Clone, Copy)]
struct From(ReadFrom);

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" => Ok(Self(ReadFrom::Beginning)),
            "latest" => Ok(Self(ReadFrom::Latest)),
            time => {
                time.parse::<DateTime<Utc>>().map(|time| Self(ReadFrom::Timestamp(time))).map_err(
                    |_| "beginning, latest, or a time such as 2026-01-05T09:30:00Z".to_owned(),
                )
            }
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let pool = arguments.database.pool("tail")?;
    let bus = arguments.bus.connect(&pool).await?;
    let settings = ReadSettings {
        topic: arguments.topic,
        from: arguments.from.0,
        key: arguments.key,
        follow: arguments.follow,
        group: arguments.group,
    };
    let mut reader = bus.reader(settings).await?;
    loop {
        // Ctrl-C keeps the group's place.
        let next = tokio::select! {
            next = reader.next() => next?,
            _ = tokio::signal::ctrl_c() => None,
        };
        let Some(record) = next else { break };
        line(json_line(&record).to_string())?;
    }
    reader.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// The event with its place. Bytes that do not decode still show where they stand.
pub(crate) fn json_line(record: &ReadRecord) -> Value {
    json!({
        "topic": record.topic.name(),
        "partition": record.partition,
        "offset": record.offset,
        "at": record.at,
        "key": record.key,
        "bytes": record.payload.len(),
        "event": event_of(record.topic, &record.payload),
    })
}

/// A topic's event as JSON.
pub(crate) fn event_of(topic: Topic, payload: &[u8]) -> Value {
    match topic {
        Topic::WebformInbound => decoded::<WebformInbound>(payload),
        Topic::TicketsIncoming => decoded::<TicketEvent>(payload),
        Topic::TicketsOutgoing => decoded::<Outgoing>(payload),
        Topic::Metrics => decoded::<MetricFact>(payload),
        Topic::DeadLetters => decoded::<DeadLetter>(payload),
        Topic::WhatsappInbound => decoded::<WhatsappInbound>(payload),
        Topic::EmailInbound => decoded::<EmailInbound>(payload),
    }
}

fn decoded<E: Event + Serialize>(payload: &[u8]) -> Value {
    match E::decode(payload) {
        Ok(event) => serde_json::to_value(event).unwrap_or_default(),
        Err(error) => json!({ "undecodable": error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use contract::{ConversationId, EventMeta, TicketBody};

    use super::*;

    fn record(payload: bytes::Bytes) -> ReadRecord {
        ReadRecord {
            topic: Topic::TicketsIncoming,
            partition: 3,
            offset: 17,
            at: chassis::clock::now(),
            key: "k".to_owned(),
            headers: bus::Headers::default(),
            payload,
        }
    }

    #[test]
    fn an_event_is_one_json_object_with_its_place() {
        let event = TicketEvent {
            meta: EventMeta::derived(ConversationId::named("x"), "x", chassis::clock::now()),
            conversation_id: ConversationId::named("x"),
            channel: contract::Channel::WebForm,
            body: TicketBody::TurnDue { seq: 4 },
        };

        let shown = json_line(&record(event.encode()));

        assert_eq!(shown["event"]["body"]["turn_due"]["seq"], 4);
        assert_eq!((shown["partition"].as_i64(), shown["offset"].as_i64()), (Some(3), Some(17)));
        assert!(!shown.to_string().contains('\n'));
    }

    #[test]
    fn bytes_that_do_not_decode_still_show_their_place() {
        let shown = json_line(&record(bytes::Bytes::from_static(&[0xff])));

        assert_eq!(shown["offset"], 17);
        assert!(shown["event"]["undecodable"].is_string());
    }

    #[test]
    fn a_start_is_a_word_or_a_time() {
        assert!("latest".parse::<From>().is_ok());
        assert!("2026-01-05T09:30:00Z".parse::<From>().is_ok());
        assert!("yesterday".parse::<From>().is_err());
    }
}
