//! From facts to counts: the consumer of `fte.metrics`.

use bus::{BatchHandler, Failure, Received};
use contract::{Fact, MetricFact, TurnFinished, TurnOutcome};
use sqlx::PgPool;
use store::facts::{self, Counts, NewFact};

use crate::histogram;

/// Counts every fact once.
#[derive(Debug, Clone)]
pub struct Counter {
    pool: PgPool,
}

impl Counter {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

impl BatchHandler for Counter {
    type Event = MetricFact;

    async fn handle_batch(&self, batch: Vec<(MetricFact, Received)>) -> Result<(), Failure> {
        let facts: Vec<NewFact<'_>> = batch
            .iter()
            .map(|(fact, received)| NewFact {
                fact,
                log_partition: received.partition,
                counts: counts(&fact.fact),
            })
            .collect();
        let new =
            store::retry_serialization(async || facts::record(&self.pool, &facts).await).await?;
        tracing::debug!(facts.received = facts.len(), facts.new = new, "facts are counted");
        Ok(())
    }
}

/// What a fact adds to its minute. Messages and answers are counted in customer
/// messages, outcomes and hand-overs in conversations.
fn counts(fact: &Fact) -> Counts {
    let none = Counts::default();
    match fact {
        Fact::MessageReceived => Counts { received: 1, ..none },
        Fact::TurnFinished(turn) => turn_counts(turn),
        Fact::FirstReplyDelivered { latency_us } => {
            Counts { first_reply_bucket: Some(histogram::bucket_of(*latency_us)), ..none }
        }
        Fact::SendFailed { .. } => Counts { failed_sends: 1, ..none },
        Fact::DuplicateIgnored => Counts { duplicates: 1, ..none },
    }
}

/// A sum of whole numbers is the same in any order.
fn milli(sentiment: f64) -> i64 {
    (sentiment.clamp(-1.0, 1.0) * 1_000.0).round() as i64
}

fn turn_counts(turn: &TurnFinished) -> Counts {
    let messages = i64::from(turn.messages);
    let if_outcome = |outcome| if turn.outcome == outcome { messages } else { 0 };
    Counts {
        answered: if_outcome(TurnOutcome::Answered),
        no_answer: if_outcome(TurnOutcome::NoAnswer),
        turns: 1,
        with_outcome: turn.first_outcome.into(),
        escalated: turn.first_hand_over.into(),
        sentiment_milli: turn.sentiment.map(milli),
        ..Counts::default()
    }
}
