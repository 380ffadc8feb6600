//! The source of a decision that was made before: its log gives what database and model
//! gave then.

use std::sync::atomic::{AtomicUsize, Ordering};

use store::turn_context::{Earlier, KnownTicket};

use crate::log::{End, Inputs, TurnLog};
use crate::model::{Answer, Prompt};
use crate::policy::{Policy, Reading};
use crate::search::Found;
use crate::source::{DraftError, Source, Stop, read_from};

/// A decision that asks for something else than its log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the decision asks for {0}")]
pub struct LogError(pub(crate) &'static str);

/// A log, read in its order.
pub(crate) struct Logged<'a> {
    policy: &'a Policy,
    log: &'a TurnLog,
    searches: AtomicUsize,
    histories: AtomicUsize,
    rounds: AtomicUsize,
}

impl<'a> Logged<'a> {
    pub(crate) fn new(policy: &'a Policy, log: &'a TurnLog) -> Self {
        let none = AtomicUsize::default;
        Self { policy, log, searches: none(), histories: none(), rounds: none() }
    }
}

fn next<'a, T>(of: &'a [T], place: &AtomicUsize) -> Option<&'a T> {
    of.get(place.fetch_add(1, Ordering::Relaxed))
}

impl Source for Logged<'_> {
    fn model(&self) -> &str {
        &self.log.model
    }

    fn reads_messages(&self) -> bool {
        self.log.instructions.is_some()
    }

    async fn read(&self, inputs: &Inputs) -> Result<Reading, DraftError> {
        let scores = &self.log.reading.scores;
        Ok(self.policy.read_again(&read_from(inputs, &inputs.bodies()), scores))
    }

    async fn search(&self, queries: &[String]) -> Result<Vec<Vec<Found>>, DraftError> {
        let found = |query: &String| {
            let search = next(&self.log.searches, &self.searches);
            let search = search.filter(|search| search.query == *query);
            Ok(search.ok_or(LogError("a search that was not made"))?.found.clone())
        };
        queries.iter().map(found).collect()
    }

    async fn earlier(&self) -> Result<Vec<Earlier>, DraftError> {
        Ok(self.log.earlier.clone().unwrap_or_default())
    }

    async fn known_tickets(&self, limit: u32) -> Result<Vec<KnownTicket>, DraftError> {
        let history = next(&self.log.histories, &self.histories);
        let history = history.filter(|history| history.limit == limit);
        Ok(history.ok_or(LogError("tickets that were not read"))?.tickets.clone())
    }

    async fn complete(&self, _prompt: &Prompt) -> Result<Answer, Stop> {
        match (next(&self.log.rounds, &self.rounds), self.log.end) {
            (Some(round), _) => Ok(round.answer.clone()),
            (None, Some(End::OutOfTime)) => Err(Stop::OutOfTime),
            (None, Some(End::Unusable(fault))) => Err(Stop::Unusable(fault)),
            (None, _) => Err(Stop::Failed(LogError("a round that was not held").into())),
        }
    }
}
