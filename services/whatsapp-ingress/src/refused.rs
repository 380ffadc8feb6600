//! Notes what was refused because of its signature, for `fte doctor`: names only, off the
//! way of the calls, and so slowly that nobody can fill a database with it.

use std::time::Duration;

use sqlx::PgPool;
use store::refused_webhooks::{self, RefusedWebhook};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// At most one row in this time; what comes meanwhile is not noted.
const PAUSE: Duration = Duration::from_secs(5);

/// Parameters named, and characters of each name: Twilio's own are fewer and shorter.
const MOST_NAMES: usize = 60;
const NAME_CHARS: usize = 40;

/// Where calls leave what was refused.
#[derive(Debug, Clone)]
pub struct Refusals {
    sender: mpsc::Sender<RefusedWebhook>,
    public_urls: Vec<String>,
}

/// Writes it down.
#[derive(Debug)]
pub struct RefusalNotes {
    receiver: mpsc::Receiver<RefusedWebhook>,
}

/// Both ends. `public_urls` are those under which signatures are tried.
pub fn refusals(public_urls: Vec<String>) -> (Refusals, RefusalNotes) {
    let (sender, receiver) = mpsc::channel(1);
    (Refusals { sender, public_urls }, RefusalNotes { receiver })
}

impl Refusals {
    /// Never waits. The path is cut off at its query, which may hold anything.
    pub(crate) fn note(&self, path_and_query: &str, body: &[u8], reason: &str) {
        let Ok(place) = self.sender.try_reserve() else { return };
        let route = path_and_query.split('?').next().unwrap_or_default();
        let pairs = body.split(|byte| *byte == b'&').take(MOST_NAMES);
        let names = pairs.map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default());
        place.send(RefusedWebhook {
            route: name(route.as_bytes()),
            public_urls: self.public_urls.clone(),
            parameters: names.map(name).collect(),
            reason: reason.to_owned(),
        });
    }
}

impl RefusalNotes {
    /// Writes until shutdown.
    pub async fn run(mut self, pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
        loop {
            let refused = tokio::select! {
                refused = self.receiver.recv() => refused,
                () = shutdown.cancelled() => return Ok(()),
            };
            let Some(refused) = refused else {
                shutdown.cancelled().await;
                return Ok(());
            };
            if let Err(error) = refused_webhooks::keep(&pool, &refused).await {
                tracing::warn!(error = %error, "a refused webhook was not noted");
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }
}

/// A name as somebody may have made it up: short, and nothing but plain signs.
fn name(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(byte);
    let signs = bytes.iter().take(NAME_CHARS);
    signs.map(|byte| if plain(byte) { char::from(*byte) } else { '?' }).collect()
}
