//! How many dead letters nobody has dealt with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bus::{DeadLetters, LetterFilter};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long one count serves everybody who asks: it reads a whole topic.
const FRESH: Duration = Duration::from_secs(30);

/// Longest wait for the log.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where dead letters are counted.
pub trait CountLetters: Send + Sync + 'static {
    fn count(&self) -> BoxFuture<'_, anyhow::Result<usize>>;
}

impl CountLetters for DeadLetters {
    fn count(&self) -> BoxFuture<'_, anyhow::Result<usize>> {
        let open = async { Ok(DeadLetters::count(self, &LetterFilter::default()).await?) };
        open.boxed()
    }
}

/// When letters were counted, and how many there were if the log answered.
type Counted = (Instant, Option<usize>);

/// Counts dead letters, at most every half minute for all who ask.
#[derive(Clone)]
pub(crate) struct Letters {
    source: Arc<dyn CountLetters>,
    last: Arc<Mutex<Option<Counted>>>,
}

impl Letters {
    pub(crate) fn new(source: Arc<dyn CountLetters>) -> Self {
        Self { source, last: Arc::default() }
    }

    /// `None` while the log does not answer.
    pub(crate) async fn count(&self) -> Option<usize> {
        // Held during the count: the others wait for it instead of counting too.
        let mut last = self.last.lock().await;
        if let Some((at, count)) = *last
            && at.elapsed() < FRESH
        {
            return count;
        }
        let counted = timeout(PATIENCE, self.source.count()).await.context("took too long");
        let count = counted.flatten().inspect_err(|error| {
            tracing::warn!(
                error.cause_chain = format!("{error:#}"),
                "dead letters are not counted"
            );
        });
        *last = Some((Instant::now(), count.as_ref().ok().copied()));
        count.ok()
    }
}
