//! Connections that stay with the turns' statements: giving one back to the pool costs
//! a round trip.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use store::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections of the pool that are left to everything else.
const LEFT_TO_OTHERS: u32 = 2;

/// Some of the pool's connections, each kept from one statement to the next.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    idle: Arc<Mutex<Vec<PoolConnection<Postgres>>>>,
    /// One for each statement that may run now. Who holds one takes from the pool only
    /// when none is idle, so there are never more connections than places.
    places: Arc<Semaphore>,
    keeps: bool,
}

impl Connections {
    pub(crate) fn new(pool: &PgPool) -> Self {
        let all = pool.options().get_max_connections();
        let own = all.saturating_sub(LEFT_TO_OTHERS).max(1);
        Self {
            pool: pool.clone(),
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(own as usize)),
            // A pool's only connection goes round.
            keeps: own < all,
        }
    }

    /// One for a statement, as soon as there is one.
    pub(crate) async fn take(&self) -> Result<Taken, Error> {
        // Closed is what it never is, and then nobody would have to wait.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.pool.acquire().await?,
        };
        Ok(Taken { connection, _place: place })
    }

    /// Keeps it for the next statement. After a failure it is dropped instead, and the
    /// pool makes sure of it.
    pub(crate) fn keep(&self, taken: Taken) {
        if self.keeps {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(taken.connection);
        }
    }
}

/// A connection in the hands of a statement. Its place is free once it is kept or
/// dropped, in this order.
pub(crate) struct Taken {
    pub(crate) connection: PoolConnection<Postgres>,
    _place: Option<OwnedSemaphorePermit>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

    use super::*;

    #[sqlx::test]
    async fn others_find_a_connection_however_many_statements_there_were(
        pool: PgPoolOptions,
        options: PgConnectOptions,
    ) {
        for size in 1..=4 {
            let pool = pool.clone().max_connections(size).acquire_timeout(Duration::from_secs(2));
            let pool = pool.connect_with(options.clone()).await.unwrap();
            let connections = Connections::new(&pool);
            let slow = async || {
                let mut taken = connections.take().await.unwrap();
                sqlx::query("select pg_sleep(0.02)").execute(&mut *taken.connection).await.unwrap();
                connections.keep(taken);
            };

            join_all((0..8).map(|_| slow())).await;

            assert!(pool.acquire().await.is_ok(), "all {size} are kept");
        }
    }
}
