//! One turn at a time per conversation, across replicas. An event is a wake-up; the
//! row is the truth: whoever commits first wins, the other finds its draft stale.

mod notes;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bus::{Failure, Handler, Outcome, Received};
use chassis::clock;
use chrono::{DateTime, TimeDelta, Utc};
use contract::{Channel, ConversationId, TicketEvent};
use futures::FutureExt as _;
use sqlx::PgPool;
use store::outbox::OutboxPublisher;
use store::turns::{Committed, Snapshot, Turn};

use crate::effects::{self, Covered};
use crate::embedder::Embedder;
use crate::judge::Judge;
use crate::knowledge::gap_of;
use crate::log::{Inputs, TurnLog};
use crate::model::Model;
use crate::outage::{self, Patience};
use crate::policy::Reader;
use crate::replay;
use crate::source::DraftError;
use crate::steps::Step;

/// Drafts that a newer message may make worthless before one counts without it.
const MOST_REDOS: u32 = 3;

/// Rounds of one event; each needs a change by somebody else, so more means a fault.
const MOST_ROUNDS: u32 = 20;

/// The longest a burst holds back the first message of it.
const LONGEST_BURST: TimeDelta = TimeDelta::seconds(6);

/// When a turn begins and when it gives up.
#[derive(Debug, Clone, Copy)]
pub struct TurnSettings {
    /// How long after a WhatsApp message the next one may still belong to it.
    pub burst_window: Duration,
    /// Tries of one event after which its conversation goes to a person.
    pub tries: u32,
    /// The longest that a model may take for one turn, over all rounds.
    pub model_time: Duration,
    /// Most tokens of one turn, over all rounds.
    pub model_tokens: u32,
}

/// Answers conversations one turn at a time.
pub struct Agent<M> {
    judge: Judge<M>,
    outbox: OutboxPublisher,
}

impl<M: Model> Agent<M> {
    pub fn new(
        pool: PgPool,
        outbox: OutboxPublisher,
        reader: Reader,
        embedder: Embedder,
        model: M,
        settings: TurnSettings,
    ) -> Self {
        Self { judge: Judge::new(pool, reader, embedder, model, settings), outbox }
    }

    async fn answer(&self, event: &TicketEvent) -> Result<Outcome, Failure> {
        let started = Instant::now();
        let mut redos = 0;
        for _ in 0..MOST_ROUNDS {
            let Some(now) = self.begin(event).await? else { return Ok(Outcome::Done) };
            if let Some(until) = self.burst_ends(&now) {
                return Ok(Outcome::DeferUntil(until));
            }
            bus::crash_point("turn.read");
            let log = match self.decide(&now).await {
                Ok(log) => log,
                Err(DraftError::Model(error)) => match Patience::of(&now) {
                    Patience::Exhausted => self.failed(&now, outage::TRIED),
                    patience => return self.wait(&now, patience, &error).await,
                },
                Err(error) => return Err(error.into()),
            };
            let ignores_newer = redos >= MOST_REDOS;
            bus::crash_point("turn.decided");
            match self.commit(&now, &log, ignores_newer, started).await? {
                // What lies beyond a full turn, or beyond the redos, is the next round's.
                Committed::Done if covers(&now, event) => return Ok(Outcome::Done),
                Committed::Done => redos = 0,
                Committed::Newer => redos += 1,
                Committed::Stale | Committed::Held => {}
            }
        }
        Err(Failure::Retry(anyhow::anyhow!("the conversation changed in every round")))
    }

    /// Publishes what is left of earlier turns. `None` when there is nothing to decide:
    /// every message has its outcome, or a person has the conversation.
    async fn begin(&self, event: &TicketEvent) -> Result<Option<Snapshot>, Failure> {
        let id = event.conversation_id;
        let Some(mut now) = self.judge.statements.read(id).await? else {
            return Err(Failure::Reject(anyhow::anyhow!("conversation {id} is not stored")));
        };
        self.outbox.publish(std::mem::take(&mut now.pending)).await?;
        if now.is_closed || now.handled_seq >= event.seq() || now.messages.is_empty() {
            return Ok(None);
        }
        if now.is_with_person {
            // A note answers as much as an answer does.
            if !now.replies_are_used_up {
                self.note_for_person(&now).await?;
            }
            return Ok(None);
        }
        Ok(Some(now))
    }

    /// When the burst of the newest messages ends, if that is still to come. Both times
    /// are the database's; this process's clock only measures the difference.
    fn burst_ends(&self, now: &Snapshot) -> Option<DateTime<Utc>> {
        let window = match now.channel {
            Channel::Whatsapp => TimeDelta::from_std(self.judge.settings.burst_window).ok()?,
            Channel::Email | Channel::WebForm => return None,
        };
        let newest = now.messages.last()?.stored_at + window;
        let latest = now.messages.first()?.stored_at + LONGEST_BURST;
        let left = newest.min(latest) - now.now;
        (left > TimeDelta::zero()).then(|| clock::now() + left)
    }

