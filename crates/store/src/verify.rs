//! The promises of the pipeline as queries: each finds what must not exist.

use std::time::Duration;

use sqlx::PgPool;

use crate::Error;

/// Ids shown of what breaks a promise.
const SHOWN: usize = 5;

/// What a promise's query has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub invariant: &'static str,
    /// Rows that break it; 0 where it holds.
    pub count: usize,
    /// Ids of the first of them.
    pub examples: Vec<String>,
}

/// How long work may be under way before it counts as forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A message of the agent's without a turn that is due.
    pub unhandled: Duration,
    /// What was decided, until it is published and stands as a delivery.
    pub published: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { unhandled: Duration::from_secs(300), published: Duration::from_secs(60) }
    }
}

impl Patience {
    /// For a system at rest: nothing is under way any more.
    pub const NONE: Self = Self { unhandled: Duration::ZERO, published: Duration::ZERO };
}

/// What is bound to a query's `$1`.
#[derive(Debug, Clone, Copy)]
enum Waits {
    Never,
    Unhandled,
    Published,
}

/// A name, what it waits for, and a query that gives the ids that break it.
const INVARIANTS: [(&str, Waits, &str); 10] = [
    (
        "a handled message has an outcome",
        Waits::Never,
        "select m.id::text from messages m join conversations c on c.id = m.conversation_id
         where m.seq <= c.handled_seq and m.outcome is null",
    ),
    (
        "an answered or handed-over message has a delivery",
        Waits::Published,
        "select m.id::text from messages m join conversations c on c.id = m.conversation_id
         where m.outcome in ('answered', 'handed_over')
         and not exists (select from deliveries d
             where d.conversation_id = m.conversation_id
             and (d.state <> 'cancelled' or exists (select from opt_outs o
                 where o.channel = c.channel and o.address in (c.address, c.thread_key)))
             and (d.last_seq >= m.seq or d.author = 'person' or d.outlet = 'hand_off'))
         and not exists (select from outbox o where o.conversation_id = m.conversation_id)
         and not exists (select from turns t where t.id = m.turn_id
             and t.created_at > app_now() - make_interval(secs => $1))",
    ),
    (
        "a message has at most one answer of the agent",
        Waits::Never,
        "select m.id::text from messages m
         join deliveries d on d.conversation_id = m.conversation_id
             and d.author = 'agent' and d.outlet <> 'hand_off' and d.part = 0 and d.state <> 'cancelled'
             and m.seq between d.first_seq and d.last_seq
         group by m.id having count(*) > 1",
    ),
    (
        "a part of a reply has one delivery",
        Waits::Never,
        "select min(id::text) from deliveries
         group by reply_id, part having count(*) > 1",
    ),
    (
        "a send of a provider's is one delivery's",
        Waits::Never,
        "select min(id::text) from deliveries where provider_id is not null
         group by outlet, provider_id having count(*) > 1",
    ),
    (
        "a send is in doubt only once its request could start",
        Waits::Never,
        "select id::text from deliveries
         where state = 'outcome_unknown' and unstarted_attempt = attempt",
    ),
    (
        // Where a second send does no harm, a try that was lost is begun again.
        "no send of the agent's begins after a takeover",
        Waits::Never,
        "select d.id::text from deliveries d
         join delivery_events e on e.delivery_id = d.id and e.state = 'sending'
         where d.author = 'agent' and d.outlet <> 'hand_off'
         and (d.outlet <> 'web_form' or e.attempt = 1)
         and exists (select from audit_log a
             where a.conversation_id = d.conversation_id and a.at < e.at
             and (a.action = 'take' and (a.detail ->> 'owner_epoch')::bigint > d.owner_epoch
                 or a.action in ('reply', 'close') and d.created_at < a.at
                     and not exists (select from audit_log decided
                         where decided.conversation_id = d.conversation_id
                             and decided.action = 'resend')))",
    ),
    (
        "a closed conversation has no open delivery",
        Waits::Never,
        "select d.id::text from deliveries d join conversations c on c.id = d.conversation_id
         where c.status = 'closed' and d.author = 'agent' and d.state in ('pending', 'sending')",
    ),
    (
        "what was decided is published within a minute",
        Waits::Published,
        "select id::text from outbox
         where created_at < now() - make_interval(secs => $1)",
    ),
    (
        "a message that waits for the agent has a turn that is due",
        Waits::Unhandled,
        "select m.id::text from messages m join conversations c on c.id = m.conversation_id
         where m.seq > c.handled_seq and m.outcome is null and c.owner = 'agent'
         and c.status = 'open' and m.stored_at <= app_now() - make_interval(secs => $1)
         and not exists (select from due_turns t where t.conversation_id = c.id)",
    ),
];

