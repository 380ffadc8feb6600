//! Membership and leases: who of a group reads which partition. One task per
//! member, apart from reading and handling, so that a busy member keeps its leases.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, sleep_until, timeout};

use crate::postgres::commit::save;
use crate::postgres::source::Member;
use crate::postgres::state::Lease;

/// How long a member may be silent before others take its partitions. The
/// statements below name the same ten seconds, by the database's clock.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Three chances to renew within a lease.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// A round that takes longer has failed; the next one starts in time.
const ROUND_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a partition above the quota may finish what was handed over. Below
/// the lease, so that a stuck handler does not hold up the others.
const DRAIN: Duration = Duration::from_secs(8);

/// While something drains, how often to look whether it has.
const DRAIN_CHECK: Duration = Duration::from_millis(50);

/// Keeps the membership until the task is aborted.
pub(super) async fn keep(member: Arc<Member>) {
    let mut woken = member.wakes().members(member.topic);
    let mut renewed_at = Instant::now();
    loop {
        let round_began = Instant::now();
        match timeout(ROUND_TIMEOUT, round(&member)).await {
            Ok(Ok(())) => renewed_at = round_began,
            Ok(Err(error)) => {
                tracing::warn!(
                    group = member.group,
                    topic = %member.topic,
                    error = &error as &dyn std::error::Error,
                    "leases not renewed"
                );
            }
            Err(_) => {
                tracing::warn!(group = member.group, topic = %member.topic, "leases not renewed in time");
            }
        }
        if renewed_at.elapsed() >= LEASE && member.change(|state| state.lose_all()) {
            tracing::warn!(group = member.group, topic = %member.topic, "leases ran out");
        }
        wait(&member, &mut woken, round_began + RENEW_EVERY).await;
    }
}

/// Until the next round is due: by the clock, because a member came or went, or
/// because a partition has drained.
async fn wait(member: &Member, woken: &mut tokio::sync::watch::Receiver<()>, next: Instant) {
    let next = next.max(Instant::now() + DRAIN_CHECK);
    loop {
        let check = Instant::now() + DRAIN_CHECK;
        let is_draining = member.read(|state| state.is_draining());
        tokio::select! {
            () = sleep_until(next) => return,
            Ok(()) = woken.changed() => return,
            () = sleep_until(check), if is_draining => {
                if !member.read(|state| state.drained(Instant::now())).is_empty() {
                    return;
                }
            }
        }
    }
}

/// One round: be seen, renew, give back, take what is free.
async fn round(member: &Member) -> Result<(), sqlx::Error> {
    let pool = member.pool();
    let drained = member.read(|state| state.drained(Instant::now()));
    if !drained.is_empty() {
        give_back(member, &drained).await?;
    }
    let is_new = be_seen(pool, member).await?;
    if is_new {
        member.wakes().members_changed(member.topic);
    }
    let held = renew(pool, member).await?;
    member.change(|state| state.reconcile(&held));
    let quota = quota(pool, member).await?;
    member.change(|state| {
        state.shrink_to(quota, Instant::now() + DRAIN);
        false
    });
    let room = member.read(|state| state.room(quota));
    if room > 0 {
        let taken = take(pool, member, room).await?;
        member.change(|state| state.gain(&taken));
    }
    Ok(())
}

/// Saves and releases partitions. The order matters twice: the runner's results
/// stop counting before the cursor is final, and the cursor is final before
/// another member reads it.
pub(super) async fn give_back(member: &Member, leases: &[Lease]) -> Result<(), sqlx::Error> {
    let partitions: Vec<i32> = leases.iter().map(|lease| lease.partition).collect();
    let last = member.change_and(|state| {
        let last: Vec<Lease> = state
            .leases()
            .into_iter()
            .filter(|lease| partitions.contains(&lease.partition))
            .collect();
        state.lose(&partitions);
        last
    });
    save(member.pool(), member, &last).await?;
    let epochs: Vec<i64> = last.iter().map(|lease| lease.epoch).collect();
    let partitions: Vec<i32> = last.iter().map(|lease| lease.partition).collect();
    sqlx::query(
        r#"update queue_cursors c set owner = null, leased_until = null
           from unnest($4::integer[], $5::bigint[]) as l(partition, epoch)
           where c."group" = $1 and c.topic = $2 and c.owner = $3
             and c.partition = l.partition and c.epoch = l.epoch"#,
    )
    .bind(&member.group)
    .bind(member.topic.name())
    .bind(member.id)
    .bind(partitions)
    .bind(epochs)
    .execute(member.pool())
    .await?;
    member.wakes().members_changed(member.topic);
    Ok(())
}

