//! Two customers who are one person: merging them, and undoing it exactly.
//!
//! Locks as everywhere: the customers by id, then their conversations by id. Whoever
//! writes for a customer meanwhile follows the merge (`follow_merges` of the migrations).

use chrono::{DateTime, Utc};
use contract::{CustomerId, MergeId};
use sqlx::{Acquire as _, FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::merges_sql::{Side, customers_of, join, lock, part, standing};
use crate::people::OperatorName;
use crate::{Error, retry_serialization};

/// What a merge or its undoing moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub merge: MergeId,
    /// Who has everything of both while the merge stands.
    pub kept: CustomerId,
    pub merged: CustomerId,
    pub identifiers: usize,
    pub conversations: usize,
    /// The kept customer's plan from now on.
    pub plan: Option<String>,
}

/// Why customers were not merged or parted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no customer {0}")]
    Unknown(CustomerId),
    #[error("there is no merge {0}")]
    UnknownMerge(MergeId),
    #[error("both are one customer already")]
    Same,
    #[error("customer {0} is merged into {1} already")]
    Merged(CustomerId, CustomerId),
    /// Nobody wrote from an address of the customer's in a way that proves it, and the
    /// company's records name none of them.
    #[error("nothing proves who customer {0} is: no authenticated message, no record")]
    Unproven(CustomerId),
    /// The opposite, where only what somebody typed may be taken in.
    #[error("customer {0} has proven who it is")]
    Proven(CustomerId),
    #[error("merge {0} is undone already")]
    Undone(MergeId),
    /// What came over went on into a third customer.
    #[error("merge {0} came later: undo it first")]
    Later(MergeId),
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Refusal::Store(error.into())
    }
}

/// How a merge or its undoing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Finds out what would happen, and changes nothing.
    DryRun,
    Write,
}

/// Gives `kept` everything of `merged`. Both must be proven: by a message that its
/// channel authenticated, or by the company's records. An address that somebody typed
/// proves nothing.
pub async fn merge(
    pool: &PgPool,
    kept: CustomerId,
    merged: CustomerId,
    operator: OperatorName<'_>,
    mode: Mode,
) -> Result<Moved, Refusal> {
    retry(|| try_merge(pool, kept, merged, operator, mode)).await
}

async fn try_merge(
    pool: &PgPool,
    kept: CustomerId,
    merged: CustomerId,
    operator: OperatorName<'_>,
    mode: Mode,
) -> Result<Moved, Refusal> {
    let mut tx = pool.begin().await?;
    let [kept, merged] = sides(&mut tx, kept, merged).await?;
    for side in [&kept, &merged] {
        if !side.is_proven {
            return Err(Refusal::Unproven(side.id.into()));
        }
    }
    let moved = join(&mut tx, &kept, &merged, operator).await?;
    finish(tx, mode).await?;
    Ok(moved)
}

/// As [`merge`] on the word of the company's records, which name addresses of both: of
/// `merged` nothing may be known but what somebody typed.
pub(crate) async fn merge_typed(
    conn: &mut PgConnection,
    kept: CustomerId,
    merged: CustomerId,
    operator: OperatorName<'_>,
) -> Result<Moved, Refusal> {
    let mut tx = conn.begin().await?;
    let [kept, merged] = sides(&mut tx, kept, merged).await?;
    if merged.is_proven {
        return Err(Refusal::Proven(merged.id.into()));
    }
    let moved = join(&mut tx, &kept, &merged, operator).await?;
    tx.commit().await?;
    Ok(moved)
}

/// Both customers under their locks.
async fn sides(
    conn: &mut PgConnection,
    kept: CustomerId,
    merged: CustomerId,
) -> Result<[Side; 2], Refusal> {
    if kept == merged {
        return Err(Refusal::Same);
    }
    // One after the other, so that the order of the locks is that of the ids.
    let mut locked = Vec::with_capacity(2);
    for id in [kept.min(merged), kept.max(merged)] {
        locked.push(lock(conn, id).await?.ok_or(Refusal::Unknown(id))?);
    }
    for side in &locked {
        if let Some(into) = side.merged_into {
            return Err(Refusal::Merged(side.id.into(), into.into()));
        }
    }
    locked.sort_by_key(|side| side.id != kept.as_uuid());
    <[Side; 2]>::try_from(locked).map_err(|_| Refusal::Same)
}

/// A merge as it is kept.
#[derive(Debug, Clone, FromRow)]
pub struct Recorded {
    pub id: Uuid,
    pub kept_id: Uuid,
    pub merged_id: Uuid,
    pub merged_by: String,
    pub merged_at: DateTime<Utc>,
    pub undone_by: Option<String>,
    pub undone_at: Option<DateTime<Utc>>,
}

/// Merges shown with a customer, the newest.
const MOST_SHOWN: i64 = 50;

/// The merges in which a customer has had a part, the newest first.
pub async fn of_customer(pool: &PgPool, id: CustomerId) -> Result<Vec<Recorded>, Error> {
    let merges = sqlx::query_as(
        "select id, kept_id, merged_id, merged_by, merged_at, undone_by, undone_at
         from customer_merges where kept_id = $1 or merged_id = $1
         order by merged_at desc limit $2",
    )
    .bind(id.as_uuid())
    .bind(MOST_SHOWN)
    .fetch_all(pool)
    .await?;
    Ok(merges)
}

/// Gives the merged customer back what it had, and the conversations that its
/// identifiers have opened since.
pub async fn unmerge(
    pool: &PgPool,
    id: MergeId,
    operator: OperatorName<'_>,
    mode: Mode,
) -> Result<Moved, Refusal> {
    retry(|| try_unmerge(pool, id, operator, mode)).await
}

async fn try_unmerge(
    pool: &PgPool,
    id: MergeId,
    operator: OperatorName<'_>,
    mode: Mode,
) -> Result<Moved, Refusal> {
    let mut tx = pool.begin().await?;
    let Some((one, other)) = customers_of(&mut tx, id).await? else {
        return Err(Refusal::UnknownMerge(id));
    };
    for customer in [one.min(other), one.max(other)] {
        lock(&mut tx, customer.into()).await?;
    }
    // Read under the locks: somebody else may have undone it while we waited.
    let standing = standing(&mut tx, id).await?;
    if standing.is_undone {
        return Err(Refusal::Undone(id));
    }
    if let Some(later) = standing.later {
        return Err(Refusal::Later(later.into()));
    }
    let moved = part(&mut tx, id, &standing, operator).await?;
    finish(tx, mode).await?;
    Ok(moved)
}

/// Deadlocks and lost races run again at once; a refusal is an answer.
async fn retry<Fut>(mut step: impl FnMut() -> Fut) -> Result<Moved, Refusal>
where
    Fut: Future<Output = Result<Moved, Refusal>>,
{
    let tried = retry_serialization(|| {
        let done = step();
        async move {
            match done.await {
                Err(Refusal::Store(error)) => Err(error),
                answer => Ok(answer),
            }
        }
    });
    tried.await?
}

async fn finish(tx: sqlx::Transaction<'_, sqlx::Postgres>, mode: Mode) -> Result<(), Error> {
    match mode {
        Mode::Write => tx.commit().await?,
        Mode::DryRun => tx.rollback().await?,
    }
    Ok(())
}
