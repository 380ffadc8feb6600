//! What a provider tells about deliveries after they were sent, applied: acceptances that
//! we had not seen, states upwards, a person where a reply did not arrive.

use std::time::Duration;

use bus::Failure;
use opentelemetry::metrics::Counter;
use sqlx::PgPool;
use store::deliveries::{Ending, Finished};
use store::delivery_receipts::{self, Known, Rank, Receipt};
use store::outbox::OutboxPublisher;
use store::retry_serialization;

use crate::in_hand::InHand;
use crate::{SERVICE, ends};

/// One thing told about one delivery.
pub(crate) struct Told<'a> {
    pub(crate) known: &'a Known,
    pub(crate) rank: Rank,
    /// The message's id at the provider, where that tells it.
    pub(crate) provider_id: Option<String>,
    /// As the provider puts it: one event each.
    pub(crate) event: String,
    pub(crate) failure: Option<ToldFailure>,
}

/// Why a message did not arrive, in plain words, and who goes on.
pub(crate) struct ToldFailure {
    pub(crate) reason: String,
    pub(crate) hands_over_to: Option<&'static str>,
}

/// Counts what providers tell, by what became of it.
pub(crate) fn counter() -> Counter<u64> {
    opentelemetry::global::meter(SERVICE)
        .u64_counter("fte.dispatcher.receipts")
        .with_description("delivery receipts by what became of them")
        .build()
}

/// Applies all of it, in any order and as often as it comes.
pub(crate) async fn apply(
    pool: &PgPool,
    outbox: &OutboxPublisher,
    outlet: &str,
    told: &[Told<'_>],
) -> Result<(), Failure> {
    if told.is_empty() {
        return Ok(());
    }
    let accepted = unseen_acceptances(outlet, told);
    ends::publish(outbox, ends::write(pool, &accepted).await?).await;
    let receipts: Vec<_> = told.iter().map(|told| receipt(outlet, told)).collect();
    let written =
        retry_serialization(|| delivery_receipts::apply(pool, SERVICE, &receipts)).await?;
    let records = receipts.into_iter().filter_map(|receipt| receipt.failed);
    let facts = records.filter(|record| written.contains(&record.event_id)).collect();
    ends::publish(outbox, facts).await;
    Ok(())
}

/// A receipt of a delivery that is still open is the acceptance that we have not seen: the
/// receipt was quicker than the answer, or the answer was lost.
fn unseen_acceptances(outlet: &str, told: &[Told<'_>]) -> Vec<Finished> {
    let mut finished: Vec<Finished> = Vec::new();
    for Told { known, rank, provider_id, .. } in told {
        let is_open = match known.state.as_str() {
            "sending" | "outcome_unknown" => true,
            // To be sent again; it arrived after all.
            "pending" => *rank != Rank::Failed && known.delivery.attempt > 0,
            _ => false,
        };
        let stands = finished.iter().any(|end| end.id == known.delivery.id);
        if is_open && !stands {
            let in_hand = InHand::new(known.delivery.clone(), outlet);
            let end = Ending::Accepted { provider_id: provider_id.clone() };
            finished.push(in_hand.finished(end, Duration::ZERO));
        }
    }
    finished
}

fn receipt(outlet: &str, told: &Told<'_>) -> Receipt {
    let Told { known, rank, provider_id, event, failure } = told;
    let delivery = &known.delivery;
    Receipt {
        delivery_id: delivery.id,
        conversation_id: delivery.conversation_id,
        provider_id: provider_id.clone(),
        event: event.clone(),
        rank: *rank,
        reason: failure.as_ref().map(|failure| failure.reason.clone()),
        hands_over_to: failure.as_ref().and_then(|failure| failure.hands_over_to),
        failed: failure.as_ref().map(|failure| {
            let in_hand = InHand::new(delivery.clone(), outlet);
            in_hand.send_failed(delivery.begun_at, &failure.reason)
        }),
    }
}
