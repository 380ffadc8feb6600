//! The statement of [`mail`](crate::mail). `lateral` with a limit is one index look-up
//! per row, also in a plan that was made while the tables were empty.

/// The limits bound what a mail can cost that names the ids of many conversations: a
/// sender makes as many with one id as he likes.
pub(crate) const FIND: &str = "
select coalesce(stored.conversation_id, twin.conversation_id) as stored_in,
    by_address.customer_id, by_address.level, customer.plan,
    staff.name as staff_name,
    found.candidates
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    with ordinality as input
    (gmail_id, address, twin_of, body, answers, thread_id, token, place)
left join lateral (select conversation_id from messages
    where channel = 'email' and provider_id = input.gmail_id limit 1) stored on true
left join lateral (
    select message.conversation_id from mails
    cross join lateral (select conversation_id, body from messages
        where messages.id = mails.message_id limit 1) message
    cross join lateral (select true from mail_participants participant
        where participant.conversation_id = message.conversation_id
            and participant.address = input.address limit 1) known
    where mails.rfc822_id = input.twin_of and message.body = input.body limit 1) twin on true
left join lateral (select customer_id, level from customer_identifiers
    where kind = 'email' and value = input.address limit 1) by_address on true
left join lateral (select plan from customers
    where id = by_address.customer_id limit 1) customer on true
left join lateral (select coalesce(nullif(settings -> 'staff_names' ->> input.address, ''),
        split_part(input.address, '@', 1)) as name
    from channel_configs cross join lateral jsonb_array_elements_text(
        case jsonb_typeof(settings -> 'staff_addresses')
            when 'array' then settings -> 'staff_addresses' else '[]' end) listed (address)
    where channel = 'email' and lower(listed.address) = input.address limit 1) staff on true
cross join lateral (
    select coalesce(jsonb_agg(to_jsonb(candidate) order by place), '[]') as candidates
    from (
        select conversation.*, via, row_number() over (order by rank, conversation.created_at desc)
                as place,
            coalesce((select true from mail_participants participant
                where participant.conversation_id = conversation.id
                    and participant.address = input.address limit 1), false) as is_participant
        from (
            select named.conversation_id, 'header' as via, answered.rank
            from unnest(string_to_array(input.answers, E'\\n')) with ordinality
                as answered (id, rank)
            cross join lateral (select conversation_id from mail_ids
                where rfc822_id = answered.id limit 50) named
            union all
            (select id, 'thread', 1000 from conversations
                where mail_thread = input.thread_id limit 50)
            union all
            (select conversation_id, 'token', 2000 from tickets
                where ref = input.token and not is_alias limit 1)
        ) as pointed (id, via, rank)
        cross join lateral (select id, customer_id, channel, last_seq, identity_level as level,
                status = 'closed' as is_closed, created_at
            from conversations where conversations.id = pointed.id limit 1) conversation
        order by place limit 50
    ) candidate
) found
order by input.place";
