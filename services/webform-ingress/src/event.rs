//! From what a customer sent to an event that the log has confirmed.

use std::time::Duration;

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{EventId, EventMeta, SCHEMA_VERSION, TicketRef, WebformBody, WebformInbound};
use sha2::{Digest as _, Sha256};
use store::web_requests::{self, Hash};
use tracing::warn;

use crate::Ingress;
use crate::refusal::Refusal;
use crate::submission::{FollowUp, IdempotencyKey, Submission};

/// The publisher has its own, shorter limit; this one holds if it does not.
const LONGEST_PUBLISH: Duration = Duration::from_secs(15);

/// The event id of a ticket's first message.
pub(crate) fn submission_id(ticket_ref: &TicketRef) -> EventId {
    EventId::named(&format!("webform:{ticket_ref}"))
}

impl Submission {
    /// Over everything that makes two submissions the same one.
    pub(crate) fn content_hash(&self) -> Hash {
        hash([
            self.name.as_bytes(),
            self.email.as_str().as_bytes(),
            self.subject.as_bytes(),
            self.message.as_bytes(),
            self.category.map_or("", |word| word.as_str()).as_bytes(),
            self.priority.map_or("", |word| word.as_str()).as_bytes(),
            self.plan.map_or("", |word| word.as_str()).as_bytes(),
        ])
    }

    pub(crate) fn into_event(
        self,
        ticket_ref: TicketRef,
        received_at: DateTime<Utc>,
        has_idempotency_key: bool,
    ) -> WebformInbound {
        let body = WebformBody::Submission(contract::Submission {
            name: self.name,
            email: self.email.into_string(),
            subject: self.subject,
            message: self.message,
            category: self.category,
            priority: self.priority,
            claimed_plan: self.plan,
            has_idempotency_key,
        });
        let meta = meta(submission_id(&ticket_ref), received_at);
        WebformInbound { meta, ticket_ref, body }
    }
}

impl FollowUp {
    pub(crate) fn into_event(
        self,
        ticket_ref: TicketRef,
        event_id: EventId,
        received_at: DateTime<Utc>,
    ) -> WebformInbound {
        let body = WebformBody::FollowUp { message: self.message };
        WebformInbound { meta: meta(event_id, received_at), ticket_ref, body }
    }
}

/// The request is the first cause, so the event is its own.
fn meta(event_id: EventId, event_time: DateTime<Utc>) -> EventMeta {
    EventMeta { event_id, cause_id: event_id.as_uuid(), event_time, schema_version: SCHEMA_VERSION }
}

/// Writes the key's first use, or finds it: the ref and the time it stands for.
pub(crate) async fn claim(
    ingress: &Ingress,
    scope: &str,
    key: &IdempotencyKey,
    content: &Hash,
    ticket_ref: &TicketRef,
    now: DateTime<Utc>,
) -> Result<(TicketRef, DateTime<Utc>), Refusal> {
    let key = hash([scope.as_bytes(), key.as_str().as_bytes()]);
    let claimed = web_requests::claim(&ingress.pool, &key, content, ticket_ref, now).await;
    let request = claimed.map_err(|error| not_confirmed(ticket_ref, &error))?;
    if !request.same_body {
        return Err(Refusal::KeyReused);
    }
    Ok((request.ticket_ref, request.created_at))
}

/// Returns once the log has the event.
pub(crate) async fn publish(ingress: &Ingress, event: &WebformInbound) -> Result<(), Refusal> {
    let publishing = ingress.publisher.publish_all(vec![Record::of(event)]);
    match tokio::time::timeout(LONGEST_PUBLISH, publishing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(not_confirmed(&event.ticket_ref, &error)),
        Err(elapsed) => Err(not_confirmed(&event.ticket_ref, &elapsed)),
    }
}

/// A refusal that says "not confirmed": the event may still arrive.
pub(crate) fn not_confirmed(
    ticket_ref: &TicketRef,
    error: &(dyn std::error::Error + 'static),
) -> Refusal {
    warn!(ticket.ref = %ticket_ref, error.cause_chain = chain(error), "request not confirmed");
    Refusal::Unconfirmed
}

/// SHA-256 over parts that cannot run into each other.
pub(crate) fn hash<const N: usize>(parts: [&[u8]; N]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_hash_do_not_run_into_each_other() {
        assert_ne!(hash([b"ab", b"c"]), hash([b"a", b"bc"]));
        assert_eq!(hash([b"ab", b"c"]), hash([b"ab", b"c"]));
    }
}
