//! Replies of the agent's that were in flight when a person acted, and then proved unsent.
//! "Take" has told of them as in flight and kept their messages answered; they are not.

use contract::{ConversationId, ReplyId, TurnId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;

/// Writes down what became of the messages of a reply that a person's act has cancelled, if
/// no part of it was sent: answered or closed by that person, or unhandled as before the
/// agent's turn. Needs the conversation's lock.
///
/// A reply that was still on its way when the person acted has no messages any more; they
/// may have been answered anew.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    id: ConversationId,
    reply: ReplyId,
) -> Result<(), Error> {
    let Some(turn) = unsent_turn(conn, id, reply).await? else { return Ok(()) };
    match settled_since(conn, id, turn).await? {
        Some((outcome, reason)) => {
            sqlx::query(
                "update messages set outcome = $3, outcome_reason = $4, turn_id = null
                 where conversation_id = $1 and turn_id = $2",
            )
            .bind(id.as_uuid())
            .bind(turn.as_uuid())
            .bind(outcome)
            .bind(reason)
            .execute(conn)
            .await?;
        }
        None => {
            sqlx::query(
                "with cleared as (
                     update messages set outcome = null, outcome_reason = null, turn_id = null
                     where conversation_id = $1 and turn_id = $2
                     returning seq
                 )
                 update conversations
                 set handled_seq = least(handled_seq, (select min(seq) - 1 from cleared))
                 where id = $1 and exists (select from cleared)",
            )
            .bind(id.as_uuid())
            .bind(turn.as_uuid())
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

/// The turn of a reply of which nothing was sent, while its messages still count as answered
/// by it.
async fn unsent_turn(
    conn: &mut PgConnection,
    id: ConversationId,
    reply: ReplyId,
) -> Result<Option<TurnId>, Error> {
    let turns: Vec<Uuid> = sqlx::query_scalar(
        "select distinct m.turn_id
         from (select min(first_seq) as first_seq, max(last_seq) as last_seq from deliveries
             where reply_id = $2 and first_seq > 0
             having bool_and(state = 'cancelled')) reply
         join messages m on m.conversation_id = $1 and m.turn_id is not null
             and m.seq between reply.first_seq and reply.last_seq",
    )
    .bind(id.as_uuid())
    .bind(reply.as_uuid())
    .fetch_all(conn)
    .await?;
    Ok(turns.into_iter().map(TurnId::from).find(|turn| ReplyId::of(*turn) == reply))
}

/// What has settled the conversation after this turn, as an outcome and its reason; `None`
/// while its messages wait for somebody.
async fn settled_since(
    conn: &mut PgConnection,
    id: ConversationId,
    turn: TurnId,
) -> Result<Option<(&'static str, &'static str)>, Error> {
    let (last_act, is_closed, is_later_answered): (Option<String>, bool, bool) = sqlx::query_as(
        "select
             (select action from audit_log
              where conversation_id = c.id and action in ('reply', 'close')
                  and at >= turn.created_at
              order by audit_log.id desc limit 1),
             c.status = 'closed',
             exists (select from messages later where later.conversation_id = c.id
                 and later.seq > turn.last_seq and later.turn_id is not null)
         from conversations c join turns turn on turn.id = $2 where c.id = $1",
    )
    .bind(id.as_uuid())
    .bind(turn.as_uuid())
    .fetch_one(conn)
    .await?;
    Ok(match last_act.as_deref() {
        Some("reply") => Some(("answered", "answered by a person")),
        Some(_) => Some(("no_answer", "closed by a person")),
        None if is_closed => Some(("no_answer", "the conversation was closed")),
        // A later reply went out past it: the agent must not answer that one's messages again.
        None if is_later_answered => Some(("no_answer", "a person acted first")),
        None => None,
    })
}
