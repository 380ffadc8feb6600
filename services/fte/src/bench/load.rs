//! Load on one HTTP route: as fast as so many connections can (closed loop), or at
//! a fixed rate whatever the server does (open loop). Open-loop latency counts from
//! the intended time, so a stalled server cannot hide its queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What to send where: `body(n)` is the form of the nth request.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    pub(crate) body: fn(u64) -> String,
    /// Twilio's signature of the nth request, where it has one.
    pub(crate) signature: Option<fn(u64) -> String>,
    /// Number of the first request. Two runs on one pipeline must not share numbers:
    /// an equal ticket within ten minutes is no new one.
    pub(crate) first: u64,
}

impl Target {
    /// The same from another number on.
    pub(crate) fn at(self, first: u64) -> Self {
        Self { first, ..self }
    }
}

/// When requests are due.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    Closed,
    /// Requests per second.
    Open(u32),
}

/// What came back.
pub(crate) struct LoadReport {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) elapsed: Duration,
    /// Microseconds to the acknowledgement, accepted requests only.
    pub(crate) latency_us: Histogram<u64>,
}

impl LoadReport {
    pub(crate) fn accepted_per_s(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs the load for `duration` over so many connections.
pub(crate) async fn run(
    target: Target,
    pace: Pace,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<LoadReport> {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(worker(target, pace, Arc::clone(&next), start, duration));
    }
    let mut total =
        LoadReport { accepted: 0, refused: 0, elapsed: Duration::ZERO, latency_us: histogram()? };
    while let Some(joined) = workers.join_next().await {
        let part = joined.context("a load worker panicked")??;
        total.accepted += part.accepted;
        total.refused += part.refused;
        total.latency_us.add(&part.latency_us)?;
    }
    total.elapsed = start.elapsed();
    Ok(total)
}

/// 1 µs to 1 minute with three significant digits.
fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

async fn worker(
    target: Target,
    pace: Pace,
    next: Arc<AtomicU64>,
    start: Instant,
    duration: Duration,
) -> anyhow::Result<LoadReport> {
    let mut report =
        LoadReport { accepted: 0, refused: 0, elapsed: duration, latency_us: histogram()? };
    let mut connection = connect(target.address).await?;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = match pace {
            Pace::Closed => Instant::now(),
            Pace::Open(rate) => {
                start + Duration::from_secs(1).mul_f64(number as f64 / f64::from(rate))
            }
        };
        if due >= start + duration {
            return Ok(report);
        }
        tokio::time::sleep_until(due).await;
        match tokio::time::timeout(ANSWER_TIMEOUT, send(&mut connection, target, number)).await {
            Ok(Ok(status)) if status.is_success() => {
                report.accepted += 1;
                report.latency_us.saturating_record(micros(due.elapsed()));
            }
            Ok(Ok(_)) => report.refused += 1,
            Ok(Err(_)) | Err(_) => {
                report.refused += 1;
                connection = connect(target.address).await?;
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream =
        TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    connection: &mut SendRequest<Full<Bytes>>,
    target: Target,
    number: u64,
) -> anyhow::Result<StatusCode> {
    connection.ready().await?;
    let number = target.first + number;
    let mut request = Request::post(target.path)
        .header(header::HOST, "127.0.0.1")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(signature) = target.signature {
        request = request.header("X-Twilio-Signature", signature(number));
    }
    let request = request.body(Full::new(Bytes::from((target.body)(number))))?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    Ok(status)
}
