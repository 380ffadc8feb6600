//! The consumer of mail servers' reports: what became of mails that we sent. The other
//! events of the same topic are the ingress' and the identity-resolver's.

use bus::{BatchHandler, Failure, Received};
use contract::{BounceAction, DeliveryId, EmailBody, EmailBounce, EmailInbound};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use sqlx::PgPool;
use store::delivery_receipts::{self, Known, Rank};
use store::mail_sends::{self, Reported};
use store::outbox::OutboxPublisher;

use super::OUTLET;
use crate::sender::SUPPORT_QUEUE;
use crate::told::{self, Told, ToldFailure};

/// What a status of RFC 3463 says, for a person who reads why a reply did not arrive. The
/// longest beginning that fits counts; the first digit is left out, as 4 and 5 differ only
/// in how long the other server has tried.
const MEANINGS: [(&str, &str); 12] = [
    ("1.1", "there is no mailbox with this address"),
    ("1.2", "the address's domain does not exist"),
    ("1.10", "the address's domain takes no mail"),
    ("1", "the address is wrong"),
    ("2.1", "the mailbox is switched off"),
    ("2.2", "the mailbox is full"),
    ("2", "the mailbox takes no mail"),
    ("3", "the other server cannot take the mail"),
    ("4.7", "the other server could not be reached for days"),
    ("4", "the other server cannot be reached"),
    ("6", "the other server cannot read the mail"),
    ("7", "the other server refuses mail from us"),
];

/// Moves deliveries by what other mail servers report.
pub struct Bounces {
    pool: PgPool,
    outbox: OutboxPublisher,
    /// Reports by what became of them.
    counted: Counter<u64>,
}

impl Bounces {
    pub fn new(pool: PgPool, outbox: OutboxPublisher) -> Self {
        Self { pool, outbox, counted: told::counter() }
    }

    async fn apply(&self, bounces: &[EmailBounce]) -> Result<(), Failure> {
        let mut matched = Vec::with_capacity(bounces.len());
        for bounce in bounces {
            let found = mail_sends::reported(&self.pool, reported(bounce)).await?;
            matched.extend(found.map(|id| (bounce, id)));
            self.count(found.is_some());
        }
        let ids: Vec<DeliveryId> = matched.iter().map(|(_, id)| *id).collect();
        let known = delivery_receipts::find(&self.pool, &ids, OUTLET, &[]).await?;
        let told: Vec<Told<'_>> = matched
            .iter()
            .filter_map(|(bounce, id)| {
                let known = known.iter().find(|known| known.delivery.id == *id)?;
                Some(one(bounce, known))
            })
            .collect();
        told::apply(&self.pool, &self.outbox, OUTLET, &told).await
    }

    fn count(&self, is_known: bool) {
        let outcome = if is_known { "applied" } else { "unknown_message" };
        self.counted.add(1, &[KeyValue::new("outcome", outcome)]);
        if !is_known {
            tracing::info!(receipt.outcome = outcome, "a report changes nothing");
        }
    }
}

impl BatchHandler for Bounces {
    type Event = EmailInbound;

    async fn handle_batch(&self, batch: Vec<(EmailInbound, Received)>) -> Result<(), Failure> {
        let bounces: Vec<EmailBounce> = batch
            .into_iter()
            .filter_map(|(event, _)| match event.body {
                EmailBody::Bounce(bounce) => Some(bounce),
                EmailBody::Message(_) | EmailBody::Notification(_) | EmailBody::Unreadable(_) => {
                    None
                }
            })
            .collect();
        if bounces.is_empty() {
            return Ok(());
        }
        self.apply(&bounces).await
    }
}

/// By our own id, which may also stand in the Message-ID that we wrote, else by the
/// Message-ID on the wire, else by the address.
fn reported(bounce: &EmailBounce) -> Reported<'_> {
    let rfc822_id = bounce.original_message_id.as_deref();
    let in_message_id = || {
        let (local, _) = rfc822_id?.split_once('@')?;
        local.parse().ok().map(|id: uuid::Uuid| DeliveryId::from(id))
    };
    Reported {
        delivery_id: bounce.delivery_id.or_else(in_message_id),
        rfc822_id,
        recipient: &bounce.recipient,
    }
}

fn one<'a>(bounce: &EmailBounce, known: &'a Known) -> Told<'a> {
    let (rank, word) = match bounce.action {
        BounceAction::Failed => (Rank::Failed, "failed"),
        // It was taken, and may still arrive.
        BounceAction::Delayed => (Rank::Accepted, "delayed"),
        BounceAction::Delivered => (Rank::Delivered, "delivered"),
        BounceAction::Relayed => (Rank::Delivered, "relayed"),
        BounceAction::Expanded => (Rank::Delivered, "expanded"),
    };
    Told {
        known,
        rank,
        provider_id: None,
        event: format!("{}:{word}:{}", bounce.gmail_id, bounce.status),
        failure: (rank == Rank::Failed).then(|| ToldFailure {
            reason: reason(&bounce.status),
            hands_over_to: Some(SUPPORT_QUEUE),
        }),
    }
}

/// In plain words, without what the other server wrote: that names the customer.
fn reason(status: &str) -> String {
    let detail = status.split_once('.').map_or("", |(_, detail)| detail);
    let fits = |(begin, _): &&(&str, &str)| {
        detail.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let longest = MEANINGS.iter().filter(fits).max_by_key(|(begin, _)| begin.len());
    let words = longest.map_or("the mail came back", |(_, words)| *words);
    if status.is_empty() { words.to_owned() } else { format!("{words} ({status})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_in_plain_words() {
        for (status, words) in [
            ("5.1.1", "there is no mailbox with this address (5.1.1)"),
            ("5.1.10", "the address's domain takes no mail (5.1.10)"),
            ("5.1.9", "the address is wrong (5.1.9)"),
            ("4.4.7", "the other server could not be reached for days (4.4.7)"),
            ("5.2.2", "the mailbox is full (5.2.2)"),
            ("5.7.26", "the other server refuses mail from us (5.7.26)"),
            ("5.0.0", "the mail came back (5.0.0)"),
            ("", "the mail came back"),
        ] {
            assert_eq!(reason(status), words);
        }
    }
}
