//! When a failed attempt is tried again within its turn. What lasts longer is the
//! turn's to wait for, with the conversation free meanwhile.

use std::time::Duration;

use super::failed::Failed;
use crate::model::ModelFault;

/// Attempts after the first, as OpenAI's own clients make.
const MOST_RETRIES: u32 = 2;

const SHORTEST: Duration = Duration::from_millis(500);

/// A turn that waits holds one of the process's turns; longer waits are for the table.
const LONGEST: Duration = Duration::from_secs(8);

/// How much of a wait chance takes away, so that turns that failed together do not come
/// together.
const JITTER: f64 = 0.25;

/// How long until the next attempt; `None` when the turn has to wait instead.
/// `chance` is between 0 and 1.
pub(super) fn wait(failed: &Failed, retries: u32, chance: f64) -> Option<Duration> {
    if retries >= MOST_RETRIES || !is_worth_it(failed) {
        return None;
    }
    match failed.after {
        Some(after) => (after <= LONGEST).then_some(after),
        None => {
            // An overloaded server is asked again later than one that stumbled.
            let doublings = if failed.is_overloaded { retries + 2 } else { retries };
            let wait = SHORTEST.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST);
            Some(wait.mul_f64(1.0 - JITTER * chance))
        }
    }
}

fn is_worth_it(failed: &Failed) -> bool {
    match failed.fault {
        ModelFault::Quota | ModelFault::Denied | ModelFault::BreakerOpen => false,
        ModelFault::Unavailable
        | ModelFault::TimedOut
        | ModelFault::RateLimited
        | ModelFault::Malformed => failed.should_retry.unwrap_or(true),
        ModelFault::TooLong | ModelFault::Invalid => failed.should_retry.unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_chance_only_shortens_them() {
        let failed = Failed::new(ModelFault::Unavailable, "x");

        assert_eq!(wait(&failed, 0, 0.0), Some(Duration::from_millis(500)));
        assert_eq!(wait(&failed, 1, 0.0), Some(Duration::from_secs(1)));
        assert_eq!(wait(&failed, 1, 1.0), Some(Duration::from_millis(750)));
        assert_eq!(wait(&failed, 2, 0.0), None);
        let overloaded = Failed { is_overloaded: true, ..failed };
        assert_eq!(wait(&overloaded, 1, 0.0), Some(Duration::from_secs(4)));
    }

    #[test]
    fn the_servers_word_wins_except_where_money_or_a_key_is_missing() {
        let failed = |fault, should_retry| Failed { should_retry, ..Failed::new(fault, "x") };

        assert!(wait(&failed(ModelFault::Unavailable, Some(false)), 0, 0.0).is_none());
        assert!(wait(&failed(ModelFault::Invalid, Some(true)), 0, 0.0).is_some());
        assert!(wait(&failed(ModelFault::Invalid, None), 0, 0.0).is_none());
        assert!(wait(&failed(ModelFault::Quota, Some(true)), 0, 0.0).is_none());
        assert!(wait(&failed(ModelFault::Denied, Some(true)), 0, 0.0).is_none());
    }

    #[test]
    fn a_short_wait_of_the_servers_is_kept_and_a_long_one_is_the_turns() {
        let after =
            |seconds| Failed::later(ModelFault::RateLimited, "x", Duration::from_secs(seconds));

        assert_eq!(wait(&after(3), 0, 1.0), Some(Duration::from_secs(3)));
        assert_eq!(wait(&after(9), 0, 1.0), None);
    }
}
