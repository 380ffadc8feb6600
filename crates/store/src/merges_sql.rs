//! The statements behind merging and parting customers. All but `lock` and `customers_of`
//! need the locks of both.

use contract::{CustomerId, MergeId};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::merges::Moved;
use crate::people::OperatorName;
use crate::{Error, audit};

#[derive(Debug, FromRow)]
pub(crate) struct Side {
    pub(crate) id: Uuid,
    pub(crate) plan: Option<String>,
    pub(crate) merged_into: Option<Uuid>,
    pub(crate) is_proven: bool,
}

pub(crate) async fn lock(conn: &mut PgConnection, id: CustomerId) -> Result<Option<Side>, Error> {
    let side = sqlx::query_as(
        "select id, plan, merged_into,
             exists (select from customer_identifiers
                 where customer_id = customers.id and (level = 'authenticated' or on_record))
             or exists (select from conversations
                 where customer_id = customers.id and identity_level = 'authenticated')
                 as is_proven
         from customers where id = $1 for update",
    )
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await?;
    Ok(side)
}

pub(crate) async fn join(
    conn: &mut PgConnection,
    kept: &Side,
    merged: &Side,
    operator: OperatorName<'_>,
) -> Result<Moved, Error> {
    let id = MergeId::random();
    let (identifiers, conversations, plan): (i64, i64, Option<String>) = sqlx::query_as(
        "with identifier as (
             update customer_identifiers set customer_id = $2 where customer_id = $3
             returning kind, value
         ),
         locked as materialized (
             select id from conversations where customer_id = $3 order by id for no key update
         ),
         conversation as (
             update conversations set customer_id = $2 from locked
             where conversations.id = locked.id returning conversations.id
         ),
         gone as (
             update customers set merged_into = $2 where id = $3
         ),
         kept as (
             update customers set plan = coalesce(plan, $5) where id = $2 returning plan
         )
         insert into customer_merges (id, kept_id, merged_id, identifier_kinds,
             identifier_values, conversation_ids, kept_conversation_ids, plan_before, plan_after,
             merged_by)
         select $1, $2, $3,
             coalesce((select array_agg(kind order by kind, value) from identifier), '{}'),
             coalesce((select array_agg(value order by kind, value) from identifier), '{}'),
             coalesce((select array_agg(id order by id) from conversation), '{}'),
             coalesce((select array_agg(id order by id) from conversations
                 where customer_id = $2 and came_by in (select value from identifier)), '{}'),
             $4, kept.plan, $6
         from kept
         returning cardinality(identifier_kinds)::bigint, cardinality(conversation_ids)::bigint,
             plan_after",
    )
    .bind(id.as_uuid())
    .bind(kept.id)
    .bind(merged.id)
    .bind(&kept.plan)
    .bind(&merged.plan)
    .bind(operator.0)
    .fetch_one(&mut *conn)
    .await?;
    let moved = moved((id, kept.id, merged.id), identifiers, conversations, plan);
    note(conn, operator, "merge", &moved).await?;
    Ok(moved)
}

#[derive(Debug, FromRow)]
pub(crate) struct Standing {
    pub(crate) kept_id: Uuid,
    pub(crate) merged_id: Uuid,
    pub(crate) is_undone: bool,
    pub(crate) later: Option<Uuid>,
}

pub(crate) async fn customers_of(
    conn: &mut PgConnection,
    id: MergeId,
) -> Result<Option<(Uuid, Uuid)>, Error> {
    let found = sqlx::query_as("select kept_id, merged_id from customer_merges where id = $1")
        .bind(id.as_uuid())
        .fetch_optional(conn)
        .await?;
    Ok(found)
}

pub(crate) async fn standing(conn: &mut PgConnection, id: MergeId) -> Result<Standing, Error> {
    let standing = sqlx::query_as(
        "select kept_id, merged_id, undone_at is not null as is_undone,
             (select later.id from customer_merges later
                 where later.merged_id = merge.kept_id and later.undone_at is null) as later
         from customer_merges merge where id = $1",
    )
    .bind(id.as_uuid())
    .fetch_one(conn)
    .await?;
    Ok(standing)
}

pub(crate) async fn part(
    conn: &mut PgConnection,
    id: MergeId,
    standing: &Standing,
    operator: OperatorName<'_>,
) -> Result<Moved, Error> {
    let (identifiers, conversations, plan): (i64, i64, Option<String>) = sqlx::query_as(
        "with merge as materialized (
             update customer_merges set undone_by = $2, undone_at = app_now() where id = $1
             returning *
         ),
         theirs as materialized (
             select kind, value
             from merge, unnest(identifier_kinds, identifier_values) as row (kind, value)
         ),
         identifier as (
             update customer_identifiers identifier set customer_id = merge.merged_id
             from merge, theirs
             where identifier.kind = theirs.kind and identifier.value = theirs.value
                 and identifier.customer_id = merge.kept_id
             returning identifier.value
         ),
         locked as materialized (
             select conversation.id from conversations conversation
             where customer_id = (select kept_id from merge)
                 and (id = any((select conversation_ids from merge)::uuid[])
                     or id <> all((select kept_conversation_ids from merge)::uuid[]) and exists (
                         select from theirs where value = came_by and kind =
                             case channel when 'whatsapp' then 'whatsapp' else 'email' end))
             order by id for no key update
         ),
         conversation as (
             update conversations set customer_id = merge.merged_id from merge, locked
             where conversations.id = locked.id returning conversations.id
         ),
         back as (
             update customers set merged_into = null from merge where customers.id = merged_id
         ),
         kept as (
             update customers set plan =
                 case when plan is not distinct from plan_after then plan_before else plan end
             from merge where customers.id = kept_id returning plan
         )
         select (select count(*) from identifier), (select count(*) from conversation), kept.plan
         from kept",
    )
    .bind(id.as_uuid())
    .bind(operator.0)
    .fetch_one(&mut *conn)
    .await?;
    let ids = (id, standing.kept_id, standing.merged_id);
    let moved = moved(ids, identifiers, conversations, plan);
    note(conn, operator, "unmerge", &moved).await?;
    Ok(moved)
}

fn moved(
    (merge, kept, merged): (MergeId, Uuid, Uuid),
    identifiers: i64,
    conversations: i64,
    plan: Option<String>,
) -> Moved {
    let count = |number: i64| usize::try_from(number).unwrap_or_default();
    Moved {
        merge,
        kept: kept.into(),
        merged: merged.into(),
        identifiers: count(identifiers),
        conversations: count(conversations),
        plan,
    }
}

async fn note(
    conn: &mut PgConnection,
    operator: OperatorName<'_>,
    action: &str,
    moved: &Moved,
) -> Result<(), Error> {
    let detail = json!({
        "merge_id": moved.merge.to_string(), "kept_id": moved.kept.to_string(),
        "merged_id": moved.merged.to_string(), "identifiers": moved.identifiers,
        "conversations": moved.conversations,
    });
    audit::write_of_customers(conn, operator, action, detail).await
}
