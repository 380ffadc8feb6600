//! The log in PostgreSQL: the single-dependency edition. Owns `message_queue` and
//! the tables beside it; knows nothing of handlers.
//!
//! Offsets come from a counter row per partition, taken and used in one statement,
//! so they are dense and become visible in order: whoever reads offset n has seen
//! everything below. (A sequence would lose rows: its numbers are drawn before the
//! row is visible.) Groups keep a cursor per partition, leased by the database's
//! clock; an epoch fences the commits of an owner that lost its lease.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bus::BusError;
use crate::record::Publisher;

mod commit;
mod encoding;
mod error;
mod fetch;
mod insert;
mod lag;
mod lease;
mod partitions;
mod publisher;
mod reader;
mod retention;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod topics;
mod wake;

pub(crate) use encoding::storable;
pub(crate) use source::PostgresSource;

use contract::Topic;
use partitions::Partitions;
use publisher::PostgresPublisher;
use wake::Wakes;

/// Connections for reading, leases and commits. The publisher has its lanes beside
/// them and the listener one of its own, so a service needs at most
/// `POOL_SIZE + publisher::LANES + 1` of the server's `max_connections`.
const POOL_SIZE: u32 = 3;

/// How long anything waits for a connection before the log counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Bounds on the server's side. A writer asleep in its statement, or an old
/// snapshot, halves everybody's throughput, and a lock held for ever stops it.
/// The fetch must follow the primary key whatever the statistics say: a log table
/// is analysed when it was empty and read when it is full.
const SESSION: [(&str, &str); 5] = [
    ("lock_timeout", "2s"),
    ("statement_timeout", "4s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
];

/// Longer than the server lets a statement run: whoever has not answered by then is
/// behind a connection that swallows everything, as after the loss of a machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A cheap handle to the log of one database.
#[derive(Debug, Clone)]
pub(crate) struct PostgresLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    wakes: Wakes,
    publisher: Arc<PostgresPublisher>,
    /// Listener and notifier; they stop with the last handle.
    _tasks: JoinSet<()>,
}

impl PostgresLog {
    /// Connects lazily to the database that the pool points at.
    pub(crate) fn connect(service_pool: &PgPool) -> Self {
        let options: PgConnectOptions = (*service_pool.connect_options()).clone();
        let options = options.options(SESSION);
        let pool = PgPoolOptions::new()
            .max_connections(POOL_SIZE)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A ping before every use would double the round trips; a dead
            // connection shows at its use, and the caller tries again.
            .test_before_acquire(false)
            .after_release(|connection, _| ping_in_time(connection).boxed())
            .connect_lazy_with(options.clone());
        let mut tasks = JoinSet::new();
        let wakes = Wakes::start(&pool, options.clone(), &mut tasks);
        let partitions = Arc::new(Partitions::new(pool.clone()));
        let publisher = Arc::new(PostgresPublisher::start(options, partitions, wakes.clone()));
        Self { inner: Arc::new(Inner { pool, wakes, publisher, _tasks: tasks }) }
    }

    pub(crate) fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::<PostgresPublisher>::clone(&self.inner.publisher)
    }

    /// Joins a group on a topic.
    pub(crate) fn source(&self, group: &str, topic: Topic) -> PostgresSource {
        PostgresSource::join(self, group, topic)
    }

    /// Whether the log answers and its tables are there.
    pub(crate) async fn ping(&self) -> Result<(), BusError> {
        sqlx::query("select from queue_partitions limit 1")
            .execute(&self.inner.pool)
            .await
            .map_err(error::bus_error)?;
        Ok(())
    }

    fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    fn wakes(&self) -> &Wakes {
        &self.inner.wakes
    }
}

/// An answer within the time, or an error as of a broken connection.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// The pool asks a connection that comes back whether it lives, without a limit; one
/// that swallows the question would keep its place in the pool until TCP gives up,
/// a quarter of an hour later. An error here closes it.
async fn ping_in_time(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    in_time(connection.ping()).await.map(|()| true)
}
