//! When the mailbox as a whole takes nothing: too much was asked of it, or our access is
//! gone. Everything waits then, and no delivery pays for it with tries.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use channels::gmail::Error;
use tokio::time::Instant;

/// How long nothing is tried while a person must give access back.
const WITHOUT_ACCESS: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Mutex<Option<Instant>>,
}

impl Pause {
    /// Whether requests may start.
    pub(crate) fn is_over(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }

    /// Takes note of what concerns the mailbox as a whole. Returns how long it takes.
    pub(crate) fn note(&self, error: &Error) -> Option<Duration> {
        let wait = match error {
            Error::RateLimited { after, .. } => (*after)?,
            Error::AuthBroken { .. } => WITHOUT_ACCESS,
            Error::Permanent { .. }
            | Error::NotFound
            | Error::Retryable { .. }
            | Error::OutcomeUnknown { .. } => return None,
        };
        let begins = self.is_over();
        let until = Instant::now() + wait;
        let mut standing = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *standing = Some(standing.map_or(until, |standing| standing.max(until)));
        drop(standing);
        if begins {
            match error {
                Error::AuthBroken { .. } => {
                    tracing::error!(%error, "no mail can be sent until access is given back");
                }
                _ => tracing::warn!(%error, wait_ms = wait.as_millis(), "mails wait"),
            }
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_the_mailbox_stops_everything() {
        let pause = Pause::default();
        let reason = String::new;
        let harmless = [
            Error::NotFound,
            Error::Permanent { reason: reason() },
            Error::Retryable { after: Some(Duration::from_secs(9)), reason: reason() },
            Error::OutcomeUnknown { reason: reason() },
            Error::RateLimited { after: None, reason: reason() },
        ];

        assert!(harmless.iter().all(|error| pause.note(error).is_none() && pause.is_over()));
        assert_eq!(pause.note(&Error::AuthBroken { reason: reason() }), Some(WITHOUT_ACCESS));
        assert!(!pause.is_over());
    }

    #[test]
    fn a_shorter_wait_does_not_end_a_longer_one() {
        let pause = Pause::default();
        let limited =
            |after| Error::RateLimited { after: Some(after), reason: "too many".to_owned() };

        pause.note(&limited(Duration::from_secs(60)));
        pause.note(&limited(Duration::ZERO));

        assert!(!pause.is_over());
    }
}
