//! A consumer that a test starts and stops, and what its handler saw.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bus::{
    BatchHandler, Bus, ConsumerError, ConsumerSettings, Failure, Handler, Outcome, ReadSettings,
    Received, Record,
};
use contract::{ConversationId, DeadLetter, Event as _, TicketEvent, Topic};
use futures::future::BoxFuture;
use testkit::{events, wait_within};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const GROUP: &str = "group";

/// Longer than a drain and a close without a broker.
const END: Duration = Duration::from_secs(25);

/// The settings of most tests: retries within a second.
pub(crate) fn settings() -> ConsumerSettings {
    let mut settings = ConsumerSettings::new(GROUP, Topic::TicketsIncoming);
    settings.retry_delays = [50, 100, 100].map(Duration::from_millis).to_vec();
    settings.drain = Duration::from_secs(5);
    settings.session_timeout = Duration::from_secs(6);
    settings
}

/// The event number `seq` of a key.
pub(crate) fn event(key: &str, seq: u64) -> TicketEvent {
    events::turn_due(ConversationId::named(key), seq)
}

pub(crate) fn is_of(event: &TicketEvent, key: &str) -> bool {
    event.conversation_id == ConversationId::named(key)
}

pub(crate) async fn publish(bus: &Bus, events: impl IntoIterator<Item = TicketEvent>) {
    let records = events.into_iter().map(|event| Record::of(&event)).collect();
    bus.publisher().publish_all(records).await.unwrap();
}

/// Events `0..count` of each of `keys` keys, one of each key after the other.
pub(crate) fn interleaved(keys: usize, count: u64) -> Vec<TicketEvent> {
    (0..count).flat_map(|seq| (0..keys).map(move |key| event(&format!("key {key}"), seq))).collect()
}

/// What handlers saw, in the order in which they began.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(ConversationId, u64)>>>);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Vec<(ConversationId, u64)>> {
        self.0.lock().unwrap()
    }

    pub(crate) fn note(&self, event: &TicketEvent) {
        self.lock().push((event.conversation_id, event.seq()));
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn all(&self) -> Vec<(ConversationId, u64)> {
        self.lock().clone()
    }

    /// Different events seen.
    pub(crate) fn distinct(&self) -> usize {
        self.lock().iter().collect::<HashSet<_>>().len()
    }

    pub(crate) fn times(&self, event: &TicketEvent) -> usize {
        let wanted = (event.conversation_id, event.seq());
        self.lock().iter().filter(|seen| **seen == wanted).count()
    }

    /// The numbers of each key, in the order in which they were first seen.
    pub(crate) fn by_key(&self) -> HashMap<ConversationId, Vec<u64>> {
        let mut keys: HashMap<_, Vec<_>> = HashMap::new();
        for (key, seq) in self.lock().iter() {
            let seqs = keys.entry(*key).or_default();
            if !seqs.contains(seq) {
                seqs.push(*seq);
            }
        }
        keys
    }
}

/// A handler from a closure.
pub(crate) struct Each<F>(pub(crate) F);

impl<F> Handler for Each<F>
where
    F: Fn(TicketEvent, Received) -> BoxFuture<'static, Result<Outcome, Failure>>
        + Send
        + Sync
        + 'static,
{
    type Event = TicketEvent;

    async fn handle(&self, event: TicketEvent, received: &Received) -> Result<Outcome, Failure> {
        (self.0)(event, received.clone()).await
    }
}

/// A batch handler from a closure.
pub(crate) struct Many<F>(pub(crate) F);

impl<F> BatchHandler for Many<F>
where
    F: Fn(Vec<TicketEvent>) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync + 'static,
{
    type Event = TicketEvent;

    async fn handle_batch(&self, batch: Vec<(TicketEvent, Received)>) -> Result<(), Failure> {
        (self.0)(batch.into_iter().map(|(event, _)| event).collect()).await
    }
}

/// A running consumer.
pub(crate) struct Member {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), ConsumerError>>,
}

impl Member {
    pub(crate) fn start<F>(bus: &Bus, settings: ConsumerSettings, handle: F) -> Self
    where
        F: Fn(TicketEvent, Received) -> BoxFuture<'static, Result<Outcome, Failure>>
            + Send
            + Sync
            + 'static,
    {
        let (bus, shutdown) = (bus.clone(), CancellationToken::new());
        let token = shutdown.clone();
        let task = tokio::spawn(async move { bus.consume(settings, Each(handle), token).await });
        Self { shutdown, task }
    }

    pub(crate) fn start_batches<F>(bus: &Bus, settings: ConsumerSettings, handle: F) -> Self
    where
        F: Fn(Vec<TicketEvent>) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync + 'static,
    {
        let (bus, shutdown) = (bus.clone(), CancellationToken::new());
        let token = shutdown.clone();
        let task =
            tokio::spawn(async move { bus.consume_batches(settings, Many(handle), token).await });
        Self { shutdown, task }
    }

    /// A member that notes everything and succeeds at once.
    pub(crate) fn noting(bus: &Bus, settings: ConsumerSettings, seen: &Seen) -> Self {
        let seen = seen.clone();
        Self::start(bus, settings, move |event, _| {
            seen.note(&event);
            Box::pin(async { Ok(Outcome::Done) })
        })
    }

    /// Asks it to stop, without waiting.
    pub(crate) fn shut_down(&self) {
        self.shutdown.cancel();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    pub(crate) async fn ended(self) -> Result<(), ConsumerError> {
        self.task.await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        wait_within(END, "the end of the member", async || self.has_ended()).await;
        self.ended().await.unwrap();
    }
}

/// Every dead letter in the log.
pub(crate) async fn dead_letters(bus: &Bus) -> Vec<DeadLetter> {
    let mut reader = bus.reader(ReadSettings::new(Topic::DeadLetters)).await.unwrap();
    let mut letters = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        letters.push(DeadLetter::decode(&record.payload).unwrap());
    }
    letters
}

/// Events of the group's topic that it has not finished.
pub(crate) async fn unfinished(bus: &Bus) -> i64 {
    let lag = bus.lag().await.unwrap();
    lag.iter().filter(|lag| lag.group == GROUP).map(bus::Lag::records).sum()
}
