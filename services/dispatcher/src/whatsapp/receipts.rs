//! The consumer of Twilio's callbacks: what became of what we sent. Messages of the
//! same topic are the identity-resolver's.

use bus::{BatchHandler, Failure, Received};
use channels::twilio::errors::{Action, ErrorTable};
use contract::{DeliveryId, WhatsappBody, WhatsappInbound, WhatsappStatus};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use sqlx::PgPool;
use store::delivery_receipts::{self, Known, Rank};
use store::outbox::OutboxPublisher;

use super::{OUTLET, is_failure, successor};
use crate::told::{self, Told, ToldFailure};

/// Moves deliveries by what their provider tells.
pub struct Receipts {
    pool: PgPool,
    outbox: OutboxPublisher,
    table: ErrorTable,
    /// Receipts by what became of them.
    counted: Counter<u64>,
}

impl Receipts {
    pub fn new(pool: PgPool, outbox: OutboxPublisher, table: ErrorTable) -> Self {
        Self { pool, outbox, table, counted: told::counter() }
    }

    /// Applies statuses; those of messages that are not ours are counted.
    async fn apply(&self, statuses: &[WhatsappStatus]) -> Result<(), Failure> {
        let ids: Vec<DeliveryId> = statuses.iter().filter_map(|s| s.delivery_id).collect();
        let sids: Vec<&str> = statuses.iter().map(|s| s.message_sid.as_str()).collect();
        let known = delivery_receipts::find(&self.pool, &ids, OUTLET, &sids).await?;
        told::apply(&self.pool, &self.outbox, OUTLET, &self.told(statuses, &known)).await
    }

    fn told<'a>(&self, statuses: &[WhatsappStatus], known: &'a [Known]) -> Vec<Told<'a>> {
        let mut told = Vec::new();
        for status in statuses {
            let belongs = |known: &&Known| match status.delivery_id {
                Some(id) => known.delivery.id == id,
                None => known.provider_id.as_ref() == Some(&status.message_sid),
            };
            let outcome = match (rank(&status.status), known.iter().find(belongs)) {
                (Some(rank), Some(known)) => {
                    told.push(self.one(status, rank, known));
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
        told
    }

    fn one<'a>(&self, status: &WhatsappStatus, rank: Rank, known: &'a Known) -> Told<'a> {
        let meaning = (rank == Rank::Failed).then(|| self.table.meaning(status.error_code));
        if let Some(meaning) = &meaning
            && meaning.action == Action::Settings
        {
            let (id, reason) = (known.delivery.id, meaning.reason.as_str());
            tracing::error!(delivery.id = %id, reason, "a setting must be mended");
        }
        let code = status.error_code.unwrap_or_default();
        Told {
            known,
            rank,
            provider_id: Some(status.message_sid.clone()),
            event: format!("{}:{}:{code}", status.message_sid, status.status),
            failure: meaning.map(|meaning| ToldFailure {
                hands_over_to: successor(&meaning),
                reason: meaning.reason,
            }),
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
