//! The promises of the pipeline as queries: each finds what must not exist.

use sqlx::PgPool;

use crate::Error;

/// A promise that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub invariant: &'static str,
    /// Rows that break it.
    pub count: i64,
    /// Id of one of them.
    pub example: String,
}

/// Name and query; a query gives the ids that break the promise.
const INVARIANTS: [(&str, &str); 5] = [
    (
        "a handled message has an outcome",
        "select m.id::text as id from messages m join conversations c on c.id = m.conversation_id
         where m.seq <= c.handled_seq and m.outcome is null",
    ),
    (
        "an answered or handed-over message has a delivery",
        "select m.id::text as id from messages m
         where m.outcome in ('answered', 'handed_over')
         and not exists (select from deliveries d
             where d.conversation_id = m.conversation_id and d.state <> 'cancelled'
             and (d.last_seq >= m.seq or d.author = 'person' or d.outlet = 'hand_off'))
         and not exists (select from outbox o where o.conversation_id = m.conversation_id)",
    ),
    (
        "a message has at most one answer of the agent",
        "select m.id::text as id from messages m
         join deliveries d on d.conversation_id = m.conversation_id
             and d.author = 'agent' and d.outlet <> 'hand_off' and d.part = 0 and d.state <> 'cancelled'
             and m.seq between d.first_seq and d.last_seq
         group by m.id having count(*) > 1",
    ),
    (
        "a closed conversation has no open delivery",
        "select d.id::text as id from deliveries d join conversations c on c.id = d.conversation_id
         where c.status = 'closed' and d.author = 'agent' and d.state in ('pending', 'sending')",
    ),
    (
        "what was decided is published within a minute",
        "select id::text as id from outbox where created_at < now() - interval '1 minute'",
    ),
];

/// Runs every query; an empty list means that all promises hold.
pub async fn breaches(pool: &PgPool) -> Result<Vec<Breach>, Error> {
    let mut found = Vec::new();
    for (invariant, query) in INVARIANTS {
        let ids: Vec<String> = sqlx::query_scalar(query).fetch_all(pool).await?;
        if let Some(example) = ids.first() {
            let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
            found.push(Breach { invariant, count, example: example.clone() });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One conversation with one stored message and one accepted answer to it.
    const CONSISTENT: &str = "
        insert into customers (id, name) values ('00000000-0000-0000-0000-000000000001', 'x');
        insert into conversations (id, channel, thread_key, customer_id, identity_level, last_seq, handled_seq)
        values ('00000000-0000-0000-0000-000000000002', 'web_form', 'TF-20260105-0000',
            '00000000-0000-0000-0000-000000000001', 'self_asserted', 1, 1);
        insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at, outcome)
        values ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000002', 1,
            'web_form', 'p', 'x', now(), 'answered');
        insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
            first_seq, last_seq, body, state)
        values ('00000000-0000-0000-0000-000000000004', '00000000-0000-0000-0000-000000000002', 'web_form',
            '00000000-0000-0000-0000-000000000005', 0, 'agent', 0, 1, 1, 'x', 'accepted');";

    async fn breaches_after(pool: &PgPool, change: &'static str) -> Vec<&'static str> {
        sqlx::raw_sql(CONSISTENT).execute(pool).await.unwrap();
        sqlx::raw_sql(change).execute(pool).await.unwrap();
        breaches(pool).await.unwrap().into_iter().map(|breach| breach.invariant).collect()
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_consistent_database_has_no_breach(pool: PgPool) {
        assert_eq!(breaches_after(&pool, "select").await, Vec::<&str>::new());
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_handled_message_without_outcome_is_found(pool: PgPool) {
        let found = breaches_after(&pool, "update messages set outcome = null").await;

        assert_eq!(found, ["a handled message has an outcome"]);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn an_answer_without_delivery_is_found(pool: PgPool) {
        let found = breaches_after(&pool, "update deliveries set state = 'cancelled'").await;

        assert_eq!(found, ["an answered or handed-over message has a delivery"]);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_second_answer_to_one_message_is_found(pool: PgPool) {
        let twice = "insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
            first_seq, last_seq, body, state)
            select gen_random_uuid(), conversation_id, outlet, gen_random_uuid(), 0, author, owner_epoch,
            first_seq, last_seq, body, state from deliveries";

        assert_eq!(
            breaches_after(&pool, twice).await,
            ["a message has at most one answer of the agent"]
        );
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn an_open_delivery_of_a_closed_conversation_is_found(pool: PgPool) {
        let closed =
            "update conversations set status = 'closed'; update deliveries set state = 'pending'";

        assert_eq!(
            breaches_after(&pool, closed).await,
            ["a closed conversation has no open delivery"]
        );
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_forgotten_outbox_entry_is_found(pool: PgPool) {
        let forgotten = "insert into outbox (service, event_id, topic, key, headers, payload, created_at)
            values ('agent', gen_random_uuid(), 'fte.metrics', 'k', '{}', '', now() - interval '2 minutes')";

        assert_eq!(
            breaches_after(&pool, forgotten).await,
            ["what was decided is published within a minute"]
        );
    }
}