    async fn decide(&self, now: &Snapshot) -> Result<TurnLog, DraftError> {
        self.judge.decide(now.conversation_id, Inputs::of(now)).await
    }

    fn failed(&self, now: &Snapshot, tried: &str) -> TurnLog {
        self.judge.decider.failed(Inputs::of(now), self.judge.model(), tried)
    }

    /// Commits in one statement, then publishes what stands in the outbox.
    async fn commit(
        &self,
        now: &Snapshot,
        log: &TurnLog,
        ignores_newer: bool,
        started: Instant,
    ) -> Result<Committed, Failure> {
        let Some(covered) = Covered::of(now) else { return Ok(Committed::Stale) };
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let records = effects::records(now, covered, log, clock::now(), duration_us);
        let draft = &log.draft;
        let turn = Turn {
            id: covered.turn,
            conversation_id: now.conversation_id,
            owner_epoch: now.owner_epoch,
            handled_seq: now.handled_seq,
            first_seq: covered.first_seq,
            last_seq: covered.last_seq,
            // Messages beyond a full turn are known, not newer.
            ignores_newer: ignores_newer || covered.last_seq < now.last_seq,
            outcome: draft.outcome,
            outcome_reason: draft.reason.clone(),
            person: draft.hand_over.as_ref().map(|hand_over| hand_over.person.clone()),
            category: Some(draft.category),
            priority: Some(draft.priority),
            subject: draft.subject.clone(),
            model: log.model.clone(),
            policy_hash: log.policy.clone(),
            log: replay::sealed(log).map_err(|error| Failure::Retry(error.into()))?,
            prompt_tokens: log.usage.prompt_tokens,
            cached_tokens: log.usage.cached_tokens,
            completion_tokens: log.usage.completion_tokens,
            cost_micro_usd: log.usage.cost_micro_usd,
            duration_us,
            records: records.clone(),
        };
        let committed = self.judge.statements.commit(turn).await?;
        if committed == Committed::Done {
            bus::crash_point("turn.committed");
            tracing::debug!(
                conversation.id = %now.conversation_id,
                turn.id = %covered.turn,
                turn.outcome = draft.outcome.as_str(),
                "turn committed"
            );
            let publishing = self.outbox.publish(records);
            self.judge.statements.steps.timed(Step::Publish, publishing).await?;
            self.note_gap(now, covered, log).await;
        }
        Ok(committed)
    }

    /// Remembers a question for which there was no article. Nothing depends on it.
    async fn note_gap(&self, now: &Snapshot, covered: Covered, log: &TurnLog) {
        let Some(gap) = gap_of(log, self.judge.decider.policy.search.answer_from) else { return };
        let (turn, conversation) = (covered.turn.into(), now.conversation_id);
        let noted = store::knowledge::note_gap(
            &self.judge.pool,
            turn,
            conversation,
            &gap.question,
            gap.relevance,
        );
        if let Err(error) = noted.await {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                turn.id = %turn,
                error.cause_chain = format!("{error:#}"),
                "the question is not among the gaps"
            );
        }
    }

    /// The end of a turn that failed for good: a person takes over.
    async fn give_up(&self, event: &TicketEvent) -> Result<Outcome, Failure> {
        for _ in 0..MOST_ROUNDS {
            let Some(now) = self.begin(event).await? else { return Ok(Outcome::Done) };
            let log = self.failed(&now, "preparing an answer failed several times");
            let committed = self.commit(&now, &log, true, Instant::now()).await?;
            if committed == Committed::Done && covers(&now, event) {
                return Ok(Outcome::Done);
            }
        }
        Err(Failure::Retry(anyhow::anyhow!("the conversation changed in every round")))
    }
}

impl<M: Model> Handler for Agent<M> {
    type Event = TicketEvent;

    async fn handle(&self, event: TicketEvent, received: &Received) -> Result<Outcome, Failure> {
        let answered = AssertUnwindSafe(self.answer(&event)).catch_unwind().await;
        let error = match answered {
            Ok(Ok(outcome)) => return Ok(outcome),
            Ok(Err(Failure::Unavailable(error))) => return Err(Failure::Unavailable(error)),
            Ok(Err(Failure::Retry(error))) if received.attempt < self.judge.settings.tries => {
                return Err(Failure::Retry(error));
            }
            Ok(Err(Failure::Retry(error) | Failure::Reject(error))) => error,
            // The text of a panic may hold the customer's words.
            Err(_panic) => anyhow::anyhow!("the turn panicked"),
        };
        log_failed(event.conversation_id, &error);
        self.give_up(&event).await
    }
}

/// Whether a turn over the snapshot leaves nothing of the event.
fn covers(now: &Snapshot, event: &TicketEvent) -> bool {
    now.messages.last().is_some_and(|newest| newest.seq >= event.seq())
}

fn log_failed(conversation: ConversationId, error: &anyhow::Error) {
    tracing::error!(
        conversation.id = %conversation,
        error.cause_chain = format!("{error:#}"),
        "the turn failed and goes to a person"
    );
}
