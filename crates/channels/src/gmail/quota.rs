//! Our own account of Gmail's quota, so that a backlog of mail that is read never keeps
//! a reply from going out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Call, Error};

/// What a process that reads the mailbox takes a minute: two thirds of the 6,000 units
/// that Google gives a mailbox. 200 mails a minute.
pub const QUOTA_FOR_READING: u32 = 4_000;

/// What is left for the process that sends. 15 mails a minute, with all that belongs
/// to them.
pub const QUOTA_FOR_SENDING: u32 = 2_000;

/// How long a call waits for its turn before it says that it must come later.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much of a minute's units may go at once. With what comes back within a minute it
/// makes the whole.
const BURST: f64 = 0.25;

/// How much of the burst only sends may take.
const RESERVED: f64 = 0.4;

#[derive(Debug)]
pub(super) struct Quota {
    bucket: Mutex<Bucket>,
}

/// Units that may go now, and those that come back.
#[derive(Debug)]
struct Bucket {
    most: f64,
    reserved: f64,
    per_second: f64,
    level: f64,
    at: Instant,
}

impl Quota {
    pub(super) fn new(units_per_minute: u32) -> Self {
        Self { bucket: Mutex::new(Bucket::new(units_per_minute, Instant::now())) }
    }

    /// Takes a call's units, and waits a little where there are none.
    pub(super) async fn take(&self, call: Call) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            let Err(wait) = self.try_take(call, now) else { return Ok(()) };
            if now + wait > deadline {
                return Err(Error::RateLimited {
                    after: Some(wait),
                    reason: "our share of Gmail's quota is used up".to_owned(),
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn try_take(&self, call: Call, now: Instant) -> Result<(), Duration> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(call, now)
    }
}

impl Bucket {
    fn new(units_per_minute: u32, now: Instant) -> Self {
        let per_minute = f64::from(units_per_minute);
        // No call may cost more than there can ever be.
        let most = (per_minute * BURST).max(f64::from(Call::SendDraft.units()) / (1.0 - RESERVED));
        Self {
            most,
            reserved: most * RESERVED,
            per_second: per_minute * (1.0 - BURST) / 60.0,
            level: most,
            at: now,
        }
    }

    /// Takes a call's units, or says how long until they are there.
    fn take(&mut self, call: Call, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at);
        self.level = (self.level + passed.as_secs_f64() * self.per_second).min(self.most);
        self.at = self.at.max(now);
        let units = f64::from(call.units());
        let floor = if call.is_for_sending() { 0.0 } else { self.reserved };
        let missing = floor + units - self.level;
        if missing <= 0.0 {
            self.level -= units;
            return Ok(());
        }
        let seconds = missing / self.per_second.max(f64::EPSILON);
        // Rounded up, or the loop would come back too early for ever.
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Err(wait.saturating_add(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, call: Call, now: Instant) -> u32 {
        let mut units = 0;
        while bucket.take(call, now).is_ok() {
            units += call.units();
        }
        units
    }

    #[test]
    fn both_shares_together_are_what_google_gives_a_mailbox() {
        assert_eq!(QUOTA_FOR_READING + QUOTA_FOR_SENDING, 6_000);
    }

    #[test]
    fn no_minute_takes_more_than_its_units_however_hard_it_is_tried() {
        let start = Instant::now();
        let mut bucket = Bucket::new(4_000, start);

        let seconds = (0..60).map(|second| start + Duration::from_secs(second));
        let used: u32 = seconds.map(|now| taken(&mut bucket, Call::SendDraft, now)).sum();

        assert!((3_500..=4_000).contains(&used), "{used}");
    }

    #[test]
    fn reads_leave_units_that_only_sends_take() {
        let now = Instant::now();
        let mut bucket = Bucket::new(QUOTA_FOR_SENDING, now);

        taken(&mut bucket, Call::GetMessage, now);
        let wait = bucket.take(Call::GetMessage, now).unwrap_err();
        // The look for a mail in doubt holds back what follows it, so it does not wait.
        let calls = [Call::GetThread, Call::CreateDraft, Call::SendDraft];
        let taken = calls.map(|call| bucket.take(call, now).is_ok());

        assert_eq!(taken, [true; 3]);
        assert!(wait < Duration::from_secs(1), "{wait:?}");
        assert!(bucket.take(Call::GetMessage, now + wait).is_err(), "the send went before it");
    }

    #[test]
    fn a_call_waits_as_long_as_it_is_told_and_no_longer() {
        let now = Instant::now();
        let mut bucket = Bucket::new(QUOTA_FOR_READING, now);
        taken(&mut bucket, Call::GetMessage, now);

        let wait = bucket.take(Call::GetMessage, now).unwrap_err();

        assert!(bucket.take(Call::GetMessage, now + wait / 2).is_err());
        assert!(bucket.take(Call::GetMessage, now + wait).is_ok());
    }

    #[test]
    fn even_a_tiny_share_lets_every_call_through_in_the_end() {
        let now = Instant::now();
        let mut bucket = Bucket::new(1, now);

        assert!(bucket.take(Call::Watch, now).is_ok());
        assert!(bucket.take(Call::Watch, now).is_err());
    }
}
