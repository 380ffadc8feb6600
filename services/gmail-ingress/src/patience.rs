//! Calls to Gmail, made again while it is away for a moment or asks to wait.

use std::time::Duration;

use channels::gmail::Error;
use tokio::time::{Instant, sleep};

/// Doubled this often, a wait is as long as it gets: 64 units.
const MOST_DOUBLINGS: u32 = 6;

/// How long a call is made again, and how soon.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first wait where Google does not say one, before jitter.
    pub unit: Duration,
    /// After this long the failure goes to whoever waits for the whole.
    pub limit: Duration,
}

impl Default for Patience {
    /// Google's advice, for about a minute: then the mailbox is given back, so that a
    /// replica that can reach Gmail may try.
    fn default() -> Self {
        Self { unit: Duration::from_secs(1), limit: Duration::from_secs(60) }
    }
}

impl Patience {
    /// What the call gives in the end.
    pub(crate) async fn call<T, F: Future<Output = Result<T, Error>>>(
        self,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + self.limit;
        let mut tries = 0;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = match &error {
                Error::RateLimited { after: Some(after), .. }
                | Error::Retryable { after: Some(after), .. } => *after,
                Error::RateLimited { .. } | Error::Retryable { .. } => self.wait(tries),
                _ => return Err(error),
            };
            if Instant::now() + wait > deadline {
                return Err(error);
            }
            tries += 1;
            sleep(wait).await;
        }
    }

    /// `unit` doubled with every try, and up to a unit more.
    pub(crate) fn wait(self, tries: u32) -> Duration {
        let doubled = self.unit * 2_u32.pow(tries.min(MOST_DOUBLINGS));
        doubled + self.unit.mul_f64(rand::random_range(0.0..1.0))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const QUICK: Patience =
        Patience { unit: Duration::from_millis(1), limit: Duration::from_millis(500) };

    fn away() -> Error {
        Error::Retryable { after: None, reason: "status 503".to_owned() }
    }

    #[tokio::test]
    async fn a_call_is_made_again_until_it_goes() {
        let calls = Cell::new(0);

        let answer = QUICK
            .call(async || {
                calls.set(calls.get() + 1);
                if calls.get() < 4 { Err(away()) } else { Ok(7) }
            })
            .await;

        assert_eq!((answer, calls.get()), (Ok(7), 4));
    }

    #[tokio::test]
    async fn patience_ends_and_never_outlasts_what_google_asks_for() {
        let began = Instant::now();
        let for_ever = QUICK.call(async || Err::<(), _>(away())).await;
        let in_an_hour = Error::RateLimited {
            after: Some(Duration::from_secs(3600)),
            reason: "dailyLimitExceeded".to_owned(),
        };
        let limited = QUICK.call(async || Err::<(), _>(in_an_hour.clone())).await;

        assert_eq!((for_ever, limited), (Err(away()), Err(in_an_hour)));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn what_waiting_does_not_mend_is_told_at_once() {
        let calls = Cell::new(0);

        let answer = QUICK
            .call(async || {
                calls.set(calls.get() + 1);
                Err::<(), _>(Error::NotFound)
            })
            .await;

        assert_eq!((answer, calls.get()), (Err(Error::NotFound), 1));
    }

    #[test]
    fn waits_double_with_jitter_up_to_a_bound() {
        let unit = Duration::from_secs(1);
        let patience = Patience { unit, limit: unit };

        for (tries, least) in [(0, 1), (1, 2), (3, 8), (6, 64), (60, 64)] {
            let wait = patience.wait(tries);
            assert!(wait >= unit * least && wait < unit * (least + 1), "{tries}: {wait:?}");
        }
    }
}
