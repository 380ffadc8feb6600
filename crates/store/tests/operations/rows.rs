//! Rows as the other services leave them, written down directly.

use contract::{ConversationId, ReplyId, TurnId};
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) const LISA: store::people::OperatorName<'static> = store::people::OperatorName("lisa");
pub(crate) const JAMES: store::people::OperatorName<'static> = store::people::OperatorName("james");

pub(crate) async fn run(pool: &PgPool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

/// An open conversation of the agent's with this many unhandled messages.
pub(crate) async fn conversation(pool: &PgPool, name: &str, messages: i64) -> ConversationId {
    let id = ConversationId::named(name);
    sqlx::query(
        "with customer as (
             insert into customers (id, name, plan)
             values (gen_random_uuid(), 'Sam Doe', 'pro') returning id
         ), identifier as (
             insert into customer_identifiers (kind, value, customer_id, level)
             select 'email', $3 || '@example.org', id, 'self_asserted' from customer
         )
         insert into conversations
             (id, channel, thread_key, customer_id, identity_level, last_seq)
         select $1, 'web_form', $3, id, 'self_asserted', $2 from customer",
    )
    .bind(id.as_uuid())
    .bind(messages)
    .bind(name)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        "with ticket as (
             insert into tickets (ref, conversation_id, subject, category, priority, respond_by)
             select 'TF-20260105-' || lpad((select count(*) from tickets)::text, 4, '0'), $1,
                    'Export', 'billing', 'high', app_now() + interval '4 hours'
         )
         insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at)
         select gen_random_uuid(), $1, n, 'web_form', gen_random_uuid()::text, 'message ' || n,
                app_now()
         from generate_series(1, $2) as n",
    )
    .bind(id.as_uuid())
    .bind(messages)
    .execute(pool)
    .await
    .unwrap();
    id
}

/// The agent's committed turn over these messages; returns its reply's id.
pub(crate) async fn turn(pool: &PgPool, id: ConversationId, first: i64, last: i64) -> ReplyId {
    let turn = TurnId::derived(id, &format!("turn-0-{first}"));
    sqlx::query(
        "with turn as (
             insert into turns (id, conversation_id, owner_epoch, first_seq, last_seq, model,
                                policy_hash, log, outcome, duration_us)
             select $2, $1, owner_epoch, $3, $4, 'builtin', '', '{}', 'answered', 1
             from conversations where id = $1
         ), covered as (
             update messages set outcome = 'answered', turn_id = $2
             where conversation_id = $1 and seq between $3 and $4
         )
         update conversations set handled_seq = $4 where id = $1",
    )
    .bind(id.as_uuid())
    .bind(turn.as_uuid())
    .bind(first)
    .bind(last)
    .execute(pool)
    .await
    .unwrap();
    ReplyId::of(turn)
}

/// A part of the agent's reply as the dispatcher keeps it.
pub(crate) async fn part(
    pool: &PgPool,
    id: ConversationId,
    reply: ReplyId,
    (first, last): (i64, i64),
    part: i32,
    state: &str,
) {
    sqlx::query(
        "insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
                                 first_seq, last_seq, body, state)
         values (gen_random_uuid(), $1, 'web_form', $2, $3, 'agent', 0, $4, $5, 'part ' || $3, $6)",
    )
    .bind(id.as_uuid())
    .bind(reply.as_uuid())
    .bind(part)
    .bind(first)
    .bind(last)
    .bind(state)
    .execute(pool)
    .await
    .unwrap();
}

/// Handed over by the agent to this person's queue, with its hand-off delivered.
pub(crate) async fn hand_over(pool: &PgPool, id: ConversationId, person: &str) {
    sqlx::query(
        "with handed as (
             update conversations set owner = 'person', person = $2, escalated_at = app_now()
             where id = $1
         ), messages as (
             update messages set outcome = 'handed_over' where conversation_id = $1
         )
         insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
                                 body, hand_off, state)
         values (gen_random_uuid(), $1, 'hand_off', gen_random_uuid(), 0, 'system', 0, '',
                 '{\"reason\": \"a refund is asked for\"}', 'accepted')",
    )
    .bind(id.as_uuid())
    .bind(person)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("update conversations set handled_seq = last_seq where id = $1")
        .bind(id.as_uuid())
        .execute(pool)
        .await
        .unwrap();
}

/// Outcomes of the messages in order.
pub(crate) async fn outcomes(pool: &PgPool, id: ConversationId) -> Vec<Option<String>> {
    sqlx::query_scalar("select outcome from messages where conversation_id = $1 order by seq")
        .bind(id.as_uuid())
        .fetch_all(pool)
        .await
        .unwrap()
}

/// One number from a statement about one conversation.
pub(crate) async fn number(pool: &PgPool, statement: &'static str, id: ConversationId) -> i64 {
    let id: Uuid = id.into();
    sqlx::query_scalar(statement).bind(id).fetch_one(pool).await.unwrap()
}

pub(crate) async fn handled_seq(pool: &PgPool, id: ConversationId) -> i64 {
    number(pool, "select handled_seq from conversations where id = $1", id).await
}
