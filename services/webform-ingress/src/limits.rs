//! How often one caller may write: limits per IP, e-mail address and domain.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use governor::clock::{Clock as _, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};

use crate::email::EmailAddress;
use crate::submission::IdempotencyKey;

/// How long a key stands for a request that was counted. Repeats come within
/// seconds or minutes.
const KEY_COUNTS_FOR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Args)]
pub struct RateLimitSettings {
    /// Requests per client IP, e-mail address and e-mail domain, or off
    #[arg(long, env = "FTE_RATE_LIMITS", default_value = "ip=60/m,address=10/h,domain=1000/h")]
    pub rate_limits: RateLimits,
}

/// Limits by what is counted; what is not named is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimits {
    pub ip: Option<Quota>,
    pub address: Option<Quota>,
    pub domain: Option<Quota>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a limit such as ip=60/m (ip, address or domain; per s, m, h or d)")]
pub struct InvalidLimit(String);

impl FromStr for RateLimits {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let mut limits = Self::default();
        if text.trim() == "off" {
            return Ok(limits);
        }
        for part in text.split(',') {
            let invalid = || InvalidLimit(part.to_owned());
            let (what, rate) = part.split_once('=').ok_or_else(invalid)?;
            let limit = match what.trim() {
                "ip" => &mut limits.ip,
                "address" => &mut limits.address,
                "domain" => &mut limits.domain,
                _ => return Err(invalid()),
            };
            *limit = Some(quota(rate).ok_or_else(invalid)?);
        }
        Ok(limits)
    }
}

/// `60/m`: sixty at once, and one more every second.
fn quota(rate: &str) -> Option<Quota> {
    let (count, unit) = rate.split_once('/')?;
    let count: NonZeroU32 = count.trim().parse().ok()?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let each = Duration::from_secs(seconds).checked_div(count.get())?;
    Some(Quota::with_period(each)?.allow_burst(count))
}

/// Time since some start; tests move it by hand.
#[derive(Clone)]
pub struct Ticker(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Ticker {
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The process's monotonic clock.
    pub fn monotonic() -> Self {
        let start = Instant::now();
        Self::new(move || start.elapsed())
    }
}

impl governor::clock::Clock for Ticker {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        (self.0)().into()
    }
}

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, Ticker, NoOpMiddleware<Nanos>>;

/// The limiters of this replica. They hold hashes of addresses, not addresses.
pub struct Limits {
    ticker: Ticker,
    ip: Option<Keyed<IpAddr>>,
    address: Option<Keyed<u64>>,
    domain: Option<Keyed<u64>>,
    hasher: RandomState,
    /// Idempotency keys whose request was counted: its repeats are free, so that
    /// a client that tries again after a 503 is not refused for it.
    counted_keys: Mutex<HashMap<u64, Nanos>>,
}

/// Too many; seconds until the next may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany(pub(crate) u64);

impl Limits {
    pub fn new(limits: RateLimits, ticker: Ticker) -> Self {
        Self {
            ip: limits.ip.map(|quota| keyed(quota, &ticker)),
            address: limits.address.map(|quota| keyed(quota, &ticker)),
            domain: limits.domain.map(|quota| keyed(quota, &ticker)),
            ticker,
            hasher: RandomState::new(),
            counted_keys: Mutex::default(),
        }
    }

    /// Counts one request of this caller.
    pub(crate) fn check_ip(&self, ip: IpAddr) -> Result<(), TooMany> {
        match &self.ip {
            Some(limiter) => self.verdict(limiter.check_key(&network(ip))),
            None => Ok(()),
        }
    }

    /// Counts one submission of this address, once for each idempotency key.
    pub(crate) fn check_address(
        &self,
        email: &EmailAddress,
        key: Option<&IdempotencyKey>,
    ) -> Result<(), TooMany> {
        if self.address.is_none() && self.domain.is_none() {
            return Ok(());
        }
        let Some(key) = key else { return self.count_address(email) };
        // Held while counting, so that of many repeats at once one is counted.
        let mut counted = self.counted_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one((key.as_str(), email.limit_keys()));
        if counted.contains_key(&key) {
            return Ok(());
        }
        self.count_address(email)?;
        counted.insert(key, self.ticker.now());
        Ok(())
    }

    fn count_address(&self, email: &EmailAddress) -> Result<(), TooMany> {
        let (address, domain) = email.limit_keys();
        if let Some(limiter) = &self.address {
            self.verdict(limiter.check_key(&self.hasher.hash_one(address)))?;
        }
        if let Some(limiter) = &self.domain {
            self.verdict(limiter.check_key(&self.hasher.hash_one(domain)))?;
        }
        Ok(())
    }

