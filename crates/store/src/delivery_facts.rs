//! The facts that follow from how a delivery ends.

use bus::Record;
use chrono::{DateTime, Utc};
use contract::{Author, EventMeta, Fact, MetricFact};

use crate::deliveries::{Begun, Ending, Finished};

impl Begun {
    /// The end of this try at this time, with what is to be published when it counts.
    pub fn finished(&self, ending: Ending, at: DateTime<Utc>) -> Finished {
        let is_reply =
            self.hand_off.is_none() && (self.author == Author::Person || self.last_seq > 0);
        let records = match &ending {
            Ending::Failed { reason, .. } => vec![self.send_failed(at, reason)],
            _ => Vec::new(),
        };
        let first_reply = self
            .unanswered_since
            .filter(|_| is_reply && matches!(ending, Ending::Accepted { .. }))
            .map(|since| self.first_reply(since, at));
        Finished {
            id: self.id,
            conversation_id: self.conversation_id,
            attempt: self.attempt,
            at,
            ending,
            is_reply,
            first_reply,
            records,
        }
    }

    /// One per conversation, whichever of its deliveries comes first.
    fn first_reply(&self, since: DateTime<Utc>, at: DateTime<Utc>) -> Record {
        // The two clocks may differ by more than a quick answer takes.
        let latency = (at - since).to_std().unwrap_or_default();
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        Record::of(&MetricFact {
            meta: EventMeta::derived(self.conversation_id, "first-reply", at),
            channel: self.channel,
            conversation_id: Some(self.conversation_id),
            fact: Fact::FirstReplyDelivered { latency_us },
        })
    }

    /// One per delivery, whoever finds out first.
    pub fn send_failed(&self, at: DateTime<Utc>, reason: &str) -> Record {
        Record::of(&MetricFact {
            meta: EventMeta::derived(self.id, "send-failed", at),
            channel: self.channel,
            conversation_id: Some(self.conversation_id),
            fact: Fact::SendFailed { reason: reason.to_owned() },
        })
    }
}
