//! The metrics of reading a mailbox. Labels are words of ours, never values of a mail.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chassis::clock;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};

/// What a mail became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    Message,
    Bounce,
    Unreadable,
    /// Not in the inbox, or written by us.
    Skipped,
    /// Deleted before it was read.
    Gone,
    /// It failed by itself and comes again.
    Failed,
}

/// How a reading of the mailbox ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Complete,
    /// A mail that failed holds the cursor.
    Held,
    /// Gmail, the log or the database was away.
    Away,
    /// Somebody has to give us access again.
    NoAccess,
}

#[derive(Debug, Clone)]
pub(crate) struct Meters {
    mails: Counter<u64>,
    runs: Counter<u64>,
    gaps: Counter<u64>,
    found: Counter<u64>,
    filled: Counter<u64>,
    restarts: Counter<u64>,
    /// Unix seconds; 0 while it is not known.
    watch_expires_at: Arc<AtomicI64>,
}

impl Meters {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, description: &'static str| {
            meter.u64_counter(name).with_description(description).build()
        };
        let watch_expires_at = Arc::new(AtomicI64::new(0));
        let known = Arc::clone(&watch_expires_at);
        let _registered = meter
            .i64_observable_gauge("fte.gmail.watch.expires")
            .with_unit("s")
            .with_description("how long Gmail's watch lasts yet")
            .with_callback(move |observer| {
                let expires_at = known.load(Ordering::Relaxed);
                if expires_at != 0 {
                    observer.observe(expires_at - clock::now().timestamp(), &[]);
                }
            })
            .build();
        Self {
            mails: counter("fte.gmail.mails", "mails of the mailbox, by what they became"),
            runs: counter("fte.gmail.readings", "readings of the mailbox, by how they ended"),
            gaps: counter("fte.gmail.gaps", "times the history did not reach back to the cursor"),
            found: counter("fte.gmail.gap.found", "mails of gaps that were not stored"),
            filled: counter("fte.gmail.gap.filled", "mails of gaps that are in the log now"),
            restarts: counter("fte.gmail.page.restarts", "readings begun again for a lost page"),
            watch_expires_at,
        }
    }

    pub(crate) fn mail(&self, became: Became) {
        let became = match became {
            Became::Message => "message",
            Became::Bounce => "bounce",
            Became::Unreadable => "unreadable",
            Became::Skipped => "skipped",
            Became::Gone => "gone",
            Became::Failed => "failed",
        };
        self.mails.add(1, &[KeyValue::new("became", became)]);
    }

    pub(crate) fn run(&self, run: Run) {
        let ended = match run {
            Run::Complete => "complete",
            Run::Held => "held",
            Run::Away => "away",
            Run::NoAccess => "no_access",
        };
        self.runs.add(1, &[KeyValue::new("ended", ended)]);
    }

    /// A gap of so many mails, of which these are in the log now.
    pub(crate) fn gap(&self, found: u64, filled: u64) {
        self.gaps.add(1, &[]);
        self.found.add(found, &[]);
        self.filled.add(filled, &[]);
    }

    pub(crate) fn page_lost(&self) {
        self.restarts.add(1, &[]);
    }

    pub(crate) fn watch_lasts(&self, seconds: i64) {
        let expires_at = clock::now().timestamp().saturating_add(seconds);
        self.watch_expires_at.store(expires_at, Ordering::Relaxed);
    }
}
