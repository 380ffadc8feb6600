//! What operators did, in `audit_log`; never a customer's or an operator's text.

use contract::{ConversationId, ReplyId};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::people::OperatorName;

/// Days that actions are kept.
const DAYS: i32 = 730;

pub(crate) async fn write(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
    action: &str,
    detail: Value,
) -> Result<(), Error> {
    sqlx::query(
        "insert into audit_log (operator, action, conversation_id, detail)
         values ($1, $2, $3, $4)",
    )
    .bind(operator.0)
    .bind(action)
    .bind(id.as_uuid())
    .bind(detail)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what was done to customers rather than to one conversation.
pub(crate) async fn write_of_customers(
    conn: &mut PgConnection,
    operator: OperatorName<'_>,
    action: &str,
    detail: Value,
) -> Result<(), Error> {
    sqlx::query("insert into audit_log (operator, action, detail) values ($1, $2, $3)")
        .bind(operator.0)
        .bind(action)
        .bind(detail)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes a reply by its id and a hash: enough to know a repetition of it.
pub(crate) async fn write_reply(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
    reply: ReplyId,
    text: &str,
) -> Result<(), Error> {
    sqlx::query(
        "insert into audit_log (operator, action, conversation_id, detail)
         values ($1, 'reply', $2, jsonb_build_object(
             'reply_id', $3::text,
             'sha256', encode(sha256(convert_to($4, 'UTF8')), 'hex')))",
    )
    .bind(operator.0)
    .bind(id.as_uuid())
    .bind(reply.to_string())
    .bind(text)
    .execute(conn)
    .await?;
    Ok(())
}

/// What was given under this reply id: the same text, another, or nothing.
pub(crate) async fn is_same_reply(
    conn: &mut PgConnection,
    id: ConversationId,
    reply: ReplyId,
    text: &str,
) -> Result<Option<bool>, Error> {
    let same = sqlx::query_scalar(
        "select conversation_id = $1
             and detail ->> 'sha256' = encode(sha256(convert_to($3, 'UTF8')), 'hex')
         from audit_log where action = 'reply' and detail ->> 'reply_id' = $2",
    )
    .bind(id.as_uuid())
    .bind(reply.to_string())
    .bind(text)
    .fetch_optional(conn)
    .await?;
    Ok(same)
}

/// Whether the conversation's newest action is this one of this operator's: a
/// request that comes again.
pub(crate) async fn is_last(
    conn: &mut PgConnection,
    id: ConversationId,
    operator: OperatorName<'_>,
    action: &str,
) -> Result<bool, Error> {
    let last = sqlx::query_scalar(
        "select operator = $2 and action = $3 from audit_log
         where conversation_id = $1 order by id desc limit 1",
    )
    .bind(id.as_uuid())
    .bind(operator.0)
    .bind(action)
    .fetch_optional(conn)
    .await?;
    Ok(last.unwrap_or(false))
}

/// Deletes up to `limit` actions past their time; returns how many there were.
pub async fn delete_old(pool: &PgPool, limit: i64) -> Result<u64, Error> {
    let deleted = sqlx::query(
        "delete from audit_log where id in (
             select id from audit_log where at < app_now() - make_interval(days => $1)
             order by at limit $2)",
    )
    .bind(DAYS)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}
