//! Customers as operators look them up. Every answer is bounded.

use chrono::{DateTime, Utc};
use contract::CustomerId;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;

/// A customer's conversations in one lookup, the newest.
const MOST_CONVERSATIONS: i64 = 50;

/// A customer's addresses in one answer.
const MOST_IDENTIFIERS: i64 = 50;

/// An address under which a customer is known.
#[derive(Debug, Clone, FromRow)]
pub struct Identifier {
    pub kind: String,
    pub value: String,
    pub level: String,
    /// Named by the company's records.
    pub on_record: bool,
}

/// An address to look a customer up by, in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Email(String),
    /// E.164; finds a WhatsApp sender too.
    Phone(String),
}

/// A customer with its newest conversations.
#[derive(Debug, Clone)]
pub struct Customer {
    pub id: Uuid,
    pub name: String,
    pub plan: Option<String>,
    /// Who has its identifiers and conversations now.
    pub merged_into: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub identifiers: Vec<Identifier>,
    pub conversations: Vec<Listed>,
}

/// A conversation in a customer's list.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    pub id: Uuid,
    pub ticket_ref: Option<String>,
    pub channel: String,
    pub status: String,
    pub owner: String,
    pub subject: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The customer who is known under this address.
pub async fn lookup(pool: &PgPool, address: &Address) -> Result<Option<Customer>, Error> {
    let (kinds, value) = match address {
        Address::Email(value) => (&["email"][..], value),
        Address::Phone(value) => (&["phone", "whatsapp"][..], value),
    };
    let id: Option<Uuid> = sqlx::query_scalar(
        "select customer_id from customer_identifiers
         where kind = any($1) and value = $2 order by kind limit 1",
    )
    .bind(kinds)
    .bind(value)
    .fetch_optional(pool)
    .await?;
    match id {
        Some(id) => by_id(pool, id.into()).await,
        None => Ok(None),
    }
}

/// A customer's own row.
#[derive(FromRow)]
struct Person {
    name: String,
    plan: Option<String>,
    merged_into: Option<Uuid>,
    created_at: DateTime<Utc>,
}

/// The customer of this id.
pub async fn by_id(pool: &PgPool, id: CustomerId) -> Result<Option<Customer>, Error> {
    let mut conn = pool.acquire().await?;
    let found: Option<Person> =
        sqlx::query_as("select name, plan, merged_into, created_at from customers where id = $1")
            .bind(id.as_uuid())
            .fetch_optional(&mut *conn)
            .await?;
    let Some(Person { name, plan, merged_into, created_at }) = found else { return Ok(None) };
    let conversations = sqlx::query_as(
        "select c.id, t.ref as ticket_ref, c.channel, c.status, c.owner, t.subject, c.created_at,
                c.updated_at
         from conversations c
         left join tickets t on t.conversation_id = c.id and not t.is_alias
         where c.customer_id = $1
         order by c.created_at desc, c.id limit $2",
    )
    .bind(id.as_uuid())
    .bind(MOST_CONVERSATIONS)
    .fetch_all(&mut *conn)
    .await?;
    let identifiers = identifiers(&mut conn, id).await?;
    let id = id.into();
    Ok(Some(Customer { id, name, plan, merged_into, created_at, identifiers, conversations }))
}

/// A customer's addresses.
pub(crate) async fn identifiers(
    conn: &mut PgConnection,
    id: CustomerId,
) -> Result<Vec<Identifier>, Error> {
    let rows = sqlx::query_as(
        "select kind, value, level, on_record from customer_identifiers
         where customer_id = $1 order by kind, value limit $2",
    )
    .bind(id.as_uuid())
    .bind(MOST_IDENTIFIERS)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
