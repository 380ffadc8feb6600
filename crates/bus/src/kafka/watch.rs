//! What librdkafka says beside its answers: refusals, brokers away, log lines.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use tokio::sync::Notify;

use super::errors::{Trouble, trouble};

/// Remembers why the brokers refuse us. librdkafka itself tries on for ever and tells
/// callers of a time-out only.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    refusal: Mutex<Option<String>>,
    is_refused: Notify,
    is_down: AtomicBool,
}

impl Watch {
    /// Waits until the brokers refuse us and gives their reason.
    pub(crate) async fn refused(&self) -> String {
        loop {
            let notified = self.is_refused.notified();
            if let Some(reason) = self.refusal() {
                return reason;
            }
            notified.await;
        }
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A broker has answered.
    pub(crate) fn reached(&self) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!("the brokers answer again");
        }
    }

    /// Takes an error in; gives whether the brokers refuse us with it.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) -> bool {
        let is_refused =
            error.rdkafka_error_code().is_some_and(|code| trouble(code) == Trouble::Refused);
        if is_refused {
            let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
            *refusal = Some(reason.to_owned());
            drop(refusal);
            self.is_refused.notify_waiters();
        }
        is_refused
    }

    fn error(&self, error: &KafkaError, reason: &str) {
        if !self.note(error, reason) && !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(kafka.reason = reason, "a broker does not answer");
        }
    }
}

/// Context of clients that only need watching.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched(pub(crate) Arc<Watch>);

impl ClientContext for Watched {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Watched {}

/// librdkafka repeats each connection error several times over; what matters arrives as
/// an error too and is logged once.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let level = format!("{level:?}");
    tracing::debug!(target: "librdkafka", { level, facility }, "{message}");
}
