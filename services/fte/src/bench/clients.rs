//! Customers who write at a steady rate, each by a client of its own that tries again
//! until its message is confirmed, as a good client does after a 503.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, StatusCode, header};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::load::Target;

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Between two tries, as `Retry-After` says.
const RETRY: Duration = Duration::from_secs(1);

/// Requests under way; what is due beyond that waits, as for a connection.
const AT_ONCE: usize = 512;

/// What became of what was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) confirmed: u64,
    /// Answered with an error that no repetition mends.
    pub(crate) refused: u64,
    /// Not confirmed within the writers' patience.
    pub(crate) given_up: u64,
    /// Tries beyond the first.
    pub(crate) again: u64,
    /// Seconds from when each message was due to its confirmation, sorted.
    pub(crate) waits: Vec<f64>,
}

/// How to write.
#[derive(Clone, Copy)]
pub(crate) struct Writing {
    pub(crate) target: Target,
    pub(crate) per_second: u32,
    /// So many messages and no more.
    pub(crate) most: u64,
    /// How long a writer tries.
    pub(crate) patience: Duration,
}

/// Writers at work.
pub(crate) struct Crowd {
    stop: CancellationToken,
    due: Arc<AtomicU64>,
    running: JoinHandle<anyhow::Result<Written>>,
}

impl Crowd {
    pub(crate) fn begin(writing: Writing) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(ANSWER).pool_max_idle_per_host(AT_ONCE).build()?;
        let (stop, due) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let writer = Writer { http, writing, places: Arc::new(Semaphore::new(AT_ONCE)) };
        let running = tokio::spawn(drive(writer, stop.clone(), Arc::clone(&due)));
        Ok(Self { stop, due, running })
    }

    /// Messages that should have been written by now.
    pub(crate) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }

    /// Nobody begins to write any more; waits for those who have begun.
    pub(crate) async fn stop(self) -> anyhow::Result<Written> {
        self.stop.cancel();
        self.finish().await
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(self) -> anyhow::Result<Written> {
        self.running.await.context("the writers panicked")?
    }
}

#[derive(Clone)]
struct Writer {
    http: Client,
    writing: Writing,
    places: Arc<Semaphore>,
}

enum End {
    Confirmed,
    Refused,
    GivenUp,
}

struct Told {
    end: End,
    again: u64,
    wait: Duration,
}

async fn drive(
    writer: Writer,
    stop: CancellationToken,
    due: Arc<AtomicU64>,
) -> anyhow::Result<Written> {
    let start = Instant::now();
    let mut writers = JoinSet::new();
    let mut written = Written::default();
    for number in 0..writer.writing.most {
        let at = number as f64 / f64::from(writer.writing.per_second.max(1));
        let at = start + Duration::from_secs_f64(at);
        tokio::select! {
            () = sleep_until(at) => {}
            () = stop.cancelled() => break,
        }
        due.store(number + 1, Ordering::Relaxed);
        let writer = writer.clone();
        writers.spawn(async move { writer.write(number, at).await });
        while let Some(told) = writers.try_join_next() {
            written.add(told??);
        }
    }
    while let Some(told) = writers.join_next().await {
        written.add(told??);
    }
    written.waits.sort_by(f64::total_cmp);
    Ok(written)
}

impl Written {
    fn add(&mut self, told: Told) {
        self.again += told.again;
        match told.end {
            End::Confirmed => {
                self.confirmed += 1;
                self.waits.push(told.wait.as_secs_f64());
            }
            End::Refused => self.refused += 1,
            End::GivenUp => self.given_up += 1,
        }
    }

    /// Adds what others have written.
    pub(crate) fn add_all(&mut self, others: Self) {
        self.confirmed += others.confirmed;
        self.refused += others.refused;
        self.given_up += others.given_up;
        self.again += others.again;
        self.waits.extend(others.waits);
        self.waits.sort_by(f64::total_cmp);
    }

    /// Messages of which nobody knows that they arrived.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.refused + self.given_up
    }
}

impl Writer {
    async fn write(self, number: u64, due: Instant) -> anyhow::Result<Told> {
        let mut again = 0;
        loop {
            let end = match self.send(number).await? {
                Some(status) if status.is_success() => Some(End::Confirmed),
                Some(status) if is_final(status) => Some(End::Refused),
                _ if due.elapsed() > self.writing.patience => Some(End::GivenUp),
                _ => None,
            };
            if let Some(end) = end {
                return Ok(Told { end, again, wait: due.elapsed() });
            }
            again += 1;
            sleep(RETRY).await;
        }
    }

    /// The answer's status; `None` without an answer, which means "not confirmed" as well.
    async fn send(&self, number: u64) -> anyhow::Result<Option<StatusCode>> {
        let _place = self.places.acquire().await?;
        let target = self.writing.target;
        let number = target.first + number;
        let mut request = self
            .http
            .post(format!("http://{}{}", target.address, target.path))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("Idempotency-Key", format!("bench-{number}"))
            .body((target.body)(number));
        if let Some(signature) = target.signature {
            request = request.header("X-Twilio-Signature", signature(number));
        }
        let Ok(answer) = request.send().await else { return Ok(None) };
        let status = answer.status();
        drop(answer.bytes().await);
        Ok(Some(status))
    }
}

fn is_final(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
}
