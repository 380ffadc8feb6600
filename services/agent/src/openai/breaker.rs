//! The breaker: a server that does not work is left alone, and one request at a time
//! finds out whether it works again.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::ModelFault;

/// Failures in a row that open it.
const MOST_FAILURES: u32 = 5;

/// How long nothing is asked of a server that fails.
const OPEN_FOR: Duration = Duration::from_secs(10);

/// The same where a person has to act first: a key, money, a model's name.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// When those that come while one request finds out should come again.
const WHILE_PROBING: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    /// One request is on its way.
    Probing,
}

/// How a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    Freely,
    /// It finds out whether the server works.
    AsProbe,
}

/// What a result changed, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened(Duration),
    Closed,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: State::Closed, failures: 0 }
    }

    /// Whether a request has to wait, and how long.
    pub(super) fn check(&self, now: Instant) -> Result<(), Duration> {
        match self.state {
            State::Open { until } if until > now => Err(until - now),
            State::Probing => Err(WHILE_PROBING),
            State::Closed | State::Open { .. } => Ok(()),
        }
    }

    /// Lets a request go, if it may.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Admitted, Duration> {
        self.check(now)?;
        if self.state == State::Closed {
            return Ok(Admitted::Freely);
        }
        self.state = State::Probing;
        Ok(Admitted::AsProbe)
    }

    /// The server answered, be it with a refusal of this request alone.
    pub(super) fn worked(&mut self, admitted: Admitted) -> Change {
        self.failures = 0;
        if admitted == Admitted::AsProbe && self.state == State::Probing {
            self.state = State::Closed;
            return Change::Closed;
        }
        Change::None
    }

    pub(super) fn failed(&mut self, admitted: Admitted, fault: ModelFault, now: Instant) -> Change {
        let open_for = match fault {
            ModelFault::Quota | ModelFault::Denied => REFUSED_FOR,
            _ => OPEN_FOR,
        };
        self.failures = self.failures.saturating_add(1);
        let is_refused = open_for == REFUSED_FOR;
        match self.state {
            State::Closed if is_refused || self.failures >= MOST_FAILURES => {
                self.state = State::Open { until: now + open_for };
                Change::Opened(open_for)
            }
            // It was said when it opened first.
            State::Probing if admitted == Admitted::AsProbe => {
                self.state = State::Open { until: now + open_for };
                Change::None
            }
            State::Closed | State::Open { .. } | State::Probing => Change::None,
        }
    }

    /// A probe that was given up brought no news: the next request is one.
    pub(super) fn given_up(&mut self, admitted: Admitted, now: Instant) {
        if admitted == Admitted::AsProbe && self.state == State::Probing {
            self.state = State::Open { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULT: ModelFault = ModelFault::Unavailable;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..MOST_FAILURES {
            breaker.failed(Admitted::Freely, FAULT, now);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..20 {
            breaker.failed(Admitted::Freely, FAULT, now);
            breaker.worked(Admitted::Freely);
        }

        assert_eq!(breaker.check(now), Ok(()));
        assert_eq!(opened(now).check(now), Err(OPEN_FOR));
    }

    #[test]
    fn missing_money_or_a_wrong_key_opens_it_at_once_and_for_longer() {
        let now = Instant::now();
        for fault in [ModelFault::Quota, ModelFault::Denied] {
            let mut breaker = Breaker::new();

            assert_eq!(breaker.failed(Admitted::Freely, fault, now), Change::Opened(REFUSED_FOR));
            assert_eq!(breaker.check(now), Err(REFUSED_FOR));
        }
    }

    #[test]
    fn one_request_finds_out_whether_the_server_works_again() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + OPEN_FOR;

        assert_eq!(breaker.admit(later), Ok(Admitted::AsProbe));
        assert_eq!(breaker.admit(later), Err(WHILE_PROBING));
        assert_eq!(breaker.failed(Admitted::AsProbe, FAULT, later), Change::None);
        assert_eq!(breaker.check(later), Err(OPEN_FOR));
        let later = later + OPEN_FOR;
        assert_eq!(breaker.admit(later), Ok(Admitted::AsProbe));
        assert_eq!(breaker.worked(Admitted::AsProbe), Change::Closed);
        assert_eq!(breaker.admit(later), Ok(Admitted::Freely));
    }

    #[test]
    fn a_probe_that_was_given_up_leaves_its_place_to_the_next() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + OPEN_FOR;
        breaker.admit(later).unwrap();

        breaker.given_up(Admitted::AsProbe, later);

        assert_eq!(breaker.admit(later), Ok(Admitted::AsProbe));
    }

    #[test]
    fn what_was_asked_before_it_opened_changes_nothing_after() {
        let now = Instant::now();
        let mut breaker = opened(now);

        assert_eq!(breaker.worked(Admitted::Freely), Change::None);
        assert_eq!(breaker.failed(Admitted::Freely, FAULT, now + OPEN_FOR / 2), Change::None);
        assert_eq!(breaker.check(now), Err(OPEN_FOR));
    }
}
