//! Wakes readers as soon as there is something to read. Only a short cut: readers
//! poll, so a lost wake-up costs a quarter of a second and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::Topic;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::postgres::in_time;

const CHANNEL: &str = "fte_bus";

/// Other processes are told at once, then at most this often: under load their
/// readers poll as often anyway. NOTIFY serialises commits, so it has a transaction
/// of its own, after the one that wrote the records.
const NOTIFY_EVERY: Duration = Duration::from_millis(20);

/// After so long without a word the listener asks whether it is still connected.
const QUIET: Duration = Duration::from_secs(10);

const RECONNECT: Duration = Duration::from_secs(1);

/// One wake-up channel per topic.
#[derive(Debug, Clone)]
pub(super) struct Wakes {
    topics: Arc<HashMap<Topic, Channels>>,
    outbound: Arc<Outbound>,
}

#[derive(Debug, Default)]
struct Channels {
    /// Something was written.
    records: watch::Sender<()>,
    /// A member of some group came or went, or let a partition go.
    members: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Outbound {
    words: Mutex<BTreeSet<String>>,
    waiting: Notify,
}

const MEMBERS: &str = "members ";

impl Wakes {
    pub(super) fn start(pool: &PgPool, options: PgConnectOptions, tasks: &mut JoinSet<()>) -> Self {
        let topics = Topic::ALL.into_iter().map(|topic| (topic, Channels::default())).collect();
        let wakes = Self { topics: Arc::new(topics), outbound: Arc::default() };
        tasks.spawn(notify(pool.clone(), Arc::clone(&wakes.outbound)));
        tasks.spawn(listen(options, wakes.clone()));
        wakes
    }

    pub(super) fn records(&self, topic: Topic) -> watch::Receiver<()> {
        self.topics.get(&topic).map(|channels| channels.records.subscribe()).unwrap_or_else(never)
    }

    pub(super) fn members(&self, topic: Topic) -> watch::Receiver<()> {
        self.topics.get(&topic).map(|channels| channels.members.subscribe()).unwrap_or_else(never)
    }

    /// Records of this topic are committed.
    pub(super) fn wrote(&self, topic: Topic) {
        self.receive(topic.name());
        self.send(topic.name().to_owned());
    }

    /// The members of this topic should look at their shares again.
    pub(super) fn members_changed(&self, topic: Topic) {
        let word = format!("{MEMBERS}{topic}");
        self.receive(&word);
        self.send(word);
    }

    fn send(&self, word: String) {
        let mut words = self.outbound.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.insert(word);
        self.outbound.waiting.notify_one();
    }

    fn receive(&self, word: &str) {
        let (name, members) = match word.strip_prefix(MEMBERS) {
            Some(name) => (name, true),
            None => (word, false),
        };
        let channels = name.parse().ok().and_then(|topic: Topic| self.topics.get(&topic));
        if let Some(channels) = channels {
            if members {
                channels.members.send_replace(())
            } else {
                channels.records.send_replace(())
            }
        }
    }

    fn receive_all(&self) {
        for channels in self.topics.values() {
            channels.records.send_replace(());
            channels.members.send_replace(());
        }
    }
}

/// A topic that is none of ours never wakes anybody.
fn never() -> watch::Receiver<()> {
    watch::channel(()).1
}

async fn notify(pool: PgPool, outbound: Arc<Outbound>) {
    loop {
        outbound.waiting.notified().await;
        let words =
            std::mem::take(&mut *outbound.words.lock().unwrap_or_else(PoisonError::into_inner));
        let text = words.into_iter().collect::<Vec<_>>().join(",");
        let told =
            sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(text).execute(&pool).await;
        if let Err(error) = told {
            // The readers of other processes find out by polling.
            tracing::debug!(error = &error as &dyn std::error::Error, "wake-up not sent");
        }
        tokio::time::sleep(NOTIFY_EVERY).await;
    }
}

async fn listen(options: PgConnectOptions, wakes: Wakes) {
    loop {
        // A pool of its own: a listener whose connection swallows everything is given
        // up, and must not take a place with it that reading needs.
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        if let Err(error) = listen_until_lost(&pool, &wakes).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "wake-ups interrupted");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen_until_lost(pool: &PgPool, wakes: &Wakes) -> Result<(), sqlx::Error> {
    let mut listener = in_time(PgListener::connect_with(pool)).await?;
    in_time(listener.listen(CHANNEL)).await?;
    // Whatever was said while nobody listened.
    wakes.receive_all();
    loop {
        match timeout(QUIET, listener.try_recv()).await {
            Ok(notification) => {
                let Some(notification) = notification? else { return Ok(()) };
                for word in notification.payload().split(',') {
                    wakes.receive(word);
                }
            }
            Err(_) => {
                in_time(sqlx::query("select").execute(&mut listener)).await?;
            }
        }
    }
}
