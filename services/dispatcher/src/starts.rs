//! Writes down that requests are about to start: what comes while a statement runs goes
//! together in the next one.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use contract::DeliveryId;
use sqlx::PgPool;
use store::deliveries::{Begun, Ending};
use store::{Error, delivery_sends, retry_serialization};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::Instant;

use crate::sender::{late, unreachable};

/// The starts of one outlet.
pub(crate) struct Starts {
    pool: PgPool,
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the one that writes for all.
    writing: tokio::sync::Mutex<()>,
}

/// Whether the try may start.
type Answer = Result<bool, Arc<Error>>;

struct Waiting {
    id: DeliveryId,
    attempt: i32,
    told: oneshot::Sender<Answer>,
}

impl Starts {
    pub(crate) fn new(pool: PgPool) -> Self {
        let (waiting, writing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { pool, waiting, writing }
    }

    /// Returns once the request of this try may start at once; else how the try, which has
    /// sent nothing, ends. From `until` on nothing starts.
    pub(crate) async fn start(&self, delivery: &Begun, until: Instant) -> Result<(), Ending> {
        if Instant::now() >= until {
            return Err(late());
        }
        let may_start = self.written(delivery.id, delivery.attempt).await;
        bus::crash_point("send.started");
        match may_start {
            // A process that was stopped meanwhile wakes up later than that.
            Ok(true) if Instant::now() < until => Ok(()),
            Ok(_) => Err(late()),
            Err(error) => Err(unreachable(&error)),
        }
    }

    async fn written(&self, id: DeliveryId, attempt: i32) -> Answer {
        let (told, mut answer) = oneshot::channel();
        self.waiting().push(Waiting { id, attempt, told });
        let writing = self.writing.lock().await;
        let answered = match answer.try_recv() {
            // Nobody has taken it along.
            Err(TryRecvError::Empty) => {
                self.write().await;
                answer.try_recv()
            }
            answered => answered,
        };
        drop(writing);
        // Who wrote for it was stopped: nothing may start.
        answered.unwrap_or(Ok(false))
    }

    async fn write(&self) {
        let all = mem::take(&mut *self.waiting());
        let tries: Vec<_> = all.iter().map(|one| (one.id, one.attempt)).collect();
        let written = retry_serialization(|| delivery_sends::start(&self.pool, &tries)).await;
        let written = written.map_err(Arc::new);
        for Waiting { id, told, .. } in all {
            let answer = written.as_ref().map(|ids| ids.contains(&id)).map_err(Arc::clone);
            // A try that is gone needs no answer.
            drop(told.send(answer));
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDING: &str = "
        insert into customers (id, name) values ('00000000-0000-0000-0000-000000000001', 'x');
        insert into conversations (id, channel, thread_key, customer_id, identity_level)
        values ('00000000-0000-0000-0000-000000000002', 'whatsapp', 'k',
            '00000000-0000-0000-0000-000000000001', 'authenticated');
        insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
            body, state, attempt, unstarted_attempt, lease_until)
        select ('00000000-0000-0000-0000-00000000001' || n)::uuid,
            '00000000-0000-0000-0000-000000000002', 'whatsapp', gen_random_uuid(), 0, 'agent', 0,
            'x', 'sending', 1, 1, now() + interval '1 minute'
        from generate_series(1, 5) as n";

    fn id(number: u128) -> DeliveryId {
        uuid::Uuid::from_u128(0x10 + number).into()
    }

    #[sqlx::test(migrator = "store::MIGRATOR")]
    async fn what_comes_while_a_statement_runs_goes_together_in_the_next(pool: PgPool) {
        sqlx::raw_sql(SENDING).execute(&pool).await.unwrap();
        let starts = Arc::new(Starts::new(pool.clone()));
        let begin = |number| {
            let starts = Arc::clone(&starts);
            tokio::spawn(async move { starts.written(id(number), 1).await.unwrap() })
        };
        let mut holder = pool.begin().await.unwrap();
        sqlx::query("select from deliveries where id = $1 for update")
            .bind(id(1).as_uuid())
            .execute(&mut *holder)
            .await
            .unwrap();

        let first = begin(1);
        testkit::wait_for("the first statement", async || {
            starts.writing.try_lock().is_err() && starts.waiting().is_empty()
        })
        .await;
        let others = [begin(2), begin(3), begin(4)];
        testkit::wait_for("the others", async || starts.waiting().len() == 3).await;
        holder.rollback().await.unwrap();

        assert!(first.await.unwrap());
        for other in others {
            assert!(other.await.unwrap());
        }
        let written = "select count(distinct xmin::text), count(*) from deliveries
            where unstarted_attempt is null";
        let (statements, started): (i64, i64) =
            sqlx::query_as(written).fetch_one(&pool).await.unwrap();
        assert_eq!((statements, started), (2, 4));
    }

    #[sqlx::test(migrator = "store::MIGRATOR")]
    async fn another_try_and_a_database_that_is_away_start_nothing(pool: PgPool) {
        sqlx::raw_sql(SENDING).execute(&pool).await.unwrap();
        let starts = Starts::new(pool.clone());

        let another = starts.written(id(5), 2).await;
        pool.close().await;
        let away = starts.written(id(5), 1).await;

        assert!(!another.unwrap());
        assert!(away.is_err());
    }
}