/// True when the group has not seen this member before (or not for a long time).
async fn be_seen(pool: &PgPool, member: &Member) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        r#"with silent as (
             delete from queue_members
             where "group" = $1 and topic = $2 and member <> $3
               and seen_at < now() - interval '1 minute')
           insert into queue_members as m ("group", topic, member) values ($1, $2, $3)
           on conflict ("group", topic, member) do update set seen_at = now()
           returning xmax = 0"#,
    )
    .bind(&member.group)
    .bind(member.topic.name())
    .bind(member.id)
    .fetch_one(pool)
    .await
}

/// Everything this member still owns. Nobody else took a lease that ran out
/// meanwhile, or its owner would be another.
async fn renew(pool: &PgPool, member: &Member) -> Result<Vec<Lease>, sqlx::Error> {
    sqlx::query_as(
        r#"update queue_cursors set leased_until = now() + interval '10 seconds'
           where "group" = $1 and topic = $2 and owner = $3
           returning partition, epoch, next_offset"#,
    )
    .bind(&member.group)
    .bind(member.topic.name())
    .bind(member.id)
    .fetch_all(pool)
    .await
}

/// ceil(partitions / living members).
async fn quota(pool: &PgPool, member: &Member) -> Result<usize, sqlx::Error> {
    let quota: i64 = sqlx::query_scalar(
        r#"select (partitions + members - 1) / members
           from (select count(*) as partitions from queue_partitions where topic = $2) p,
                (select greatest(count(*), 1) as members from queue_members
                 where "group" = $1 and topic = $2
                   and seen_at > now() - interval '10 seconds') m"#,
    )
    .bind(&member.group)
    .bind(member.topic.name())
    .fetch_one(pool)
    .await?;
    Ok(usize::try_from(quota).unwrap_or(0))
}

/// Takes up to `room` partitions that nobody holds. `skip locked`: two members that
/// look at once do not wait for each other, each takes what the other does not.
async fn take(pool: &PgPool, member: &Member, room: usize) -> Result<Vec<Lease>, sqlx::Error> {
    create_cursors(pool, member).await?;
    sqlx::query_as(
        r#"update queue_cursors c
           set owner = $3, epoch = c.epoch + 1, leased_until = now() + interval '10 seconds'
           from (select partition from queue_cursors
                 where "group" = $1 and topic = $2
                   and (owner is null or leased_until < now())
                 order by partition limit $4 for update skip locked) free
           where c."group" = $1 and c.topic = $2 and c.partition = free.partition
           returning c.partition, c.epoch, c.next_offset"#,
    )
    .bind(&member.group)
    .bind(member.topic.name())
    .bind(member.id)
    .bind(i64::try_from(room).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
}

/// A group begins at the beginning: what was published before its first member
/// came is waiting for it.
async fn create_cursors(pool: &PgPool, member: &Member) -> Result<(), sqlx::Error> {
    sqlx::query(
        r#"insert into queue_cursors ("group", topic, partition)
           select $1, topic, partition from queue_partitions p
           where topic = $2
             and not exists (select from queue_cursors c where c."group" = $1
                             and c.topic = p.topic and c.partition = p.partition)
           on conflict ("group", topic, partition) do nothing"#,
    )
    .bind(&member.group)
    .bind(member.topic.name())
    .execute(pool)
    .await?;
    Ok(())
}

/// Leaves the group for good.
pub(super) async fn leave(member: &Member) -> Result<(), sqlx::Error> {
    let held = member.read(|state| state.leases());
    give_back(member, &held).await?;
    sqlx::query(r#"delete from queue_members where "group" = $1 and topic = $2 and member = $3"#)
        .bind(&member.group)
        .bind(member.topic.name())
        .bind(member.id)
        .execute(member.pool())
        .await?;
    member.wakes().members_changed(member.topic);
    Ok(())
}
