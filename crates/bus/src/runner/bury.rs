//! Puts an event that cannot be handled into the dead letters, for as long as it takes.

use std::time::Duration;

use bytes::Bytes;
use contract::{DeadLetter, DeadLetterClass, EventId, EventMeta, Topic};
use tokio::time::sleep;
use tracing::Instrument as _;

use super::attempt::Surroundings;
use super::state::Burial;
use crate::clock;
use crate::handler::Failure;
use crate::parking::Parked;
use crate::record::{EVENT_ID_HEADER, Publisher, Received, Record};
use crate::trace;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Errors are for people; their causes rarely say more after this.
const ERROR_CHARS: usize = 1_000;

/// Returns once the letter stands in the log: only then may the offset pass.
pub(crate) async fn bury(around: &Surroundings, publisher: &dyn Publisher, burial: &Burial) {
    let span = tracing::info_span!(
        "bury",
        otel.kind = "producer",
        messaging.destination.name = Topic::DeadLetters.name(),
    );
    trace::continue_in(&span, &burial.item.received.headers);
    async {
        let mut letter = letter(around, burial);
        let mut pause = FIRST_PAUSE;
        while let Err(failure) = publish(around, publisher, burial, &letter).await {
            if matches!(failure, Failure::Reject(_)) && !letter.payload.is_empty() {
                // Its place is known, so nothing is lost before the topic's retention.
                letter.error.push_str("; the payload is too large for a letter");
                letter.payload = Bytes::new();
                continue;
            }
            tracing::warn!(error = ?failure, "a dead letter waits for the log");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        log(around, burial.class, &letter);
    }
    .instrument(span)
    .await;
}

/// The key parks before the letter shows, so that who replays the letter finds it parked.
async fn publish(
    around: &Surroundings,
    publisher: &dyn Publisher,
    burial: &Burial,
    letter: &DeadLetter,
) -> Result<(), Failure> {
    if around.parking.park(&burial.item.received, letter).await? == Parked::Again {
        return Ok(());
    }
    publisher.publish_all(vec![Record::of(letter)]).await?;
    Ok(())
}

/// The letter of an event. The same event at the same place gives the same id.
fn letter(around: &Surroundings, burial: &Burial) -> DeadLetter {
    let Received { partition, offset, key, headers, attempt, .. } = &burial.item.received;
    let group = around.group;
    let topic = around.topic.name();
    let cause = headers
        .get_str(EVENT_ID_HEADER)
        .and_then(|id| id.parse().ok())
        .unwrap_or_else(|| EventId::named(&format!("{topic}/{partition}/{offset}")));
    let role = format!("dead-letter:{group}:{partition}:{offset}");
    DeadLetter {
        meta: EventMeta::derived(cause, &role, clock::now()),
        topic: topic.to_owned(),
        partition: *partition,
        offset: *offset,
        group: group.to_owned(),
        key: key.clone(),
        headers: headers.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        payload: burial.item.payload.clone(),
        class: burial.class,
        error: burial.error.chars().take(ERROR_CHARS).collect(),
        attempts: *attempt,
    }
}

fn log(around: &Surroundings, class: DeadLetterClass, letter: &DeadLetter) {
    around.meters.dead_letter(class.as_str());
    tracing::error!(
        consumer.group = around.group,
        consumer.topic = around.topic.name(),
        event.partition = letter.partition,
        event.offset = letter.offset,
        dead_letter.class = class.as_str(),
        dead_letter.error = letter.error,
        "event moved to the dead letters"
    );
}
