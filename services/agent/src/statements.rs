//! A turn's three statements. Turns that reach one at the same time share it, so that
//! the more there is to do, the less each turn costs the database.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use batch_aint_one::{BatchError, Batcher, BatchingPolicy, Limits, Processor};
use contract::{Classified, ConversationId, FailureClass};
use futures::FutureExt as _;
use sqlx::{PgConnection, PgPool};
use store::retry_serialization;
use store::turns::{self, Committed, Snapshot, Turn};
use tokio::time::Instant;

use crate::TURNS;
use crate::connections::Connections;
use crate::knowledge::CHUNKS_PER_TURN;
use crate::nearest::Shelf;
use crate::search::{self, Found, Question};
use crate::steps::{Step, Steps};

/// How soon one statement follows another of its kind. What comes meanwhile goes
/// together; the first after a pause goes at once.
const PACE: Duration = Duration::from_millis(4);

/// Most turns in one statement: beyond it a statement only gets longer.
const MOST: usize = 64;

/// Statements of one kind that run at once, so that a slow one does not hold up all
/// others.
const SIDE_BY_SIDE: usize = 2;

/// How soon a turn tries again whose conversation somebody else holds; doubled each
/// time. Its statement does not wait: all other turns in it would wait too, and hold
/// their conversations meanwhile.
const SHORTEST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// When such a turn fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a statement brought nothing; shared by the turns that waited for it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StatementError {
    #[error(transparent)]
    Store(Arc<store::Error>),
    /// A panic, or the process ends.
    #[error("the statement was given up")]
    GivenUp,
    #[error("the conversation is held by somebody else")]
    Held,
}

impl Classified for StatementError {
    fn class(&self) -> FailureClass {
        match self {
            StatementError::Store(error) => error.class(),
            StatementError::GivenUp | StatementError::Held => FailureClass::Retry,
        }
    }
}

/// The statements of one database.
#[derive(Clone)]
pub(crate) struct Statements {
    reads: Batcher<Shared<Read>>,
    searches: Batcher<Shared<Search>>,
    commits: Batcher<Shared<Commit>>,
    pub(crate) steps: Steps,
}

impl Statements {
    /// Starts a task for each kind; they end with the last clone.
    pub(crate) fn new(pool: &PgPool) -> Self {
        let connections = Connections::new(pool);
        Self {
            reads: batcher("read", Read, &connections),
            searches: batcher("search", Search(Arc::default()), &connections),
            commits: batcher("commit", Commit, &connections),
            steps: Steps::new(),
        }
    }

    /// What a turn needs to know; `None` for an unknown conversation.
    pub(crate) async fn read(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<Snapshot>, StatementError> {
        self.steps.timed(Step::Read, ask(&self.reads, conversation)).await
    }

    /// The chunks nearest to a question.
    pub(crate) async fn search(&self, question: Question) -> Result<Vec<Found>, StatementError> {
        self.steps.timed(Step::Search, ask(&self.searches, question)).await
    }

    /// Writes down all that a turn decided, if what it has read still holds.
    pub(crate) async fn commit(&self, turn: Turn) -> Result<Committed, StatementError> {
        let turn = Arc::new(turn);
        let until = Instant::now() + PATIENCE;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let asked = ask(&self.commits, Arc::clone(&turn));
            match self.steps.timed(Step::Commit, asked).await? {
                Committed::Held if Instant::now() < until => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Committed::Held => return Err(StatementError::Held),
                committed => return Ok(committed),
            }
        }
    }
}

fn batcher<S: Statement>(
    name: &str,
    statement: S,
    connections: &Connections,
) -> Batcher<Shared<S>> {
    let limits = Limits::builder()
        .max_batch_size(MOST)
        .max_key_concurrency(SIDE_BY_SIDE)
        .max_key_queued_items(2 * TURNS)
        .build();
    let next = Arc::new(Mutex::new(Instant::now()));
    Batcher::builder()
        .name(name)
        .processor(Shared { statement, connections: connections.clone(), next })
        .limits(limits)
        .batching_policy(BatchingPolicy::Immediate)
        .build()
}

async fn ask<S: Statement>(
    batcher: &Batcher<Shared<S>>,
    input: S::Input,
) -> Result<S::Output, StatementError> {
    match batcher.add((), input).await {
        Ok(output) => output,
        Err(BatchError::BatchFailed(error) | BatchError::ResourceAcquisitionFailed(error)) => {
            Err(error)
        }
        Err(_) => Err(StatementError::GivenUp),
    }
}

/// A statement that serves several turns: one output per input, in their order.
trait Statement: Clone + Send + Sync + 'static {
    type Input: Send + Sync;
    type Output: Send;

    fn run(
        self,
        connection: &mut PgConnection,
        inputs: &[Self::Input],
    ) -> impl Future<Output = Result<Vec<Self::Output>, store::Error>> + Send;
}

