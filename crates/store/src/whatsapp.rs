//! What is known of those who write on WhatsApp: one statement per batch. What they
//! write goes through [`inbound`](crate::inbound).

use chrono::{DateTime, Utc};
use contract::{ConversationId, CustomerId, Plan};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::Error;
use crate::bind::column;

/// One message about which the database is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub sender_id: &'a str,
    pub address: &'a str,
    /// In E.164, in its one spelling.
    pub phone: Option<&'a str>,
    pub message_sid: &'a str,
    /// The first of its sender in this batch: what is known of the sender comes with it.
    pub is_first: bool,
}

/// What the database knows of a message and, with a sender's first, of the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Where the message is stored already: its event came again.
    pub stored_in: Option<ConversationId>,
    pub open: Option<Open>,
    /// By WhatsApp id, else by an authenticated phone.
    pub customer: Option<CustomerId>,
    pub has_whatsapp: bool,
    pub has_phone: bool,
    pub plan: Option<Plan>,
    pub is_opted_out: bool,
}

/// A sender's conversation that is not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub conversation_id: ConversationId,
    pub customer_id: CustomerId,
    pub last_seq: u64,
    /// When somebody last said something.
    pub active_at: Option<DateTime<Utc>>,
    /// The agent has it, and nothing waits for an answer or for its delivery.
    pub may_close: bool,
}

#[derive(FromRow)]
struct KnownRow {
    stored_in: Option<Uuid>,
    id: Option<Uuid>,
    customer_id: Option<Uuid>,
    last_seq: Option<i64>,
    active_at: Option<DateTime<Utc>>,
    may_close: Option<bool>,
    by_whatsapp: Option<Uuid>,
    by_phone: Option<Uuid>,
    has_phone: bool,
    plan: Option<String>,
    is_opted_out: bool,
}

/// Looks up a batch, in the order given.
pub async fn find(executor: impl PgExecutor<'_>, asks: &[Ask<'_>]) -> Result<Vec<Known>, Error> {
    let rows: Vec<KnownRow> = sqlx::query_as(FIND)
        .bind(column(asks, |ask| ask.sender_id))
        .bind(column(asks, |ask| ask.address))
        .bind(column(asks, |ask| ask.phone))
        .bind(column(asks, |ask| ask.message_sid))
        .bind(column(asks, |ask| ask.is_first))
        .fetch_all(executor)
        .await?;
    rows.into_iter().map(KnownRow::into_known).collect()
}

impl KnownRow {
    fn into_known(self) -> Result<Known, Error> {
        let open = match (self.id, self.customer_id, self.last_seq) {
            (Some(id), Some(customer), Some(last_seq)) => Some(Open {
                conversation_id: id.into(),
                customer_id: customer.into(),
                last_seq: last_seq.unsigned_abs(),
                active_at: self.active_at,
                may_close: self.may_close.unwrap_or_default(),
            }),
            _ => None,
        };
        Ok(Known {
            stored_in: self.stored_in.map(Into::into),
            open,
            customer: self.by_whatsapp.or(self.by_phone).map(Into::into),
            has_whatsapp: self.by_whatsapp.is_some(),
            has_phone: self.has_phone,
            plan: self.plan.map(Plan::try_from).transpose().map_err(Error::row)?,
            is_opted_out: self.is_opted_out,
        })
    }
}

/// As in `threads`, `lateral` with a limit is one index look-up per row, and conditions
/// that always hold keep a plan good that was made while the tables were empty.
pub(crate) const FIND: &str = "
select stored.conversation_id as stored_in, thread.id, thread.customer_id, thread.last_seq,
    thread.active_at, thread.may_close,
    by_whatsapp.customer_id as by_whatsapp,
    case when by_phone.is_proven then by_phone.customer_id end as by_phone,
    by_phone.customer_id is not null as has_phone,
    customer.plan, opt_out.address is not null as is_opted_out
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[])
    with ordinality as input (sender_id, address, phone, message_sid, is_first, place)
left join lateral (select conversation_id from messages
    where channel = 'whatsapp' and provider_id = input.message_sid limit 1) stored on true
left join lateral (
    select id, customer_id, last_seq,
        greatest(last_inbound_at, (select max(accepted_at) from deliveries
            where deliveries.conversation_id = conversations.id)) as active_at,
        owner = 'agent' and handled_seq = last_seq and (select true from deliveries
            where deliveries.conversation_id = conversations.id
                and state in ('pending', 'sending', 'outcome_unknown') limit 1) is null as may_close
    from conversations
    where input.is_first and channel = 'whatsapp' and thread_key = input.sender_id
        and status <> 'closed' limit 1) thread on true
left join lateral (select customer_id from customer_identifiers
    where input.is_first and kind = 'whatsapp' and value = input.sender_id limit 1)
    by_whatsapp on true
left join lateral (select customer_id, level = 'authenticated' or on_record as is_proven
    from customer_identifiers
    where input.is_first and kind = 'phone' and value = input.phone limit 1) by_phone on true
left join lateral (select plan from customers
    where id = coalesce(by_whatsapp.customer_id,
        case when by_phone.is_proven then by_phone.customer_id end) limit 1)
    customer on true
left join lateral (select address from opt_outs
    where input.is_first and channel = 'whatsapp' and address = input.address limit 1)
    opt_out on true
order by input.place";