    fn verdict(&self, checked: Result<(), NotUntil<Nanos>>) -> Result<(), TooMany> {
        checked.map_err(|until| {
            let wait = until.wait_time_from(self.ticker.now());
            TooMany(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        })
    }

    /// Forgets callers that are back at their full allowance; the maps grow
    /// without bound else.
    pub fn forget_stale(&self) {
        if let Some(limiter) = &self.ip {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        for limiter in [&self.address, &self.domain].into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let now = self.ticker.now();
        let mut counted = self.counted_keys.lock().unwrap_or_else(PoisonError::into_inner);
        counted.retain(|_, at| now.duration_since(*at) < KEY_COUNTS_FOR.into());
        counted.shrink_to_fit();
    }

    /// Callers, addresses and keys remembered.
    pub fn remembered(&self) -> usize {
        let keys = self.counted_keys.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.ip.as_ref().map_or(0, RateLimiter::len)
            + self.address.as_ref().map_or(0, RateLimiter::len)
            + self.domain.as_ref().map_or(0, RateLimiter::len)
            + keys
    }
}

fn keyed<K: std::hash::Hash + Eq + Clone>(quota: Quota, ticker: &Ticker) -> Keyed<K> {
    RateLimiter::new(quota, DashMapStateStore::default(), ticker.clone())
}

/// What counts as one caller: an IPv4 address, or the /64 that an IPv6 site has.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn limits(text: &str) -> (Limits, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(1_000));
        let read = Arc::clone(&seconds);
        let ticker = Ticker::new(move || Duration::from_secs(read.load(Ordering::Relaxed)));
        (Limits::new(text.parse().unwrap(), ticker), seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn email(text: &str) -> EmailAddress {
        text.parse().unwrap()
    }

    #[test]
    fn the_default_and_off_parse_and_rubbish_names_its_part() {
        let parsed: RateLimits = "ip=60/m,address=10/h,domain=1000/h".parse().unwrap();
        assert_eq!(parsed.ip, Some(Quota::per_minute(NonZeroU32::new(60).unwrap())));
        assert_eq!(parsed.address, Some(Quota::per_hour(NonZeroU32::new(10).unwrap())));
        assert_eq!("off".parse(), Ok(RateLimits::default()));
        for rubbish in ["", "ip", "ip=60", "ip=0/m", "ip=1/w", "host=1/s", "ip=60/m,", "ip=-1/s"] {
            assert!(rubbish.parse::<RateLimits>().is_err(), "{rubbish}");
        }
    }

    #[test]
    fn an_ip_over_its_limit_is_told_when_to_come_back() {
        let (limits, seconds) = limits("ip=2/m");
        assert_eq!(limits.check_ip(ip("192.0.2.1")), Ok(()));
        assert_eq!(limits.check_ip(ip("192.0.2.1")), Ok(()));

        assert_eq!(limits.check_ip(ip("192.0.2.1")), Err(TooMany(30)));
        assert_eq!(limits.check_ip(ip("192.0.2.2")), Ok(()), "another caller");
        seconds.fetch_add(30, Ordering::Relaxed);
        assert_eq!(limits.check_ip(ip("192.0.2.1")), Ok(()));
        assert_eq!(limits.check_ip(ip("192.0.2.1")), Err(TooMany(30)));
    }

    #[test]
    fn an_ipv6_site_is_one_caller_and_a_mapped_address_is_ipv4() {
        let (limits, _) = limits("ip=1/m");

        assert_eq!(limits.check_ip(ip("2001:db8::1")), Ok(()));
        assert!(limits.check_ip(ip("2001:db8::2:3")).is_err());
        assert_eq!(limits.check_ip(ip("2001:db8:0:1::1")), Ok(()));
        assert_eq!(limits.check_ip(ip("192.0.2.1")), Ok(()));
        assert!(limits.check_ip(ip("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn addresses_and_domains_are_limited_whatever_their_letter_case() {
        let (limits, _) = limits("address=1/h,domain=2/h");

        assert_eq!(limits.check_address(&email("sam@example.org"), None), Ok(()));
        assert!(limits.check_address(&email("Sam@EXAMPLE.org"), None).is_err());
        assert_eq!(limits.check_address(&email("eve@example.org"), None), Ok(()));
        assert!(limits.check_address(&email("kim@example.org"), None).is_err(), "the domain");
        assert_eq!(limits.check_address(&email("kim@example.com"), None), Ok(()));
    }

    #[test]
    fn repeats_under_one_key_count_once_and_a_refused_key_stays_refused() {
        let (limits, _) = limits("address=2/h");
        let key = |text: &str| text.parse::<IdempotencyKey>().unwrap();
        for _ in 0..20 {
            assert_eq!(limits.check_address(&email("sam@example.org"), Some(&key("k1"))), Ok(()));
        }
        assert_eq!(limits.check_address(&email("sam@example.org"), Some(&key("k2"))), Ok(()));

        for _ in 0..3 {
            let third = limits.check_address(&email("sam@example.org"), Some(&key("k3")));
            assert_eq!(third, Err(TooMany(1800)));
        }
        assert!(limits.check_address(&email("sam@example.org"), None).is_err());
    }

    #[test]
    fn callers_are_forgotten_once_their_allowance_is_full_again() {
        let (limits, seconds) = limits("ip=60/m,address=10/h,domain=1000/h");
        limits.check_ip(ip("192.0.2.1")).unwrap();
        limits.check_address(&email("sam@example.org"), Some(&"k".parse().unwrap())).unwrap();
        limits.forget_stale();
        assert_eq!(limits.remembered(), 4);

        seconds.fetch_add(3601, Ordering::Relaxed);
        limits.forget_stale();

        assert_eq!(limits.remembered(), 0);
    }

    #[test]
    fn nothing_is_limited_or_remembered_when_off() {
        let (limits, _) = limits("off");
        for _ in 0..1000 {
            limits.check_ip(ip("192.0.2.1")).unwrap();
            limits.check_address(&email("sam@example.org"), None).unwrap();
        }

        assert_eq!(limits.remembered(), 0);
    }
}
