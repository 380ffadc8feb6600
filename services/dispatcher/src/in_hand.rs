//! A delivery in a worker's hands: its span, its end, and the facts that follow.

use std::time::Duration;

use bus::{Headers, Record};
use chrono::{DateTime, Utc};
use contract::{Author, EventMeta, Fact, MetricFact};
use store::deliveries::{Begun, Ending, Finished};
use tracing::Span;

/// When a send whose outcome is unknown is looked up: a callback is quicker, mostly.
pub(crate) const FIRST_LOOK: Duration = Duration::from_secs(60);

/// A delivery, with the span that continues its trace.
pub(crate) struct InHand {
    pub(crate) delivery: Begun,
    pub(crate) span: Span,
}

impl InHand {
    pub(crate) fn new(delivery: Begun, outlet: &str) -> Self {
        let span = tracing::info_span!(
            "deliver",
            delivery.id = %delivery.id,
            delivery.outlet = outlet,
            conversation.id = %delivery.conversation_id,
        );
        if let Some(traceparent) = &delivery.traceparent {
            let mut headers = Headers::default();
            headers.insert("traceparent", traceparent.clone());
            bus::trace::continue_in(&span, &headers);
        }
        Self { delivery, span }
    }

    /// The end of this try, in the database's time: when it began, and how long ago
    /// that was.
    pub(crate) fn finished(&self, ending: Ending, elapsed: Duration) -> Finished {
        let delivery = &self.delivery;
        let at = delivery.begun_at + elapsed;
        let is_reply = delivery.hand_off.is_none()
            && (delivery.author == Author::Person || delivery.last_seq > 0);
        let records = match &ending {
            Ending::Failed { reason, .. } => vec![self.send_failed(at, reason)],
            _ => Vec::new(),
        };
        let first_reply = delivery
            .unanswered_since
            .filter(|_| is_reply && matches!(ending, Ending::Accepted { .. }))
            .map(|since| self.first_reply(since, at));
        Finished {
            id: delivery.id,
            conversation_id: delivery.conversation_id,
            attempt: delivery.attempt,
            at,
            ending,
            is_reply,
            first_reply,
            records,
        }
    }

    /// One per conversation, whichever of its deliveries comes first.
    fn first_reply(&self, since: DateTime<Utc>, at: DateTime<Utc>) -> Record {
        let conversation_id = self.delivery.conversation_id;
        // The two clocks may differ by more than a quick answer takes.
        let latency = (at - since).to_std().unwrap_or_default();
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.record(MetricFact {
            meta: EventMeta::derived(conversation_id, "first-reply", at),
            channel: self.delivery.channel,
            conversation_id: Some(conversation_id),
            fact: Fact::FirstReplyDelivered { latency_us },
        })
    }

    /// One per delivery, whoever finds out first.
    pub(crate) fn send_failed(&self, at: DateTime<Utc>, reason: &str) -> Record {
        self.record(MetricFact {
            meta: EventMeta::derived(self.delivery.id, "send-failed", at),
            channel: self.delivery.channel,
            conversation_id: Some(self.delivery.conversation_id),
            fact: Fact::SendFailed { reason: reason.to_owned() },
        })
    }

    fn record(&self, fact: MetricFact) -> Record {
        self.span.in_scope(|| Record::of(&fact))
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
