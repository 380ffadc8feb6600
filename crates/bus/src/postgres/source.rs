//! One member of a group: the seam to the runner over three tasks that fetch,
//! keep the leases and commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::Topic;
use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::postgres::commit::{commit, keep_committing};
use crate::postgres::error::source_error;
use crate::postgres::fetch::{Batch, keep_fetching};
use crate::postgres::lease::{keep, leave};
use crate::postgres::state::State;
use crate::postgres::wake::Wakes;
use crate::postgres::{PostgresLog, in_time};
use crate::source::{Source, SourceError, SourceEvent};

/// What the tasks of a member share.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) group: String,
    pub(super) topic: Topic,
    pub(super) id: Uuid,
    log: PostgresLog,
    state: Mutex<State>,
    /// The runner has an assignment change to hear of.
    changed: Notify,
    /// There may be something to fetch again.
    pub(super) work: Notify,
}

impl Member {
    pub(super) fn pool(&self) -> &PgPool {
        self.log.pool()
    }

    pub(super) fn wakes(&self) -> &Wakes {
        self.log.wakes()
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state())
    }

    /// Changes the state; the closure says whether the runner must hear of it.
    pub(super) fn change(&self, change: impl FnOnce(&mut State) -> bool) -> bool {
        let changed = change(&mut self.state());
        if changed {
            self.changed.notify_one();
            self.work.notify_one();
        }
        changed
    }

    /// As [`Member::change`], with an answer; the runner always hears of it.
    pub(super) fn change_and<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut self.state());
        self.changed.notify_one();
        self.work.notify_one();
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runner's end of a member. Dropping it stops the tasks and keeps the leases,
/// as a crash would.
#[derive(Debug)]
pub(crate) struct PostgresSource {
    member: Arc<Member>,
    batches: mpsc::Receiver<Batch>,
    tasks: JoinSet<()>,
}

impl PostgresSource {
    pub(super) fn join(log: &PostgresLog, group: &str, topic: Topic) -> Self {
        let member = Arc::new(Member {
            group: group.to_owned(),
            topic,
            id: Uuid::new_v4(),
            log: log.clone(),
            state: Mutex::default(),
            changed: Notify::new(),
            work: Notify::new(),
        });
        let (sender, batches) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(keep(Arc::clone(&member)));
        tasks.spawn(keep_committing(Arc::clone(&member)));
        tasks.spawn(keep_fetching(Arc::clone(&member), sender));
        Self { member, batches, tasks }
    }
}

impl Source for PostgresSource {
    /// Cancel-safe: the fetch runs in its own task, and a batch is taken from the
    /// channel and handed over without an await between.
    async fn next(&mut self) -> Result<SourceEvent, SourceError> {
        loop {
            if let Some(change) = self.member.state().next_change() {
                return Ok(change);
            }
            tokio::select! {
                biased;
                () = self.member.changed.notified() => {}
                batch = self.batches.recv() => {
                    let Some(batch) = batch else {
                        return Err(SourceError::Fatal(anyhow::anyhow!("the fetching task ended")));
                    };
                    let records = self.member.state().accept(batch?);
                    if !records.is_empty() {
                        return Ok(SourceEvent::Records(records));
                    }
                }
            }
        }
    }

    fn pause(&mut self, partition: i32) {
        self.member.state().set_paused(partition, true);
    }

    fn resume(&mut self, partition: i32) {
        self.member.state().set_paused(partition, false);
        self.member.work.notify_one();
    }

    fn finish(&mut self, partition: i32, next_offset: i64) {
        self.member.state().finish(partition, next_offset);
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        commit(&self.member).await.map_err(source_error)
    }

    async fn close(mut self) -> Result<(), SourceError> {
        // No renewal may come after the release.
        self.tasks.shutdown().await;
        commit(&self.member).await.map_err(source_error)?;
        in_time(leave(&self.member)).await.map_err(source_error)
    }
}
