//! A delivery in a worker's hands: its span, and its end.

use std::time::Duration;

use bus::{Headers, Record};
use chrono::{DateTime, Utc};
use store::deliveries::{Begun, Ending, Finished};
use tracing::Span;

/// For how long a send whose outcome is unknown holds back the agent's next ones.
pub(crate) const HOLD: Duration = Duration::from_secs(60);

/// When such a send is looked up, and again: a callback is quicker, mostly. The first look
/// comes before the hold ends, so that nothing overtakes a send that proves never to have gone.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(30);

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
        let at = self.delivery.begun_at + elapsed;
        self.span.in_scope(|| self.delivery.finished(ending, at))
    }

    /// One per delivery, whoever finds out first.
    pub(crate) fn send_failed(&self, at: DateTime<Utc>, reason: &str) -> Record {
        self.span.in_scope(|| self.delivery.send_failed(at, reason))
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