/// Runs every query, in a fixed order.
pub async fn check(pool: &PgPool, patience: Patience) -> Result<Vec<Breach>, Error> {
    let mut found = Vec::new();
    for (invariant, waits, query) in INVARIANTS {
        let query = sqlx::query_scalar(query);
        let query = match waits {
            Waits::Never => query,
            Waits::Unhandled => query.bind(patience.unhandled.as_secs_f64()),
            Waits::Published => query.bind(patience.published.as_secs_f64()),
        };
        let ids: Vec<String> = query.fetch_all(pool).await?;
        let count = ids.len();
        found.push(Breach { invariant, count, examples: ids.into_iter().take(SHOWN).collect() });
    }
    Ok(found)
}

/// Those promises that do not hold in a running system; empty when all do.
pub async fn breaches(pool: &PgPool) -> Result<Vec<Breach>, Error> {
    let all = check(pool, Patience::default()).await?;
    Ok(all.into_iter().filter(|breach| breach.count > 0).collect())
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
    async fn an_answer_to_somebody_who_told_us_to_stop_is_not_missed(pool: PgPool) {
        let stopped = "update deliveries set state = 'cancelled';
            update conversations set channel = 'whatsapp';
            insert into opt_outs (channel, address) values ('whatsapp', 'TF-20260105-0000')";

        assert_eq!(breaches_after(&pool, stopped).await, Vec::<&str>::new());
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

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_part_that_stands_twice_is_found(pool: PgPool) {
        let twice = "alter table deliveries drop constraint deliveries_part_key;
            insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch, body, state)
            select gen_random_uuid(), conversation_id, outlet, reply_id, part, author, owner_epoch, body, state
            from deliveries";

        assert_eq!(breaches_after(&pool, twice).await, ["a part of a reply has one delivery"]);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_send_that_two_deliveries_claim_is_found(pool: PgPool) {
        let claimed = "update deliveries set provider_id = 'SM1';
            insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch, body, provider_id)
            select gen_random_uuid(), conversation_id, outlet, gen_random_uuid(), 0, 'person', 0, body, provider_id
            from deliveries";

        assert_eq!(
            breaches_after(&pool, claimed).await,
            ["a send of a provider's is one delivery's"]
        );
    }

    const TAKEN: &str = "insert into audit_log (operator, action, conversation_id, detail, at)
        select 'sam', 'take', conversation_id, '{\"owner_epoch\": 1}', now() - interval '1 second'
        from deliveries;";

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_send_of_the_agents_begun_after_a_takeover_is_found(pool: PgPool) {
        let begun = format!(
            "{TAKEN} insert into delivery_events (delivery_id, state, attempt)
             select id, 'sending', 1 from deliveries"
        );

        assert_eq!(
            breaches_after(&pool, Box::leak(begun.into_boxed_str())).await,
            ["no send of the agent's begins after a takeover"]
        );
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_send_begun_before_the_takeover_or_decided_after_it_is_none(pool: PgPool) {
        let begun = format!(
            "{TAKEN} insert into delivery_events (delivery_id, state, attempt, at)
             select id, 'sending', 1, now() - interval '2 seconds' from deliveries;
             insert into delivery_events (delivery_id, state, attempt)
             select id, 'sending', 2 from deliveries"
        );
        let none: [&str; 0] = [];
        assert_eq!(breaches_after(&pool, Box::leak(begun.into_boxed_str())).await, none);

        sqlx::raw_sql("update deliveries set outlet = 'whatsapp'").execute(&pool).await.unwrap();
        assert_eq!(breaches(&pool).await.unwrap().len(), 1, "a provider's is begun once");
        sqlx::raw_sql("update deliveries set owner_epoch = 1").execute(&pool).await.unwrap();
        assert_eq!(breaches(&pool).await.unwrap(), []);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_doubt_about_a_send_that_could_not_start_is_found(pool: PgPool) {
        let doubt = "update deliveries set outlet = 'whatsapp', state = 'outcome_unknown',
            attempt = 1, unstarted_attempt = 1";

        assert_eq!(
            breaches_after(&pool, doubt).await,
            ["a send is in doubt only once its request could start"]
        );
        sqlx::raw_sql("update deliveries set attempt = 2").execute(&pool).await.unwrap();
        assert_eq!(breaches(&pool).await.unwrap(), [], "an older release has begun it since");
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_message_that_nobody_will_handle_is_found(pool: PgPool) {
        let forgotten =
            "update messages set outcome = null, stored_at = now() - interval '6 minutes';
            delete from deliveries; update conversations set handled_seq = 0";

        assert_eq!(
            breaches_after(&pool, forgotten).await,
            ["a message that waits for the agent has a turn that is due"]
        );
        sqlx::raw_sql("update conversations set owner = 'person'").execute(&pool).await.unwrap();
        assert_eq!(breaches(&pool).await.unwrap(), []);
    }
}
