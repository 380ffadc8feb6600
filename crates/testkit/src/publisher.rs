//! A log that only remembers, and fails on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::{PublishError, Publisher, Record};
use contract::Event;
use futures::FutureExt;
use futures::future::BoxFuture;

/// Remembers what is published. Clones share the memory.
#[derive(Debug, Clone, Default)]
pub struct RecordingPublisher(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    records: Vec<Record>,
    calls: usize,
    script: VecDeque<Fault>,
    is_down: bool,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// Nothing arrived.
    Lost,
    /// Everything arrived, but the answer did not.
    Unconfirmed,
}

impl RecordingPublisher {
    pub fn new() -> Self {
        Self::default()
    }

    /// As the services take it.
    pub fn shared(&self) -> Arc<dyn Publisher> {
        Arc::new(self.clone())
    }

    /// The next call fails and nothing arrives. Calls add up.
    pub fn lose_next(&self) {
        self.state().script.push_back(Fault::Lost);
    }

    /// The next call fails although everything arrived. Calls add up.
    pub fn leave_next_unconfirmed(&self) {
        self.state().script.push_back(Fault::Unconfirmed);
    }

    /// The next call succeeds, whatever is scripted after it.
    pub fn confirm_next(&self) {
        self.state().script.push_back(Fault::None);
    }

    /// Every call fails from now on, or none but the scripted ones.
    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// How often it was called, failures included.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Everything that arrived, in order.
    pub fn records(&self) -> Vec<Record> {
        self.state().records.clone()
    }

    /// Everything that arrived since the last time, which is then forgotten.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.state().records)
    }

    /// What arrived on one topic, decoded.
    pub fn events<E: Event>(&self) -> Vec<E> {
        let decoded = |record: &Record| E::decode(&record.payload).ok();
        let fits = |record: &&Record, event: &E| event.topic() == record.topic;
        let state = self.state();
        let pairs = state.records.iter().filter_map(|record| Some((record, decoded(record)?)));
        pairs.filter(|(record, event)| fits(record, event)).map(|(_, event)| event).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, records: Vec<Record>) -> Result<(), PublishError> {
        let mut state = self.state();
        state.calls += 1;
        let fault = match state.is_down {
            true => Fault::Lost,
            false => state.script.pop_front().unwrap_or(Fault::None),
        };
        if !matches!(fault, Fault::Lost) {
            state.records.extend(records);
        }
        match fault {
            Fault::None => Ok(()),
            Fault::Lost | Fault::Unconfirmed => {
                Err(PublishError::Unavailable(anyhow::anyhow!("scripted failure")))
            }
        }
    }
}

impl Publisher for RecordingPublisher {
    fn publish_all(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), PublishError>> {
        let result = self.publish(records);
        async move { result }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use contract::{MetricFact, TicketEvent, WebformInbound};

    use super::*;
    use crate::events;

    #[tokio::test]
    async fn an_unconfirmed_record_has_arrived_and_a_lost_one_has_not() {
        let publisher = RecordingPublisher::new();
        publisher.lose_next();
        publisher.leave_next_unconfirmed();
        let record = || vec![Record::of(&events::submission(events::ticket_ref(1)))];

        assert!(publisher.publish_all(record()).await.is_err());
        assert!(publisher.records().is_empty());
        assert!(publisher.publish_all(record()).await.is_err());
        assert_eq!(publisher.events::<WebformInbound>().len(), 1);
        assert!(publisher.publish_all(record()).await.is_ok());
        assert_eq!(publisher.calls(), 3);
    }

    #[tokio::test]
    async fn events_are_found_by_their_topic() {
        let publisher = RecordingPublisher::new();
        let conversation = events::conversation(events::ticket_ref(1));
        let stored = events::message_stored(conversation, 1);
        let fact = events::message_received(conversation);

        publisher.publish_all(vec![Record::of(&stored), Record::of(&fact)]).await.unwrap();

        assert_eq!(publisher.events::<TicketEvent>(), [stored]);
        assert_eq!(publisher.events::<MetricFact>(), [fact]);
    }
}
