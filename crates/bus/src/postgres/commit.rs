//! Makes finished offsets durable, fenced by the lease's epoch.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use crate::crash::crash_point;
use crate::postgres::in_time;
use crate::postgres::source::Member;
use crate::postgres::state::Lease;

/// What a crash may repeat at most, in time. A commit is one small statement.
const COMMIT_EVERY: Duration = Duration::from_millis(250);

/// Commits now and then until the task is aborted.
pub(super) async fn keep_committing(member: Arc<Member>) {
    loop {
        tokio::time::sleep(COMMIT_EVERY).await;
        if let Err(error) = commit(&member).await {
            tracing::warn!(
                group = member.group,
                topic = %member.topic,
                error = &error as &dyn std::error::Error,
                "offsets not committed yet"
            );
        }
    }
}

/// Commits what is finished. A partition whose commit is refused has another owner.
pub(super) async fn commit(member: &Member) -> Result<(), sqlx::Error> {
    let unsaved = member.read(|state| state.unsaved());
    if unsaved.is_empty() {
        return Ok(());
    }
    let saved = save(member.pool(), member, &unsaved).await?;
    crash_point("event.finished");
    member.change(|state| {
        let saved_leases: Vec<Lease> =
            unsaved.iter().copied().filter(|lease| saved.contains(&lease.partition)).collect();
        state.saved(&saved_leases);
        // Only if it is still the lease that was refused: a newer one may be ours.
        let lost: Vec<i32> = state
            .leases()
            .into_iter()
            .filter(|now| {
                unsaved.iter().any(|tried| {
                    tried.partition == now.partition
                        && tried.epoch == now.epoch
                        && !saved.contains(&tried.partition)
                })
            })
            .map(|lease| lease.partition)
            .collect();
        state.lose(&lost);
        !lost.is_empty()
    });
    Ok(())
}

/// The partitions whose cursor took the offset. The epoch is the fence: an owner
/// that lost its lease finds no row, however late its commit comes.
pub(super) async fn save(
    pool: &PgPool,
    member: &Member,
    leases: &[Lease],
) -> Result<Vec<i32>, sqlx::Error> {
    let partitions: Vec<i32> = leases.iter().map(|lease| lease.partition).collect();
    let epochs: Vec<i64> = leases.iter().map(|lease| lease.epoch).collect();
    let offsets: Vec<i64> = leases.iter().map(|lease| lease.next_offset).collect();
    let saved = sqlx::query_scalar(
        r#"update queue_cursors c set next_offset = greatest(c.next_offset, l.next_offset)
           from unnest($4::integer[], $5::bigint[], $6::bigint[])
             as l(partition, epoch, next_offset)
           where c."group" = $1 and c.topic = $2 and c.owner = $3
             and c.partition = l.partition and c.epoch = l.epoch
           returning c.partition"#,
    )
    .bind(&member.group)
    .bind(member.topic.name())
    .bind(member.id)
    .bind(partitions)
    .bind(epochs)
    .bind(offsets)
    .fetch_all(pool);
    in_time(saved).await
}
