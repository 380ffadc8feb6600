//! Counts the SQL statements of a test, for budgets of round trips.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Where sqlx says that a statement has ended; it is silent on `begin`, so count
/// each `commit` twice.
const TARGET: &str = "sqlx::query";

/// Counts the statements of the current thread (and so of a `#[sqlx::test]`) while
/// it lives. Replaces the thread's default subscriber.
pub struct StatementCount {
    ended: Arc<AtomicUsize>,
    _guard: DefaultGuard,
    _second: Dispatch,
}

impl StatementCount {
    pub fn start() -> Self {
        let ended = Arc::<AtomicUsize>::default();
        // While there is only one dispatcher, a callsite that another test's thread
        // reaches first asks that thread, which has none, and stays off for all.
        let second = Dispatch::new(Counter(Arc::default()));
        let guard = tracing::subscriber::set_default(Counter(Arc::clone(&ended)));
        Self { ended, _guard: guard, _second: second }
    }

    /// Statements since the last call.
    pub fn take(&self) -> usize {
        self.ended.swap(0, Ordering::Relaxed)
    }
}

struct Counter(Arc<AtomicUsize>);

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn event(&self, _event: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
