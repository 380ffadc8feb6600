//! The statements of [`whatsapp`](crate::whatsapp). As in `threads`, `lateral` with a
//! limit or a lock is one index look-up per row, and conditions that always hold keep a
//! plan good that was made while the tables were empty.

pub(crate) const FIND: &str = "
select stored.conversation_id as stored_in, thread.id, thread.customer_id, thread.last_seq,
    thread.active_at, thread.may_close,
    by_whatsapp.customer_id as by_whatsapp,
    case when by_phone.level = 'authenticated' then by_phone.customer_id end as by_phone,
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
left join lateral (select customer_id, level from customer_identifiers
    where input.is_first and kind = 'phone' and value = input.phone limit 1) by_phone on true
left join lateral (select plan from customers
    where id = coalesce(by_whatsapp.customer_id,
        case when by_phone.level = 'authenticated' then by_phone.customer_id end) limit 1)
    customer on true
left join lateral (select address from opt_outs
    where input.is_first and channel = 'whatsapp' and address = input.address limit 1)
    opt_out on true
order by input.place";

/// A thread with a ref is a new conversation. The idle one that it follows is closed
/// first: the insert reads `closed` to its end before its first row, as it is sorted.
pub(crate) const STORE: &str = "
with thread as materialized (
    select *, coalesce(closes, conversation_id) as locks, coalesce(closes_seq, after_seq) as locks_seq
    from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[], $6::bigint[],
        $7::uuid[], $8::text[], $9::text[], $10::timestamptz[], $11::text[], $12::text[],
        $13::timestamptz[], $14::bigint[], $15::boolean[]) as row
        (conversation_id, sender_id, after_seq, added, closes, closes_seq, customer_id, name, ref,
         respond_by, address, our_address, last_inbound_at, silent_seq, opts_out)
    where after_seq >= 0 and added > 0
),
new_identifiers as (
    insert into customer_identifiers (kind, value, customer_id, level)
    select distinct on (kind, value) kind, value, customer_id, 'authenticated'
    from unnest($16::text[], $17::text[], $18::uuid[]) as row (kind, value, customer_id)
    order by kind, value
    on conflict do nothing
),
new_customers as (
    insert into customers (id, name)
    select distinct on (customer_id) customer_id, name from thread
    where name is not null
    order by customer_id
    on conflict do nothing
),
locked as materialized (
    select conversation.id
    from (select locks, locks_seq, closes from thread
        where ref is null or closes is not null order by locks) sorted
    cross join lateral (select id from conversations
        where conversations.id = sorted.locks and last_seq = sorted.locks_seq
            and status <> 'closed'
            and (sorted.closes is null or (owner = 'agent' and handled_seq = last_seq))
        for no key update) conversation
),
closed as materialized (
    update conversations conversation set
        status = 'closed', owner_epoch = owner_epoch + 1, updated_at = app_now()
    from thread join locked on locked.id = thread.closes
    where conversation.id = thread.closes
    returning thread.conversation_id as successor
),
opened as (
    insert into conversations (id, channel, thread_key, customer_id, identity_level, last_seq,
        handled_seq, address, our_address, last_inbound_at)
    select conversation_id, 'whatsapp', sender_id, customer_id, 'authenticated', added,
        coalesce(silent_seq, 0), address, our_address, last_inbound_at
    from thread left join closed on closed.successor = thread.conversation_id
    where ref is not null and (closes is null or closed.successor is not null)
    order by conversation_id
    on conflict do nothing
    returning id
),
appended as materialized (
    update conversations conversation set
        last_seq = thread.after_seq + thread.added,
        -- Who only says stop does not open the case again.
        status = case when silent_seq = thread.after_seq + thread.added
            then conversation.status else 'open' end,
        handled_seq = case when owner = 'agent'
            then greatest(handled_seq, coalesce(silent_seq, 0)) else handled_seq end,
        address = thread.address, our_address = thread.our_address,
        last_inbound_at = greatest(conversation.last_inbound_at, thread.last_inbound_at),
        updated_at = app_now()
    from thread join locked on locked.id = thread.conversation_id
    where conversation.id = thread.conversation_id and thread.ref is null
    returning conversation.id, owner = 'agent' as is_with_agent, silent_seq
),
taken as materialized (
    select id from opened union all select id from appended
),
silenced as (
    update messages message set outcome = 'no_answer', outcome_reason = 'opted out'
    from appended
    where message.conversation_id = appended.id and message.seq <= appended.silent_seq
        and message.outcome is null and is_with_agent
),
not_due as (
    delete from due_turns due using appended
    where due.conversation_id = appended.id and due.seq <= appended.silent_seq and is_with_agent
),
new_tickets as (
    insert into tickets (ref, conversation_id, subject, respond_by)
    select ref, conversation_id, '', respond_by
    from thread join opened on opened.id = thread.conversation_id order by ref
),
new_messages as (
    insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at,
        attachments, outcome, outcome_reason)
    select message.id, conversation_id, seq, 'whatsapp', provider_id, body, sent_at, attachments,
        case when no_answer is not null then 'no_answer' end, no_answer
    from unnest($19::uuid[], $20::bigint[], $21::uuid[], $22::text[], $23::text[],
            $24::timestamptz[], $25::jsonb[], $26::text[]) as message
        (conversation_id, seq, id, provider_id, body, sent_at, attachments, no_answer)
    join taken on taken.id = message.conversation_id
),
stopped as (
    insert into opt_outs (channel, address)
    select distinct 'whatsapp', address from thread join taken on taken.id = conversation_id
    where opts_out order by address
    on conflict do nothing
),
started as (
    delete from opt_outs using thread join taken on taken.id = thread.conversation_id
    where opt_outs.channel = 'whatsapp' and opt_outs.address = thread.address and not opts_out
),
new_entries as (
    insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
    select $27, conversation_id, event_id, topic, key, headers, payload
    from unnest($28::uuid[], $29::uuid[], $30::text[], $31::text[], $32::jsonb[], $33::bytea[])
        with ordinality as entry
        (conversation_id, event_id, topic, key, headers, payload, place)
    join taken on taken.id = entry.conversation_id
    order by place
    on conflict (event_id) do nothing
)
select taken.id as conversation_id, null::uuid as event_id, null as topic, null as key,
    null::jsonb as headers, null::bytea as payload, 0 as place
from taken
union all
select conversation_id, event_id, topic, key, headers, payload, id
from outbox where service = $27 and conversation_id = any($1)
order by place";
