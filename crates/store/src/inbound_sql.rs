//! The statement of [`inbound`](crate::inbound). As in `threads`, `lateral` with a limit
//! or a lock is one index look-up per row, and conditions that always hold keep a plan
//! good that was made while the tables were empty.

/// A conversation that somebody holds is left out, as one that moved on: all others in the
/// statement would wait with it. A thread with a ref is a new conversation. The idle one that it follows is closed
/// first: the insert reads `closed` to its end before its first row, as it is sorted.
pub(crate) const STORE: &str = "
with thread as materialized (
    select *, coalesce(closes, conversation_id) as locks, coalesce(closes_seq, after_seq) as locks_seq
    from unnest($3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::uuid[], $8::bigint[],
        $9::uuid[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::text[],
        $15::text[], $16::text[], $17::text[], $18::timestamptz[], $19::bigint[], $20::boolean[],
        $21::boolean[]) as row
        (conversation_id, thread_key, after_seq, added, closes, closes_seq, customer_id, name, ref,
         subject, respond_by, identity_level, address, our_address, mail_thread, last_inbound_at,
         silent_seq, silences_earlier, opts_out)
    where after_seq >= 0 and added > 0
),
new_identifiers as (
    insert into customer_identifiers as standing (kind, value, customer_id, level)
    select distinct on (kind, value) kind, value, customer_id, level
    from unnest($22::text[], $23::text[], $24::text[], $25::uuid[]) as row
        (kind, value, level, customer_id)
    order by kind, value, level = 'authenticated' desc
    on conflict (kind, value) do update set level = 'authenticated'
    where excluded.level = 'authenticated' and standing.level <> 'authenticated'
        and standing.customer_id = excluded.customer_id
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
        for no key update skip locked) conversation
),
closed as materialized (
    update conversations conversation set
        status = 'closed', owner_epoch = owner_epoch + 1, updated_at = app_now()
    from thread join locked on locked.id = thread.closes
    where conversation.id = thread.closes
    returning thread.conversation_id as successor
),
opened as (
    insert into conversations (id, channel, thread_key, customer_id, identity_level, status,
        last_seq, handled_seq, address, our_address, mail_thread, last_inbound_at)
    select conversation_id, $2, thread_key, customer_id,
        coalesce(identity_level, 'self_asserted'),
        case when silent_seq = added and not silences_earlier then 'resolved' else 'open' end,
        added, coalesce(silent_seq, 0), address, our_address, mail_thread, last_inbound_at
    from thread left join closed on closed.successor = thread.conversation_id
    where ref is not null and (closes is null or closed.successor is not null)
    order by conversation_id
    on conflict do nothing
    returning id, address as reply_to
),
appended as materialized (
    update conversations conversation set
        last_seq = thread.after_seq + thread.added,
        -- What nobody answers does not open the case again.
        status = case when silent_seq = thread.after_seq + thread.added
            then conversation.status else 'open' end,
        handled_seq = case
            when silences_earlier and owner = 'agent' then greatest(handled_seq, silent_seq)
            when not silences_earlier and handled_seq = thread.after_seq then silent_seq
            else handled_seq end,
        identity_level = coalesce(thread.identity_level, conversation.identity_level),
        address = coalesce(thread.address, conversation.address),
        our_address = thread.our_address,
        last_inbound_at = greatest(conversation.last_inbound_at, thread.last_inbound_at),
        updated_at = app_now()
    from thread join locked on locked.id = thread.conversation_id
    where conversation.id = thread.conversation_id and thread.ref is null
    returning conversation.id, conversation.address as reply_to, silences_earlier and owner = 'agent' as silences_earlier, silent_seq
),
taken as materialized (
    select id, reply_to from opened union all select id, reply_to from appended
),
silenced as (
    update messages message set outcome = 'no_answer', outcome_reason = 'opted out'
    from appended
    where message.conversation_id = appended.id and message.seq <= appended.silent_seq
        and message.outcome is null and silences_earlier
),
not_due as (
    delete from due_turns due using appended
    where due.conversation_id = appended.id and due.seq <= appended.silent_seq
        and silences_earlier
),
new_tickets as (
    insert into tickets (ref, conversation_id, subject, respond_by)
    select ref, conversation_id, subject, respond_by
    from thread join opened on opened.id = thread.conversation_id order by ref
),
new_messages as (
    insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at,
        attachments, outcome, outcome_reason)
    select message.id, conversation_id, seq, $2, provider_id, body, sent_at, attachments,
        case when no_answer is not null then 'no_answer' end, no_answer
    from unnest($26::uuid[], $27::bigint[], $28::uuid[], $29::text[], $30::text[],
            $31::timestamptz[], $32::jsonb[], $33::text[]) as message
        (conversation_id, seq, id, provider_id, body, sent_at, attachments, no_answer)
    join taken on taken.id = message.conversation_id
),
mail as materialized (
    select mail.*, taken.reply_to from unnest($34::uuid[], $35::uuid[], $36::text[], $37::text[], $38::text[],
            $39::text[]) as mail
        (conversation_id, message_id, rfc822_id, referenced_ids, subject, original_text)
    join taken on taken.id = mail.conversation_id
),
new_mails as (
    insert into mails (message_id, rfc822_id, referenced_ids, subject, original_text, reply_to)
    select message_id, rfc822_id, string_to_array(referenced_ids, E'\\n'), subject,
        original_text, reply_to
    from mail
),
new_mail_ids as (
    insert into mail_ids (rfc822_id, conversation_id)
    select distinct rfc822_id, conversation_id from mail where rfc822_id is not null order by 1, 2
    on conflict do nothing
),
new_participants as (
    insert into mail_participants (conversation_id, address)
    select distinct conversation_id, address
    from unnest($40::uuid[], $41::text[]) as participant (conversation_id, address)
    join taken on taken.id = participant.conversation_id
    order by 1, 2
    on conflict do nothing
),
stopped as (
    insert into opt_outs (channel, address)
    select distinct $2, address from thread join taken on taken.id = conversation_id
    where opts_out order by address
    on conflict do nothing
),
started as (
    delete from opt_outs using thread join taken on taken.id = thread.conversation_id
    where opt_outs.channel = $2 and opt_outs.address = thread.address and not opts_out
),
new_entries as (
    insert into outbox (service, conversation_id, event_id, topic, key, headers, payload)
    select $1, conversation_id, event_id, topic, key, headers, payload
    from unnest($42::uuid[], $43::uuid[], $44::text[], $45::text[], $46::jsonb[], $47::bytea[])
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
from outbox where service = $1 and conversation_id = any($3)
order by place";