#[derive(Clone, Copy)]
struct Read;

impl Statement for Read {
    type Input = ConversationId;
    type Output = Option<Snapshot>;

    async fn run(
        self,
        connection: &mut PgConnection,
        inputs: &[ConversationId],
    ) -> Result<Vec<Option<Snapshot>>, store::Error> {
        turns::read(connection, inputs).await
    }
}

/// With the vectors that questions are compared with.
#[derive(Clone)]
struct Search(Arc<Shelf>);

impl Statement for Search {
    type Input = Question;
    type Output = Vec<Found>;

    async fn run(
        self,
        connection: &mut PgConnection,
        inputs: &[Question],
    ) -> Result<Vec<Vec<Found>>, store::Error> {
        search::search(connection, &self.0, inputs, CHUNKS_PER_TURN).await
    }
}

#[derive(Clone, Copy)]
struct Commit;

impl Statement for Commit {
    type Input = Arc<Turn>;
    type Output = Committed;

    async fn run(
        self,
        connection: &mut PgConnection,
        inputs: &[Arc<Turn>],
    ) -> Result<Vec<Committed>, store::Error> {
        turns::commit(connection, inputs).await
    }
}

/// Runs a statement for those that wait for it, at its pace.
#[derive(Clone)]
struct Shared<S> {
    statement: S,
    connections: Connections,
    /// When the next one may start.
    next: Arc<Mutex<Instant>>,
}

impl<S: Statement> Processor for Shared<S> {
    type Key = ();
    type Input = S::Input;
    type Output = Result<S::Output, StatementError>;
    type Error = StatementError;
    type Resources = ();

    async fn acquire_resources(&self, (): ()) -> Result<(), StatementError> {
        let start = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let start = (*next).max(Instant::now());
            *next = start + PACE;
            start
        };
        tokio::time::sleep_until(start).await;
        Ok(())
    }

    async fn process(
        &self,
        (): (),
        inputs: impl Iterator<Item = S::Input> + Send,
        (): (),
    ) -> Result<Vec<Self::Output>, StatementError> {
        let inputs: Vec<S::Input> = inputs.collect();
        match self.run(&inputs).await {
            Ok(outputs) => Ok(outputs.into_iter().map(Ok).collect()),
            Err(error) if inputs.len() > 1 && error.class() != FailureClass::Unavailable => {
                // One of them is in the way of the others.
                let mut outputs = Vec::with_capacity(inputs.len());
                for input in inputs.chunks(1) {
                    let output = self.run(input).await.map(|mut outputs| outputs.pop());
                    outputs.push(output.and_then(|output| output.ok_or(StatementError::GivenUp)));
                }
                Ok(outputs)
            }
            Err(error) => Err(error),
        }
    }
}

impl<S: Statement> Shared<S> {
    async fn run(&self, inputs: &[S::Input]) -> Result<Vec<S::Output>, StatementError> {
        let run = retry_serialization(async || {
            let mut taken = self.connections.take().await?;
            let outputs = self.statement.clone().run(&mut taken.connection, inputs).await?;
            self.connections.keep(taken);
            Ok(outputs)
        });
        // One that panics is one that fails: the others in its statement need not.
        match AssertUnwindSafe(run).catch_unwind().await {
            Ok(result) => result.map_err(|error| StatementError::Store(Arc::new(error))),
            Err(_panic) => Err(StatementError::GivenUp),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    /// Doubles numbers; fails whenever 13 is among them, and panics when 31 is.
    #[derive(Clone, Copy)]
    struct Doubling;

    impl Statement for Doubling {
        type Input = u32;
        type Output = u32;

        async fn run(self, _: &mut PgConnection, inputs: &[u32]) -> Result<Vec<u32>, store::Error> {
            if inputs.contains(&13) {
                return Err(sqlx::Error::RowNotFound.into());
            }
            assert!(!inputs.contains(&31), "31 is in the test");
            Ok(inputs.iter().map(|input| input * 2).collect())
        }
    }

    #[sqlx::test]
    async fn one_that_fails_leaves_the_others_their_results(pool: PgPool) {
        let batcher = batcher("doubling", Doubling, &Connections::new(&pool));

        let results = join_all((0..40).map(|number| ask(&batcher, number))).await;

        for (number, result) in (0..).zip(results) {
            match result {
                Ok(double) => assert_eq!(double, number * 2),
                Err(error) => {
                    assert!([13, 31].contains(&number), "{number}");
                    assert_eq!(error.class(), FailureClass::Retry);
                }
            }
        }
    }
}
