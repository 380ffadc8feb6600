//! The consumer of Twilio's callbacks: what became of what we sent. Messages of the
//! same topic are the identity-resolver's.

use std::time::Duration;

use bus::{BatchHandler, Failure, Received};
use channels::twilio::errors::{Action, ErrorTable};
use contract::{DeliveryId, WhatsappBody, WhatsappInbound, WhatsappStatus};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use sqlx::PgPool;
use store::deliveries::{Ending, Finished};
use store::delivery_receipts::{self, Known, Rank, Receipt};
use store::outbox::OutboxPublisher;
use store::retry_serialization;

use super::{OUTLET, is_failure, successor};
use crate::in_hand::InHand;
use crate::{SERVICE, ends};

/// Moves deliveries by what their provider tells.
pub struct Receipts {
    pool: PgPool,
    outbox: OutboxPublisher,
    table: ErrorTable,
    /// Receipts by what became of them.
    counted: Counter<u64>,
}

/// A status with the delivery it belongs to.
struct Matched<'a> {
    status: &'a WhatsappStatus,
    rank: Rank,
    known: &'a Known,
}

impl Receipts {
    pub fn new(pool: PgPool, outbox: OutboxPublisher, table: ErrorTable) -> Self {
        let counted = opentelemetry::global::meter(SERVICE)
            .u64_counter("fte.dispatcher.receipts")
            .with_description("delivery receipts by what became of them")
            .build();
        Self { pool, outbox, table, counted }
    }

    /// Applies statuses; those of messages that are not ours are counted.
    async fn apply(&self, statuses: &[WhatsappStatus]) -> Result<(), Failure> {
        let ids: Vec<DeliveryId> = statuses.iter().filter_map(|s| s.delivery_id).collect();
        let sids: Vec<&str> = statuses.iter().map(|s| s.message_sid.as_str()).collect();
        let known = delivery_receipts::find(&self.pool, &ids, OUTLET, &sids).await?;
        let matched = self.matched(statuses, &known);
        if matched.is_empty() {
            return Ok(());
        }
        self.accept(&matched).await?;
        let receipts: Vec<_> = matched.iter().map(|matched| self.receipt(matched)).collect();
        let written =
            retry_serialization(|| delivery_receipts::apply(&self.pool, SERVICE, &receipts))
                .await?;
        let records = receipts.into_iter().filter_map(|receipt| receipt.failed);
        let facts = records.filter(|record| written.contains(&record.event_id)).collect();
        ends::publish(&self.outbox, facts).await;
        Ok(())
    }

    fn matched<'a>(&self, statuses: &'a [WhatsappStatus], known: &'a [Known]) -> Vec<Matched<'a>> {
        let mut matched = Vec::new();
        for status in statuses {
            let belongs = |known: &&Known| match status.delivery_id {
                Some(id) => known.delivery.id == id,
                None => known.provider_id.as_ref() == Some(&status.message_sid),
            };
            let outcome = match (rank(&status.status), known.iter().find(belongs)) {
                (Some(rank), Some(known)) => {
                    matched.push(Matched { status, rank, known });
                    "applied"
                }
                (None, _) => "unknown_status",
                (_, None) => "unknown_message",
            };
            self.counted.add(1, &[KeyValue::new("outcome", outcome)]);
            if outcome != "applied" {
                tracing::info!(receipt.outcome = outcome, "a receipt changes nothing");
            }
        }
        matched
    }

    /// A receipt of a delivery that is still open is the acceptance that we have not
    /// seen: the callback was quicker than the answer, or the answer was lost.
    async fn accept(&self, matched: &[Matched<'_>]) -> Result<(), Failure> {
        let mut finished = Vec::new();
        for Matched { status, rank, known } in matched {
            let is_open = match known.state.as_str() {
                "sending" | "outcome_unknown" => true,
                // To be sent again; it arrived after all.
                "pending" => *rank != Rank::Failed && known.delivery.attempt > 0,
                _ => false,
            };
            let stands = finished.iter().any(|end: &Finished| end.id == known.delivery.id);
            if is_open && !stands {
                let provider_id = Some(status.message_sid.clone());
                let in_hand = InHand::new(known.delivery.clone(), OUTLET);
                finished.push(in_hand.finished(Ending::Accepted { provider_id }, Duration::ZERO));
            }
        }
        ends::publish(&self.outbox, ends::write(&self.pool, &finished).await?).await;
        Ok(())
    }

    fn receipt(&self, matched: &Matched<'_>) -> Receipt {
        let Matched { status, rank, known } = matched;
        let delivery = &known.delivery;
        let meaning = (*rank == Rank::Failed).then(|| self.table.meaning(status.error_code));
        if let Some(meaning) = &meaning
            && meaning.action == Action::Settings
        {
            let (id, reason) = (delivery.id, meaning.reason.as_str());
            tracing::error!(delivery.id = %id, reason, "a setting must be mended");
        }
        let code = status.error_code.unwrap_or_default();
        Receipt {
            delivery_id: delivery.id,
            conversation_id: delivery.conversation_id,
            provider_id: status.message_sid.clone(),
            event: format!("{}:{}:{code}", status.message_sid, status.status),
            rank: *rank,
            hands_over_to: meaning.as_ref().and_then(successor),
            failed: meaning.as_ref().map(|meaning| {
                InHand::new(delivery.clone(), OUTLET)
                    .send_failed(delivery.begun_at, &meaning.reason)
            }),
            reason: meaning.map(|meaning| meaning.reason),
        }
    }
}

impl BatchHandler for Receipts {
    type Event = WhatsappInbound;

    async fn handle_batch(&self, batch: Vec<(WhatsappInbound, Received)>) -> Result<(), Failure> {
        let statuses: Vec<WhatsappStatus> = batch
            .into_iter()
            .filter_map(|(event, _)| match event.body {
                WhatsappBody::Status(status) => Some(status),
                WhatsappBody::Message(_) => None,
            })
            .collect();
        if statuses.is_empty() {
            return Ok(());
        }
        self.apply(&statuses).await
    }
}

/// Where a status of Twilio's moves a delivery; `None` for one that is not known.
fn rank(status: &str) -> Option<Rank> {
    match status {
        "accepted" | "scheduled" | "queued" | "sending" => Some(Rank::Accepted),
        "sent" => Some(Rank::Sent),
        "delivered" => Some(Rank::Delivered),
        "read" => Some(Rank::Read),
        status if is_failure(status) => Some(Rank::Failed),
        _ => None,
    }
}
