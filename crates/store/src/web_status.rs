//! What the status page of a web ticket shows.

use chrono::{DateTime, Utc};
use contract::{Author, Channel, ConversationId, Plan, TicketRef};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Error;

/// Texts shown at most, the newest: a page stays a page.
const MOST_ENTRIES: i64 = 500;

/// How far a ticket is, as its customer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketState {
    /// Stored, and the newest message waits for its answer.
    InProgress,
    Answered,
    /// A person has it, or it waits for one.
    Escalated,
    Resolved,
    Closed,
}

/// A ticket and its conversation; for an alias that of the first submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebTicket {
    pub conversation_id: ConversationId,
    /// The ref under which the conversation travels the log.
    pub thread_ref: TicketRef,
    pub channel: Channel,
    pub state: TicketState,
    /// The person who has it, or for whom it waits.
    pub escalated_to: Option<String>,
    pub subject: String,
    /// By the plan that was typed: whoever typed somebody's address must not learn
    /// that person's plan from a shorter promise.
    pub respond_by: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Who wrote an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    Customer,
    /// The agent, or a fixed text of the product.
    Agent,
    Person(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub writer: Writer,
    pub text: String,
    pub at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct TicketRow {
    conversation_id: Uuid,
    thread_ref: String,
    channel: String,
    status: String,
    owner: String,
    person: Option<String>,
    is_answered: bool,
    subject: String,
    claimed_plan: Option<String>,
    asked_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The ticket of this ref; `None` while it is not stored.
pub async fn ticket(pool: &PgPool, ticket_ref: &TicketRef) -> Result<Option<WebTicket>, Error> {
    // Answered means that the page shows an answer to the newest message that
    // got one: a reply decided and not yet delivered is still in progress.
    let row: Option<TicketRow> = sqlx::query_as(
        "select c.id as conversation_id, first.ref as thread_ref, c.channel, c.status, c.owner,
                c.person, t.subject, t.claimed_plan, t.created_at,
                (select sent_at from messages where conversation_id = c.id and seq = 1) as asked_at,
                c.updated_at,
                c.handled_seq >= c.last_seq and exists (
                    select from deliveries d
                    where d.conversation_id = c.id and d.outlet = 'web_form'
                      and d.state in ('accepted', 'sent', 'delivered', 'read')
                      and case d.author
                          when 'person' then d.accepted_at >= coalesce(newest.stored_at, '-infinity')
                          else d.last_seq >= coalesce(newest.seq, 0) end) as is_answered
         from tickets t
         join conversations c on c.id = t.conversation_id
         join tickets first on first.conversation_id = c.id and not first.is_alias
         left join lateral (
             select m.seq, m.stored_at from messages m
             where m.conversation_id = c.id and m.outcome in ('answered', 'handed_over')
             order by m.seq desc limit 1) newest on true
         where t.ref = $1",
    )
    .bind(ticket_ref.as_str())
    .fetch_optional(pool)
    .await?;
    row.map(WebTicket::try_from).transpose()
}

/// What was said so far, oldest first: the customer's messages, and the replies
/// that were handed over to the page.
pub async fn entries(pool: &PgPool, conversation: ConversationId) -> Result<Vec<Entry>, Error> {
    // Ordered by the database's clock: the customer's own time comes from
    // another machine and may stand behind the reply's.
    let rows: Vec<(Option<String>, String, String, DateTime<Utc>)> = sqlx::query_as(
        "select author, author_name, body, at from (
             select null as author, '' as author_name, body, sent_at as at,
                    stored_at as sorted_at, 0 as side, seq as nth
             from messages where conversation_id = $1
             union all
             select author, author_name, body, accepted_at, accepted_at, 1, position
             from deliveries
             where conversation_id = $1 and outlet = 'web_form' and accepted_at is not null
               and state in ('accepted', 'sent', 'delivered', 'read')
             order by sorted_at desc, side desc, nth desc limit $2) newest
         order by sorted_at, side, nth",
    )
    .bind(conversation.as_uuid())
    .bind(MOST_ENTRIES)
    .fetch_all(pool)
    .await?;
    let entries = rows.into_iter().map(|(author, name, text, at)| {
        let writer = match author {
            None => Writer::Customer,
            Some(word) => match word.parse().map_err(Error::row)? {
                Author::Agent | Author::System => Writer::Agent,
                Author::Person => Writer::Person(name),
            },
        };
        Ok(Entry { writer, text, at })
    });
    entries.collect()
}

impl TryFrom<TicketRow> for WebTicket {
    type Error = Error;

    fn try_from(row: TicketRow) -> Result<Self, Error> {
        let is_escalated = row.owner == "person";
        let state = match row.status.as_str() {
            "closed" => TicketState::Closed,
            "resolved" => TicketState::Resolved,
            _ if is_escalated => TicketState::Escalated,
            _ if row.is_answered => TicketState::Answered,
            _ => TicketState::InProgress,
        };
        let plan = row.claimed_plan.map(Plan::try_from).transpose().map_err(Error::row)?;
        let asked_at = row.asked_at.unwrap_or(row.created_at);
        Ok(Self {
            conversation_id: row.conversation_id.into(),
            thread_ref: row.thread_ref.parse().map_err(Error::row)?,
            channel: row.channel.parse().map_err(Error::row)?,
            state,
            escalated_to: row.person.filter(|_| is_escalated),
            subject: row.subject,
            respond_by: asked_at + plan.unwrap_or(Plan::Free).first_answer(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> TicketRef {
        "TF-20260105-7K3Q".parse().unwrap()
    }

    async fn run(pool: &PgPool, statement: &'static str) {
        sqlx::raw_sql(statement).execute(pool).await.unwrap();
    }

    /// One open conversation with one unanswered message, and an alias of its ticket.
    async fn stored(pool: &PgPool) {
        run(
            pool,
            "insert into customers (id, name) values (gen_random_uuid(), 'Sam Doe');
             insert into conversations (id, channel, thread_key, customer_id, identity_level, last_seq)
                 select gen_random_uuid(), 'web_form', 'TF-20260105-7K3Q', id, 'self_asserted', 1
                 from customers;
             insert into tickets (ref, conversation_id, subject, respond_by, is_alias)
                 select t.ref, id, t.subject, now() + interval '4 hours', t.is_alias
                 from conversations,
                     (values ('TF-20260105-A1AS', 'Export again', true), ('TF-20260105-7K3Q', 'Export', false))
                     as t (ref, subject, is_alias);
             insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at, stored_at)
                 select gen_random_uuid(), id, 1, 'web_form', 'e1', 'How?', now() - interval '5 s',
                        now() - interval '4 s'
                 from conversations;",
        )
        .await;
    }

    /// The agent's committed answer to the first message, in the given state.
    const ANSWERED: &str = "update conversations set handled_seq = 1;
         update messages set outcome = 'answered';
         insert into deliveries (id, conversation_id, outlet, reply_id, part, author, owner_epoch,
                                 first_seq, last_seq, body, state, accepted_at)
             select gen_random_uuid(), id, 'web_form', gen_random_uuid(), 0, 'agent', 0, 1, 1,
                    'Like this.', 'accepted', now()
             from conversations;";

    async fn state(pool: &PgPool) -> TicketState {
        ticket(pool, &first()).await.unwrap().unwrap().state
    }

    async fn texts(pool: &PgPool) -> Vec<(Writer, String)> {
        let found = ticket(pool, &first()).await.unwrap().unwrap();
        let entries = entries(pool, found.conversation_id).await.unwrap();
        entries.into_iter().map(|entry| (entry.writer, entry.text)).collect()
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_ticket_that_is_not_stored_is_none(pool: PgPool) {
        assert_eq!(ticket(&pool, &first()).await.unwrap(), None);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_stored_message_is_in_progress_until_its_answer_is_on_the_page(pool: PgPool) {
        stored(&pool).await;
        assert_eq!(state(&pool).await, TicketState::InProgress);

        run(
            &pool,
            "update conversations set handled_seq = 1; update messages set outcome = 'answered'",
        )
        .await;
        assert_eq!(state(&pool).await, TicketState::InProgress, "decided, not delivered");

        run(&pool, ANSWERED).await;
        assert_eq!(state(&pool).await, TicketState::Answered);
        assert_eq!(
            texts(&pool).await,
            [(Writer::Customer, "How?".into()), (Writer::Agent, "Like this.".into())]
        );
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn texts_that_were_not_delivered_are_not_shown(pool: PgPool) {
        stored(&pool).await;
        run(&pool, ANSWERED).await;
        for hidden in ["pending", "sending", "outcome_unknown", "failed", "cancelled"] {
            sqlx::query("update deliveries set state = $1")
                .bind(hidden)
                .execute(&pool)
                .await
                .unwrap();

            assert_eq!(texts(&pool).await.len(), 1, "{hidden}");
            assert_eq!(state(&pool).await, TicketState::InProgress, "{hidden}");
        }
        for shown in ["accepted", "sent", "delivered", "read"] {
            sqlx::query("update deliveries set state = $1")
                .bind(shown)
                .execute(&pool)
                .await
                .unwrap();

            assert_eq!(texts(&pool).await.len(), 2, "{shown}");
        }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn hand_offs_are_for_people_and_never_shown(pool: PgPool) {
        stored(&pool).await;
        run(&pool, ANSWERED).await;
        run(&pool, "update deliveries set outlet = 'hand_off'").await;

        assert_eq!(texts(&pool).await.len(), 1);
        assert_eq!(state(&pool).await, TicketState::InProgress);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_follow_up_is_in_progress_again_and_thanks_without_answer_are_not(pool: PgPool) {
        stored(&pool).await;
        run(&pool, ANSWERED).await;
        run(
            &pool,
            "update conversations set last_seq = 2;
             insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at)
                 select gen_random_uuid(), id, 2, 'web_form', 'e2', 'Thanks', now() from conversations",
        )
        .await;
        assert_eq!(state(&pool).await, TicketState::InProgress);

        run(
            &pool,
            "update conversations set handled_seq = 2;
             update messages set outcome = 'no_answer' where seq = 2",
        )
        .await;
        assert_eq!(state(&pool).await, TicketState::Answered);

        run(&pool, "update messages set outcome = 'answered' where seq = 2").await;
        assert_eq!(state(&pool).await, TicketState::InProgress, "the second answer is on its way");
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_person_who_has_it_is_named_and_so_is_the_one_who_wrote(pool: PgPool) {
        stored(&pool).await;
        run(&pool, ANSWERED).await;
        run(
            &pool,
            "update conversations set owner = 'person', person = 'Lisa Tanaka';
             update deliveries set author = 'person', author_name = 'Lisa Tanaka', last_seq = 0",
        )
        .await;

        let found = ticket(&pool, &first()).await.unwrap().unwrap();
        assert_eq!(found.state, TicketState::Escalated);
        assert_eq!(found.escalated_to.as_deref(), Some("Lisa Tanaka"));
        assert_eq!(texts(&pool).await[1].0, Writer::Person("Lisa Tanaka".into()));

        run(&pool, "update conversations set owner = 'agent'").await;
        let given_back = ticket(&pool, &first()).await.unwrap().unwrap();
        assert_eq!(given_back.state, TicketState::Answered);
        assert_eq!(given_back.escalated_to, None);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn resolved_and_closed_come_before_everything_else(pool: PgPool) {
        stored(&pool).await;
        run(&pool, "update conversations set status = 'resolved', owner = 'person', person = 'L'")
            .await;
        assert_eq!(state(&pool).await, TicketState::Resolved);

        run(&pool, "update conversations set status = 'closed'").await;
        assert_eq!(state(&pool).await, TicketState::Closed);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn an_alias_shows_the_conversation_of_the_first_ticket(pool: PgPool) {
        stored(&pool).await;
        run(&pool, ANSWERED).await;

        let alias = ticket(&pool, &"TF-20260105-A1AS".parse().unwrap()).await.unwrap();
        let known = ticket(&pool, &first()).await.unwrap().unwrap();

        let alias = alias.expect("the alias is stored");
        assert_eq!(alias.thread_ref, first());
        assert_eq!(alias.conversation_id, known.conversation_id);
        assert_eq!(alias.state, TicketState::Answered);
        assert_eq!(alias.subject, "Export again");
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn the_page_promises_by_the_typed_plan_and_never_by_the_stored_one(pool: PgPool) {
        stored(&pool).await;
        let wait = async || {
            let ticket = ticket(&pool, &first()).await.unwrap().unwrap();
            let asked_at = entries(&pool, ticket.conversation_id).await.unwrap()[0].at;
            (ticket.respond_by - asked_at).num_hours()
        };

        assert_eq!(wait().await, 24);
        run(&pool, "update tickets set claimed_plan = 'pro'").await;
        assert_eq!(wait().await, 4);
    }
}
