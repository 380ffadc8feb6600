//! Requests with an idempotency key: which ticket the key stands for.

use chrono::{DateTime, Utc};
use contract::TicketRef;
use sqlx::PgPool;

use crate::Error;

/// SHA-256 of a key with its scope, or of a request's content.
pub type Hash = [u8; 32];

/// What a key was first used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebRequest {
    pub ticket_ref: TicketRef,
    /// When the key was first used.
    pub created_at: DateTime<Utc>,
    /// Whether that request had the same content.
    pub same_body: bool,
}

/// Writes the key's first use, or reads it: every caller with the key gets the
/// same ref and time, however many ask at once.
pub async fn claim(
    pool: &PgPool,
    key: &Hash,
    body: &Hash,
    ticket_ref: &TicketRef,
    now: DateTime<Utc>,
) -> Result<WebRequest, Error> {
    // The update changes nothing. It makes the statement wait for a first use
    // that is not committed yet and return its row; "do nothing" returns none.
    let (ticket_ref, created_at, same_body): (String, DateTime<Utc>, bool) = sqlx::query_as(
        "insert into web_requests as known (key_hash, body_hash, ref, created_at)
         values ($1, $2, $3, $4)
         on conflict on constraint web_requests_pkey do update set key_hash = known.key_hash
         returning ref, created_at, body_hash = $2",
    )
    .bind(key.as_slice())
    .bind(body.as_slice())
    .bind(ticket_ref.as_str())
    .bind(now)
    .fetch_one(pool)
    .await?;
    Ok(WebRequest { ticket_ref: ticket_ref.parse().map_err(Error::row)?, created_at, same_body })
}

/// Deletes up to `limit` keys first used before the instant.
pub async fn delete_before(
    pool: &PgPool,
    instant: DateTime<Utc>,
    limit: i64,
) -> Result<u64, Error> {
    // Skipping locked rows lets every replica sweep without waiting for another.
    let done = sqlx::query(
        "delete from web_requests where key_hash in (
             select key_hash from web_requests where created_at < $1
             order by created_at limit $2 for update skip locked)",
    )
    .bind(instant)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeDelta};

    use super::*;

    fn numbered(n: u32) -> TicketRef {
        TicketRef::numbered(NaiveDate::from_ymd_opt(2026, 1, 5).unwrap(), n).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        "2026-01-05T12:00:00Z".parse().unwrap()
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn twenty_claims_at_once_get_one_ref_and_one_time(pool: PgPool) {
        let mut claims = tokio::task::JoinSet::new();
        for n in 0..20 {
            let pool = pool.clone();
            let at = noon() + TimeDelta::milliseconds(n.into());
            claims.spawn(async move {
                claim(&pool, &[1; 32], &[2; 32], &numbered(n), at).await.unwrap()
            });
        }

        let answers = claims.join_all().await;

        assert_eq!(answers.len(), 20);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert!(answers[0].same_body);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn another_body_under_the_same_key_is_seen(pool: PgPool) {
        let first = claim(&pool, &[1; 32], &[2; 32], &numbered(0), noon()).await.unwrap();

        let second = claim(&pool, &[1; 32], &[3; 32], &numbered(1), noon()).await.unwrap();

        assert!(first.same_body);
        assert!(!second.same_body);
        assert_eq!(second.ticket_ref, first.ticket_ref);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn old_keys_are_deleted_in_chunks(pool: PgPool) {
        for n in 0..5_u8 {
            claim(&pool, &[n; 32], &[0; 32], &numbered(n.into()), noon()).await.unwrap();
        }
        let later = noon() + TimeDelta::days(8);
        claim(&pool, &[9; 32], &[0; 32], &numbered(9), later).await.unwrap();

        let chunks = [
            delete_before(&pool, later, 3).await.unwrap(),
            delete_before(&pool, later, 3).await.unwrap(),
            delete_before(&pool, later, 3).await.unwrap(),
        ];

        assert_eq!(chunks, [3, 2, 0]);
    }
}
