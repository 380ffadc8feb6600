//! A receiver of hand-offs, as anybody could write one from the rules of Standard
//! Webhooks: it checks signature and time, and remembers ids and requests.

mod request;
mod verify;

use std::collections::{HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub use request::Request;
pub use verify::Refusal;

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(50);

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// Nothing: for the requests between two faults.
    Pass,
    /// Another status, with or without `Retry-After`.
    Status { status: u16, retry_after: Option<u64> },
    /// The answer comes after so many milliseconds.
    Delay { milliseconds: u64 },
    /// No answer, ever.
    Hang,
    /// The head of the answer drips without end.
    SlowHead,
    /// 200, then a body that drips without end.
    SlowBody,
    /// 200 and a body far longer than anybody reads.
    HugeBody,
    /// 301 to another place.
    Redirect { to: String },
    /// 200 whose body says that it failed.
    SuccessWithError,
    /// Taken, then the connection is dropped.
    TakeThenDrop,
}

/// One request and what it was worth.
#[derive(Debug, Clone)]
pub struct Received {
    pub request: Request,
    /// By the rules of the signature.
    pub verified: Result<(), Refusal>,
    /// Whether its id was here before.
    pub is_repeat: bool,
}

impl Received {
    pub fn id(&self) -> &str {
        self.request.header("webhook-id").unwrap_or_default()
    }

    /// The body as JSON; null when it is none.
    pub fn body(&self) -> serde_json::Value {
        serde_json::from_slice(&self.request.body).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Held {
    secret: String,
    faults: VecDeque<Fault>,
    received: Vec<Received>,
    ids: HashSet<String>,
    connections: usize,
}

/// A running receiver; dropping it stops it.
#[derive(Debug)]
pub struct HandoffReceiver {
    held: Arc<Mutex<Held>>,
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl HandoffReceiver {
    /// Knows one secret, as receivers do.
    pub async fn start(secret: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let held = Arc::new(Mutex::new(Held {
            secret: secret.to_owned(),
            faults: VecDeque::new(),
            received: Vec::new(),
            ids: HashSet::new(),
            connections: 0,
        }));
        let shutdown = CancellationToken::new();
        tokio::spawn(accept(listener, Arc::clone(&held), shutdown.clone()));
        Ok(Self { held, address, shutdown })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For HANDOFF_WEBHOOK_URL.
    pub fn url(&self) -> String {
        format!("http://{}/hooks/support", self.address)
    }

    /// What the next requests meet, one each.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.held).faults.extend(faults);
    }

    /// From here on only this secret counts.
    pub fn set_secret(&self, secret: &str) {
        lock(&self.held).secret = secret.to_owned();
    }

    /// Every request, in order.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.held).received.clone()
    }

    /// Connections, also those on which nothing came.
    pub fn connections(&self) -> usize {
        lock(&self.held).connections
    }
}

impl Drop for HandoffReceiver {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, held: Arc<Mutex<Held>>, shutdown: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        lock(&held).connections += 1;
        let (held, shutdown) = (Arc::clone(&held), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                // A client that went away has what it wanted.
                served = serve(stream, &held) => served.unwrap_or_default(),
                () = shutdown.cancelled() => {}
            }
        });
    }
}

/// One request per connection.
async fn serve(mut stream: TcpStream, held: &Mutex<Held>) -> std::io::Result<()> {
    let request = request::read(&mut stream).await?;
    let (fault, is_genuine) = {
        let mut held = lock(held);
        let verified = verify::verify(&held.secret, &request);
        let id = request.header("webhook-id").unwrap_or_default().to_owned();
        let is_genuine = verified.is_ok();
        // What is refused is not remembered: anybody could spoil an id.
        let is_repeat = is_genuine && !held.ids.insert(id);
        held.received.push(Received { request, verified, is_repeat });
        (held.faults.pop_front().unwrap_or(Fault::Pass), is_genuine)
    };
    answer(&mut stream, fault, is_genuine).await?;
    stream.shutdown().await
}

async fn answer(stream: &mut TcpStream, fault: Fault, is_genuine: bool) -> std::io::Result<()> {
    let usual = if is_genuine { 204 } else { 401 };
    match fault {
        Fault::Pass => write(stream, usual, "", "").await,
        Fault::Status { status, retry_after } => {
            let header = retry_after.map_or_else(String::new, |s| format!("retry-after: {s}\r\n"));
            write(stream, status, &header, "").await
        }
        Fault::Delay { milliseconds } => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            write(stream, usual, "", "").await
        }
        Fault::Hang => std::future::pending().await,
        Fault::SlowHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
            drip(stream).await
        }
        Fault::SlowBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
            drip(stream).await
        }
        Fault::HugeBody => write(stream, 200, "", &"x".repeat(64 << 20)).await,
        Fault::Redirect { to } => write(stream, 301, &format!("location: {to}\r\n"), "").await,
        Fault::SuccessWithError => write(stream, 200, "", r#"{"error":"it failed"}"#).await,
        Fault::TakeThenDrop => Ok(()),
    }
}

async fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b"x").await?;
        tokio::time::sleep(DRIP).await;
    }
}

async fn write(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} .\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}
