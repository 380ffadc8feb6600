//! The statements of [`turns`](crate::turns).

/// Looked up by key row by row, also in a plan that was made while the tables were empty.
pub(crate) const READ: &str = "
select c.id, c.channel, c.status, c.owner, c.person, c.owner_epoch, c.last_seq, c.handled_seq,
       c.identity_level, c.escalated_at, t.ref as ticket_ref, t.subject, t.category,
       t.priority, t.claimed_plan, cu.plan,
       case c.identity_level when 'self_asserted' then coalesce(t.claimed_name, cu.name)
           else cu.name end as customer_name, app_now() as now,
       (select true from turns where turns.conversation_id = c.id limit 1) is not null as has_turns,
       coalesce(replies.are_used_up, false) as replies_are_used_up,
       m.message_ids, m.seqs, m.bodies, m.attachments, m.stored_ats,
       o.event_ids, o.topics, o.keys, o.headers, o.payloads
from unnest($1::uuid[]) as asked (id)
cross join lateral (select * from conversations where id = asked.id limit 1) as c
cross join lateral (select * from customers where id = c.customer_id limit 1) as cu
cross join lateral (
    select * from tickets where conversation_id = c.id and not is_alias limit 1) as t
cross join lateral (
    select coalesce(array_agg(id order by seq), '{}') as message_ids,
           coalesce(array_agg(seq order by seq), '{}') as seqs,
           coalesce(array_agg(body order by seq), '{}') as bodies,
           coalesce(array_agg(attachments order by seq), '{}') as attachments,
           coalesce(array_agg(stored_at order by seq), '{}') as stored_ats
    from (select id, seq, body, attachments, stored_at from messages
          where conversation_id = c.id and seq > c.handled_seq and outcome is null
          order by seq limit $3) as unhandled) as m
cross join lateral (
    select coalesce(array_agg(event_id order by id), '{}') as event_ids,
           coalesce(array_agg(topic order by id), '{}') as topics,
           coalesce(array_agg(key order by id), '{}') as keys,
           coalesce(array_agg(headers order by id), '{}') as headers,
           coalesce(array_agg(payload order by id), '{}') as payloads
    from outbox where conversation_id = c.id and service = $2) as o
left join lateral (
    select in_conversation.turns >= most.per_hour or to_address.turns >= most.per_day as are_used_up
    from (select case jsonb_typeof(settings -> 'replies_per_hour')
                  when 'number' then greatest((settings -> 'replies_per_hour')::bigint, 0)
                  else 5 end as per_hour,
              case jsonb_typeof(settings -> 'replies_per_day')
                  when 'number' then greatest((settings -> 'replies_per_day')::bigint, 0)
                  else 20 end as per_day
          from channel_configs where channel = 'email' limit 1) most
    cross join lateral (select count(*) as turns from turns
        where turns.conversation_id = c.id and outcome <> 'no_answer'
            and turns.created_at > app_now() - interval '1 hour') in_conversation
    cross join lateral (select count(*) as turns from (
        select true from conversations other cross join lateral (
            select true from turns where turns.conversation_id = other.id
                and outcome <> 'no_answer' and turns.created_at > app_now() - interval '1 day'
            limit most.per_day) turn
        where other.channel = 'email'
            and (other.address = c.address or other.customer_id = c.customer_id)
            and other.updated_at > app_now() - interval '1 day'
        limit most.per_day) those) to_address
    where c.channel = 'email'
) replies on true";

/// The conversations are locked before anything is written: every write hangs on a
/// locked row. One that somebody else holds is left out, or it would hold up all others.
/// The conditions on the input
/// always hold and make a plan of look-ups by key, also one made while the tables are
/// empty.
pub(crate) const COMMIT: &str = "
with input as materialized (
    select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
            $6::boolean[], $7::text[], $8::text[], $9::text[], $10::uuid[], $11::text[],
            $12::text[], $13::text[], $14::text[], $15::jsonb[], $16::integer[], $17::integer[],
            $18::bigint[], $19::text[], $20::integer[], $21::bigint[]) as row
        (conversation_id, owner_epoch, handled_seq, first_seq, last_seq, ignores_newer, person,
         outcome, outcome_reason, turn_id, category, priority, model, policy_hash, log,
         prompt_tokens, completion_tokens, duration_us, subject, cached_tokens, cost_micro_usd)
    where last_seq >= first_seq and duration_us >= 0
), locked as materialized (
    select id, owner, owner_epoch, status, last_seq, handled_seq from conversations
    where id in (select conversation_id from input)
    order by id
    for no key update skip locked
), fits as materialized (
    select input.*, locked.last_seq as newest_seq
    from input join locked on locked.id = input.conversation_id
    where locked.owner = 'agent' and locked.status <> 'closed'
        and locked.owner_epoch = input.owner_epoch and locked.handled_seq = input.handled_seq
), ok as materialized (
    select * from fits where newest_seq = last_seq or ignores_newer
), conversation as (
    update conversations c
    set handled_seq = ok.last_seq, updated_at = app_now(),
        owner = case when ok.person is null then c.owner else 'person' end,
        person = coalesce(ok.person, c.person),
        taken_at = case when ok.person is null then c.taken_at end,
        escalated_at = case when ok.person is null then c.escalated_at else app_now() end
    from ok where c.id = ok.conversation_id
), message as (
    update messages m
    set outcome = ok.outcome, outcome_reason = ok.outcome_reason, turn_id = ok.turn_id
    from ok
    where m.conversation_id = ok.conversation_id and m.seq between ok.first_seq and ok.last_seq
        and m.outcome is null
), ticket as (
    update tickets t
    set category = coalesce(ok.category, t.category), priority = coalesce(ok.priority, t.priority),
        subject = case t.subject when '' then coalesce(ok.subject, '') else t.subject end
    from ok where t.conversation_id = ok.conversation_id and not t.is_alias
), turn as (
    insert into turns (id, conversation_id, owner_epoch, first_seq, last_seq, model,
        policy_hash, log, outcome, category, prompt_tokens, completion_tokens, duration_us,
        cached_tokens, cost_micro_usd)
    select turn_id, conversation_id, owner_epoch, first_seq, last_seq, model,
        policy_hash, log, outcome, category, prompt_tokens, completion_tokens, duration_us,
        cached_tokens, cost_micro_usd
    from ok
), due as (
    delete from due_turns d using ok
    where d.conversation_id = ok.conversation_id and d.seq <= ok.last_seq
), entry as (
    insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
    select $22, e.conversation_id, e.event_id, e.topic, e.key, e.headers, e.payload
    from unnest($23::uuid[], $24::uuid[], $25::text[], $26::text[], $27::jsonb[], $28::bytea[])
            with ordinality as e (conversation_id, event_id, topic, key, headers, payload, place)
    where e.conversation_id in (select conversation_id from ok)
    order by e.place
    on conflict (event_id) do nothing
)
select locked.id, case when ok.conversation_id is not null then 'done'
    when fits.conversation_id is not null then 'newer' else 'stale' end
from locked left join fits on fits.conversation_id = locked.id
    left join ok on ok.conversation_id = locked.id";
