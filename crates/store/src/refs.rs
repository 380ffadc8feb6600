//! Blocks of ticket numbers, given out once each over all replicas.

use std::ops::Range;

use chrono::NaiveDate;
use contract::TicketRef;
use sqlx::PgPool;

use crate::Error;

/// Takes the next `size` numbers of the day, fewer at the day's end; `None`
/// when the day has none left.
pub async fn take_block(
    pool: &PgPool,
    day: NaiveDate,
    size: u32,
) -> Result<Option<Range<u32>>, Error> {
    // Two takers at once wait for each other on the day's row. A day that is
    // used up is left as it is, so the counter stays within an integer.
    let next: Option<i64> = sqlx::query_scalar(
        "insert into ticket_ref_blocks as taken (day, next_number) values ($1, $2)
         on conflict on constraint ticket_ref_blocks_pkey
         do update set next_number = taken.next_number + excluded.next_number
         where taken.next_number < $3
         returning next_number",
    )
    .bind(day)
    .bind(i64::from(size))
    .bind(i64::from(TicketRef::PER_DAY))
    .fetch_optional(pool)
    .await?;
    Ok(next.and_then(|next| {
        let start = u32::try_from(next - i64::from(size)).ok()?;
        Some(start..start.saturating_add(size).min(TicketRef::PER_DAY))
    }))
}

/// Deletes the counters of days before `day`; nobody takes from them any more.
pub async fn delete_before(pool: &PgPool, day: NaiveDate) -> Result<u64, Error> {
    let done =
        sqlx::query("delete from ticket_ref_blocks where day < $1").bind(day).execute(pool).await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 5).unwrap()
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn blocks_taken_at_once_do_not_overlap(pool: PgPool) {
        let mut takers = tokio::task::JoinSet::new();
        for size in [256, 512, 1024, 256, 256, 4096, 300, 256] {
            let pool = pool.clone();
            takers.spawn(async move { take_block(&pool, day(), size).await.unwrap().unwrap() });
        }

        let numbers: Vec<u32> = takers.join_all().await.into_iter().flatten().collect();

        let distinct: HashSet<u32> = numbers.iter().copied().collect();
        assert_eq!(numbers.len(), 6956);
        assert_eq!(distinct.len(), numbers.len());
        assert_eq!(distinct.into_iter().max(), Some(6955), "no number is skipped");
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn every_day_counts_for_itself(pool: PgPool) {
        let today = take_block(&pool, day(), 256).await.unwrap();
        let tomorrow = take_block(&pool, day().succ_opt().unwrap(), 256).await.unwrap();

        assert_eq!(today, Some(0..256));
        assert_eq!(tomorrow, Some(0..256));
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_used_up_day_gives_a_short_block_and_then_none(pool: PgPool) {
        take_block(&pool, day(), TicketRef::PER_DAY - 10).await.unwrap();

        let last = take_block(&pool, day(), 256).await.unwrap();
        let none = take_block(&pool, day(), 256).await.unwrap();

        assert_eq!(last, Some(TicketRef::PER_DAY - 10..TicketRef::PER_DAY));
        assert_eq!(none, None);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn past_days_are_forgotten_and_today_is_kept(pool: PgPool) {
        take_block(&pool, day().pred_opt().unwrap(), 256).await.unwrap();
        take_block(&pool, day(), 256).await.unwrap();

        let deleted = delete_before(&pool, day()).await.unwrap();

        assert_eq!(deleted, 1);
        assert_eq!(take_block(&pool, day(), 256).await.unwrap(), Some(256..512));
    }
}
