//! The way to the server, shared by all turns of the process: the breaker, the pause
//! that a server asked for, the rate, and how many requests are on their way at once.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::breaker::{Admitted, Breaker, Change};
use super::failed::{Failed, LONGEST_WAIT};
use super::meters::Meters;
use crate::model::ModelFault;

/// The pause after a 429 that names none.
const PAUSE: Duration = Duration::from_millis(500);

/// Tenth of a minute's requests may go at once; the rest is spread over the minute.
const BURST: u32 = 10;

/// When a turn that found no place should come again.
const NO_PLACE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Gate {
    breaker: Mutex<Breaker>,
    paused_until: Mutex<Instant>,
    rate: Option<DefaultDirectRateLimiter>,
    places: Semaphore,
    meters: Meters,
}

/// The right to ask once. Dropped without a report, the request was given up.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    admitted: Admitted,
    is_reported: bool,
    _place: SemaphorePermit<'a>,
}

impl Gate {
    pub(super) fn new(in_flight: usize, per_minute: Option<NonZeroU32>, meters: Meters) -> Self {
        let burst = |rate: NonZeroU32| NonZeroU32::new(rate.get() / BURST);
        let quota = per_minute.map(|rate| {
            Quota::per_minute(rate).allow_burst(burst(rate).unwrap_or(NonZeroU32::MIN))
        });
        Self {
            breaker: Mutex::new(Breaker::new()),
            paused_until: Mutex::new(Instant::now()),
            rate: quota.map(RateLimiter::direct),
            places: Semaphore::new(in_flight.max(1)),
            meters,
        }
    }

    /// Waits for the turn's turn, not longer than until the deadline.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<Pass<'_>, Failed> {
        // Before the wait as well: nobody queues for a server that does not work.
        self.breaker().check(Instant::now()).map_err(open)?;
        let Ok(Ok(place)) = timeout_at(deadline, self.places.acquire()).await else {
            return Err(Failed::later(ModelFault::RateLimited, "no place was free", NO_PLACE));
        };
        while let Some(until) = self.not_before() {
            if until >= deadline {
                let wait = until.saturating_duration_since(Instant::now());
                return Err(Failed::later(ModelFault::RateLimited, "the rate is used up", wait));
            }
            sleep_until(until).await;
        }
        let admitted = self.breaker().admit(Instant::now()).map_err(open)?;
        Ok(Pass { gate: self, admitted, is_reported: false, _place: place })
    }

    /// Takes one of the rate, or says when to try again.
    fn not_before(&self) -> Option<Instant> {
        let now = Instant::now();
        let paused_until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        if paused_until > now {
            return Some(paused_until);
        }
        let taken = self.rate.as_ref()?.check();
        let wait = taken.err()?.wait_time_from(DefaultClock::default().now());
        Some(now + wait.max(Duration::from_millis(1)))
    }

    fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST_WAIT);
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = (*paused).max(until);
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Tells all turns what became of the request. Returns for how long that made the
    /// breaker open.
    pub(super) fn report(mut self, failed: Option<&Failed>) -> Option<Duration> {
        self.is_reported = true;
        let change = {
            let mut breaker = self.gate.breaker();
            match failed.map(|failed| failed.fault) {
                None
                | Some(ModelFault::TooLong | ModelFault::Invalid | ModelFault::RateLimited) => {
                    breaker.worked(self.admitted)
                }
                Some(fault) => breaker.failed(self.admitted, fault, Instant::now()),
            }
        };
        if let Some(failed) = failed
            && failed.fault == ModelFault::RateLimited
        {
            self.gate.pause(failed.after.unwrap_or(PAUSE));
        }
        match (change, failed) {
            (Change::Opened(open_for), Some(failed)) => {
                self.gate.meters.breaker_is_open(true);
                tracing::error!(
                    model.fault = ?failed.fault,
                    model.answer = %failed,
                    breaker.open_ms = u64::try_from(open_for.as_millis()).unwrap_or(u64::MAX),
                    "the model server does not work and is left alone; turns wait"
                );
                Some(open_for)
            }
            (Change::Closed, _) => {
                self.gate.meters.breaker_is_open(false);
                tracing::info!("the model server works again");
                None
            }
            (Change::None | Change::Opened(_), _) => None,
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.is_reported {
            self.gate.breaker().given_up(self.admitted, Instant::now());
        }
    }
}

fn open(wait: Duration) -> Failed {
    Failed::later(ModelFault::BreakerOpen, "not asked, the breaker is open", wait)
}

#[cfg(test)]
mod tests {
    use super::super::server::Endpoint;
    use super::*;

    fn gate(in_flight: usize, per_minute: Option<u32>) -> Gate {
        Gate::new(in_flight, per_minute.and_then(NonZeroU32::new), Meters::new(Endpoint::Chat))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test]
    async fn a_wait_that_the_server_asked_for_holds_all_turns() {
        let gate = gate(8, None);
        let pass = gate.enter(soon()).await.unwrap();
        let wait = Duration::from_millis(300);
        pass.report(Some(&Failed::later(ModelFault::RateLimited, "x", wait)));
        let began = Instant::now();

        let refused = gate.enter(began + wait / 3).await.unwrap_err();
        let entered = gate.enter(began + wait * 20).await.unwrap();

        assert_eq!(refused.fault, ModelFault::RateLimited);
        assert!(refused.after.unwrap() > wait / 2, "{refused:?}");
        assert!(began.elapsed() > wait * 9 / 10);
        entered.report(None);
    }

    #[tokio::test]
    async fn a_rate_is_not_exceeded_by_many_turns() {
        let gate = gate(8, Some(20));
        for _ in 0..2 {
            gate.enter(soon()).await.unwrap().report(None);
        }

        let refused = gate.enter(soon()).await.unwrap_err();

        assert!(refused.after.unwrap() > Duration::from_secs(1), "{refused:?}");
    }

    #[tokio::test]
    async fn a_turn_without_a_place_comes_again_later() {
        let gate = gate(1, None);
        let held = gate.enter(soon()).await.unwrap();

        let refused = gate.enter(Instant::now()).await.unwrap_err();

        assert_eq!(refused.after, Some(NO_PLACE));
        held.report(None);
        assert!(gate.enter(soon()).await.is_ok());
    }

    #[tokio::test]
    async fn a_probe_that_is_dropped_does_not_keep_the_breaker_open() {
        let gate = gate(8, None);
        let long_ago = Instant::now() - Duration::from_secs(60);
        gate.breaker().failed(Admitted::Freely, ModelFault::Quota, long_ago);

        drop(gate.enter(soon()).await.unwrap());

        assert!(gate.enter(soon()).await.is_ok());
    }
}
